"""Places all functions of a deployment in a VPC, for organizations that reject functions outside of a VPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import jsii
from aws_cdk import Aspects, CfnResource, IAspect, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct, IDependable

from .kubernetes.provider import VPC_ACTIONS


def put_functions_into_vpc(
    scope: IConstruct,
    *,
    subnet_ids: Sequence[str],
    security_group_ids: Sequence[str],
    after: Sequence[IDependable] = (),
) -> None:
    """Places every Lambda function below a scope in a VPC, including those that CDK creates.

    Functions that are already in a VPC are not changed. The roles of all functions get the permissions that Lambda
    requires before it creates a function with network interfaces. The functions must reach the APIs of Lambda, Step
    Functions, CloudFormation, SageMaker, EKS and S3, and the S3 bucket to which custom resources respond.

    Args:
        scope: a stack, an app or any construct.
        subnet_ids: private subnets.
        security_group_ids: security groups that allow HTTPS out.
        after: resources that provide network access, such as routes; functions are created after and deleted before them.

    Example:
        >>> from aws_cdk import App, Stack
        >>> put_functions_into_vpc(Stack(App(), "Mine"), subnet_ids=["subnet-1"], security_group_ids=["sg-1"])
    """
    placement = {"SubnetIds": list(subnet_ids), "SecurityGroupIds": list(security_group_ids)}
    Aspects.of(scope).add(cast(IAspect, _InVpc(placement, after)))


@jsii.implements(IAspect)
class _InVpc:
    def __init__(self, placement: dict[str, list[str]], after: Sequence[IDependable]) -> None:
        self._placement, self._after = placement, after

    def visit(self, node: IConstruct) -> None:
        """Places a function in the VPC, or adds the required permissions to a role of functions."""
        if not isinstance(node, CfnResource):
            return
        if node.cfn_resource_type == "AWS::Lambda::Function" and getattr(node, "vpc_config", None) is None:
            node.add_property_override("VpcConfig", self._placement)
            if self._after:
                node.node.add_dependency(*self._after)
        elif isinstance(node, iam.CfnRole):
            trust = Stack.of(node).resolve(node.assume_role_policy_document)
            if "lambda.amazonaws.com" in str(trust):
                inline = cast("list[Any]", node.policies or [])
                document = _policy()
                node.policies = [*inline, iam.CfnRole.PolicyProperty(policy_name="Vpc", policy_document=document)]
        elif node.cfn_resource_type == "AWS::IAM::Role" and _is_role_of_function(node):
            node.add_property_override("Policies", [{"PolicyName": "Vpc", "PolicyDocument": _policy()}])


def _is_role_of_function(role: CfnResource) -> bool:
    """Whether a role is that of a function which CDK creates from plain resources, such as the one that empties buckets."""
    parent = role.node.scope
    function = parent.node.try_find_child("Handler") if parent else None
    return isinstance(function, CfnResource) and not isinstance(function, lambda_.CfnFunction)


def _policy() -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(VPC_ACTIONS), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}
