"""The function that copies lifecycle scripts into their bucket: boto3 as in Lambda against a model of S3."""

from __future__ import annotations

import io
import json
import logging
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cloudformation import FAILS, Cloud, Delivery, Provider, Resource
from function_logs import level_after_import
from moto import mock_aws

from hyperpod_constructs.handlers.lifecycle import index
from hyperpod_constructs.handlers.lifecycle.index import answer

ASSETS, SCRIPTS, KEY = "cdk-hnb659fds-assets-111122223333-us-west-2", "scripts", "0123.zip"
FILES = {"on_create.sh": b"#!/bin/bash\n", "on_create.d/10-data.sh": b"echo data\n", "empty": b""}
PROPERTIES: dict[str, Any] = {
    "ServiceToken": "arn:aws:lambda:us-west-2:111122223333:function:f",
    "Source": {"Bucket": ASSETS, "Key": KEY},
    "Bucket": SCRIPTS,
    "Prefix": "lifecycle/2aac46595e834ce2",
}


def archive(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.mkdir("on_create.d")
        for name, data in files.items():
            zip_file.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-west-2")
        for bucket in (ASSETS, SCRIPTS):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        client.put_object(Bucket=ASSETS, Key=KEY, Body=archive(FILES))
        yield client


def stored(s3: Any) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=SCRIPTS).get("Contents", ())
    return {item["Key"]: s3.get_object(Bucket=SCRIPTS, Key=item["Key"])["Body"].read() for item in listed}


def event(kind: str, **changes: Any) -> dict[str, Any]:
    return {"RequestType": kind, "ResourceProperties": {**PROPERTIES, **changes}, "PhysicalResourceId": "before"}


COPIED = {f"lifecycle/2aac46595e834ce2/{name}": data for name, data in FILES.items()}


def test_every_file_is_copied_below_the_prefix(s3: Any) -> None:
    assert answer(event("Create"), s3) == {"PhysicalResourceId": "s3://scripts/lifecycle/2aac46595e834ce2/"}
    assert stored(s3) == COPIED


def test_each_file_is_logged(s3: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer(event("Create"), s3)
    assert [text for text in caplog.messages if text.startswith("copied")] == [
        f"copied {PROPERTIES['Prefix']}/{name}" for name in FILES
    ]
    assert level_after_import("hyperpod_constructs.handlers.lifecycle.index") == logging.INFO


def test_the_entry_point_asks_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "client", lambda service: service)
    monkeypatch.setattr(index, "answer", lambda event, s3: {"event": event, "client": s3})
    assert index.on_event({"a": 1}, None) == {"event": {"a": 1}, "client": "s3"}


def test_settings_are_a_file_more(s3: Any) -> None:
    answer(event("Create", Settings="CONTAINER_DATA='/opt/é'\n"), s3)
    settings = {"lifecycle/2aac46595e834ce2/settings.env": "CONTAINER_DATA='/opt/é'\n".encode()}
    assert stored(s3) == COPIED | settings


def test_a_large_file_is_copied_in_parts(s3: Any) -> None:
    large = random.Random(1).randbytes(9 * 2**20)
    s3.put_object(Bucket=ASSETS, Key=KEY, Body=archive({"wheels/large.whl": large}))
    answer(event("Create"), s3)
    assert stored(s3) == {"lifecycle/2aac46595e834ce2/wheels/large.whl": large}
    assert "-" in s3.head_object(Bucket=SCRIPTS, Key="lifecycle/2aac46595e834ce2/wheels/large.whl")["ETag"]


@pytest.mark.parametrize("prefix", ["lifecycle/2aac46595e834ce2", "lifecycle/another"])
def test_nothing_is_deleted(prefix: str, s3: Any) -> None:
    answer(event("Create"), s3)
    deleted = answer(event("Delete", Prefix=prefix), None)  # it needs no client
    assert deleted == {"PhysicalResourceId": "before"}
    assert stored(s3) == COPIED


def test_an_update_to_another_bucket_leaves_the_former_copy(s3: Any) -> None:
    answer(event("Create"), s3)
    s3.create_bucket(Bucket="more", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    moved = answer(event("Update", Bucket="more"), s3)
    assert moved == {"PhysicalResourceId": "s3://more/lifecycle/2aac46595e834ce2/"}
    assert stored(s3) == COPIED


class Refusing:
    """S3 that rejects the first calls of an operation, as it does until the policies of a new role take effect."""

    def __init__(self, s3: Any, operation: str, code: str, times: int) -> None:
        self._s3, self._operation, self._code, self.times = s3, operation, code, times

    def __getattr__(self, name: str) -> Any:
        if name == self._operation and self.times:
            self.times -= 1
            raise ClientError({"Error": {"Code": self._code, "Message": "rejected"}}, name)
        return getattr(self._s3, name)


@pytest.mark.parametrize(("operation", "code"), [("download_fileobj", "403"), ("upload_fileobj", "AccessDenied")])
def test_delayed_permissions_are_waited_for(operation: str, code: str, s3: Any) -> None:
    pauses: list[float] = []
    refusing = Refusing(s3, operation, code, times=3)
    answer(event("Create"), refusing, pauses.append)
    assert pauses == [1.0, 2.0, 4.0]
    assert stored(s3) == COPIED


def test_a_permanent_rejection_fails_within_the_functions_timeout(s3: Any) -> None:
    pauses: list[float] = []
    with pytest.raises(ClientError, match="rejected"):
        answer(event("Create"), Refusing(s3, "upload_fileobj", "AccessDenied", times=99), pauses.append)
    assert sum(pauses) == 47


@pytest.mark.parametrize("missing", [{"Bucket": "none"}, {"Source": {"Bucket": ASSETS, "Key": "none.zip"}}])
def test_a_missing_object_fails_immediately(missing: dict[str, Any], s3: Any) -> None:
    with pytest.raises(ClientError, match=r"404|NoSuchBucket"):
        answer(event("Create", **missing), s3, lambda _: pytest.fail("waited"))


@pytest.mark.parametrize("delivery", Delivery)
def test_a_failed_deployment_keeps_what_the_groups_of_before_read(delivery: Delivery, s3: Any) -> None:
    """A failing update with other scripts, its rollback, and the deletion of the stack, however events are delivered."""
    s3.put_object(Bucket=ASSETS, Key="next.zip", Body=archive({"on_create.sh": b"next"}))
    another = {**PROPERTIES, "Source": {"Bucket": ASSETS, "Key": "next.zip"}, "Prefix": "lifecycle/next"}
    copier: Callable[[Any], Any] = lambda event: answer(event, s3, lambda _: None)  # noqa: E731
    cloud = Cloud({"Scripts": Provider(copier)})
    stack = cloud.stack("Platform")
    assert stack.deploy({"Scripts-1": Resource("Scripts", PROPERTIES)}) == "CREATE_COMPLETE"
    cloud.deliver = lambda _: delivery
    stack.deploy({"Scripts-2": Resource("Scripts", another), "Cluster": FAILS})
    assert {sent.request for sent in cloud.sent} == {"Create", "Delete"}
    assert stored(s3) == COPIED | {"lifecycle/next/on_create.sh": b"next"}
    stack.delete()
    assert cloud.sent[-1].request == "Delete"
    assert stored(s3) == COPIED | {"lifecycle/next/on_create.sh": b"next"}


def test_clusters_that_share_a_bucket_keep_each_others_scripts_and_a_move_keeps_them(s3: Any) -> None:
    cloud = Cloud({"Scripts": Provider(lambda event: answer(event, s3, lambda _: None))})
    first, second, third = map(cloud.stack, ("First", "Second", "Third"))
    scripts = Resource("Scripts", PROPERTIES)
    assert first.deploy({"Scripts": scripts}) == second.deploy({"Renamed": scripts}) == "CREATE_COMPLETE"
    assert first.delete() == "DELETE_COMPLETE"
    assert stored(s3) == COPIED
    assert third.deploy({"Moved": scripts}) == "CREATE_COMPLETE"
    assert second.deploy({}) == "UPDATE_COMPLETE"
    assert stored(s3) == COPIED
    assert [sent.request for sent in cloud.sent] == ["Create", "Create", "Delete", "Create", "Delete"]


def test_the_answer_is_far_below_the_limit_of_cloudformation() -> None:
    longest = answer(event("Delete", Prefix="lifecycle/" + "x" * 16), None)
    assert len(json.dumps(longest)) < 4096
