"""The time that a command may take which talks to AWS or Kubernetes: it ends with a message instead of hanging."""

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
"""How long a live command may take as a whole; HYPERPOD_TIMEOUT=SECONDS changes it."""
SECONDS = click.IntRange(1, 604_800)
"""What a --timeout takes: a week at most."""
LATE = 3
"""Exit code of a command whose time ran out."""


class TimeRanOut(BaseException):
    """The limit is reached. Not an `Exception`: libraries that handle all of those must not handle this one."""


class Unavailable(click.ClickException):
    """Something was not there in time; what was asked for may still happen."""

    exit_code = LATE


def limit_seconds() -> float:
    """The limit of a live command.

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
    """Cut a live command after the limit, with a message and exit code 3.

    What waits by request is not cut: a command that is given --wait or --follow, or has only its own --timeout.
    """

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        asked = any(options.get(name) for name in ("wait", "goal", "follow"))
        if asked or ("timeout" in options and not {"wait", "goal"} & options.keys()):
            return function(*args, **options)
        with cut(limit_seconds()):
            return function(*args, **options)

    return run  # type: ignore[return-value]


@contextmanager
def cut(seconds: float) -> Iterator[None]:
    """Raise `Unavailable` after so many seconds, by the timer of the process; in other threads than the main one, never."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeRanOut

    handler = signal.signal(signal.SIGALRM, ring)
    # again and again: an exception that is raised while an object is finalized gets lost
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    except TimeRanOut:
        raise Unavailable(
            f"no answer within {seconds:g} seconds; what was asked for may still be carried out\n"
            "  fix: check the network, proxy (HTTPS_PROXY) and VPN, or wait longer with HYPERPOD_TIMEOUT=SECONDS"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
