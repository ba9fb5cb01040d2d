"""Job classes with other default kinds, for Python code.

A separate module, because creating classes with so many fields takes milliseconds at import.
"""

from .base import Change, field
from .jobs import Job, JobKind


class PyTorchJob(Job):
    """A `Job` for Kubeflow's training operator, with one master and the remaining replicas as workers."""

    kind: JobKind = field("PyTorchJob", change=Change.REPLACES, help="Kind of object.")


class BatchJob(Job):
    """A Kubernetes `Job`, for smoke tests."""

    kind: JobKind = field("Job", change=Change.REPLACES, help="Kind of object.")
