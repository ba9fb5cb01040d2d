"""cdk8s charts of training jobs and of what is around them; each synthesizes alone or goes into a CDK stack.

A chart stands under a `cdk8s.App` of its own, also inside CDK: `KubernetesObjects(..., objects=chart)`.
Set `JSII_NODE` before the import, or start with `python -m k8s_charts`, which does.
"""

from .base import ObjectsChart
from .fsx_volumes import FsxVolumesChart
from .hyperpod_pytorch_job import HyperPodPyTorchJobChart
from .kueue_only import KueueOnlyChart
from .pytorch_job import PyTorchJobChart
from .team import TeamChart

__all__ = [
    "FsxVolumesChart",
    "HyperPodPyTorchJobChart",
    "KueueOnlyChart",
    "ObjectsChart",
    "PyTorchJobChart",
    "TeamChart",
]
