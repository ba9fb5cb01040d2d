"""Errors of the API server: which are retried, which are final, and how long messages are shortened."""

from __future__ import annotations

import pytest

from hyperpod_constructs.handlers.kubernetes.errors import (
    ACCESS_GRACE_SECONDS,
    MESSAGE_BYTES,
    ApiError,
    HandlerError,
    KindUnknown,
    clip,
    without_dumps,
)

ALWAYS, GRACE, NEVER = (True, True), (True, False), (False, False)
"""Whether an error is transient at once, and after the time that an access entry needs."""

KINDS: list[tuple[int, str, tuple[bool, bool]]] = [
    (0, "the API server did not respond", ALWAYS),
    (400, "strict decoding error", NEVER),
    (401, "Unauthorized", GRACE),
    (403, 'User "x" cannot get resource', GRACE),
    (403, "namespace team is being terminated", ALWAYS),
    (403, 'admission webhook "v" denied the request: no', NEVER),
    (403, "exceeded quota: compute", NEVER),
    (403, 'violates PodSecurity "restricted:latest"', NEVER),
    (404, "not found", ALWAYS),
    (408, "", ALWAYS),
    (409, "the object has been modified", ALWAYS),
    (410, "the resource version is too old", ALWAYS),
    (413, "limit is 3145728", NEVER),
    (422, "spec.replicas: Invalid value", NEVER),
    (429, "slow down", ALWAYS),
    (499, "", NEVER),
    (500, "etcdserver: leader changed", ALWAYS),
    (500, "failed to create typed patch object (a): .x: field not declared", NEVER),
    (500, "etcdserver: request is too large", NEVER),
    (500, "rpc error: trying to send message larger than max (2100000 vs. 2097152)", NEVER),
    (503, "metadata.annotations: Too long: must have at most 262144 bytes", NEVER),
    (503, "the server is currently unable", ALWAYS),
    (422, "etcdserver: request is too large", NEVER),
    (504, "", ALWAYS),
]


@pytest.mark.parametrize(("status", "message", "transient"), KINDS)
def test_which_errors_are_transient(status: int, message: str, transient: tuple[bool, bool]) -> None:
    error = ApiError(status, "Reason", message)
    assert error.is_transient(0.0) is transient[0]
    assert error.is_transient(ACCESS_GRACE_SECONDS - 0.1) is transient[0]
    assert error.is_transient(ACCESS_GRACE_SECONDS) is transient[1]


IMMUTABLE: list[tuple[int, str, bool]] = [
    (422, "data: Forbidden: field is immutable when `immutable` is set", True),
    (422, "spec.selector: Invalid value: field is IMMUTABLE", True),
    (422, 'spec.clusterIP: Invalid value: "10.0.0.1": may not change once set', True),
    (422, "spec: Invalid value: may not be changed", True),
    (422, "spec: Invalid value: may not be updated", True),
    (422, "spec.type: cannot change", True),
    (422, "spec.type: cannot be changed", True),
    (422, "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'\n are forbidden", True),
    (422, "spec: Forbidden: updates to " + "x" * 401 + " are forbidden", False),
    (422, "spec: Forbidden: pod updates may not change fields other than `spec.tolerations`", True),
    (422, "spec.replicas: Invalid value: -1", False),
    (409, "field is immutable", False),
]


@pytest.mark.parametrize(("status", "message", "immutable"), IMMUTABLE)
def test_which_errors_are_about_an_immutable_field(status: int, message: str, immutable: bool) -> None:
    assert ApiError(status, "Invalid", message).immutable is immutable


def test_an_error_as_text() -> None:
    assert str(ApiError(422, "Invalid", "no", 5.0)) == "422 Invalid: no"
    assert str(ApiError(0, "Unreachable", "no answer")) == "no answer"
    assert ApiError(1, "", "").args == ("",)
    unknown = KindUnknown("x.io/v1", "Queue")
    assert str(unknown) == "404 KindUnknown: the API server does not serve the kind Queue in x.io/v1"
    assert unknown.is_transient(600)


@pytest.mark.parametrize(
    ("message", "result"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a {b} c {d} e", "a {b} c {d} e"),
        ("a {" + "x" * 118 + "} b", "a {" + "x" * 118 + "} b"),
        ("a {" + "x" * 119 + "} b", "a {...} b"),
        ("a {" + "{x}" * 60 + "} b {" + "y" * 200 + "} c", "a {...} b {...} c"),
        ("} a {" + "x" * 200 + "}", "} a {...}"),
        ("a }} b", "a }} b"),
        ("a {" + "x" * 119, "a {" + "x" * 119),
        ("a {" + "x" * 200 + " end", "a {..." + "x" * 116 + " end"),
        ("a " + "x" * 200, "a " + "x" * 200),
        ("{a}" + "x" * 200, "{a}" + "x" * 200),
    ],
)
def test_long_dumps_of_objects_are_left_out(message: str, result: str) -> None:
    assert without_dumps(message) == result


@pytest.mark.parametrize(
    ("text", "limit", "result"),
    [
        ("abcdefgh", 8, "abcdefgh"),
        ("abcdefghi", 8, "abcde..."),
        ("éééé", 8, "éééé"),
        ("éééée", 8, "éé..."),
        ("x" * 1001, None, "x" * 997 + "..."),
        ("x" * 1000, None, "x" * 1000),
    ],
)
def test_a_text_is_cut_between_characters(text: str, limit: int | None, result: str) -> None:
    assert (clip(text) if limit is None else clip(text, limit)) == result


def test_a_failure_is_cut() -> None:
    assert str(HandlerError("x" * 2000)) == "x" * (MESSAGE_BYTES - 3) + "..."
    assert str(HandlerError("x" * 2000, limit=2000)) == "x" * 2000
