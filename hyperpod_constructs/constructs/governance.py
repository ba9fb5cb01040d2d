"""Task governance as constructs: the cluster policy, compute quotas, and teams that combine them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import CfnResource, Names
from constructs import Construct, IDependable

from ..core.governance_properties import compute_quota_properties, scheduler_config_properties
from ..core.isolation import isolation_objects, pod_security_labels
from ..core.manifests import namespace, team_objects
from ..core.spec import Governance, Job, Scheduler, Team
from .access import AccessEntries
from .arguments import checked
from .governance_provider import GovernanceProvider, Through, governed, is_native
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesFields, KubernetesObjects


class ClusterSchedulerConfig(Construct):
    """The cluster policy: priority classes, fair share and sharing of idle compute. A HyperPod cluster has at most one.

    Args:
        cluster: the HyperPod cluster.
        scheduler: the policy. Default: fair share, no priority classes.
        through: `native` is the CloudFormation type, `handler` a function of this library that sends the same request.
            Default: native if the stack's region is known to have the type.
        tags: tags of the resource.
        adopt: adopt an existing one of this name; its previous content is restored on deletion. Requires `handler`.
    """

    resource: CfnResource
    """The `CfnClusterSchedulerConfig`, or the custom resource that replaces it; both are taggable."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        scheduler: Scheduler | None = None,
        through: Through = "auto",
        tags: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        scheduler = scheduler or Scheduler()
        properties = scheduler_config_properties(
            scheduler, name=scheduler.name or _name(self), cluster_arn=cluster.cluster_arn
        )
        cluster.kubernetes.parts.schedulers.append(scheduler)
        self.resource = governed(self, "ClusterSchedulerConfig", properties, cluster, through, adopt, tags)
        self.resource.node.add_dependency(cluster.milestone("task_governance"))
        cluster.milestone("scheduler_config").add(self)
        cluster.jobs_ready.add(self)


class ComputeQuota(Construct):
    """A team's share of the cluster's compute, and how it lends and borrows.

    The service creates the team's namespace and queue with it. Arguments are those of `ClusterSchedulerConfig`; only
    the compute settings of `team` are used here.
    """

    resource: CfnResource
    """The `AWS::SageMaker::ComputeQuota`, or the custom resource that replaces it; both are taggable."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        team: Team,
        through: Through = "auto",
        tags: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        properties = compute_quota_properties(team, name=_name(self), cluster_arn=cluster.cluster_arn)
        self.resource = governed(self, "ComputeQuota", properties, cluster, through, adopt, tags)
        # after the scheduler config, so that priority classes exist before the first team
        self.resource.node.add_dependency(cluster.milestone("task_governance"), cluster.milestone("scheduler_config"))
        cluster.jobs_ready.add(self)


class HyperPodTeam(Construct):
    """A team on the cluster: quota, namespace, queue, permissions and access entries. Jobs specify only the team.

    The service creates the namespace and the queue with the quota. The construct adds a Role and bindings for the team's
    Kubernetes groups, and access entries that put members and viewers into these groups, for the team's namespace only.
    Admission policies and a network policy isolate the team's pods (`team.isolation`) before members get permissions in
    the namespace.

    Args:
        cluster: the HyperPod cluster, with the task governance add-on.
        team: the team.
        through: see `ClusterSchedulerConfig`.
        tags: tags of the quota.
        adopt: adopt an existing quota, and existing roles and admission policies, of these names; their previous content
            is restored on deletion.
    """

    quota: ComputeQuota
    ready: IDependable
    """Namespace, queue and permissions exist; resources in the namespace depend on it."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        team: Team,
        through: Through = "auto",
        tags: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.team = team
        self._cluster = cluster
        cluster.kubernetes.parts.teams.append(team)
        self.quota = ComputeQuota(self, "Quota", cluster=cluster, team=team, through=through, tags=tags, adopt=adopt)
        permissions = KubernetesObjects(
            self, "Rights", kubernetes=cluster.kubernetes, objects=_team_permissions(team), adopt=adopt
        )
        permissions.node.add_dependency(self.quota, *self._isolate(adopt))
        self.ready = permissions
        cluster.jobs_ready.add(permissions)
        # volumes and other objects in the team's namespace
        cluster.namespace_ready(team.namespace).add(permissions)
        AccessEntries.of(cluster.eks_cluster).add_team(team)

    def _isolate(self, adopt: bool) -> list[Construct]:
        """Isolates the team's pods, before members get permissions and until they lose them."""
        isolation, kubernetes = self.team.isolation, self._cluster.kubernetes
        if not isolation.enabled:
            return []
        labels = KubernetesFields(  # the service owns the namespace: only the labels are set here
            self,
            "PodSecurity",
            kubernetes=kubernetes,
            fields=namespace(self.team.namespace, labels=pod_security_labels(isolation)),
            rerun_on=self.team.namespace,
        )
        labels.node.add_dependency(self.quota)
        policies = KubernetesObjects(
            self,
            "Isolation",
            kubernetes=kubernetes,
            # tolerations and system nodes are those of the groups as of synthesis
            objects=lambda: isolation_objects(self.team, cluster=self._cluster.spec),
            adopt=adopt,
        )
        policies.node.add_dependency(labels)  # and on the namespace, through the labels
        network_addon = self._cluster.eks_cluster.network_addon
        if isolation.network_policy and network_addon:
            network_addon.set_default("enableNetworkPolicy", "true")
        return [policies, labels]

    @property
    def namespace(self) -> str:
        """The team's namespace."""
        return self.team.namespace

    @property
    def queue(self) -> str:
        """The team's LocalQueue."""
        return self.team.queue

    def add_member(self, principal_arn: str) -> None:
        """Allows an IAM role or user to run jobs in the team's namespace."""
        AccessEntries.of(self._cluster.eks_cluster).add_team(Team(name=self.team.name, members=(principal_arn,)))

    @checked
    def job(self, job: Job) -> Job:
        """Returns a job of this team: in its namespace and queue, with its priority unless the job specifies one."""
        return Governance(teams=(self.team,)).completed(job.model_copy(update={"team": self.team.name}))


class HyperPodGovernance(Construct):
    """The cluster policy and all teams, from one spec, checked as a whole against the cluster's capacity."""

    scheduler_config: ClusterSchedulerConfig
    teams: Mapping[str, HyperPodTeam]
    """Teams by name."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        governance: Governance,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        through = governance.through
        self.scheduler_config = ClusterSchedulerConfig(
            self,
            "Scheduler",
            cluster=cluster,
            scheduler=governance.scheduler,
            through=through,
            tags=tags,
            adopt=governance.adopt,
        )
        self.teams = {
            team.name: HyperPodTeam(
                self,
                f"Team-{team.name}",
                cluster=cluster,
                team=team,
                through=through,
                tags=tags,
                adopt=governance.adopt,
            )
            for team in governance.teams
        }


def _team_permissions(team: Team) -> list[dict[str, Any]]:
    """Returns the roles and bindings of the team's two groups; the service owns the namespace."""
    members, viewers = team.groups
    role = "hyperpod-team-viewer"
    metadata = {"name": role, "namespace": team.namespace}
    group = "rbac.authorization.k8s.io"
    read_only = ["get", "list", "watch"]
    rules = [
        {"apiGroups": ["sagemaker.amazonaws.com"], "resources": ["hyperpodpytorchjobs"], "verbs": read_only},
        {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs"], "verbs": read_only},
        {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues", "workloads"], "verbs": read_only},
    ]
    return [
        *team_objects(team, group=members, create_namespace=False),
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": role},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": viewers}],
        },
    ]


def _name(construct: Construct) -> str:
    """Returns a name that is generated from the construct's path, so that it is unique in the account."""
    return Names.unique_resource_name(construct, max_length=63, separator="-")


__all__ = [
    "ClusterSchedulerConfig",
    "ComputeQuota",
    "GovernanceProvider",
    "HyperPodGovernance",
    "HyperPodTeam",
    "is_native",
]
