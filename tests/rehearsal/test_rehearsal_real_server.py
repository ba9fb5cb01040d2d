"""A rehearsal with an API server over HTTP (`--kubeconfig`): the fake one of the handlers' tests, by a kubeconfig."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from fake_api_server import FakeApiServer
from proving import every
from rehearsal_platforms import Platforms

from hyperpod_constructs.assembly.rehearsal import RealKubernetes, Rehearsal
from hyperpod_constructs.assembly.rehearsal.real_server import NotDisposable
from hyperpod_constructs.cli import main
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.live.operations.kubernetes import endpoint_of

pytestmark = pytest.mark.slow


@dataclass
class Api:
    """A server and its kubeconfig."""

    server: FakeApiServer
    kubeconfig: Path
    began: set[Any] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = set(self.server.store.objects)

    @property
    def created(self) -> list[tuple[str, str]]:
        """Kind and name of the objects that were created since the start."""
        return sorted((key[1], key[3]) for key in self.server.store.objects if key not in self.began)

    def rehearsal(self) -> Rehearsal:
        return Rehearsal(kubernetes=RealKubernetes(endpoint_of(str(self.kubeconfig))))


def write_kubeconfig(file: Path, host: str, certificate: str, token: str) -> Path:
    cluster = {"server": host, "certificate-authority-data": base64.b64encode(certificate.encode()).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kind", "cluster": cluster}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "kind", "context": {"cluster": "kind", "user": "me"}}],
        "current-context": "kind",
    }
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with FakeApiServer() as server:
        server.store.crd_delay = 0.0  # its clock does not advance
        server.store.collection_delay = 0.0
        yield Api(server, write_kubeconfig(tmp_path / "kubeconfig", server.url, server.ca_pem, server.token))


@pytest.mark.parametrize("config", ["hyperpod.yaml", "examples/teams.yaml"])
def test_objects_of_functions_are_on_the_server_until_deletion(config: str, platforms: Platforms, api: Api):
    rehearsal = api.rehearsal()
    outcomes = rehearsal.deploy(platforms(config))
    assert [outcome for outcome in outcomes if not outcome.ok] == []
    rehearsal.settle()
    assert errors(rehearsal.findings) == []
    kinds = {plural for plural, _ in api.created}
    assert {"customresourcedefinitions", "namespaces", "secrets"} <= kinds
    assert "nodes" not in kinds, "nodes are simulated"
    jobs = [name for plural, name in api.created if plural == "hyperpodpytorchjobs"]
    assert len(jobs) == len({key[3] for key in _memory(rehearsal) if key[1] == "hyperpodpytorchjobs"}) > 0
    (pool,) = {request.path for request in api.server.requests if request.path.endswith(jobs[0])}
    applied = [request for request in api.server.requests if request.path == pool and request.method == "PATCH"]
    assert applied, "the function applied the job over HTTP"
    assert [outcome for outcome in rehearsal.destroy() if not outcome.ok] == []
    assert [item for item in rehearsal.left() if item.why == "left behind"] == []
    assert api.created == []


def _memory(rehearsal: Rehearsal) -> Any:
    (site,) = rehearsal.sites.values()
    (cluster,) = site.resources.clusters.values()
    return cluster.store.objects


def test_the_result_is_that_of_the_server_in_memory(platforms: Platforms, api: Api):
    app = platforms("examples/teams.yaml")
    on_server, in_memory = api.rehearsal(), Rehearsal()
    for rehearsal in (on_server, in_memory):
        rehearsal.deploy(app)
        rehearsal.settle()
        rehearsal.destroy()
    recorded_steps = [
        [(step.name, step.action, step.failed) for step in sorted(value.steps, key=str)]
        for value in (on_server, in_memory)
    ]
    assert recorded_steps[0] == recorded_steps[1]


def test_a_rehearsal_removes_what_it_created(platforms: Platforms, api: Api):
    result = CliRunner().invoke(
        main, ["rehearse", str(platforms("hyperpod.yaml")), "--kubeconfig", str(api.kubeconfig)]
    )
    assert result.exit_code == 0, result.output
    assert any(request.method == "PATCH" and "hyperpodpytorchjobs" in request.path for request in api.server.requests)
    assert api.created == []


def test_existing_objects_are_not_changed(platforms: Platforms, api: Api):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow", "labels": {"mine": "yes"}}}
    api.server.store.put(namespace)
    rehearsal = api.rehearsal()
    assert every(outcome.ok for outcome in rehearsal.deploy(platforms("hyperpod.yaml")))
    rehearsal.close()
    existing = api.server.store.get("namespaces", "kubeflow")
    assert existing is not None
    assert existing["metadata"]["labels"] == {"mine": "yes"}
    assert api.created == [("namespaces", "kubeflow")]


def test_an_eks_cluster_is_not_written_to(api: Api, tmp_path: Path):
    labels = {"sagemaker.amazonaws.com/cluster-name": "research"}
    api.server.store.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}})
    with pytest.raises(NotDisposable, match="is an EKS cluster: a rehearsal creates and deletes objects"):
        RealKubernetes(endpoint_of(str(api.kubeconfig))).check_disposable()
    result = CliRunner().invoke(main, ["rehearse", "--kubeconfig", str(api.kubeconfig)])
    assert result.exit_code == 1
    assert re.search(r"^Error: https://127.0.0.1:\d+ is an EKS cluster", result.output, re.M), result.output
    assert {request.method for request in api.server.requests} == {"GET"}


def test_a_server_that_does_not_answer_is_reported(tmp_path: Path):
    with FakeApiServer() as server:
        file = write_kubeconfig(tmp_path / "kubeconfig", server.url, server.ca_pem, "wrong")
        result = CliRunner().invoke(main, ["rehearse", "--kubeconfig", str(file)])
        assert "returned HTTP status 401" in result.output
    result = CliRunner().invoke(main, ["rehearse", "--kubeconfig", str(file)])
    assert result.exit_code == 1
    assert "no response from" in result.output
    file.write_text(json.dumps({}))
    result = CliRunner().invoke(main, ["rehearse", "--kubeconfig", str(file)])
    assert "no usable kubeconfig" in result.output
