"""The platform: the content of a config file."""

from collections.abc import Mapping
from typing import Any, Literal

from .addons import CORE, Addon, Addons, Kueue
from .arns import KeyArn, PolicyArn
from .base import Change, ListOf, SpecModel, defaults, field
from .cluster import Cluster
from .dependencies import DependencyChart
from .eks import Eks
from .facts import Facts
from .governance import Governance
from .groups import LustreEfaClient
from .jobs import Job
from .network import Network
from .observability import Observability
from .storage import Storage


class Acknowledgement(SpecModel):
    """An acknowledged finding. Errors that AWS is certain to reject cannot be acknowledged."""

    rule: str = field(change=Change.NONE, help="Rule id, such as `HP312`.")
    path: str = field("", change=Change.NONE, help="Config path, or a prefix of it. Default: all paths.")
    reason: str = field(change=Change.NONE, help="Why the finding is accepted.", min_length=1)


class Logs(SpecModel):
    """Retention and encryption of every log group that this library creates."""

    retention_days: int | Literal["unset"] = field(
        90,
        change=Change.IN_PLACE,
        help="Retention of log events in days, a value that CloudWatch Logs supports; `unset`: no retention "
        "is configured.",
    )
    kms_key_arn: KeyArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="Customer managed KMS key whose policy allows `logs.<region>.amazonaws.com`. Default: "
        "CloudWatch's default encryption.",
    )


class Platform(SpecModel):
    """A HyperPod cluster on EKS with all its resources, as described in `hyperpod.yaml`."""

    name: str = field(
        change=Change.REPLACES_CLUSTER, help="Name of the platform and prefix of its stacks: letters, digits, hyphens."
    )
    region: str = field(change=Change.REPLACES_CLUSTER, help="AWS region, such as `us-west-2`.")
    account: str | None = field(
        None, change=Change.REPLACES_CLUSTER, help="AWS account ID in quotes. Default: the account of the credentials."
    )
    network: Network = field(change=Change.IN_PLACE, help="The network.")
    eks: Eks = field(defaults(Eks), change=Change.IN_PLACE, help="The EKS cluster.")
    dependencies: DependencyChart = field(
        defaults(DependencyChart), change=Change.DRAINS, help="The HyperPod dependency chart."
    )
    cluster: Cluster = field(change=Change.IN_PLACE, help="The HyperPod cluster.")
    addons: Addons = field(defaults(Addons), change=Change.IN_PLACE, help="EKS add-ons.")
    governance: Governance | None = field(None, change=Change.IN_PLACE, help="Scheduler configuration and teams.")
    storage: Storage = field(defaults(Storage), change=Change.IN_PLACE, help="File systems and buckets.")
    jobs: ListOf[Job] = field(
        (),
        change=Change.IN_PLACE,
        help="Training jobs: paths of job files (this library's or the official CLI's format), or job definitions.",
    )
    manifests: tuple[Mapping[str, Any], ...] = field(
        (),
        change=Change.IN_PLACE,
        help="Kubernetes objects that are deployed with the jobs, such as config maps, services and claims: "
        "paths of manifests, or objects. They are applied before the jobs and deleted after them; "
        "volumes and claims are retained unless `allow_data_loss` is set.",
    )
    adopt_manifests: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt existing objects of `manifests` that this library did not create; they are retained when "
        "the stack is deleted.",
    )
    logs: Logs = field(defaults(Logs), change=Change.IN_PLACE, help="Settings of every log group.")
    tags: Mapping[str, str] = field(default_factory=dict, change=Change.IN_PLACE, help="Tags of all resources.")
    permissions_boundary_arn: PolicyArn | None = field(
        None, change=Change.IN_PLACE, help="ARN of the permissions boundary of every role that is created."
    )
    facts: Facts = field(
        defaults(Facts), change=Change.NONE, help="Facts that override the catalog: new instance types and regions."
    )
    allow_data_loss: bool = field(
        False,
        change=Change.NONE,
        help="Allow the deletion of data: `removal: destroy` deletes data only if this is also `true`.",
    )
    allow_cluster_replacement: bool = field(
        False, change=Change.NONE, help="Whether `--deployed` accepts edits that replace the cluster."
    )
    acknowledge: ListOf[Acknowledgement] = field((), change=Change.NONE, help="Acknowledged findings.")
    defaults: Literal[1, 2] = field(
        2,
        change=Change.NONE,
        help="Generation of the default settings of a config file. `2`: the current defaults. A file without "
        "this field uses generation `1`, the defaults of version 0.1.0, so that an upgrade of this "
        "library does not change deployed platforms. Objects that are created in code use the current "
        "defaults.",
    )

    @property
    def installed_addons(self) -> Mapping[str, Addon | Observability | Kueue]:
        """Settings of the installed add-ons by key, without core add-ons that an existing EKS cluster manages itself."""
        existing = self.eks.existing
        unmanaged = CORE if existing and not existing.core_addons else ()
        return {key: settings for key, settings in self.addons.effective().items() if key not in unmanaged}

    @property
    def completed_jobs(self) -> tuple[Job, ...]:
        """The jobs, each with its team's priority if it does not set one."""
        return tuple(map(self.governance.completed, self.jobs) if self.governance else self.jobs)

    @property
    def completed_cluster(self) -> Cluster:
        """The cluster with the platform's name and tags, and with the Lustre client for EFA if a file system uses EFA.

        A cluster name that is set is not changed, including `null`, for which CloudFormation generates a name.
        """
        update: dict[str, object] = {"tags": {**self.tags, **self.cluster.tags}}
        if "cluster_name" not in self.cluster.model_fields_set:
            update["cluster_name"] = self.name
        if self.cluster.lustre_efa_client is None and any(system.efa for system in self.storage.lustre):
            update["lustre_efa_client"] = LustreEfaClient()
        return self.cluster.model_copy(update=update)

    @property
    def completed_eks(self) -> Eks:
        """The EKS cluster; a new cluster that does not set a name has the platform's name."""
        if self.eks.existing or "cluster_name" in self.eks.model_fields_set:
            return self.eks
        return self.eks.model_copy(update={"cluster_name": self.name})
