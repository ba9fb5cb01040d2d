"""The whole platform: what one config file says."""

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
    """A finding that was read and accepted. Errors that AWS is certain to refuse cannot be accepted."""

    rule: str = field(change=Change.NONE, help="Rule id, such as `HP312`.")
    path: str = field("", change=Change.NONE, help="Config path, or its beginning; empty means everywhere.")
    reason: str = field(change=Change.NONE, help="Why it is accepted.", min_length=1)


class Logs(SpecModel):
    """Retention and encryption of every log group that we make."""

    retention_days: int | Literal["unset"] = field(
        90,
        change=Change.IN_PLACE,
        help="Days that log events are kept, a value of CloudWatch Logs; `unset` leaves the retention to the account.",
    )
    kms_key_arn: KeyArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="Customer managed KMS key, which `logs.<region>.amazonaws.com` may use; default: CloudWatch's own.",
    )


class Platform(SpecModel):
    """A HyperPod cluster on EKS with everything around it, as `hyperpod.yaml` describes it."""

    name: str = field(
        change=Change.REPLACES_CLUSTER, help="Name of the platform and prefix of its stacks: letters, digits, hyphens."
    )
    region: str = field(change=Change.REPLACES_CLUSTER, help="AWS region, such as `us-west-2`.")
    account: str | None = field(
        None, change=Change.REPLACES_CLUSTER, help="AWS account id in quotes; default: that of the credentials."
    )
    network: Network = field(change=Change.IN_PLACE, help="The network.")
    eks: Eks = field(defaults(Eks), change=Change.IN_PLACE, help="The EKS cluster.")
    dependencies: DependencyChart = field(
        defaults(DependencyChart), change=Change.DRAINS, help="The HyperPod dependency chart."
    )
    cluster: Cluster = field(change=Change.IN_PLACE, help="The HyperPod cluster.")
    addons: Addons = field(defaults(Addons), change=Change.IN_PLACE, help="EKS add-ons.")
    governance: Governance | None = field(None, change=Change.IN_PLACE, help="Scheduler and teams.")
    storage: Storage = field(defaults(Storage), change=Change.IN_PLACE, help="File systems and buckets.")
    jobs: ListOf[Job] = field(
        (), change=Change.IN_PLACE, help="Training jobs: paths of job files (ours or the official CLI's), or jobs."
    )
    manifests: tuple[Mapping[str, Any], ...] = field(
        (),
        change=Change.IN_PLACE,
        help="Kubernetes objects that come with the jobs, such as config maps, services and claims: paths of manifests, or "
        "objects. They are applied before the jobs and deleted after them; volumes and claims are kept unless "
        "`allow_data_loss`.",
    )
    adopt_manifests: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over objects of `manifests` that exist already and were not made by this library; they are kept when "
        "ours go.",
    )
    logs: Logs = field(defaults(Logs), change=Change.IN_PLACE, help="Every log group.")
    tags: Mapping[str, str] = field(default_factory=dict, change=Change.IN_PLACE, help="Tags of all resources.")
    permissions_boundary_arn: PolicyArn | None = field(
        None, change=Change.IN_PLACE, help="Permissions boundary of every role that we make."
    )
    facts: Facts = field(
        defaults(Facts), change=Change.NONE, help="Facts over those of the catalog: new instance types and regions."
    )
    allow_data_loss: bool = field(
        False,
        change=Change.NONE,
        help="Second switch for `removal: destroy`: data goes only when both say so.",
    )
    allow_cluster_replacement: bool = field(
        False, change=Change.NONE, help="Whether `--deployed` accepts edits that replace the cluster."
    )
    acknowledge: ListOf[Acknowledgement] = field((), change=Change.NONE, help="Findings that were accepted.")
    defaults: Literal[1, 2] = field(
        2,
        change=Change.NONE,
        help="Generation of the default settings of a config file. `2`: the current defaults. A file without it has "
        "generation `1`, the defaults of version 0.1.0, so that an upgrade of this library changes no deployed platform. "
        "Objects that are made in code have the current defaults.",
    )

    @property
    def installed_addons(self) -> Mapping[str, Addon | Observability | Kueue]:
        """Settings of the installed add-ons by key, without the core add-ons of an existing EKS cluster that has its own."""
        existing = self.eks.existing
        unmanaged = CORE if existing and not existing.core_addons else ()
        return {key: settings for key, settings in self.addons.effective().items() if key not in unmanaged}

    @property
    def completed_jobs(self) -> tuple[Job, ...]:
        """The jobs, each with the priority of its team where it names none."""
        return tuple(map(self.governance.completed, self.jobs) if self.governance else self.jobs)

    @property
    def completed_cluster(self) -> Cluster:
        """The cluster with the platform's name and tags, and with the Lustre client for EFA where a file system has EFA.

        A name that is given stays, also `null`, which leaves the name to CloudFormation.
        """
        update: dict[str, object] = {"tags": {**self.tags, **self.cluster.tags}}
        if "cluster_name" not in self.cluster.model_fields_set:
            update["cluster_name"] = self.name
        if self.cluster.lustre_efa_client is None and any(system.efa for system in self.storage.lustre):
            update["lustre_efa_client"] = LustreEfaClient()
        return self.cluster.model_copy(update=update)

    @property
    def completed_eks(self) -> Eks:
        """The EKS cluster with the platform's name, where it is ours and names none."""
        if self.eks.existing or "cluster_name" in self.eks.model_fields_set:
            return self.eks
        return self.eks.model_copy(update={"cluster_name": self.name})
