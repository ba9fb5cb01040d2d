"""One poll of a wait: its result, when it fails, and with which reason."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from test_kubernetes_client import InProcess, Pool

from hyperpod_constructs.assembly.rehearsal.store import Clock
from hyperpod_constructs.handlers.kubernetes import wait
from hyperpod_constructs.handlers.kubernetes.conditions import Sources, State
from hyperpod_constructs.handlers.kubernetes.errors import ApiError, HandlerError
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.shared.eks import ClusterGone

THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "DescribeAddon")
CLUSTER_GONE = ClusterGone("EKS cluster 'research' does not exist")


class Stub:
    """A condition: what its check and its reasons return or raise."""

    def __init__(self, check: State | Exception, reasons: str | Exception = "because") -> None:
        self.outcomes = check, reasons
        self.sources: list[Sources] = []

    def check(self, sources: Sources) -> Any:
        return self._outcome(sources, 0)

    def explain(self, sources: Sources) -> Any:
        return self._outcome(sources, 1)

    def _outcome(self, sources: Sources, number: int) -> Any:
        self.sources.append(sources)
        outcome = self.outcomes[number]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


MET, MISSING = State(True, "2 of 2 ready"), State(False, "1 of 2 ready")


def poll(stub: Stub, monkeypatch: pytest.MonkeyPatch, *, waited: float = 0, timeout: float = 600) -> bool | str:
    """Whether the wait is complete, or the message of its failure."""
    clock, connected = Clock(), list[str]()
    monkeypatch.setattr(wait, "read", lambda _: stub)

    def connect(name: str) -> Any:
        connected.append(name)
        return InProcess(Pool())

    event = {
        "RequestType": "Create",
        "StartedAt": str(clock.now() - waited),
        "ResourceProperties": {"ClusterName": "research", "TimeoutSeconds": str(timeout)},
    }
    try:
        answer = wait.poll(event, Services(lambda _: None, connect, clock))
    except HandlerError as error:
        return str(error)
    finally:
        assert set(connected) == {"research"}
    assert answer.keys() == {"IsComplete"}
    return bool(answer["IsComplete"])


@pytest.mark.parametrize(
    ("waited", "timeout", "result"),
    [
        (0, 600, False),
        (584, 600, False),
        (585, 600, "after 585 s: 1 of 2 ready; because"),
        (599, 600, "after 599 s: 1 of 2 ready; because"),
        (0, 15, "after 0 s: 1 of 2 ready; because"),
        (0, 16, False),
        (3464, 3600, False),
        (3465, 3600, "after 3465 s: 1 of 2 ready; because"),
    ],
)
def test_the_last_poll_in_time_gives_the_reason(
    monkeypatch: pytest.MonkeyPatch, waited: float, timeout: float, result: bool | str
) -> None:
    assert poll(Stub(MISSING), monkeypatch, waited=waited, timeout=timeout) == result
    assert poll(Stub(MET), monkeypatch, waited=waited, timeout=timeout) is True


def test_a_poll_ends_soon_and_logs_the_state(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stub = Stub(MISSING)
    poll(stub, monkeypatch)
    assert [source.client.deadline.remaining for source in stub.sources] == [30.0]
    assert caplog.messages == ["1 of 2 ready"]


@pytest.mark.parametrize(
    ("error", "waited", "result"),
    [
        (ApiError(503, "Busy", "later"), 0, False),
        (ApiError(403, "Forbidden", "no"), 89, False),
        (ApiError(403, "Forbidden", "no"), 90, "the wait cannot query the cluster: 403 Forbidden: no"),
        (ApiError(400, "BadRequest", "no"), 0, "the wait cannot query the cluster: 400 BadRequest: no"),
        (CLUSTER_GONE, 0, "EKS cluster 'research' does not exist"),
        (HandlerError("job train failed"), 0, "job train failed"),
        (NoCredentialsError(), 0, False),
        (ApiError(503, "Busy", "later"), 600, "after 600 s: the cluster cannot be queried: 503 Busy: later; because"),
        (
            THROTTLED,
            600,
            "after 600 s: the cluster cannot be queried: An error occurred (Throttling) when calling the DescribeAddon "
            "operation: slow; because",
        ),
        (
            ApiError(503, "Busy", "x" * 1000),
            600,
            "after 600 s: the cluster cannot be queried: 503 Busy: " + "x" * 587 + "...; because",
        ),
    ],
)
def test_a_cluster_that_cannot_be_queried(
    monkeypatch: pytest.MonkeyPatch, error: Exception, waited: float, result: bool | str
) -> None:
    assert poll(Stub(error), monkeypatch, waited=waited) == result


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        (ApiError(503, "Busy", "later"), "the reasons could not be determined: 503 Busy: later"),
        (CLUSTER_GONE, "the reasons could not be determined: EKS cluster 'research' does not exist"),
        (NoCredentialsError(), "the reasons could not be determined: Unable to locate credentials"),
        (ApiError(503, "Busy", "x" * 400), "the reasons could not be determined: 503 Busy: " + "x" * 287 + "..."),
        ("x" * 3000, "x" * 1970 + "..."),
    ],
)
def test_reasons_that_are_unknown_or_long(
    monkeypatch: pytest.MonkeyPatch, reasons: str | Exception, message: str
) -> None:
    found = poll(Stub(MISSING, reasons), monkeypatch, waited=600)
    assert found == f"after 600 s: 1 of 2 ready; {message}"
