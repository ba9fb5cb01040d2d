"""Former module paths of version 0.1.0: they still work, with a warning that names the new path."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, cast

_FOLDERS = {
    "assembly": ("graph", "nag", "stacks", "synth"),
    "constructs": (
        *("access", "addons", "cluster", "dependencies", "eks", "governance", "grafana", "kubernetes", "network"),
        *("observability", "platform", "roles", "storage", "training_job", "validation"),
    ),
    "core": (
        *("catalog", "changes", "chart", "checks", "closed", "config", "cost", "dashboards", "deployer", "documents"),
        *("findings", "jobs", "manifests", "mirror", "network_plan", "spec"),
    ),
    "live": ("operations", "preflight", "upgrade"),
}
_PACKAGE = __name__.rpartition(".")[0]
_MOVED = {f"{_PACKAGE}.{name}": f"{_PACKAGE}.{folder}.{name}" for folder, names in _FOLDERS.items() for name in names}


class _Finder:
    """Finds `hyperpod_constructs.<name>` where it is now; also for `python -m`.

    It has the methods of `MetaPathFinder` and `InspectLoader`, which are not its bases: importing them takes longer than
    the rest of this package.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._new_name(fullname) is None:
            return None
        return ModuleSpec(fullname, cast(Any, self))

    def create_module(self, spec: ModuleSpec) -> None:
        """Python makes the module."""

    @staticmethod
    def _new_name(fullname: str) -> str | None:
        head, _, rest = fullname.removeprefix(f"{_PACKAGE}.").partition(".")
        moved = _MOVED.get(f"{_PACKAGE}.{head}") if fullname.startswith(f"{_PACKAGE}.") else None
        return f"{moved}.{rest}" if moved and rest else moved

    def exec_module(self, module: ModuleType) -> None:
        """Puts the module of the new name in the place of the empty one."""
        new = self._new_name(module.__name__)
        assert new is not None
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)

    def get_source(self, fullname: str) -> str:
        return f"import runpy; runpy.run_module({self._new_name(fullname)!r}, run_name='__main__', alter_sys=True)"

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), "<moved>", "exec")

    def is_package(self, fullname: str) -> bool:
        return False


def install() -> None:
    """Makes the former module paths importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before the path finder, which would load submodules a second time
