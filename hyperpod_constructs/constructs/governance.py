"""Task governance as constructs: the cluster policy, compute quotas, and teams that tie everything together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aws_cdk import Acknowledgment, CfnResource, Duration, Names, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IDependable

from ..core import catalog
from ..core.governance_properties import compute_quota_properties, scheduler_config_properties
from ..core.isolation import isolation_objects, pod_security_labels
from ..core.manifests import namespace, team_objects
from ..core.spec import Governance, Job, Scheduler, Team
from ..handlers.governance.index import POLL_SECONDS, TIMEOUT_SECONDS
from .access import AccessEntries
from .cluster import HyperPodCluster
from .functions import function_logs, function_role, handler_function, waiting_provider
from .kubernetes import KubernetesFields, KubernetesObjects
from .trust import keep_internal
from .validation import region_of

Through = Literal["auto", "native", "handler"]
Kind = Literal["ClusterSchedulerConfig", "ComputeQuota"]


class ClusterSchedulerConfig(Construct):
    """The cluster policy: priority classes, fair share and sharing of idle compute. A HyperPod cluster has one.

    Args:
        cluster: the HyperPod cluster.
        scheduler: the policy. Default: fair share, no priority classes.
        through: `native` is CloudFormation's own type, `handler` a function of ours that sends the same request. Default:
            native where the stack's region is known to have the type.
        tags: tags of the resource.
        adopt: take over one of this name that exists already; it is as it was when ours goes. By our handler only.
    """

    resource: CfnResource
    """The `AWS::SageMaker::ClusterSchedulerConfig`, or our custom resource in its place."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: HyperPodCluster,
        scheduler: Scheduler | None = None,
        through: Through = "auto",
        tags: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        scheduler = scheduler or Scheduler()
        properties = scheduler_config_properties(
            scheduler, name=scheduler.name or _name(self), cluster_arn=cluster.cluster_arn, tags=tags
        )
        cluster.kubernetes.parts.schedulers.append(scheduler)
        self.resource = _governed(self, "ClusterSchedulerConfig", properties, cluster, through, adopt)
        self.resource.node.add_dependency(cluster.milestone("task_governance"))
        cluster.milestone("scheduler_config").add(self)
        cluster.jobs_ready.add(self)


class ComputeQuota(Construct):
    """What a team owns of the cluster's compute, and how it lends and borrows.

    The service makes the team's namespace and queue with it. Arguments are those of `ClusterSchedulerConfig`; only what
    `team` says about compute is used here.
    """

    resource: CfnResource
    """The `AWS::SageMaker::ComputeQuota`, or our custom resource in its place."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: HyperPodCluster,
        team: Team,
        through: Through = "auto",
        tags: Mapping[str, str] | None = None,
        adopt: bool = False,
    ) -> None:
        super().__init__(scope, id)
        properties = compute_quota_properties(team, name=_name(self), cluster_arn=cluster.cluster_arn, tags=tags)
        self.resource = _governed(self, "ComputeQuota", properties, cluster, through, adopt)
        # with its scheduler config, so that priority classes are there before the first team
        self.resource.node.add_dependency(cluster.milestone("task_governance"), cluster.milestone("scheduler_config"))
        cluster.jobs_ready.add(self)


class HyperPodTeam(Construct):
    """A team on the cluster: quota, namespace, queue, rights and access entries. Jobs name the team and nothing else.

    The service makes namespace and queue with the quota; we add a Role and bindings for the team's Kubernetes groups, and
    access entries that put members and viewers into these groups, for the team's namespace alone. Admission policies and a
    network policy hold the team's pods inside the namespace (`team.isolation`), before anybody gets rights in it.

    Args:
        cluster: the HyperPod cluster, with the task governance add-on.
        team: the team.
        through: see `ClusterSchedulerConfig`.
        tags: tags of the quota.
        adopt: take over a quota, rights and admission policies of these names that exist already; they are as they were when
            ours go.
    """

    quota: ComputeQuota
    ready: IDependable
    """Namespace, queue and rights are there: what is made in the namespace depends on it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: HyperPodCluster,
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
        rights = KubernetesObjects(self, "Rights", provider=cluster.kubernetes, objects=_rights(team), adopt=adopt)
        rights.node.add_dependency(self.quota, *self._isolate(adopt))
        self.ready = rights
        cluster.jobs_ready.add(rights)
        # volumes and whatever else is made in the team's namespace
        cluster.namespace_ready(team.namespace).add(rights)
        AccessEntries.of(cluster.eks_cluster).add_team(team)

    def _isolate(self, adopt: bool) -> list[Construct]:
        """What holds the team's pods inside its namespace: before its members get their rights, and after they lost them."""
        isolation, kubernetes = self.team.isolation, self._cluster.kubernetes
        objects = isolation_objects(self.team, cluster=self._cluster.spec)
        if not objects:
            return []
        labels = KubernetesFields(  # the namespace is the service's: labels are all that is ours of it
            self,
            "PodSecurity",
            provider=kubernetes,
            fields=namespace(self.team.namespace, labels=pod_security_labels(isolation)),
            rerun_on=self.team.namespace,
        )
        labels.node.add_dependency(self.quota)
        policies = KubernetesObjects(self, "Isolation", provider=kubernetes, objects=objects, adopt=adopt)
        policies.node.add_dependency(labels)  # which have waited for the namespace
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
        """Let an IAM role or user run jobs in the team's namespace."""
        AccessEntries.of(self._cluster.eks_cluster).add_team(Team(name=self.team.name, members=(principal_arn,)))

    def job(self, job: Job) -> Job:
        """A job as this team's: in its namespace and queue, and with its priority where the job names none."""
        return Governance(teams=(self.team,)).completed(job.model_copy(update={"team": self.team.name}))


class HyperPodGovernance(Construct):
    """The cluster policy and all teams, from one spec, checked as a whole against the cluster's capacity."""

    scheduler_config: ClusterSchedulerConfig
    teams: Mapping[str, HyperPodTeam]
    """By name."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: HyperPodCluster,
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


def is_native(scope: Construct, kind: Kind, through: Through = "auto") -> bool:
    """Whether a kind is made by CloudFormation's own type: where it was asked for, or the region is known to have it."""
    if through != "auto":
        return through == "native"
    name = region_of(scope)
    region = catalog.find_region(name) if name else None
    if region is None:
        return False  # the handler works everywhere
    return region.scheduler_config_cfn if kind == "ClusterSchedulerConfig" else region.compute_quota_cfn


class GovernanceProvider(Construct):
    """The functions that send the requests where CloudFormation has no type for them. One for each HyperPod cluster."""

    service_token: str

    def __init__(self, scope: Construct, id: str, *, cluster: HyperPodCluster) -> None:
        super().__init__(scope, id)
        self.role = function_role(self, "Role", "Functions that make scheduler configs and compute quotas")
        for statement in _statements(Stack.of(self), cluster):
            self.role.add_to_policy(statement)
        provider = waiting_provider(
            self,
            "Provider",
            on_event_handler=self._function("Starter", "on_event", "Makes scheduler configs and compute quotas"),
            is_complete_handler=self._function("Asker", "is_complete", "Asks what became of them"),
            query_interval=Duration.seconds(POLL_SECONDS),
            # longer than the handler's own time, which ends with a reason
            total_timeout=Duration.seconds(int(TIMEOUT_SECONDS) + 20 * POLL_SECONDS),
            log_group=function_logs(self, "FrameworkLogs"),
        )
        self.service_token = provider.service_token
        keep_internal(self)

    @staticmethod
    def of(scope: Construct, cluster: HyperPodCluster) -> GovernanceProvider:
        """The provider of a cluster in the stack of `scope`, made when it is first asked for."""
        stack = Stack.of(scope)
        id = f"HyperPodGovernanceProvider{cluster.node.addr[-8:]}"
        found = stack.node.try_find_child(id)
        return found if isinstance(found, GovernanceProvider) else GovernanceProvider(stack, id, cluster=cluster)

    def _function(self, id: str, handler: str, description: str) -> lambda_.Function:
        return handler_function(
            self,
            id,
            f"governance.index.{handler}",
            description=description,
            role=self.role,
            log_group=function_logs(self, f"{id}Logs"),
            timeout=Duration.minutes(10),
            memory_size=256,
        )


def _governed(
    construct: Construct,
    kind: Kind,
    properties: dict[str, Any],
    cluster: HyperPodCluster,
    through: Through,
    adopt: bool,
) -> CfnResource:
    if is_native(construct, kind, through):
        native = CfnResource(construct, "Resource", type=f"AWS::SageMaker::{kind}", properties=properties)
        Validations.of(native).acknowledge(
            Acknowledgment(
                id="CloudFormation-Validate::F3006",
                reason="the region has the type by CloudFormation's own schema; CDK's validator does not know it yet",
            )
        )
        return native
    provider = GovernanceProvider.of(construct, cluster)
    team = properties.get("ComputeQuotaTarget", {}).get("TeamName")
    resource = CfnResource(
        construct,
        "Resource",
        type=f"Custom::HyperPod{kind}",
        properties={
            "ServiceToken": provider.service_token,
            "ServiceTimeout": int(TIMEOUT_SECONDS) + 40 * POLL_SECONDS,
            "Kind": kind,
            "ClusterArn": cluster.cluster_arn,
            # text, because CloudFormation would turn numbers into strings
            "Request": Stack.of(construct).to_json_string(properties),
            **({"TeamName": team} if team else {}),
            **({"Adopt": "true"} if adopt else {}),
        },
    )
    resource.node.add_dependency(provider.role)
    return resource


def _statements(stack: Stack, cluster: HyperPodCluster) -> list[iam.PolicyStatement]:
    """What the requests need; the service calls EKS with the caller's rights, as CloudFormation's own types have it."""
    actions = catalog.role("governance_handler").actions
    made = [
        stack.format_arn(service="sagemaker", resource=resource, resource_name="*")
        for resource in ("cluster-scheduler-config", "compute-quota")
    ]
    eks_name = cluster.eks_cluster.cluster_name
    entries = stack.format_arn(service="eks", resource="access-entry", resource_name=f"{eks_name}/*")
    on = {
        "governed": [*made, cluster.cluster_arn],
        "list": ["*"],  # lists have no resource
        "cluster": [cluster.cluster_arn],
        "eks": [cluster.eks_cluster.cluster_arn, entries],
    }
    return [iam.PolicyStatement(actions=list(actions[group]), resources=on[group]) for group in on]


def _rights(team: Team) -> list[dict[str, Any]]:
    """Role and bindings of the team's two groups; the namespace is the service's."""
    members, viewers = team.groups
    role = "hyperpod-team-viewer"
    metadata = {"name": role, "namespace": team.namespace}
    group = "rbac.authorization.k8s.io"
    look = ["get", "list", "watch"]
    rules = [
        {"apiGroups": ["sagemaker.amazonaws.com"], "resources": ["hyperpodpytorchjobs"], "verbs": look},
        {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs"], "verbs": look},
        {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues", "workloads"], "verbs": look},
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
    """The required name: made of the path, so that it is unique in the account and never needs to be thought of."""
    return Names.unique_resource_name(construct, max_length=63, separator="-")


__all__ = [
    "ClusterSchedulerConfig",
    "ComputeQuota",
    "GovernanceProvider",
    "HyperPodGovernance",
    "HyperPodTeam",
    "is_native",
]
