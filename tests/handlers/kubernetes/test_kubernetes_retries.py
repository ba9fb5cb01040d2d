"""Retries until a deadline, and the manifest, whose download is retried."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hyperpod_constructs.assembly.rehearsal.store import Clock
from hyperpod_constructs.handlers.kubernetes import manifest
from hyperpod_constructs.handlers.kubernetes.errors import ApiError, HandlerError
from hyperpod_constructs.handlers.kubernetes.manifest import load, references
from hyperpod_constructs.handlers.kubernetes.objects import ObjectRef
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.kubernetes.timing import Deadline, RetriesExhausted, retrying

BUSY = ApiError(503, "Busy", "later")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def failing(*errors: ApiError) -> Callable[[], str]:
    remaining = list(errors)

    def action() -> str:
        if remaining:
            raise remaining.pop(0)
        return "done"

    return action


def test_a_deadline_is_never_negative(clock: Clock) -> None:
    deadline = Deadline.after(clock, 10)
    clock.advance(4)
    assert deadline.remaining == 6
    clock.advance(60)
    assert deadline.remaining == 0


def test_pauses_double_up_to_fifteen_seconds(clock: Clock) -> None:
    assert retrying(failing(*[BUSY] * 6), Deadline.after(clock, 100)) == "done"
    assert clock.slept == [1, 2, 4, 8, 15, 15]


def test_the_last_pause_ends_before_the_deadline(clock: Clock) -> None:
    with pytest.raises(RetriesExhausted) as failure:
        retrying(failing(*[BUSY] * 9), Deadline.after(clock, 7))
    assert clock.slept == [1, 2], "a pause of 4 s would end at the deadline"
    assert str(failure.value) == "failed after 3 attempts in 3 s: 503 Busy: later"
    assert failure.value.last is BUSY


@pytest.mark.parametrize(("retry_after", "pauses"), [(0.5, 1), (9.0, 9.0)])
def test_the_servers_pause_counts_if_it_is_longer(clock: Clock, retry_after: float, pauses: float) -> None:
    assert retrying(failing(ApiError(429, "TooMany", "m", retry_after)), Deadline.after(clock, 60)) == "done"
    assert clock.slept == [pauses]


def test_a_final_error_is_raised_at_once_and_one_that_becomes_final_then(clock: Clock) -> None:
    invalid, forbidden = ApiError(422, "Invalid", "no"), ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError) as failure:
        retrying(failing(invalid), Deadline.after(clock, 60))
    assert failure.value is invalid
    assert clock.slept == []
    with pytest.raises(ApiError) as failure:
        retrying(failing(*[forbidden] * 99), Deadline.after(clock, 600))
    assert failure.value is forbidden
    assert clock.slept == [1, 2, 4, 8, 15, 15, 15, 15, 15]


# The manifest.

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "team"}}
TEXT = json.dumps([CONFIG_MAP])
ACCESS_DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")


class Bucket:
    """One object; the first requests fail."""

    def __init__(self, data: bytes, *errors: ClientError) -> None:
        self.data, self.errors, self.requests = data, list(errors), list[dict[str, str]]()

    def get_object(self, **request: str) -> dict[str, Any]:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return {"Body": io.BytesIO(self.data)}


def asset(data: bytes, **overrides: str) -> dict[str, Any]:
    reference = {"Bucket": "assets", "Key": "m.json", "Sha256": hashlib.sha256(data).hexdigest(), **overrides}
    return {"ManifestAsset": reference, "Objects": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}]}


def loaded(bucket: Bucket, properties: dict[str, Any], clock: Clock) -> list[dict[str, Any]]:
    services = Services({"s3": bucket}.__getitem__, lambda _: None, clock)  # type: ignore[arg-type, return-value]
    return load(properties, services, Deadline.after(clock, 20))


def rejection(bucket: Bucket, properties: dict[str, Any], clock: Clock) -> str:
    with pytest.raises(HandlerError) as failure:
        loaded(bucket, properties, clock)
    return str(failure.value)


@pytest.mark.parametrize("data", [TEXT.encode(), gzip.compress(TEXT.encode())], ids=["plain", "gzip"])
def test_a_manifest_is_inline_or_an_asset(clock: Clock, data: bytes) -> None:
    bucket = Bucket(data, ACCESS_DENIED, ACCESS_DENIED)
    assert loaded(bucket, asset(data), clock) == [CONFIG_MAP]
    assert bucket.requests == [{"Bucket": "assets", "Key": "m.json"}] * 3
    assert clock.slept == [1, 2]
    assert loaded(bucket, {"Manifest": TEXT}, clock) == [CONFIG_MAP]
    assert len(bucket.requests) == 3


def test_a_secret_of_a_manifest_has_data_only(clock: Clock) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "1"}}
    (found,) = loaded(Bucket(b""), {"Manifest": json.dumps(secret)}, clock)
    assert (found["data"], "stringData" in found) == ({"a": "MQ=="}, False)


def test_references_never_read_the_asset() -> None:
    objects = [{"apiVersion": "v1", "kind": kind, "name": "a", "namespace": "team"} for kind in ("Secret", "Namespace")]
    refs = [ObjectRef("v1", "Namespace", "team", "a"), ObjectRef("v1", "Secret", "team", "a")]
    assert references({"ManifestAsset": {"Bucket": "gone"}, "Objects": objects}) == refs
    assert references({"Manifest": TEXT}) == [ObjectRef("v1", "ConfigMap", "team", "a")]


def test_a_manifest_is_required(clock: Clock) -> None:
    message = "either Manifest or ManifestAsset is required"
    assert rejection(Bucket(b""), {}, clock) == message
    with pytest.raises(HandlerError, match=message):
        references({})


def test_an_asset_that_cannot_be_read(clock: Clock) -> None:
    not_found = ClientError({"Error": {"Code": "NoSuchKey", "Message": "none"}}, "GetObject")
    assert rejection(Bucket(b"", not_found), asset(b""), clock) == (
        "the manifest s3://assets/m.json could not be read: "
        "An error occurred (NoSuchKey) when calling the GetObject operation: none"
    )
    assert clock.slept == []
    assert rejection(Bucket(b"", *[ACCESS_DENIED] * 9), asset(b""), clock) == (
        "the manifest s3://assets/m.json could not be read: failed after 5 attempts in 15 s: "
        "403 AccessDenied: An error occurred (AccessDenied) when calling the GetObject operation: no"
    )


def test_an_asset_with_another_content(clock: Clock) -> None:
    digest = hashlib.sha256(b"[]").hexdigest()
    assert rejection(Bucket(b"[]"), asset(b"[]", Sha256="00"), clock) == (
        f"the manifest s3://assets/m.json has the SHA-256 {digest}, expected 00"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8bnot gzip", "is not valid gzip data: Unknown compression method"),
        (
            gzip.compress(TEXT.encode())[:-9],
            "is not valid gzip data: Compressed file ended before the end-of-stream marker was reached",
        ),
        (gzip.compress(b" " * 1001), "unpacks to more than 1000 bytes"),
    ],
)
def test_an_asset_that_does_not_unpack(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.setattr(manifest, "LARGEST_BYTES", 1000)
    assert rejection(Bucket(data), asset(data), clock) == f"the manifest s3://assets/m.json {message}"


def test_the_largest_manifest(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert manifest.LARGEST_BYTES == 33_554_432, "above any object that an API server accepts (3 MB)"
    monkeypatch.setattr(manifest, "LARGEST_BYTES", len(TEXT))
    data = gzip.compress(TEXT.encode())
    assert loaded(Bucket(data), asset(data), clock) == [CONFIG_MAP]
