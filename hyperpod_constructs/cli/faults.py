"""Messages and exit codes for exceptions that end a command, without a traceback."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

import click

from ..core.terminal import paragraph

BUG = 70
"""Exit code of an unexpected exception, which is a bug (`EX_SOFTWARE` of sysexits.h)."""


def user_message(error: Exception) -> tuple[str, int]:
    """Returns the message for an unhandled exception, and the exit code.

    >>> user_message(PermissionError(13, "Permission denied", "hyperpod.yaml"))
    ('hyperpod.yaml: Permission denied', 1)
    """
    from ..live.operations.aws import FailureCause, failure

    what = failure(error, getattr(error, "operation_name", ""))
    if what is not None:
        return paragraph(f"{what}\n  fix: {what.cure}"), 2 if what.cause is FailureCause.NO_REGION else 1
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return paragraph(f"{where}{error.strerror or error}"), 1
    if isinstance(error, RecursionError):
        return "the input is nested too deeply", 1
    try:
        release = version("hyperpod-constructs")
    except PackageNotFoundError:
        release = "unknown"
    first_line = str(error).splitlines()[0] if str(error) else ""
    cure = "report this error with the output of the same command with HYPERPOD_DEBUG=1"
    return paragraph(
        f"unexpected {type(error).__name__} in hyperpod-constructs {release}: {first_line}\n  fix: {cure}"
    ), BUG


class InvalidUsage(click.ClickException):
    """An error in the input, printed without the command's usage; exit code 2."""

    exit_code = 2
