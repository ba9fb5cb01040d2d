"""Complete events: Create, Update and Delete, from the archive to the API server, with the real helm."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from chart_files import Answer, chart, digest, package, repository, sha256, write
from helm_api_server import HelmApiServer
from helm_targets import Cluster, access_to
from moto import mock_aws

from hyperpod_constructs.handlers.helm import index
from hyperpod_constructs.handlers.helm.index import Properties, ReleaseFailed, handle, insert_line
from hyperpod_constructs.handlers.shared.eks import ClusterAccess, ClusterGone, cluster_access


class Stack:
    """The role of CloudFormation: events with properties, and the physical id of the last response."""

    def __init__(
        self,
        web: Any,
        access: ClusterAccess,
        namespace: str,
        binary: str,
        tmp_path: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.web, self.access, self.binary, self.now = web, access, binary, now
        self.source = chart(tmp_path / "source")
        self.properties: dict[str, Any] = {
            "ClusterName": "research",
            "Release": "colors",
            "Namespace": namespace,
            "CreateNamespace": "true",
            "SkipCrds": "false",
            "Wait": "false",
            "TimeoutSeconds": "30",
            "Adopt": "false",
        }
        self.left = 600.0
        self.publish()

    def publish(self) -> None:
        url = self.web.serve("/archive", repository(self.source))
        self.properties["Chart"] = {
            "Kind": "git",
            "ArchiveUrl": url,
            "Path": "charts/colors",
            "Digest": digest(self.source),
        }

    def send(self, request: str, properties: Mapping[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
        def sleep(seconds: float) -> None:
            self.left -= seconds

        event = {
            "RequestType": request,
            "StackId": "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a",
            "LogicalResourceId": "Colors",
            "RequestId": str(uuid.uuid4()),
            "ResourceProperties": {**self.properties, **(properties or {}), **changed},
        }
        return handle(
            event,
            seconds_left=lambda: self.left,
            access=lambda _: self.access,
            sleep=sleep,
            now=self.now,
            executable=self.binary,
        )


@pytest.fixture
def stack(web: Any, cluster: Cluster, helm_binary: str, tmp_path: Path) -> Stack:
    return Stack(web, cluster.access, cluster.namespace, helm_binary, tmp_path, cluster.now)


@pytest.fixture
def fake(web: Any, server: HelmApiServer, helm_binary: str, tmp_path: Path) -> Stack:
    """For tests that read the fake server's state, or inject faults."""
    return Stack(web, access_to(server), "team", helm_binary, tmp_path, server.clock.now)


def test_create_update_delete(stack: Stack, cluster: Cluster) -> None:
    created = stack.send("Create", Values='{"color":"blue"}')
    assert created == {"PhysicalResourceId": f"research/{cluster.namespace}/colors", "Data": {"Revision": "1"}}
    assert cluster.data_of("colors") == {"color": "blue"}
    assert stack.send("Update", Values="{}")["Data"] == {"Revision": "2"}
    assert cluster.data_of("colors") == {"color": "red"}
    stack.send("Delete")
    stack.send("Delete")
    assert cluster.data_of("colors") is None


def test_a_rename_is_a_replacement(stack: Stack) -> None:
    first = stack.send("Create", Values='{"name":"one"}')
    second = stack.send("Update", Release="paints", Values='{"name":"two"}')
    assert first["PhysicalResourceId"] != second["PhysicalResourceId"]


def test_another_content_than_pinned_touches_no_cluster(fake: Stack, server: HelmApiServer) -> None:
    fake.properties["Chart"]["Digest"] = "sha256:" + "0" * 64
    with pytest.raises(ReleaseFailed) as failed:
        fake.send("Create")
    assert str(failed.value) == (
        "Helm release colors in namespace team of cluster research was not installed: the chart's content "
        f"differs from the pinned digest: its digest is {digest(fake.source)}, expected sha256:{'0' * 64}"
    )
    assert not server.requests


def test_subcharts_values_files_and_insertions(fake: Stack, server: HelmApiServer, tmp_path: Path) -> None:
    sub = package(chart(tmp_path / "sub", "sub"), "sub")
    fake.web.serve("/sub-1.0.0.tgz", sub)
    entry = {"apiVersion": "v2", "name": "sub", "version": "1.0.0", "urls": [fake.web.url + "/sub-1.0.0.tgz"]}
    fake.web.serve("/index.yaml", json.dumps({"apiVersion": "v1", "entries": {"sub": [entry]}}).encode())
    dependencies = [{"name": "sub", "version": "1.0.0", "repository": fake.web.url, "condition": "sub.enabled"}]
    chart(fake.source, dependencies=dependencies, regional__here_DOT_yaml="color: green\nsub: {color: green}\n")
    types = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: types\ndata:\n  a: '1'\n"
    write(fake.source, {"templates/types.yaml": types})
    fake.publish()
    fake.send(
        "Create",
        Values='{"sub":{"enabled":true,"color":"pink"}}',
        ValuesFiles=["regional/here.yaml"],
        SubchartDigests={"sub 1.0.0": sha256(sub)},
        Insertions=[{"Path": "templates/types.yaml", "After": "  a: '1'", "Line": "  b: '2'"}],
    )

    def data(name: str) -> Any:
        found = server.store.get("configmaps", name, "team")
        return found and found["data"]

    assert data("colors") == {"color": "green"}
    assert data("sub") == {"color": "pink"}
    assert data("types") == {"a": "1", "b": "2"}


def test_a_namespace_that_helm_keeps_survives_an_update_without_it(fake: Stack, server: HelmApiServer) -> None:
    """As the namespace of the dependency chart, in which the HyperPod training operator also runs."""
    space = "{{- if .Values.create }}\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: agents\n{{- end }}\n"
    write(fake.source, {"templates/space.yaml": space})
    fake.publish()
    lines = [
        {
            "Path": "templates/space.yaml",
            "After": "metadata:",
            "Line": "  annotations: {helm.sh/resource-policy: keep}",
        },
        {"Path": "templates/none.yaml", "After": "metadata:", "Line": "  x: y"},
    ]
    optional = [{**line, "Optional": "true"} for line in lines]
    fake.send("Create", Values='{"create":true}', Insertions=optional)
    server.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "operator", "namespace": "agents"}})
    fake.send("Update", Values='{"create":false}', Insertions=optional)
    assert server.store.get("configmaps", "operator", "agents")
    fake.send("Delete", Values='{"create":false}', Insertions=optional)
    assert server.store.get("configmaps", "operator", "agents")


def test_a_values_file_that_the_chart_lacks(fake: Stack) -> None:
    with pytest.raises(ReleaseFailed, match=r"the chart has no file 'regional-values/values-mars-1\.yaml'"):
        fake.send("Create", ValuesFiles=["regional-values/values-mars-1.yaml"])


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_files_outside_the_chart_are_not_touched(tmp_path: Path, name: str) -> None:
    with pytest.raises(index.ChartError, match="is not inside the chart"):
        insert_line(chart(tmp_path / "c"), name, after="a", line="b")


def test_lines_are_inserted_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"list.yaml": "values:\n  - a\n  - b\nend\n"})
    for _ in range(2):
        insert_line(folder, "list.yaml", after="  - b", line="  - c")
    assert (folder / "list.yaml").read_text() == "values:\n  - a\n  - b\n  - c\nend\n"


@pytest.mark.parametrize(("name", "after"), [("list.yaml", "  - x"), ("list.yaml", "  - a"), ("none.yaml", "  - a")])
def test_a_chart_of_another_shape_is_rejected(tmp_path: Path, name: str, after: str) -> None:
    folder = write(tmp_path / "c", {"list.yaml": "  - a\n  - a\n"})
    with pytest.raises(index.ChartError, match=name):
        insert_line(folder, name, after=after, line="  - c")


def test_messages_are_short_and_state_the_cause(fake: Stack, server: HelmApiServer) -> None:
    server.fault(method="PATCH", path="/configmaps", status=422, reason="Invalid", message="é" * 5000 + " the end")
    with pytest.raises(ReleaseFailed) as failed:
        fake.send("Create")
    message = str(failed.value)
    assert message.startswith("Helm release colors in namespace team of cluster research was not installed: ")
    assert "the end" in message
    assert len(message.encode()) < 1500


def test_no_token_is_logged_or_left(
    fake: Stack,
    server: HelmApiServer,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    server.fault(
        status=503, reason="ServiceUnavailable", message="the server is currently unable to handle the request", times=2
    )
    fake.send("Create", Values='{"color":"top-secret"}')
    server.fault(method="PATCH", path="/configmaps", status=422, reason="Invalid", message="no")
    with pytest.raises(ReleaseFailed) as failed:
        fake.send("Update", Values='{"color":"top-secret-too"}')
    logged = "".join(capfd.readouterr()) + str(failed.value)
    assert "next attempt" in logged
    assert server.token not in logged
    assert "top-secret" not in logged
    assert not list((tmp_path / "tmp").iterdir())
    assert repr(fake.access).count(server.token) == 0


SECRET = 'pa"ss\\wörd<1>'


@pytest.mark.parametrize(
    "quoted",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps({"stringData": {"password": SECRET}}),
        json.dumps(json.dumps({"data": {"password": base64.b64encode(SECRET.encode()).decode()}})),
        base64.b64encode(f"user:{SECRET}:more".encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
    ids=["plain", "JSON", "stringData", "JSON in JSON", "part of base64", "base64 for URLs"],
)
def test_no_secret_is_in_a_reason_in_any_encoding(
    fake: Stack, server: HelmApiServer, quoted: str, capfd: pytest.CaptureFixture[str]
) -> None:
    message = f'Secret "db" is invalid: data[password]: {quoted} is not allowed'
    server.fault(method="PATCH", path="/configmaps", status=422, reason="Invalid", message=message)
    with pytest.raises(ReleaseFailed) as failed:
        fake.send("Create", Values=json.dumps({"db": {"password": SECRET}}))
    text = str(failed.value) + "".join(capfd.readouterr())
    assert 'Secret "db" is invalid: data[password]: ' in text
    for part in ("wörd", "w\\u00f6rd", quoted.strip('"'), base64.b64encode(SECRET.encode()).decode()[:-4]):
        assert part not in text


def test_the_content_of_a_secret_is_not_quoted(fake: Stack, server: HelmApiServer) -> None:
    message = 'Secret "db" is invalid: data[key]: Invalid value: "made by the chart": no; {"data":{"key":"bWFkZQ=="}}'
    server.fault(method="PATCH", path="/configmaps", status=422, reason="Invalid", message=message)
    with pytest.raises(ReleaseFailed) as failed:
        fake.send("Create")
    assert "made by the chart" not in str(failed.value)
    assert "bWFkZQ==" not in str(failed.value)


def test_a_deleted_cluster(fake: Stack) -> None:
    def not_found(name: str) -> ClusterAccess:
        raise ClusterGone(f"EKS cluster {name!r} does not exist")

    def send(request: str) -> dict[str, Any]:
        event = {"RequestType": request, "ResourceProperties": fake.properties}
        return handle(event, seconds_left=lambda: 600.0, access=not_found, executable=fake.binary, sleep=lambda _: None)

    assert send("Delete") == {"PhysicalResourceId": "research/team/colors"}
    with pytest.raises(ReleaseFailed, match="EKS cluster 'research' does not exist"):
        send("Create")


def test_a_rejection_of_aws_names_the_release(fake: Stack) -> None:
    def rejected(name: str) -> ClusterAccess:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": f"not for {name}"}}, "DescribeCluster")

    event = {"RequestType": "Delete", "ResourceProperties": fake.properties}
    with pytest.raises(ReleaseFailed, match=r"^Helm release colors .* was not uninstalled: .*not for research"):
        handle(event, seconds_left=lambda: 600.0, access=rejected, executable=fake.binary, sleep=lambda _: None)


def test_a_deletion_needs_no_chart(fake: Stack) -> None:
    """The upstream repository may no longer exist."""
    fake.send("Create")
    fake.web.serve("/archive", Answer(status=404))
    request_count = len(fake.web.requests)
    fake.send("Delete")
    assert len(fake.web.requests) == request_count


def test_a_failed_deletion_fails(fake: Stack, server: HelmApiServer) -> None:
    fake.send("Create")
    server.fault(method="DELETE", path="/configmaps", status=422, reason="Invalid", message="not on a Friday")
    with pytest.raises(ReleaseFailed, match=r"was not uninstalled: .*not on a Friday"):
        fake.send("Delete")


def test_the_entry_point_keeps_time_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[float] = []

    class Context:
        @staticmethod
        def get_remaining_time_in_millis() -> int:
            return 840_000

    monkeypatch.setattr(index, "handle", lambda event, *, seconds_left: recorded.append(seconds_left()) or {})
    index.handler({"RequestType": "Create"}, Context())
    assert 815 < recorded[0] <= 820


def test_switches_arrive_as_text() -> None:
    properties = {
        "ClusterName": "c",
        "Release": "r",
        "Namespace": "n",
        "Chart": {},
        "SkipCrds": "true",
        "Wait": "false",
    }
    read = Properties.of(properties)
    assert (read.skip_crds, read.wait, read.create_namespace, read.timeout_seconds) == (True, False, False, 300)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_access_to_an_eks_cluster() -> None:
    eks = boto3.client("eks")
    eks.create_cluster(name="research", roleArn="arn:aws:iam::111122223333:role/eks", resourcesVpcConfig={})
    access = cluster_access("research")
    assert access.endpoint == eks.describe_cluster(name="research")["cluster"]["endpoint"]
    prefix, _, encoded = access.make_token().partition(".")
    assert prefix == "k8s-aws-v1"
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert url.startswith("https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity&")
    assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url
    assert "X-Amz-Expires=60&" in url


@pytest.mark.usefixtures("aws")
def test_an_eks_cluster_that_does_not_exist() -> None:
    with pytest.raises(ClusterGone, match="EKS cluster 'research' does not exist"):
        cluster_access("research")
