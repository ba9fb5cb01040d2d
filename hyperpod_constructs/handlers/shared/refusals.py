"""Transient errors of AWS: the policies of a new role take some seconds to become effective, and calls are throttled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

log = logging.getLogger(__name__)

_TRANSIENT = ("AccessDenied", "AccessDeniedException", "403", "Throttling", "ThrottlingException", "SlowDown")
"""Codes of transient errors. A download from S3 starts with a HEAD request, whose response has only the status (403)."""
_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 16.0)

T = TypeVar("T")


def until_allowed(call: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Returns the result of a call, which is retried for 47 seconds while it fails with a transient error.

    Raises:
        ClientError: another error, or the last transient one.
    """
    for delay in _DELAYS:
        try:
            return call()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TRANSIENT:
                raise
            log.info("rejected, next attempt in %s s: %s", delay, error)
            sleep(delay)
    return call()
