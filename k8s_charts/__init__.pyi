"""Types of the charts; `__init__.py` loads them when they are first used."""

from hyperpod_constructs.charts.base import ObjectsChart as ObjectsChart
from hyperpod_constructs.charts.fsx_volumes import FsxVolumesChart as FsxVolumesChart
from hyperpod_constructs.charts.hyperpod_pytorch_job import HyperPodPyTorchJobChart as HyperPodPyTorchJobChart
from hyperpod_constructs.charts.kueue_only import KueueOnlyChart as KueueOnlyChart
from hyperpod_constructs.charts.pytorch_job import PyTorchJobChart as PyTorchJobChart
from hyperpod_constructs.charts.team import TeamChart as TeamChart
