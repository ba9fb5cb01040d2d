"""Jobs by their kind, for Python users.

A separate module, because building a class with so many fields takes milliseconds.
"""

from .base import Change, field
from .jobs import Job, JobKind


class PyTorchJob(Job):
    """A `Job` for Kubeflow's training operator, with one master and the remaining replicas as workers."""

    kind: JobKind = field("PyTorchJob", change=Change.REPLACES, help="Kind of object.")


class BatchJob(Job):
    """A Kubernetes `Job`, for smoke tests."""

    kind: JobKind = field("Job", change=Change.REPLACES, help="Kind of object.")
