"""A check of the live cluster before CloudFormation changes it: it prevents replacement and keeps scaled counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, CfnResource, Duration, Stack, custom_resources
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from constructs import Construct

from .arguments import checked
from .functions import function_logs, function_role, handler_function
from .trust import keep_internal


class ClusterGuard(Construct):
    """A read-only function that runs before every change of a HyperPod cluster.

    It fails the deployment before any change when CloudFormation would replace the cluster, when the execution role of a
    group would change (which the service rejects), or when a file system would move with the groups that it follows
    (which would replace it). It returns the live count of each group that an autoscaler manages, which
    the template uses. CloudFormation runs it when one of its properties changes, so its properties include everything
    that can cause CloudFormation to update the cluster.
    """

    @checked
    def __init__(self, scope: Construct, id: str, *, guarded: CfnResource, allow_replacement: bool = False) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        description = "Checks the HyperPod cluster before an update"
        role = function_role(self, "Role", description)
        role.add_to_policy(
            iam.PolicyStatement(actions=["cloudformation:DescribeStackResource"], resources=[Aws.STACK_ID])
        )
        clusters = stack.format_arn(service="sagemaker", resource="cluster", resource_name="*")
        # any cluster: the function runs before this cluster is created, so the policy cannot refer to it
        role.add_to_policy(iam.PolicyStatement(actions=["sagemaker:DescribeCluster"], resources=[clusters]))
        function = handler_function(
            self,
            "Handler",
            "cluster.index.on_event",
            description=description,
            role=role,
            log_group=function_logs(self, "Logs"),
            timeout=Duration.minutes(2),
        )
        provider = custom_resources.Provider(
            self, "Provider", on_event_handler=function, log_group=function_logs(self, "FrameworkLogs")
        )
        self.resource = CfnResource(
            self,
            "Resource",
            type="Custom::HyperPodClusterGuard",
            properties={
                "ServiceToken": provider.service_token,
                "StackId": Aws.STACK_ID,
                "LogicalId": stack.get_logical_id(guarded),
                "AllowReplacement": "true" if allow_replacement else "false",
            },
        )
        self.resource.node.add_dependency(role)
        self._role = role
        self._file_systems: list[dict[str, Any]] = []
        keep_internal(self)
        guarded.node.add_dependency(self)

    def watch(self, properties: Mapping[str, Any], scaled_groups: Sequence[str]) -> dict[str, Any]:
        """Returns the cluster's properties, with the live counts in place of those of `scaled_groups`."""
        event: dict[str, Any] = {
            "ClusterName": properties.get("ClusterName"),
            "Subnets": properties["VpcConfig"]["Subnets"],
            "SecurityGroupIds": properties["VpcConfig"]["SecurityGroupIds"],
            "EksClusterArn": properties["Orchestrator"]["Eks"]["ClusterArn"],
        }
        groups: list[dict[str, Any]] = []
        if scaled_groups:
            event["Groups"] = [
                {"Name": group["InstanceGroupName"], "Count": group["InstanceCount"], **_minimum(group)}
                for group in properties["InstanceGroups"]
                if group["InstanceGroupName"] in scaled_groups
            ]
            # any other change that updates the cluster also causes the function to read the counts again
            event["Watches"] = {name: value for name, value in properties.items() if name != "InstanceGroups"}
            event["WatchedGroups"] = [
                {name: value for name, value in group.items() if name != "InstanceCount"}
                for group in properties["InstanceGroups"]
            ]
            order = [group["Name"] for group in event["Groups"]]
            groups = [
                {**group, "InstanceCount": self.resource.get_att(f"Count{order.index(group['InstanceGroupName'])}")}
                if group["InstanceGroupName"] in order
                else group
                for group in properties["InstanceGroups"]
            ]
        event["Roles"] = [
            {"Name": group["InstanceGroupName"], "Role": group["ExecutionRole"]}
            for group in [*properties.get("InstanceGroups", ()), *properties.get("RestrictedInstanceGroups", ())]
        ]
        for name, value in event.items():
            if value is not None:
                self.resource.add_property_override(name, value)
        return {**properties, "InstanceGroups": groups} if groups else dict(properties)

    def watch_file_system(self, file_system: fsx.CfnFileSystem, *, name: str) -> None:
        """Rejects a change that moves a file system to another subnet. It must be in the same stack."""
        if not self._file_systems:  # the action does not support resource-level permissions
            self._role.add_to_policy(iam.PolicyStatement(actions=["fsx:DescribeFileSystems"], resources=["*"]))
        (subnet,) = file_system.subnet_ids
        logical_id = Stack.of(self).get_logical_id(file_system)
        self._file_systems.append({"Name": name, "LogicalId": logical_id, "SubnetId": subnet})
        self.resource.add_property_override("FileSystems", self._file_systems)
        file_system.node.add_dependency(self)


def _minimum(group: Mapping[str, Any]) -> dict[str, Any]:
    return {"MinCount": group["MinInstanceCount"]} if "MinInstanceCount" in group else {}
