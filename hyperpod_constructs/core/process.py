"""Exits a process without freeing its objects, which takes a tenth of the time of a short command."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def end() -> Iterator[None]:
    """Exits the process immediately when the block exits: Python would first free every object.

    Functions of `atexit` run, and output is flushed. Python exits as usual if output cannot be flushed or threads run.
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
