"""How the job commands reach an API server: kubeconfig, certificates, proxies, and EKS clusters by name."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from accounts import eks, hyperpod
from day2 import job, kubeconfig

from hyperpod_constructs.live.operations.kubernetes import by_kubeconfig


def configured(api, tmp_path, monkeypatch, **cluster):
    """A kubeconfig whose cluster has further fields; None removes one."""
    config = kubeconfig(api)
    entry = {**config["clusters"][0]["cluster"], **cluster}
    config["clusters"][0]["cluster"] = {key: value for key, value in entry.items() if value is not None}
    file = tmp_path / "other"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(file))


@contextmanager
def proxy(port: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that forwards every CONNECT to a local port: its address, and the requested addresses."""
    requests: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()

    def serve() -> None:
        while True:
            try:
                incoming, _ = listener.accept()
            except OSError:
                return
            requests.append(incoming.recv(65536).split()[1].decode())
            outgoing = socket.create_connection(("127.0.0.1", port))
            incoming.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for pair in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.close()


def port_of(api) -> int:
    return int(api.url.rpartition(":")[2])


def test_the_name_in_the_certificate_may_be_another_one(api, run, tmp_path, monkeypatch):
    job(api)
    server = f"https://localhost:{port_of(api)}"  # the certificate is for 127.0.0.1
    configured(api, tmp_path, monkeypatch, server=server)
    result = run("jobs", "list")
    assert result.exit_code == 1
    assert "certificate is not valid for 'localhost'" in " ".join(result.output.split())
    configured(api, tmp_path, monkeypatch, server=server, **{"tls-server-name": "127.0.0.1"})
    assert "llama" in run("jobs", "list").stdout


def test_a_kubeconfig_may_leave_the_certificate_unchecked(api, run, tmp_path, monkeypatch):
    job(api)
    unchecked = {"certificate-authority-data": None, "insecure-skip-tls-verify": True}
    configured(api, tmp_path, monkeypatch, server=f"https://localhost:{port_of(api)}", **unchecked)
    assert "llama" in run("jobs", "list").stdout


def test_a_certificate_of_an_unknown_authority_is_rejected(api, run, tmp_path, monkeypatch):
    configured(api, tmp_path, monkeypatch, **{"certificate-authority-data": None})
    result = run("jobs", "list")
    assert result.exit_code == 1
    assert "self-signed certificate" in " ".join(result.output.split())


def test_the_proxy_of_the_kubeconfig_is_used(api, run, tmp_path, monkeypatch):
    job(api)
    with proxy(port_of(api)) as (address, requests):
        configured(api, tmp_path, monkeypatch, server="https://127.0.0.1:9", **{"proxy-url": address})
        assert "llama" in run("jobs", "list").stdout
    assert set(requests) == {"127.0.0.1:9"}


def test_the_proxy_of_the_environment_is_used_also_straight_to_a_cluster(api, aws, run, monkeypatch):
    monkeypatch.delenv("KUBECONFIG")
    job(api)
    on_eks(api, aws, endpoint="https://127.0.0.1:9")
    with proxy(port_of(api)) as (address, requests):
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert "llama" in run("jobs", "list", "--cluster-name", "research", "--region", "us-west-2").stdout
    assert set(requests) == {"127.0.0.1:9"}


def on_eks(api, aws, *, endpoint=None) -> list[str]:
    """The API server as the EKS cluster `research`; returns the tokens that it received."""
    authority = base64.b64encode(api.ca_pem.encode()).decode()
    orchestrator = {"Eks": {"ClusterArn": eks("control")["cluster"]["arn"]}}
    aws.on("sagemaker", "DescribeCluster", hyperpod("research", [], Orchestrator=orchestrator))
    live = eks("control", endpoint=endpoint or api.url, certificateAuthority={"data": authority})
    aws.on("eks", "DescribeCluster", live)
    answer, tokens = api.answer, []

    def accept_token(method, target, headers, data):
        tokens.append(headers["Authorization"])
        headers.replace_header("Authorization", f"Bearer {api.token}")
        return answer(method, target, headers, data)

    api.answer = accept_token
    return tokens


def test_credentials_are_requested_again_when_they_are_rejected(api, run):
    job(api)
    api.fault(method="GET", path="hyperpodpytorchjobs", status=401, reason="Unauthorized", times=1)
    assert "llama" in run("jobs", "list").stdout


def test_no_kubeconfig(run, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    result = run("jobs", "list")
    assert result.exit_code == 1
    assert "no usable kubeconfig" in result.output


def test_straight_to_a_cluster(api, aws, run, monkeypatch):
    monkeypatch.delenv("KUBECONFIG")
    job(api)
    tokens = on_eks(api, aws)
    assert "llama" in run("jobs", "list", "--cluster-name", "research", "--region", "us-west-2").stdout
    assert tokens[0].startswith("Bearer k8s-aws-v1.")


REAL = os.environ.get("KUBECONFIG")


@pytest.mark.skipif(not REAL, reason="KUBECONFIG is not set")
def test_a_real_api_server(run):
    api, namespace = by_kubeconfig(), f"hyperpod-test-{uuid.uuid4().hex[:8]}"
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
    try:
        options = ["-n", namespace, "--kind", "Job"]
        flags = ["--name", "smoke", "--kind", "Job", "--image", "busybox", "--namespace", namespace, "--suspend"]
        result = run("jobs", "submit", *flags, "--vcpu", 0.1, "--memory-gib", 0.1)
        assert result.exit_code == 0, result.output
        [found] = json.loads(run("jobs", "list", *options, "-o", "json").stdout)
        assert found["state"] == "Suspended"
        assert run("jobs", "resume", "smoke", *options).exit_code == 0
        assert run("jobs", "suspend", "smoke", *options).exit_code == 0
        assert run("jobs", "describe", "smoke", *options).exit_code == 0
        assert run("jobs", "pods", "smoke", *options).exit_code == 0
        assert run("jobs", "delete", "smoke", "--yes", *options).exit_code == 0
    finally:
        api.request("DELETE", f"/api/v1/namespaces/{namespace}")
