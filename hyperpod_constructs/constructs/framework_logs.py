"""One log group for the functions that CDK creates for lookups and for emptying buckets."""

from __future__ import annotations

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .functions import function_logs
from .trust import INTERNAL_TAG


def framework_logs(scope: Construct) -> logs.LogGroup:
    """Returns the log group of a stack's CDK functions, which is deleted with the stack.

    By default, CDK creates a log group named after such a function. The function runs during the deployment and may create
    a group of that name before CloudFormation does, so the first deployment fails; the group also remains after the stack
    is deleted.
    """
    stack = Stack.of(scope)
    id = "HyperPodFrameworkLogs"
    found = stack.node.try_find_child(id)
    if found is None:
        found = function_logs(stack, id)
    assert isinstance(found, logs.LogGroup)
    return found


def keep_emptying_logs(bucket: s3.Bucket) -> None:
    """Configures the function that empties a bucket with `auto_delete_objects` to write to the stack's log group.

    CDK has no option for it. Without it, Lambda creates a log group that is never deleted.
    """
    provider = Stack.of(bucket).node.find_child("Custom::S3AutoDeleteObjectsCustomResourceProvider")
    function = provider.node.find_child("Handler")
    assert isinstance(function, CfnResource)
    function.add_property_override("LoggingConfig.LogGroup", framework_logs(bucket).log_group_name)
    function.add_property_override("Tags", [{"Key": INTERNAL_TAG, "Value": "true"}])  # CDK does not apply tags to it
