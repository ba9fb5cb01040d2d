"""Which failures of helm and of the API server are retried."""

from __future__ import annotations

import pytest

from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.retries import ReleaseChanged, is_transient, is_unauthorized
from hyperpod_constructs.handlers.kubernetes.errors import ApiError


@pytest.mark.parametrize(
    "output",
    [
        'an error on the server ("") has prevented the request from succeeding',
        "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        "Kubernetes cluster unreachable",
        "dial tcp 10.0.0.1:443: connect: connection refused",
        "read: connection reset by peer",
        "connect: connection timed out",
        "etcdserver: leader changed",
        'failed calling webhook "v.example.com"',
        "http2: client connection lost",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "Internal error occurred: no endpoints",
        "lookup x.eks.amazonaws.com: no such host",
        "503 Service Unavailable",
        "the server is currently unable to handle the request",
        "net/http: TLS handshake timeout",
        "429 Too Many Requests",
        "unexpected EOF",
        "http: ContentLength=5 with Body length 0",
        'Get "https://x.eks.amazonaws.com/version": EOF',
    ],
)
def test_failures_that_can_be_temporary(output: str) -> None:
    assert is_transient(HelmError(f"Error: {output}"))
    assert not is_unauthorized(HelmError(f"Error: {output}"))


@pytest.mark.parametrize(
    "output",
    [
        "etcdserver: request is too large",
        "connection refused: trying to send message larger than max",
        "i/o timeout: Request entity too large",
        "cannot patch: field is immutable",
        "EOFX: not the end of an answer",
        "release: not found",
    ],
)
def test_unchanged_settings(output: str) -> None:
    assert not is_transient(HelmError(f"Error: {output}"))


@pytest.mark.parametrize(
    "output",
    ["Unauthorized", "the server has asked for the client to provide credentials", 'secrets "a" is forbidden'],
)
def test_the_caller_is_not_known_yet(output: str) -> None:
    assert is_unauthorized(HelmError(f"Error: {output}"))


@pytest.mark.parametrize(
    ("status", "transient", "unauthorized"),
    [(500, True, False), (503, True, False), (429, True, False), (404, False, False), (401, True, True), (403, True, True),
     (422, False, False)],
)  # fmt: skip
def test_answers_of_the_api_server(status: int, transient: bool, unauthorized: bool) -> None:
    error = ApiError(status, "Reason", "message")
    assert (is_transient(error), is_unauthorized(error)) == (transient, unauthorized)


def test_other_errors() -> None:
    assert is_transient(ReleaseChanged("changed"))
    assert not is_transient(ValueError("no"))
    assert not is_unauthorized(ValueError("unauthorized"))
