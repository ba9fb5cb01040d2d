"""The end of a process, which is a tenth of the time of a short command."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def end() -> Iterator[None]:
    """End the process as soon as the block exits it: Python would first free every object one by one.

    Functions of `atexit` run, and output is written. Python ends as usual if output cannot be written or threads run.
    """
    try:
        yield
    except SystemExit as exit_:
        if all(map(_ends_with_the_process, threading.enumerate())) and isinstance(exit_.code, int | None):
            atexit._run_exitfuncs()
            with suppress(OSError, ValueError):
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(exit_.code or 0)
        raise


def _ends_with_the_process(thread: threading.Thread) -> bool:
    return thread.daemon or thread is threading.main_thread()
