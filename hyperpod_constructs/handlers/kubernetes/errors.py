"""Refusals of the API server, and which of them are worth another try."""

from __future__ import annotations

import re

#: Seconds that a fresh access entry may take to reach the API server (401 and 403 are retried that long).
ACCESS_GRACE_SECONDS = 90.0

#: Bytes of the message that one failure may have: CloudFormation's whole response is 4,096, CDK's framework adds its own.
MESSAGE_BYTES = 1000

_PERMANENT_403 = ("denied the request", "exceeded quota", "violates PodSecurity")
_TERMINATING = "being terminated"
_IMMUTABLE = re.compile(
    r"immutable|may not change once set|may not be (?:changed|updated)"
    r"|updates to .{1,200} are forbidden|cannot be changed",
    re.IGNORECASE | re.DOTALL,
)


class HandlerError(Exception):
    """A failure in words for the person who deploys; becomes the reason of the CloudFormation event."""

    def __init__(self, message: str, limit: int = MESSAGE_BYTES) -> None:
        super().__init__(clip(message, limit))


class ApiError(Exception):
    """The API server refused a request, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        if self.status == 0:
            return self.message
        return f"{self.status} {self.reason}: {self.message}"

    @property
    def immutable(self) -> bool:
        """The change touches a field that may only be set at creation."""
        return self.status == 422 and _IMMUTABLE.search(self.message) is not None

    def is_transient(self, waited: float) -> bool:
        """Whether the same request may succeed later; ``waited`` is the seconds spent on it so far."""
        if self.status == 401:
            return waited < ACCESS_GRACE_SECONDS
        if self.status == 403:
            if _TERMINATING in self.message:
                return True
            permanent = any(text in self.message for text in _PERMANENT_403)
            return not permanent and waited < ACCESS_GRACE_SECONDS
        if self.status >= 500:
            # The API server answers 500 when a field is not in the schema (kubernetes/kubernetes#122480).
            return "failed to create typed patch object" not in self.message
        return self.status in (0, 404, 408, 409, 410, 429)


class KindUnknown(ApiError):
    """The API server serves no such kind, now."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, "KindUnknown", f"the API server knows no kind {kind} in {api_version}")


def clip(text: str, limit: int = MESSAGE_BYTES) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8.

    >>> clip("abcdefghij", 8)
    'abcde...'
    """
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode(errors="ignore") + "..."
