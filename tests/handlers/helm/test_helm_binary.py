"""The helm binary, its connection, retries and secrets, without a cluster: exact commands and messages."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helm_commands import Commands

from hyperpod_constructs.handlers.helm import cluster as cluster_module
from hyperpod_constructs.handlers.helm.binary import Helm, HelmError, error_excerpt
from hyperpod_constructs.handlers.helm.cluster import ClusterHelm
from hyperpod_constructs.handlers.helm.retries import ReleaseChanged, with_retries
from hyperpod_constructs.handlers.helm.secrets import redactor
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.shared.eks import ClusterAccess

Json = dict[str, Any]


# The binary.


class Process:
    """A process that ends, or does not end, within its timeout."""

    def __init__(self, code: int = 0, *, timeouts: int = 0) -> None:
        self.returncode, self.timeouts, self.events = code, timeouts, list[Any]()

    def __call__(self, command: Any, **options: Any) -> Process:
        self.command, self.options = command, options
        return self

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.events.append(timeout)
        if self.timeouts:
            self.timeouts -= 1
            raise subprocess.TimeoutExpired("helm", timeout or 0)
        return "output", "complaint of hunter2" if self.returncode or self.events != [timeout] else "complaint"

    def terminate(self) -> None:
        self.events.append("terminate")

    def kill(self) -> None:
        self.events.append("kill")


def run(process: Process, monkeypatch: pytest.MonkeyPatch, remaining: float = 50.0) -> str:
    monkeypatch.setattr(subprocess, "Popen", process)
    helm = Helm(
        Path("work"),
        executable="helm",
        seconds_left=lambda: remaining,
        redact=lambda text: text.replace("hunter2", "***"),
    )
    return helm.run(["a", "b"])


def test_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "no_proxy": "x", "AWS_SESSION_TOKEN": "secret"})
    process = Process()
    assert run(process, monkeypatch) == "outputcomplaint"
    assert (process.command, process.events) == (["helm", "a", "b"], [50.0])
    assert process.options.pop("env") == {
        "PATH": "/bin", "no_proxy": "x", "HOME": "work", "HELM_CACHE_HOME": "work/helm-cache",
        "HELM_CONFIG_HOME": "work/helm-config", "HELM_DATA_HOME": "work/helm-data",
    }  # fmt: skip
    pipe = subprocess.PIPE
    assert process.options == {
        "stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, "text": True, "errors": "replace"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("timeouts", "events"),
    [(1, [50.0, "terminate", 10.0]), (2, [50.0, "terminate", 10.0, "kill", None])],
)
def test_a_command_that_is_stopped(monkeypatch: pytest.MonkeyPatch, timeouts: int, events: list[Any]) -> None:
    process = Process(timeouts=timeouts)
    with pytest.raises(HelmError) as failure:
        run(process, monkeypatch)
    assert process.events == events
    assert str(failure.value) == "complaint of ***; helm was terminated at the time limit"


def test_a_command_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HelmError) as failure:
        run(Process(1), monkeypatch)
    assert (str(failure.value), failure.value.output) == ("complaint of ***", "complaint of ***")
    process = Process(1, timeouts=0)
    monkeypatch.setattr(Process, "communicate", lambda self, timeout: (timeout and "only output", ""))
    with pytest.raises(HelmError, match=r"^only output$"):
        run(process, monkeypatch)


def test_a_command_has_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process()
    run(process, monkeypatch, remaining=0.0)
    assert process.events == [1.0]


@pytest.mark.parametrize(
    ("output", "excerpt"),
    [
        ("a\n\n  b \n", "a; b"),
        ("WARNING: x\nError: y", "Error: y"),
        ("level=INFO msg=x\nlevel=DEBUG y\nlevel=WARN z\nError: a", "Error: a"),
        ("level=WARN msg=x error=broken", "level=WARN msg=x error=broken"),
        ("I0101 00:00 x\nW0101 00: y\nE0101 00: z\nError: a", "Error: a"),
        ("\n".join(map(str, range(20))), "; ".join(map(str, range(8, 20)))),
        ("x" * 900, "x" * 900),
        ("x" * 901, "..." + "x" * 900),
    ],
)
def test_the_end_of_an_output(output: str, excerpt: str) -> None:
    assert error_excerpt(output) == excerpt


# The cluster.


def test_each_command_has_a_new_token_in_a_private_file(tmp_path: Path) -> None:
    tokens = iter("abcdef")
    recorded: list[Json] = []

    class Reads(Commands):
        def run(self, arguments: Any) -> str:
            file = Path(arguments[-1].removeprefix("--kubeconfig="))
            assert file.stat().st_mode & 0o777 == 0o600
            recorded.append(json.loads(file.read_text()))
            return super().run(arguments)

    helm = Reads("out", HelmError("no"))
    access = ClusterAccess("research", "https://e", "", lambda: next(tokens))
    found = ClusterHelm(helm, access, tmp_path)  # type: ignore[arg-type]
    assert found.run(["list"]) == "out"
    with pytest.raises(HelmError):
        found.run(["list"])
    assert helm.commands[0] == ["list", f"--kubeconfig={tmp_path / 'kubeconfig'}"]
    assert recorded[0] == {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "eks", "cluster": {"server": "https://e"}}],
        "users": [{"name": "us", "user": {"token": "a"}}],
        "contexts": [{"name": "here", "context": {"cluster": "eks", "user": "us"}}],
    }  # fmt: skip
    assert recorded[1]["users"][0]["user"] == {"token": "b"}
    assert list(tmp_path.iterdir()) == []
    assert found.api.connection.headers() == {"Authorization": "Bearer c"}
    assert found.api.connection.ssl_context is None
    assert 90 < found.api.deadline.remaining <= 100


def test_the_clusters_own_authority_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "trust", lambda text: f"trust in {text}")
    monkeypatch.setattr(cluster_module, "ApiClient", lambda connection, deadline: connection)
    authority = base64.b64encode(b"pem").decode()
    helm = Commands()
    found: Any = ClusterHelm(helm, ClusterAccess("research", "https://e", authority, lambda: "t"), tmp_path)  # type: ignore[arg-type]
    assert (found.api.ssl_context, found.api.endpoint) == ("trust in pem", "https://e")


# Retries.


def attempts(*errors: Exception, remaining: float = 1000, **options: Any) -> tuple[list[float], Any]:
    pauses, waiting, time = list[float](), list(errors), [remaining]

    def attempt() -> str:
        if waiting:
            raise waiting.pop(0)
        return "done"

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time[0] -= seconds

    try:
        return pauses, with_retries(attempt, seconds_left=lambda: time[0], sleep=sleep, **options)
    except (HelmError, ApiError, ReleaseChanged) as error:
        return pauses, error


BUSY, DENIED, FINAL = ApiError(503, "Busy", "later"), ApiError(403, "Forbidden", "no"), ApiError(422, "Invalid", "no")


def test_pauses_of_a_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert attempts(*[BUSY] * 6) == ([2, 4, 8, 16, 30, 30], "done")
    assert capsys.readouterr().out.splitlines()[0] == "next attempt in 2 s: 503 Busy: later"
    assert attempts(ReleaseChanged("x"), HelmError("connection refused")) == ([2, 4], "done")
    assert attempts(FINAL) == ([], FINAL)


def test_missing_access_is_waited_for_two_minutes() -> None:
    assert attempts(*[DENIED] * 99) == ([2, 4, 8, 16, 30, 30, 30], DENIED)
    assert attempts(*[BUSY] * 9, *[DENIED] * 99)[0] == [2, 4, 8, 16, *[30] * 5, *[30] * 4]


@pytest.mark.parametrize(("remaining", "pauses"), [(62, [2]), (61.9, []), (66, [2, 4])])
def test_a_minute_is_kept(remaining: float, pauses: list[float]) -> None:
    assert attempts(*[BUSY] * 9, remaining=remaining) == (pauses, BUSY)


def test_another_reserve() -> None:
    assert attempts(*[BUSY] * 9, remaining=17, reserve=10)[0] == [2, 4]


# Secrets.


@pytest.mark.parametrize(
    ("values", "text", "result"),
    [
        ({"a": "long-enough"}, "long-enough", "***"),
        ({"a": "seven77"}, "seven77", "seven77"),
        ({"a": "eight888"}, "eight888", "***"),
        ({"password": "abc"}, "abc", "***"),
        ({"password": 1234}, "1234", "***"),
        ({"a": 12345678}, "12345678", "12345678"),
        ({"password": True}, "True", "True"),
        ({"token": {"a": ["abc", {"b": "def"}]}}, "abc def", "*** ***"),
        ({"a": ["long-enough"]}, "long-enough", "***"),
        ({"namespace": "aws-hyperpod"}, 'namespaces "aws-hyperpod" not found', 'namespaces "aws-hyperpod" not found'),
        ({"a": "long-enough"}, 'x "other-name" not found: long-enough', 'x "other-name" not found: ***'),
        ({}, 'data: {"data":{"a":"b"}}', 'data: {"data":***}'),
        ({}, r'{\"stringData\": {\"a\":\"b\"}}', r'{\"stringData\": ***}'),
        (
            {},
            'Secret "db" is invalid: data: Invalid value: "x \\" y": no',
            'Secret "db" is invalid: data: Invalid value: "***": no',
        ),
        *[
            ({key: "abc"}, "abc", "***")
            for key in ("PASSPHRASE", "clientSecret", "accessToken", "credentials", "apiKey", "api_key", "privateKey",
                        "basicAuth", "cert", "salt", "license", "webhookUrl", "webhook_url")
        ],
    ],
)  # fmt: skip
def test_values_that_are_hidden(values: Json, text: str, result: str) -> None:
    assert redactor(values)(text) == result
