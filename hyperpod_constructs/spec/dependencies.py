"""The HyperPod dependency chart."""

from __future__ import annotations

from .base import Change, SpecModel, field


class DependencyChart(SpecModel):
    """The HyperPod dependency chart, pinned by commit and digest."""

    enabled: bool = field(True, change=Change.DRAINS, help="Whether the chart is installed by us.")
