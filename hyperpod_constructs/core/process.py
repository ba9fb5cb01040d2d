"""Faster start and exit of a short command: without a search for plugins, and without freeing objects."""

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
    """Replaces pydantic's search for plugins; all other names are from pydantic's own module."""

    get_plugins = tuple

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(_PLUGINS, None)
        return getattr(import_module(_PLUGINS), name)


def without_plugins() -> None:
    """Disables pydantic's plugins, which this package does not use, for the whole process.

    PYDANTIC_DISABLE_PLUGINS skips the search in all installed packages, but not the import of `importlib.metadata`, with
    its parsers of e-mail and zip files, which takes 5% of the time of a short command.
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
