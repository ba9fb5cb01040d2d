from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from accounts import NOW, eks, hyperpod
from click.testing import CliRunner, Result
from day2 import job, kubeconfig, pod, put_crd
from fake_api_server import FakeApiServer
from fake_aws import FakeAws, moto_account

from hyperpod_constructs.cli import main
from hyperpod_constructs.live.operations import aws as aws_module

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs `hyperpod` with arguments; an unexpected exception is raised."""

    def call(*arguments: object, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture(scope="session")
def aws_server() -> Iterator[FakeAws]:
    with FakeAws() as running:
        yield running


@pytest.fixture
def aws(aws_server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """AWS for the commands; `aws.profiles` contains the requested profiles."""
    aws_server.reset()
    profiles: list[str | None] = []

    def session(profile: str | None = None, region: str | None = None) -> Any:
        profiles.append(profile)
        return aws_server.session(region or "us-west-2", shared=True)

    monkeypatch.setattr(aws_module, "session", session)
    aws_server.profiles = profiles  # type: ignore[attr-defined]
    yield aws_server
    assert not aws_server.problems, aws_server.problems


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApiServer]:
    """A Kubernetes API server that the kubeconfig points to, with both kinds of training job."""
    with FakeApiServer() as server:
        for plural in ("hyperpodpytorchjobs", "pytorchjobs"):
            put_crd(server, plural)
        for namespace in ("team", "other"):
            server.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        config = tmp_path / "kubeconfig"
        config.write_text(yaml.safe_dump(kubeconfig(server)))
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield server


GROUPS = [
    {
        "InstanceGroupName": "workers",
        "InstanceType": "ml.p5.48xlarge",
        "CurrentCount": 3,
        "TargetCount": 4,
        "Status": "Updating",
    }
]
CONTROL = {"Eks": {"ClusterArn": eks("control")["cluster"]["arn"]}}


@pytest.fixture
def research(aws):
    aws.on("sagemaker", "ListClusters", {"ClusterSummaries": [_summary("research"), _summary("old")]})
    aws.on("sagemaker", "DescribeCluster", lambda item: hyperpod(item["ClusterName"], GROUPS, Orchestrator=CONTROL))
    return aws


def _summary(name):
    cluster = hyperpod(name, [])
    keys = {"ClusterArn", "ClusterName", "ClusterStatus"}
    return {**{key: cluster[key] for key in keys}, "CreationTime": NOW}


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with moto_account(monkeypatch):
        yield


@pytest.fixture
def two_pods(api):
    job(api)
    for index in (0, 1, 10):
        name = f"llama-pod-{index}"
        pod(api, name, {"HPJob": "llama"})
        api.logs["team", name] = f"hello from {index}\nepoch 1"
    return api
