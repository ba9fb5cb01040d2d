"""A training job of the HyperPod training operator."""

from __future__ import annotations

from constructs import Construct

from hyperpod_constructs.core.jobs import Job, compile_job

from .base import ObjectsChart


class HyperPodPyTorchJobChart(ObjectsChart):
    """One job of the kind in its spec, HyperPodPyTorchJob by default.

    Raises:
        InvalidSpec: the job has errors.
    """

    def __init__(self, scope: Construct, id: str, *, job: Job) -> None:
        super().__init__(scope, id, objects=[compile_job(job)])
