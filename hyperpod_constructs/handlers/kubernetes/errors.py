"""Errors of the API server, and which errors are retried."""

from __future__ import annotations

import re

#: Seconds for which 401 and 403 are retried: a new access entry is effective on the API server with a delay.
ACCESS_GRACE_SECONDS = 90.0

#: Maximum bytes of one failure message: the limit of the whole response is 4,096, and CDK's framework adds text.
MESSAGE_BYTES = 1000

_PERMANENT_403 = ("denied the request", "exceeded quota", "violates PodSecurity")
_TERMINATING = "being terminated"
_IMMUTABLE = re.compile(
    r"immutable|may not change once set|may not be (?:changed|updated)|cannot change|cannot be changed"
    r"|updates to .{1,400} are forbidden|updates may not change fields other than",
    re.IGNORECASE | re.DOTALL,
)
# etcd's limit for an object (1.5 MiB by default), and the limit for a request from the API server to etcd.
_TOO_LARGE = ("request is too large", "larger than max", "Too long: must have at most")
_LONGEST_DUMP = 120


class HandlerError(Exception):
    """A failure whose message is the reason in the CloudFormation event."""

    def __init__(self, message: str, limit: int = MESSAGE_BYTES) -> None:
        super().__init__(clip(message, limit))


class ApiError(Exception):
    """The API server rejected a request, or could not be reached (status 0)."""

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
        """Whether the change affects a field that can be set only at creation."""
        return self.status == 422 and _IMMUTABLE.search(self.message) is not None

    def is_transient(self, waited: float) -> bool:
        """Whether the same request may succeed later; ``waited`` is the seconds since the first attempt."""
        if self.status == 401:
            return waited < ACCESS_GRACE_SECONDS
        if self.status == 403:
            if _TERMINATING in self.message:
                return True
            permanent = any(text in self.message for text in _PERMANENT_403)
            return not permanent and waited < ACCESS_GRACE_SECONDS
        if self.status >= 500 and any(text in self.message for text in _TOO_LARGE):
            return False
        if self.status >= 500:
            # The API server returns 500 if a field is not in the schema (kubernetes/kubernetes#122480).
            return "failed to create typed patch object" not in self.message
        return self.status in (0, 404, 408, 409, 410, 429)


ACCESS_HINT = (
    "Check that the EKS access entry of the function's role, and its policy, exist. If they were deleted "
    "before these objects, recreate them and retry, or retain this resource and delete the objects with "
    "kubectl"
)


class KindUnknown(ApiError):
    """The API server does not currently serve this kind."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, "KindUnknown", f"the API server does not serve the kind {kind} in {api_version}")


def without_dumps(message: str) -> str:
    """Returns an error message without long dumps of objects, which would exceed the length of a message.

    >>> without_dumps("spec: Invalid value: {" + "x" * 500 + "}: field is immutable")
    'spec: Invalid value: {...}: field is immutable'
    """
    kept, depth, start = [], 0, 0
    for position, character in enumerate(message):
        if character == "{":
            if depth == 0:
                kept.append(message[start:position])
                start = position
            depth += 1
        elif character == "}" and depth:
            depth -= 1
            if depth == 0:
                dump = message[start : position + 1]
                kept.append(dump if len(dump) <= _LONGEST_DUMP else "{...}")
                start = position + 1
    rest = message[start:]
    return "".join(kept) + (rest if depth == 0 or len(rest) <= _LONGEST_DUMP else _open_dump(rest))


def _open_dump(text: str) -> str:
    """Returns the text after a dump with unbalanced braces."""
    return "{..." + text[-_LONGEST_DUMP:]


def clip(text: str, limit: int = MESSAGE_BYTES) -> str:
    """Returns ``text``, truncated to at most ``limit`` bytes of UTF-8.

    >>> clip("abcdefghij", 8)
    'abcde...'
    """
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode(errors="ignore") + "..."
