"""A live command ends after a documented time, with a message and exit code 3, even if no response arrives."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.limit import LIMIT_SECONDS, Unavailable, limit_seconds, limited, time_limit

ROOT = Path(__file__).parents[2]
# the signal may arrive while an object is finalized, so it is repeated until it is handled
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a server that accepts connections and never responds, used for AWS and for Kubernetes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-west-2"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "nowhere"))
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            f"{{clusters: [{{name: a, cluster: {{server: '{address}'}}}}], users: [{{name: a, user: {{token: x}}}}], "
            "contexts: [{name: a, context: {cluster: a, user: a}}], current-context: a}"
        )
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setenv("HYPERPOD_TIMEOUT", "0.25")
        yield address


LIVE = [
    ["clusters", "list"],
    ["clusters", "describe", "a"],
    ["clusters", "nodes", "a"],
    ["stacks", "list"],
    ["stacks", "describe", "a"],
    ["nodes", "reboot", "a", "i-0123456789abcdef0", "--yes"],
    ["software", "update", "a", "--yes"],
    ["context", "set", "a"],
    ["versions", "--live"],
    ["addons", "--live"],
    ["upgrade-plan", str(ROOT / "hyperpod.yaml"), "--to", "1.36", "--live"],
    ["catalog", "refresh", "--live"],
    ["catalog", "refresh", "--prices"],
    ["jobs", "list"],
    ["jobs", "list", "--cluster-name", "a"],
    ["jobs", "describe", "a"],
    ["jobs", "logs", "a"],
    ["jobs", "suspend", "a"],
    ["jobs", "delete", "a", "--yes"],
    ["jobs", "submit", str(ROOT / "jobs" / "neuron-hello.yaml")],
]


@pytest.mark.parametrize("arguments", LIVE, ids=lambda arguments: " ".join(Path(word).name for word in arguments))
def test_a_command_that_is_never_answered_ends(arguments: list[str], silent: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3, result.output
    assert "no answer within 0.25 seconds" in result.stderr
    assert "fix: check the network" in result.stderr


def test_explicit_waits_have_their_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERPOD_TIMEOUT", "0.05")

    @limited
    def command(**options: object) -> str:
        time.sleep(0.2)
        return "done"

    for waits in ({"wait": True, "timeout": 60}, {"goal": "started", "timeout": 60}, {"follow": True}, {"timeout": 60}):
        assert command(**waits) == "done"
    for does_not in ({}, {"wait": False, "timeout": 60}, {"goal": None, "timeout": 60}, {"follow": False}):
        with pytest.raises(Unavailable):
            command(**does_not)


def test_a_timer_of_the_caller_continues() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        pass
    assert signal.getsignal(signal.SIGALRM) == before


def test_the_limit_is_documented_and_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "README.md").read_text()
    assert f"{LIMIT_SECONDS / 60:g} minutes" in page
    assert "HYPERPOD_TIMEOUT" in page
    monkeypatch.delenv("HYPERPOD_TIMEOUT", raising=False)
    assert limit_seconds() == LIMIT_SECONDS
    for wrong in ("soon", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("HYPERPOD_TIMEOUT", wrong)
        with pytest.raises(click.UsageError):
            limit_seconds()
