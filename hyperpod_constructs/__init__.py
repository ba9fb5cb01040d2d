"""Amazon SageMaker HyperPod clusters on Amazon EKS as AWS CDK constructs, checked before they are deployed.

Importing this package is cheap: every public name is loaded when it is first used, so that the pure core (spec, catalog,
checks, jobs) never starts jsii.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_EXPORTS = {
    "HyperPodPyTorchJob": "jobs",
    "InstanceGroup": "spec",
    "Platform": "spec",
}
"""Public name to the sub-module that defines it."""

__all__ = ["HyperPodPyTorchJob", "InstanceGroup", "Platform"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
