"""The log level of a function on Lambda, whose root logger starts at WARNING."""

from __future__ import annotations

import importlib.util
import logging


def level_after_import(module: str) -> int:
    """The level of the root logger after a fresh import of a module."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    try:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        return root.level
    finally:
        root.setLevel(before)
