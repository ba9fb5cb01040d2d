"""Shared by the rules about jobs."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import InstanceType, find_instance_type
from ..spec.base import is_token
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_replica import PodFields

FORMULA = "The official CLI's arithmetic (sagemaker-hyperpod 3.12.0), by which quotas are sized"
KUBERNETES = "Kubernetes API"


def example(fields: str, rest: str = "") -> str:
    """A config fragment with one job."""
    return f"jobs:\n  - {{name: train, image: registry/train:v1, {fields}}}\n{rest}"


def parts(job: Job) -> Iterator[tuple[str, ReplicaSpec, InstanceType | None]]:
    """Path prefix, replica spec and instance type (None: not set, unknown or a token) of a job's replica specs."""
    for index, part in enumerate(job.parts):
        prefix = f"replica_specs[{index}]." if job.replica_specs else ""
        yield prefix, part, find_instance_type(part.instance_type) if part.instance_type else None


def pods(job: Job) -> Iterator[tuple[str, PodFields]]:
    """Path prefix and pod fields of every part of a job that sets them: the job itself and its replica specs."""
    yield "", job
    for index, spec in enumerate(job.replica_specs):
        yield f"replica_specs[{index}].", spec


def opaque(value: object) -> bool:
    """Whether a value cannot be checked: it is unset, or known only at deploy time."""
    return value is None or is_token(value)
