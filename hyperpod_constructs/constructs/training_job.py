"""Training jobs as resources of a stack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, cast

from aws_cdk import (
    CfnWaitConditionHandle,
    Duration,
    Environment,
    RemovalPolicy,
    Stack,
    Token,
)
from constructs import Construct, DependencyGroup

from ..core.checks import Problem, find
from ..core.findings import Finding
from ..core.jobs import Job, compile_job
from ..core.jobs.manifest import manifest_of
from ..core.jobs.names import HASH_LENGTH
from ..core.node_pools import not_disrupted
from ..core.spec import Cluster
from ..core.spec.base import is_token
from .arguments import checked
from .ids import ensure_known
from .kubernetes import (
    KubernetesObjects,
    KubernetesProvider,
    KubernetesWait,
    WaitCondition,
    job_finished,
    job_started,
)
from .validation import validate_with

WaitFor = Literal["start", "completion"]

MAX_JOBS = 300
"""Maximum number of jobs in one stack: CloudFormation allows 500 resources, and the stack has other resources."""
MAX_BYTES = 600_000
"""Maximum size in bytes of the manifests in one stack: a template can have 1 MB, and escaping enlarges a manifest."""


class JobCluster(Protocol):
    """The attributes of a cluster that a job requires: a `HyperPodCluster`, or any object with the same three attributes."""

    kubernetes: KubernetesProvider
    """The Kubernetes provider of the EKS cluster."""
    jobs_ready: DependencyGroup
    """Operators, queues, namespaces and volumes that jobs depend on."""

    @property
    def spec(self) -> Cluster:
        """The HyperPod cluster's spec, to check the job against its groups."""
        ...


class TrainingJob(Construct):
    """A training job, applied after the operators, queues and volumes of its cluster.

    By default the object's name contains a hash of the content: a changed job is a new object, created before the old one
    is deleted, and an unchanged one is never changed again, even if it has finished or its time to live removed it.
    `on_change` of the job selects fixed names: `replace` deletes the old job first, `refuse` fails on a change.

    Image, environment, service account, team and volumes may be CDK tokens; the name is required at synthesis.

    Args:
        cluster: the HyperPod cluster.
        job: the job.
        removal_policy: `DESTROY` (default) stops and deletes the job when the stack or the construct is deleted, `RETAIN`
            leaves it in the cluster; a changed job then leaves the old one running, too.
        wait_for: the deployment fails if the job does not start (`start`) or does not complete (`completion`). Default: the
            deployment does not wait for the job.
        wait_timeout: how long to wait, at most one hour. Default: one hour.

    Raises:
        InvalidSpec: the job has errors; errors that depend on the cluster are reported at synthesis.
        ValueError: the name is a token.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: JobCluster,
        job: Job,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        wait_for: WaitFor | None = None,
        wait_timeout: Duration | None = None,
    ) -> None:
        super().__init__(scope, id)
        ensure_known(self, "job.name", "the object is named after it", job.name)
        self.job = job
        self._cluster = cluster
        self._names: set[str] = set()
        # groups that Karpenter scales may still be added, which changes the manifest
        may_change = cluster.spec.autoscaling is not None
        self._compiled = None if may_change else self._compile()
        validate_with(self, self._findings)
        parts = cluster.kubernetes.parts
        parts.jobs.append((self, job))
        parts.described_cluster = cluster
        self.objects = KubernetesObjects(
            self,
            "Job",
            kubernetes=cluster.kubernetes,
            objects=(lambda: [self.manifest]) if may_change else [self.manifest],
            removal_policy=removal_policy,
            replace_on_immutable=job.on_change == "replace",
            adopt=job.adopt,
        )
        self.objects.resource.node.add_dependency(cluster.jobs_ready)
        if not isinstance(cluster, _ClusterWithBarrier):
            self.objects.resource.node.add_dependency(cluster.kubernetes.before_jobs)
        if wait_for is not None:
            self._wait(cluster, wait_for, wait_timeout or Duration.hours(1))

    @property
    def manifest(self) -> dict[str, Any]:
        """The Kubernetes object; when the app is synthesized, exactly as it is applied."""
        return self._compiled or self._compile()

    @property
    def job_name(self) -> str:
        """Name of the Kubernetes object, with its hash.

        If Karpenter scales groups of the cluster, read it after all groups are added: a later change is an error (HP751).
        """
        name = str(self.manifest["metadata"]["name"])
        self._names.add(name)
        return name

    @property
    def namespace(self) -> str:
        """Namespace of the Kubernetes object."""
        return str(self.manifest["metadata"]["namespace"])

    def _wait(self, cluster: JobCluster, wait_for: WaitFor, timeout: Duration) -> None:
        def condition() -> WaitCondition:
            metadata, kind = self.manifest["metadata"], self.job.kind
            return (job_started if wait_for == "start" else job_finished)(
                api_version=self.manifest["apiVersion"], kind=kind, namespace=self.namespace, name=metadata["name"]
            )

        condition_or_function = condition if self._compiled is None else condition()
        wait = KubernetesWait(
            self, "Wait", kubernetes=cluster.kubernetes, condition=condition_or_function, timeout=timeout
        )
        wait.resource.node.add_dependency(self.objects.resource)

    def _compile(self) -> dict[str, Any]:
        job = not_disrupted(self.job, self._cluster.spec)
        return compile_job(job, resolve=lambda content: _resolved(self, content))

    def _findings(self) -> Iterator[Finding]:
        """Reports a name that was read before the groups that change it were added."""
        name, rule = self.manifest["metadata"]["name"], find("HP751")
        assert rule is not None
        for stale in sorted(self._names - {name}):
            yield rule.finding(Problem(f"{self.node.path}.job_name", f"was read as {stale!r}, but is {name!r}"))


class TrainingJobs(Construct):
    """Many training jobs, distributed over as many stacks as CloudFormation's limits require.

    The stack of a job depends only on its name and on the number of stacks, which is a power of two. When jobs are added
    and the number of stacks doubles, half of the jobs move to new stacks; these are deployed first and take over their
    jobs, so that no running job is stopped. (This does not apply if the first stack also contains the cluster, which the
    others require: set `shards`.)

    Args:
        cluster: the HyperPod cluster.
        jobs: the jobs, with different names.
        removal_policy: see `TrainingJob`.
        shards: number of stacks; default: the smallest number within the limits. The first is the stack of this construct.

    Raises:
        InvalidSpec: a job has errors.
        ValueError: `shards` is not a power of two, or a name or namespace is a token.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: JobCluster,
        jobs: Sequence[Job],
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        shards: int | None = None,
    ) -> None:
        super().__init__(scope, id)
        if shards is not None and (shards < 1 or shards & (shards - 1)):
            raise ValueError(f"{self.node.path}: shards must be a power of two, got {shards}")
        count = shards or _shards(jobs)
        self.stacks: tuple[Stack, ...] = self._stacks(count, cluster)
        """The stacks of the jobs, this construct's own first."""
        self.jobs: dict[str, TrainingJob] = {}
        """The jobs by construct id: the name, prefixed with the kind and the namespace unless these are the default."""
        holders: dict[int, tuple[Construct, JobCluster]] = {}
        for job in jobs:
            shard = _shard(job, count)
            if shard not in holders:
                holders[shard] = self._holder(shard, cluster)
            holder, with_barrier = holders[shard]
            child = _child_id(job)
            self.jobs[child] = TrainingJob(holder, child, cluster=with_barrier, job=job, removal_policy=removal_policy)

    def _stacks(self, count: int, cluster: JobCluster) -> tuple[Stack, ...]:
        stack = Stack.of(self)
        if count == 1:
            return (stack,)
        parent = stack.node.scope
        if parent is None:
            raise ValueError(
                f"{self.node.path}: more than one stack of jobs requires an app or stage that contains the first"
            )
        environment = Environment(
            account=None if Token.is_unresolved(stack.account) else stack.account,
            region=None if Token.is_unresolved(stack.region) else stack.region,
        )
        more = [
            Stack(cast(Construct, parent), f"{stack.node.id}-{self.node.id}{number}", env=environment)
            for number in range(2, count + 1)
        ]
        if Stack.of(cluster.kubernetes) is not stack:  # jobs move to later stacks only, which must take them over first
            for earlier, later in zip([stack, *more], more, strict=False):
                earlier.add_dependency(later, "takes over the jobs that move")
        return (stack, *more)

    def _holder(self, shard: int, cluster: JobCluster) -> tuple[Construct, JobCluster]:
        """Returns the scope of a shard's jobs, and the cluster with a barrier, so that each job has one dependency."""
        scope: Construct = self if shard == 0 else self.stacks[shard]
        barrier = CfnWaitConditionHandle(scope, "Ready")
        barrier.node.add_dependency(cluster.jobs_ready, cluster.kubernetes.before_jobs)
        holder = Construct(scope, "All")
        return holder, _ClusterWithBarrier(cluster, barrier)


class _ClusterWithBarrier:
    """A cluster whose jobs depend on one construct, the barrier, which depends on all other dependencies of jobs."""

    def __init__(self, cluster: JobCluster, barrier: Construct) -> None:
        self._cluster = cluster
        self.kubernetes = cluster.kubernetes
        self.jobs_ready = DependencyGroup(barrier)

    @property
    def spec(self) -> Cluster:
        """The HyperPod cluster's spec, with its current groups."""
        return self._cluster.spec


def _child_id(job: Job) -> str:
    """Returns the construct id of a job, which is unique on its cluster."""
    parts = [
        *([job.kind] if job.kind != "HyperPodPyTorchJob" else []),
        *([job.effective_namespace] if job.effective_namespace != "default" else []),
        job.name,
    ]
    if any(map(is_token, parts)):
        raise ValueError("the name or namespace of a job is a CDK token; create a separate TrainingJob for it")
    return ".".join(parts)


def _shards(jobs: Sequence[Job]) -> int:
    """Returns the smallest number of stacks, a power of two, whose share of the jobs is within the limits."""
    sizes = [(job, len(json.dumps(manifest_of(job), separators=(",", ":"))) + _hash_length(job)) for job in jobs]
    count = 1
    while True:
        number, size = [0] * count, [0] * count
        for job, length in sizes:
            shard = _shard(job, count)
            number[shard] += 1
            size[shard] += length
        if max(number) <= MAX_JOBS and max(size) <= MAX_BYTES:
            return count
        count *= 2


def _hash_length(job: Job) -> int:
    """Returns the number of characters that the hash adds to a name; a manifest with tokens does not contain it yet."""
    return HASH_LENGTH + 1 if job.on_change == "new-object" else 0


def _shard(job: Job, count: int) -> int:
    """Returns the stack of a job: the low bits of a hash, so that doubling moves jobs to later stacks only."""
    name = f"{job.kind}/{job.effective_namespace}/{job.name}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % count


def _resolved(scope: Construct, content: Any) -> Any:
    """Returns content with its tokens as in the template; content without tokens causes no call to Node.js."""
    return Stack.of(scope).resolve(content) if is_token(json.dumps(content)) else content


__all__ = ["JobCluster", "TrainingJob", "TrainingJobs"]
