"""Trust policies of roles, and which principals can invoke functions of a deployment."""

from __future__ import annotations

from aws_cdk import Aws, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import IConstruct

INTERNAL_TAG = "hyperpod-constructs:internal"
"""Tag of the functions of a deployment; no role of nodes can invoke a function that has it."""


def keep_internal(scope: IConstruct) -> None:
    """Tags all functions below a construct as internal to the deployment, including those of CDK's providers."""
    Tags.of(scope).add(INTERNAL_TAG, "true", include_resource_types=["AWS::Lambda::Function"])


def keep_calling_internal(scope: IConstruct) -> None:
    """Tags the functions that CDK creates in the stack for single calls and for log retention in the same way."""
    for child in Stack.of(scope).node.children:
        if child.node.id.startswith(("AWS679f53fac002430cb0da5b7982bd2287", "LogRetention")):
            keep_internal(child)


def restrict_to_account(role: iam.IRole | iam.CfnRole) -> None:
    """Allows the service of a role's only trust statement to assume it for resources of this account only.

    Use it only for services that are documented to send the source account: others could not assume the role.
    """
    resource = role if isinstance(role, iam.CfnRole) else role.node.default_child
    assert isinstance(resource, iam.CfnRole)
    path = "AssumeRolePolicyDocument.Statement.0.Condition.StringEquals.aws:SourceAccount"
    resource.add_property_override(path, Aws.ACCOUNT_ID)
