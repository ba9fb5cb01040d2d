"""Time limit for commands that send requests to AWS or Kubernetes: they end with a message instead of hanging."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

LIMIT_SECONDS = 600.0
"""Maximum duration of a live command; HYPERPOD_TIMEOUT=SECONDS changes it."""
SECONDS = click.IntRange(1, 604_800)
"""Maximum value of --timeout: one week."""
LATE = 3
"""Exit code of a command that timed out."""


class DeadlineExceeded(BaseException):
    """Raised at the limit. Not an `Exception`, so that libraries that catch every exception do not catch it."""


class Unavailable(click.ClickException):
    """Raised on a timeout; the requested operation may still be carried out."""

    exit_code = LATE


def limit_seconds() -> float:
    """The time limit of live commands.

    Raises:
        click.UsageError: HYPERPOD_TIMEOUT is not a number of seconds.
    """
    text = os.environ.get("HYPERPOD_TIMEOUT", "")
    try:
        seconds = float(text) if text else LIMIT_SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise click.UsageError(f"HYPERPOD_TIMEOUT={text!r} is not a number of seconds from 1 to 86400")
    return seconds


def limited(function: Function) -> Function:
    """Ends a live command at the limit, with a message and exit code 3.

    Commands that wait on request are not limited: those with --wait or --follow, or with their own --timeout.
    """

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        waits = any(options.get(name) for name in ("wait", "goal", "follow"))
        if waits or ("timeout" in options and not {"wait", "goal"} & options.keys()):
            return function(*args, **options)
        with time_limit(limit_seconds()):
            return function(*args, **options)

    return run  # type: ignore[return-value]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `Unavailable` after a number of seconds, with the timer of the process; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_alarm(*_: Any) -> None:
        raise DeadlineExceeded

    handler = signal.signal(signal.SIGALRM, on_alarm)
    # repeatedly: an exception that is raised while an object is finalized is lost
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    except DeadlineExceeded:
        raise Unavailable(
            f"no answer within {seconds:g} seconds; the requested operation may still be carried out\n  fix: "
            "check the network, proxy (HTTPS_PROXY) and VPN, or set a longer limit with "
            "HYPERPOD_TIMEOUT=SECONDS"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
