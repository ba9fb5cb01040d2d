"""Types of the charts; `__init__.py` loads them when they are first used."""

from .base import ObjectsChart as ObjectsChart
from .fsx_volumes import FsxVolumesChart as FsxVolumesChart
from .hyperpod_pytorch_job import HyperPodPyTorchJobChart as HyperPodPyTorchJobChart
from .kueue_only import KueueOnlyChart as KueueOnlyChart
from .pytorch_job import PyTorchJobChart as PyTorchJobChart
from .team import TeamChart as TeamChart
