"""Training jobs."""

from __future__ import annotations

from .base import Change, SpecModel, field


class Job(SpecModel):
    """A training job."""

    name: str = field(change=Change.REPLACES, help="Name of the job.")
