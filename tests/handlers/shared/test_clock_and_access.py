"""Real time, time limits, the access to an EKS cluster, and owners: what all functions share."""

from __future__ import annotations

import base64
import itertools
import random
import threading
import time
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from hyperpod_constructs.handlers.shared.clock import Clock, pauses
from hyperpod_constructs.handlers.shared.digests import digest_key
from hyperpod_constructs.handlers.shared.eks import ClusterGone, ClusterNotReady, cluster_access, token
from hyperpod_constructs.handlers.shared.ownership import Owner, claim, marks_of, owner, seems_to_be
from hyperpod_constructs.handlers.shared.redaction import redact
from hyperpod_constructs.handlers.shared.within import within

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"


def test_a_clock_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "time", lambda: 7.0)
    monkeypatch.setattr(time, "monotonic", lambda: 8.0)
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(random, "uniform", lambda low, high: (low, high))
    clock = Clock()
    clock.sleep(3)
    assert (clock.now(), clock.monotonic(), pauses, clock.jitter()) == (7.0, 8.0, [3], (0.75, 1.25))


def test_pauses_double_and_are_jittered() -> None:
    jitter: Any = SimpleNamespace(jitter=lambda: 0.5)
    assert list(itertools.islice(pauses(jitter, first=1, longest=5), 5)) == [0.5, 1, 2, 2.5, 2.5]


def test_a_time_limit() -> None:
    finished = threading.Event()
    try:
        with pytest.raises(TimeoutError, match=r"^no complete response in 0 s$"):
            within(0.05, lambda: finished.wait(60))
    finally:
        finished.set()
    assert within(60, lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0)


def test_a_thread_that_is_abandoned_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[dict[str, Any]] = []
    real = threading.Thread
    monkeypatch.setattr(threading, "Thread", lambda **options: created.append(options) or real(**options))
    assert within(60, lambda: 1) == 1
    assert created[0]["daemon"] is True


# The EKS cluster.


class Session:
    """A session whose EKS describes one cluster."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, cluster: dict[str, Any] | None) -> None:
        self.cluster, self.requests = cluster, list[Any]()

    def client(self, service: str) -> Any:
        self.requests.append(service)
        return self

    def describe_cluster(self, name: str) -> dict[str, Any]:
        self.requests.append(name)
        if self.cluster is None:
            raise self.exceptions.ResourceNotFoundException
        return {"cluster": self.cluster}


READY = {"status": "ACTIVE", "endpoint": "https://e", "certificateAuthority": {"data": "Y2E="}}


def test_the_access_to_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(READY)
    monkeypatch.setattr("hyperpod_constructs.handlers.shared.eks.token", lambda name, *, session: (name, session))
    access = cluster_access("research", session=session)
    assert (access.name, access.endpoint, access.certificate_authority) == ("research", "https://e", "Y2E=")
    assert access.make_token() == ("research", session)
    assert session.requests == ["eks", "research"]
    assert "make_token" not in repr(access)
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert cluster_access("research").endpoint == "https://e"


@pytest.mark.parametrize(
    ("cluster", "error", "message"),
    [
        (None, ClusterGone, "EKS cluster 'research' does not exist"),
        ({**READY, "status": "DELETING"}, ClusterGone, "EKS cluster 'research' is being deleted"),
        ({"status": "CREATING"}, ClusterNotReady, "EKS cluster 'research' has no endpoint yet (status CREATING)"),
        ({**READY, "endpoint": ""}, ClusterNotReady, "EKS cluster 'research' has no endpoint yet (status ACTIVE)"),
        (
            {**READY, "certificateAuthority": {}},
            ClusterNotReady,
            "EKS cluster 'research' has no endpoint yet (status ACTIVE)",
        ),
    ],
)
def test_a_cluster_that_cannot_be_reached(cluster: dict[str, Any] | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as failure:
        cluster_access("research", session=Session(cluster))
    assert str(failure.value) == message


def test_a_token() -> None:
    registered: list[Any] = []
    presigned: list[Any] = []
    sts = SimpleNamespace(
        meta=SimpleNamespace(events=SimpleNamespace(register=lambda *arguments: registered.append(arguments))),
        generate_presigned_url=lambda *arguments, **options: (
            presigned.append((arguments, options)) or "https://sts/?a=b>>?"
        ),
    )
    found = token("research", session=SimpleNamespace(client=lambda service: {"sts": sts}[service]))
    assert found == "k8s-aws-v1." + base64.urlsafe_b64encode(b"https://sts/?a=b>>?").decode().rstrip("=")
    assert presigned == [(("get_caller_identity",), {"ExpiresIn": 60, "HttpMethod": "GET"})]
    ((event, hook),) = registered
    request = SimpleNamespace(headers={})
    hook(request=request, more=1)
    assert (event, request.headers) == ("before-sign.sts.GetCallerIdentity", {"x-k8s-aws-id": "research"})


# Owners and secrets.


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ({"meta.helm.sh/release-name": "r"}, "it seems to belong to the Helm release r"),
        ({"argocd.argoproj.io/tracking-id": "t"}, "it seems to belong to Argo CD: t"),
        ({"argocd.argoproj.io/instance": "i"}, "it seems to belong to the Argo CD application i"),
        ({"kustomize.toolkit.fluxcd.io/name": "k"}, "it seems to belong to the Flux Kustomization k"),
        ({"helm.toolkit.fluxcd.io/name": "h"}, "it seems to belong to the Flux HelmRelease h"),
        ({"aws:cloudformation:stack-name": "s"}, "it seems to belong to the CloudFormation stack s"),
        ({"app.kubernetes.io/managed-by": "m"}, "it seems to be managed by m"),
        ({"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "it seems to have been applied with kubectl"),
        ({"team": "a"}, "it was last changed by kubectl-edit"),
    ],
)
def test_the_apparent_owner(marks: dict[str, str], text: str) -> None:
    assert seems_to_be(None, marks, managers=["kubectl-edit", "older"]) == text


def test_nothing_is_known_of_the_owner() -> None:
    assert seems_to_be({}, None) == ""


def test_the_texts_of_an_owner() -> None:
    me = owner(STACK, "Queue", "id")
    assert (me.text, me.value, me.label_value) == (f"Platform/Queue/{me.digest}", "Platform/Queue", "Platform.Queue")
    assert me.key == f"hyperpod-constructs.io/owner-{me.digest}"
    assert me.tag_key == f"hyperpod-constructs:owner-{me.digest}"
    assert me.manager == f"hyperpod-constructs-{me.digest}"
    legacy = Owner("Platform/Queue", me.digest, legacy=True)
    assert (legacy.key, legacy.value, legacy.manager) == (
        "hyperpod-constructs.io/owner",
        me.text,
        "hyperpod-constructs",
    )
    assert owner("odd", "Queue", "id").name.endswith("/Queue")
    assert marks_of({me.key: "x", "hyperpod-constructs.io/owner-short": "y", f"other/owner-{me.digest}": "z"}) == [me]


def test_a_specific_fix() -> None:
    with pytest.raises(
        Exception, match=r"^Dashboard a already exists and was not created by this library\. Delete it\.$"
    ):
        claim("Dashboard a", exists=True, marked=[], me=owner(STACK, "A", "i"), adopt=False, fix="Delete it")


@pytest.mark.parametrize(
    ("text", "secret", "result"),
    [
        ("abc", "abc", "***"),
        ("ab", "ab", "ab"),
        ("  abc  x", " abc\n", "  ***  x"),
        ("12345678", "one line\n12345678", "***"),
        ("1234567", "one line\n1234567", "1234567"),
        ("one", "one", "***"),
        ("a: it''s-me", "it's-me", "a: ***"),
        ("a+b%26c", "a b&c", "***"),
        ("a%2Fb", "a/b", "***"),
        ("&lt;abc&gt;", "<abc>", "***"),
        ("\\u003cabc\\u003e", "<abc>", "***"),
        ("616263", "abc", "***"),
        ("password123, password", "password", "***123, ***"),
    ],
)
def test_forms_of_a_secret(text: str, secret: str, result: str) -> None:
    assert redact(text, [secret]) == result


def test_the_longest_secret_is_hidden_first() -> None:
    assert redact("password123", ["password", "password123"]) == "***"


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_base64_in_a_longer_text(offset: int) -> None:
    text = base64.b64encode(b"x" * offset + b"a-longer-secret" + b"more of it").decode()
    hidden = redact(text, ["a-longer-secret"])
    assert len(hidden.partition("***")[0]) <= offset + 1
    assert hidden != text


def test_the_key_of_a_subcharts_digest() -> None:
    assert digest_key("sub", "v1.0.0") == digest_key("sub", "1.0.0") == "sub 1.0.0"
