"""Resources of scheduler configs and compute quotas: the CloudFormation types, or a function of this library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jsii
from aws_cdk import Acknowledgment, CfnResource, Duration, ITaggableV2, Stack, TagManager, TagType, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from ..core import catalog
from ..core.catalog import GovernanceType
from ..core.checks import Problem, find
from ..handlers.governance.index import POLL_SECONDS, TIMEOUT_SECONDS
from .arguments import checked
from .functions import function_logs, function_role, handler_function, waiting_provider
from .interfaces import IHyperPodCluster
from .l1 import set_properties
from .late import late
from .trust import keep_internal
from .validation import region_of

Through = Literal["auto", "native", "handler"]
Kind = GovernanceType


@jsii.implements(ITaggableV2)
class TaggableResource(CfnResource):
    """A resource with tags whose type has no L1 in CDK: `Tags.of` and aspects find the tags as those of an L1."""

    def __init__(self, scope: Construct, id: str, *, type: str, properties: Mapping[str, Any]) -> None:
        self._tags = TagManager(TagType.KEY_VALUE, type, tag_property_name="Tags")
        super().__init__(scope, id, type=type, properties=properties)

    @property
    def cdk_tag_manager(self) -> TagManager:
        """Its tags."""
        return self._tags


def is_native(scope: Construct, kind: Kind, through: Through = "auto") -> bool:
    """Whether a kind is created with its CloudFormation type: if requested, or if the region is known to have the type."""
    if through != "auto":
        return through == "native"
    region = _region(scope)
    return region is not None and region.has_type(kind)  # the handler works in every region


def _region(scope: Construct) -> catalog.Region | None:
    name = region_of(scope)
    return catalog.find_region(name) if name else None


def _find_missing_type(construct: Construct, kind: Kind, cluster: IHyperPodCluster, through: Through) -> None:
    """Reports `through: native` in a region without the CloudFormation type."""
    region, rule = _region(construct), find("HP602")
    if through == "native" and region is not None and region.hyperpod and not region.has_type(kind) and rule:
        message = f"native, but {region.name} does not have AWS::SageMaker::{kind}"
        cluster.kubernetes.parts.found.append(rule.finding(Problem(f"{construct.node.path}.through", message)))


def governed(
    construct: Construct,
    kind: Kind,
    properties: dict[str, Any],
    cluster: IHyperPodCluster,
    through: Through,
    adopt: bool,
    tags: Mapping[str, str] | None,
) -> CfnResource:
    """Creates the resource of a scheduler config or a quota, with its tags."""
    _find_missing_type(construct, kind, cluster, through)
    if is_native(construct, kind, through):
        resource = _native(construct, kind, properties)
    else:
        resource = _handled(construct, kind, properties, cluster, adopt)
    for key, value in (tags or {}).items():
        resource.cdk_tag_manager.set_tag(key, value)
    return resource


def _native(
    construct: Construct, kind: Kind, properties: dict[str, Any]
) -> sagemaker.CfnClusterSchedulerConfig | TaggableResource:
    if kind == "ClusterSchedulerConfig":
        config = sagemaker.CfnClusterSchedulerConfig.SchedulerConfigProperty()
        policy = sagemaker.CfnClusterSchedulerConfig(
            construct,
            "Resource",
            cluster_arn=properties["ClusterArn"],
            name=properties["Name"],
            scheduler_config=config,
        )
        set_properties(policy, sagemaker.CfnClusterSchedulerConfigProps, properties)
        return policy
    quota = TaggableResource(construct, "Resource", type=f"AWS::SageMaker::{kind}", properties=properties)
    Validations.of(quota).acknowledge(
        Acknowledgment(
            id="CloudFormation-Validate::F3006",
            reason="the region has the type by CloudFormation's own schema; CDK's validator does not know it yet",
        )
    )
    return quota


def _handled(
    construct: Construct, kind: Kind, properties: dict[str, Any], cluster: IHyperPodCluster, adopt: bool
) -> TaggableResource:
    provider = GovernanceProvider.of(construct, cluster)
    team = properties.get("ComputeQuotaTarget", {}).get("TeamName")

    def tags() -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in sorted(resource.cdk_tag_manager.tag_values().items())]

    resource = TaggableResource(
        construct,
        "Resource",
        type=f"Custom::HyperPod{kind}",
        properties={
            "ServiceToken": provider.service_token,
            "ServiceTimeout": int(TIMEOUT_SECONDS) + 40 * POLL_SECONDS,
            "Kind": kind,
            "ClusterArn": cluster.cluster_arn,
            # a JSON string, because CloudFormation converts numbers in properties to strings
            "Request": Stack.of(construct).to_json_string({**properties, "Tags": late(tags)}),
            **({"TeamName": team} if team else {}),
            **({"Adopt": "true"} if adopt else {}),
        },
    )
    resource.add_property_deletion_override("Tags")  # the request contains the tags
    return resource


class GovernanceProvider(Construct):
    """The functions that send the requests if CloudFormation has no type for them, one set per HyperPod cluster."""

    service_token: str

    @checked
    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster) -> None:
        super().__init__(scope, id)
        self.role = function_role(self, "Role", "Functions that manage scheduler configurations and compute quotas")
        for statement in _statements(Stack.of(self), cluster):
            self.role.add_to_policy(statement)
        provider = waiting_provider(
            self,
            "Provider",
            on_event_handler=self._function(
                "Starter", "on_event", "Creates, updates and deletes scheduler configurations and compute quotas"
            ),
            is_complete_handler=self._function(
                "Asker", "is_complete", "Polls the status of scheduler configurations and compute quotas"
            ),
            query_interval=Duration.seconds(POLL_SECONDS),
            # longer than the handler's own time limit, so that the handler reports the reason
            total_timeout=Duration.seconds(int(TIMEOUT_SECONDS) + 20 * POLL_SECONDS),
            log_group=function_logs(self, "FrameworkLogs"),
        )
        self.service_token = provider.service_token
        keep_internal(self)

    @staticmethod
    def of(scope: Construct, cluster: IHyperPodCluster) -> GovernanceProvider:
        """Returns the provider of a cluster in the stack of `scope`, created on first use."""
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


def _statements(stack: Stack, cluster: IHyperPodCluster) -> list[iam.PolicyStatement]:
    """Returns the permissions for the requests; the service calls EKS with the caller's permissions."""
    actions = catalog.role("governance_handler").actions
    arns = [
        stack.format_arn(service="sagemaker", resource=resource, resource_name="*")
        for resource in ("cluster-scheduler-config", "compute-quota")
    ]
    eks_name = cluster.eks_cluster.cluster_name
    entries = stack.format_arn(service="eks", resource="access-entry", resource_name=f"{eks_name}/*")
    resources = {
        "governed": [*arns, cluster.cluster_arn],
        "list": ["*"],  # list actions do not support resource-level permissions
        "cluster": [cluster.cluster_arn],
        "eks": [cluster.eks_cluster.cluster_arn, entries],
    }
    return [iam.PolicyStatement(actions=list(actions[group]), resources=resources[group]) for group in resources]
