"""Lambda functions of a deployment: code, role, log groups and CDK's provider framework."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, custom_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from .log_groups import DEFAULT_RETENTION
from .trust import restrict_to_account

FUNCTION_MINUTES = 14
"""Timeout of functions without polling: CDK's framework function waits for them for at most 15 minutes."""

_PACKAGE = Path(__file__).parents[1]
_runtime = cache(lambda: lambda_.Runtime.PYTHON_3_14)  # each access of a static property is a call to Node.js


def handler_code(*sources: str) -> lambda_.AssetCode:
    """Returns the asset that contains these packages of `hyperpod_constructs.handlers`, importable as `handlers.<source>`.

    Its hash depends on the sources only: files that Python or a tool writes there are excluded.
    """
    return lambda_.Code.from_asset(
        str(_PACKAGE),
        ignore_mode=IgnoreMode.GIT,
        exclude=[
            *("/*", "!/handlers", "/handlers/*", "!/handlers/__init__.py"),
            *(f"!/handlers/{source}" for source in sources),
            *("__pycache__", "*.pyc", ".*"),
        ],
    )


def function_role(scope: Construct, id: str, description: str) -> iam.Role:
    """Creates a role for functions. `handler_function` allows it to write to the log group; it has no managed policy."""
    return iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description)


def function_logs(scope: Construct, id: str, retention: logs.RetentionDays = DEFAULT_RETENTION) -> logs.LogGroup:
    """Creates a log group that is deleted with its stack."""
    return logs.LogGroup(scope, id, retention=retention, removal_policy=RemovalPolicy.DESTROY)


def handler_function(
    scope: Construct,
    id: str,
    handler: str,
    *,
    description: str,
    role: iam.Role,
    log_group: logs.LogGroup,
    timeout: Duration,
    sources: tuple[str, ...] = ("shared",),
    **options: Any,
) -> lambda_.Function:
    """Creates a function from `hyperpod_constructs.handlers`, which can write to its log group.

    Args:
        scope: scope of the function.
        id: its construct id.
        handler: path of the handler below `handlers`: `kubernetes.apply.on_event`.
        description: what the function does.
        role: execution role of the function; see `function_role`.
        log_group: log group of the function; see `function_logs`.
        timeout: maximum time of one call.
        sources: the packages of `handlers` that it imports, in addition to the package of the handler.
        **options: further arguments of `aws_lambda.Function`, such as a VPC or layers.
    """
    log_group.grant_write(role)
    return lambda_.Function(
        scope,
        id,
        description=description,
        code=handler_code(handler.partition(".")[0], *sources),
        handler=f"handlers.{handler}",
        runtime=_runtime(),
        timeout=timeout,
        role=role,
        log_group=log_group,
        **options,
    )


def waiting_provider(scope: Construct, id: str, **options: Any) -> custom_resources.Provider:
    """Creates CDK's provider with an `is_complete_handler`; only this account's state machines can assume its role."""
    provider = custom_resources.Provider(scope, id, **options)
    role = provider.node.find_child("waiter-state-machine").node.find_child("Role").node.default_child
    assert isinstance(role, iam.CfnRole)
    restrict_to_account(role)
    return provider
