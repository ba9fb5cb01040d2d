"""cdk8s charts for training jobs and related objects; each can be synthesized alone or as part of a CDK stack.

The scope of a chart is its own `cdk8s.App`, also in a CDK app: `KubernetesObjects(..., objects=chart)`. A chart is
imported on first use, which starts Node.js; set `JSII_NODE` before. `python -m hyperpod_constructs.charts` sets it to
the packaged Node.js.
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
