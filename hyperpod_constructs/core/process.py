"""The start and the end of a short command: neither searches for plugins nor frees objects."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any

_PLUGINS = "pydantic.plugin._loader"


class _NoPlugins(ModuleType):
    """In place of pydantic's search for plugins; anything else that pydantic uses is from its own module."""

    get_plugins = tuple

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(_PLUGINS, None)
        return getattr(import_module(_PLUGINS), name)


def without_plugins() -> None:
    """Disables pydantic's plugins, which this package does not use, for the whole process.

    PYDANTIC_DISABLE_PLUGINS skips the search in all installed packages, but not the import of `importlib.metadata`, with
    its parsers of e-mail and zip files, which takes a twentieth of the time of a short command.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.modules.setdefault(_PLUGINS, _NoPlugins(_PLUGINS))


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
