"""cdk8s charts of training jobs and of objects around them; each synthesizes alone or as part of a CDK stack.

A chart has its own `cdk8s.App` as scope, also inside CDK: `KubernetesObjects(..., objects=chart)`. A chart is imported on
first use: that starts Node, for which `JSII_NODE` must be set before. `python -m hyperpod_constructs.charts` sets it to
the packaged one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "FsxVolumesChart": "fsx_volumes",
    "HyperPodPyTorchJobChart": "hyperpod_pytorch_job",
    "KueueOnlyChart": "kueue_only",
    "ObjectsChart": "base",
    "PyTorchJobChart": "pytorch_job",
    "TeamChart": "team",
}

__all__ = [
    "FsxVolumesChart",
    "HyperPodPyTorchJobChart",
    "KueueOnlyChart",
    "ObjectsChart",
    "PyTorchJobChart",
    "TeamChart",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
