"""Transient errors, and retries."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ..kubernetes.errors import ApiError
from .binary import HelmError

T = TypeVar("T")

AUTHORIZATION_SECONDS = 120.0
"""How long rejected access is retried: the API server applies access entries with a delay."""
RESERVE_SECONDS = 60.0
"""Reserved at the end for cleanup and the response."""

_MAX_PAUSE = 30.0
_UNAUTHORIZED = ("unauthorized", "asked for the client to provide credentials", "is forbidden")
_TRANSIENT = (
    "an error on the server",
    "another operation (install/upgrade/rollback) is in progress",
    "cluster unreachable",
    "connection refused",
    "connection reset",
    "connection timed out",
    "etcdserver",
    "failed calling webhook",
    "http2: ",
    "i/o timeout",
    "internal error occurred",
    "no such host",
    "service unavailable",
    "the server is currently unable to handle the request",
    "tls handshake timeout",
    "too many requests",
    "unexpected eof",
    " with body length 0",  # the response is truncated: "ContentLength=N with Body length 0"
)
_TRUNCATED = re.compile(r": eof\b")
_TOO_LARGE = ("request is too large", "larger than max", "request entity too large")


class ReleaseChanged(Exception):
    """The release changed during the operation, which may succeed if it is repeated."""


def with_retries(
    attempt: Callable[[], T],
    *,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
    reserve: float = RESERVE_SECONDS,
) -> T:
    """Retries transient errors: an API server that cannot be reached, and access that is not effective yet.

    Raises:
        HelmError: the last error of helm.
        ApiError: the last error of the API server.
        ReleaseChanged: the release changed during every attempt.
    """
    pause, denied = 2.0, 0.0
    while True:
        try:
            return attempt()
        except (HelmError, ApiError, ReleaseChanged) as error:
            unauthorized = is_unauthorized(error)
            if not unauthorized and not is_transient(error):
                raise
            if unauthorized and denied >= AUTHORIZATION_SECONDS:
                raise
            if seconds_left() < pause + reserve:
                raise
            print(f"next attempt in {pause:.0f} s: {error}")
        sleep(pause)
        denied += pause if unauthorized else 0.0
        pause = min(pause * 2, _MAX_PAUSE)


def is_unauthorized(error: Exception) -> bool:
    """Whether the API server rejected the credentials or the authorization of the caller."""
    if isinstance(error, ApiError):
        return error.status in (401, 403)
    return isinstance(error, HelmError) and any(mark in error.output.lower() for mark in _UNAUTHORIZED)


def is_transient(error: Exception) -> bool:
    """Whether the same operation may succeed later.

    >>> is_transient(HelmError('Error: Get "https://x.eks.amazonaws.com/version": EOF'))
    True
    >>> is_transient(HelmError("Error: etcdserver: request is too large"))
    False
    """
    if isinstance(error, ApiError):
        return error.status != 404 and error.is_transient(0.0)
    if not isinstance(error, HelmError):
        return isinstance(error, ReleaseChanged)
    reason = error.output.lower()
    if any(mark in reason for mark in _TOO_LARGE):
        return False
    return any(mark in reason for mark in _TRANSIENT) or _TRUNCATED.search(reason) is not None
