"""A time limit for a complete response: the timeout of a socket applies to each part of a response separately."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Returns the result of ``ask``, or raises its error; the call is abandoned if it exceeds the time limit.

    Raises:
        TimeoutError: the call exceeded the time limit.

    >>> within(5, lambda: "a response")
    'a response'
    """
    done: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((ask(), None))
        except Exception as error:  # noqa: BLE001 - raised again in the calling thread
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        response, error = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no complete response in {seconds:.0f} s") from None
    if error is not None:
        raise error
    return response  # type: ignore[return-value]
