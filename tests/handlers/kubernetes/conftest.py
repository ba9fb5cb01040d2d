"""The fake API server, and a real one if KUBECONFIG is set."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from event_log import Events
from fake_api_server import FakeApiServer
from kubernetes_targets import Aws, CloudFormation, KubeconfigConnection, Target, fake_target

from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.shared.clock import Clock


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        running.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        yield running


@pytest.fixture
def fake(server: FakeApiServer) -> Target:
    """For tests that inject faults or advance the clock."""
    return fake_target(server)


@pytest.fixture(params=["fake", "real"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """For tests that can run on any API server."""
    if request.param == "fake":
        yield fake_target(request.getfixturevalue("server"))
        return
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG is not set")
    aws, connection = Aws(), KubeconfigConnection()
    real = Target(Services(aws, lambda _: connection, Clock()), f"hyperpod-test-{uuid.uuid4().hex[:8]}", None, aws)
    path = f"/api/v1/namespaces/{real.namespace}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": real.namespace}}
    real.api.apply(path, namespace)
    yield real
    real.api.delete(path, propagation="Background")


@pytest.fixture
def cloudformation(target: Target) -> CloudFormation:
    return CloudFormation(target)


@pytest.fixture
def stack(fake: Target) -> CloudFormation:
    """CloudFormation with the fake server."""
    return CloudFormation(fake)


@pytest.fixture
def api(target: Target) -> ApiClient:
    return target.api


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Events:
    """Events with what they log, against an API server without a socket."""
    return Events(caplog)
