"""Training jobs: the job model, the calculation of resources, and the compiler of the manifest that is applied.

>>> from hyperpod_constructs.core.jobs import HyperPodPyTorchJob, compile_job
>>> job = HyperPodPyTorchJob(name="llama", image="registry/llama:v3", instance_type="ml.p5.48xlarge", nodes=16)
>>> compile_job(job)["kind"]
'HyperPodPyTorchJob'
"""

from ..spec.jobs import HyperPodPyTorchJob, Job, Replica, ReplicaSpec
from ..spec.jobs_kinds import BatchJob, PyTorchJob
from ..spec.jobs_pod import (
    Container,
    EmptyDir,
    EnvFrom,
    EnvSource,
    JobVolume,
    Port,
    SecurityContext,
    Toleration,
)
from ..spec.jobs_policy import Elastic, LogRule, RestartPolicy, RunPolicy
from .compile import compile_job, content_hash
from .resources import Share, Step, share

__all__ = [
    "BatchJob",
    "Container",
    "Elastic",
    "EmptyDir",
    "EnvFrom",
    "EnvSource",
    "HyperPodPyTorchJob",
    "Job",
    "JobVolume",
    "LogRule",
    "Port",
    "PyTorchJob",
    "Replica",
    "ReplicaSpec",
    "RestartPolicy",
    "RunPolicy",
    "SecurityContext",
    "Share",
    "Step",
    "Toleration",
    "compile_job",
    "content_hash",
    "share",
]
