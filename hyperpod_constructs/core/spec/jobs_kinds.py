"""Jobs by their kind, for Python users. A module of its own, since a class of so many fields takes milliseconds to make."""

from .base import Change, field
from .jobs import Job, JobKind


class PyTorchJob(Job):
    """A `Job` for Kubeflow's training operator, with one master and the rest workers."""

    kind: JobKind = field("PyTorchJob", change=Change.REPLACES, help="Kind of object.")


class BatchJob(Job):
    """A `Job` that is Kubernetes' own, for smoke tests."""

    kind: JobKind = field("Job", change=Change.REPLACES, help="Kind of object.")
