"""A training job of Kubeflow's training operator."""

from __future__ import annotations

from constructs import Construct

from hyperpod_constructs.core.jobs import Job, compile_job

from .base import ObjectsChart


class PyTorchJobChart(ObjectsChart):
    """One job as Kubeflow's PyTorchJob, regardless of its `kind`.

    Raises:
        InvalidSpec: the job has errors, such as fields that Kubeflow's kind does not have.
    """

    def __init__(self, scope: Construct, id: str, *, job: Job) -> None:
        super().__init__(scope, id, objects=[compile_job(job.model_copy(update={"kind": "PyTorchJob"}))])
