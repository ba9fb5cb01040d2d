"""Probes of names, stacks and the account."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from ...core import catalog
from ...core.cdk_context import DEFAULT_QUALIFIER, bootstrap_qualifier
from ...core.checks import Problem
from ...core.findings import Severity
from ...core.plural import count
from ...core.spec.platform import Platform
from ..operations.stacks import platform_of
from .own import clusters_and_own, own_resources, stacks
from .probes import Found, probe
from .queries import AwsQueries, QueryFailed

"""CDK's default bootstrap qualifier."""
_BROKEN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")


@probe("account", services=("sts",))
def account(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether the credentials belong to the account in the config."""
    caller = aws.one("sts", "GetCallerIdentity")
    if platform.account is not None and caller["Account"] != platform.account:
        message = (
            f"the credentials belong to {caller['Account']} ({caller['Arn']}), but the config is for {platform.account}"
        )
        yield "HP908", Problem("account", message)


@probe("names and stacks", services=("cloudformation", "sagemaker", "eks", "logs"))
def names(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether the names are available, and existing stacks have a status that allows a deployment."""
    name = platform.completed_cluster.cluster_name
    eks_name = platform.completed_eks.cluster_name if platform.eks.existing is None else None
    log_group = f"/aws/eks/{eks_name}/cluster" if eks_name and platform.eks.logs else None
    found, own_ids, hyperpod, eks, logged = aws.together(
        lambda: stacks(aws),
        lambda: own_resources(platform, aws),
        lambda: _cluster_named(name, aws),
        lambda: _eks_named(eks_name, aws),
        lambda: _log_group_named(log_group, aws),
    )
    for stack in found or ():
        stack_name, status = stack["StackName"], stack["StackStatus"]
        if stack_name.startswith(f"{platform.name}-") and "ParentId" not in stack and platform_of(stack) is None:
            message = f"the stack {stack_name} exists and does not belong to this platform"
            cure = "Use another name, or check whether the platform created this stack earlier."
            yield "HP956", Problem("name", message, cure, severity=Severity.WARNING)
        if platform_of(stack) != platform.name:
            continue
        if status in _BROKEN:
            cure = "Delete it (`hyperpod stacks delete`), then deploy again."
            if status == "UPDATE_ROLLBACK_FAILED":
                quoted = shlex.quote(stack_name)
                cure = f"aws cloudformation continue-update-rollback --stack-name {quoted} --region {aws.region}"
            yield "HP957", Problem("name", f"stack {stack_name} is {status}", cure)
        elif status.endswith("_IN_PROGRESS"):
            yield "HP957", Problem("name", f"stack {stack_name} is {status}", "Wait until it has finished.")
    own = own_ids or {}
    if hyperpod is not None:
        ids = own.get("AWS::SageMaker::Cluster", ())
        if not any(id_ in (hyperpod["ClusterArn"], hyperpod.get("ClusterName")) for id_ in ids):
            message = f"HyperPod cluster {name!r} already exists ({hyperpod['ClusterStatus']})"
            yield "HP956", Problem("cluster.cluster_name", message)
    if eks is not None and eks_name not in own.get("AWS::EKS::Cluster", ()):
        message = f"EKS cluster {eks_name!r} already exists ({eks['cluster']['status']})"
        cure = "Set another cluster_name, or use the cluster with `existing: {cluster_name: ...}`."
        yield "HP956", Problem("eks.cluster_name", message, cure)
    if logged and log_group not in own.get("AWS::Logs::LogGroup", ()):
        message = f"log group {log_group} already exists; an earlier EKS cluster of this name created it"
        command = f"aws logs delete-log-group --log-group-name {shlex.quote(str(log_group))}"
        cure = f"Delete it (`{command}`), or set another eks.cluster_name."
        yield "HP956", Problem("eks.cluster_name", message, cure)


def _cluster_named(name: str | None, aws: AwsQueries) -> Any:
    absent = ("ResourceNotFound", "ResourceNotFoundException", "ValidationException")
    return aws.find("sagemaker", "DescribeCluster", absent, ClusterName=name) if name else None


def _eks_named(name: str | None, aws: AwsQueries) -> Any:
    return aws.find("eks", "DescribeCluster", ("ResourceNotFoundException",), name=name) if name else None


def _log_group_named(name: str | None, aws: AwsQueries) -> bool:
    found = aws.all("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name) if name else []
    return any(group["logGroupName"] == name for group in found)


@probe("deep health checks", services=("sagemaker", "cloudformation"))
def deep_health_checks(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether deep health checks run on nodes of the platform's cluster."""
    _, ours = clusters_and_own(platform, aws)
    for cluster in ours:
        nodes = aws.all("sagemaker", "ListClusterNodes", "ClusterNodeSummaries", ClusterName=cluster["ClusterArn"])
        checked = [node for node in nodes if node["InstanceStatus"]["Status"] == "DeepHealthCheckInProgress"]
        if checked:
            groups = ", ".join(sorted({node["InstanceGroupName"] for node in checked}))
            message = (
                f"deep health checks run on {count(len(checked), 'node')} of {cluster.get('ClusterName')} ({groups})"
            )
            yield "HP966", Problem("cluster", message)


@probe("permissions to deploy", services=("sts", "ssm", "iam"))
def permissions(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether the environment is bootstrapped, and the deployment role has the required permissions."""
    qualifier = bootstrap_qualifier()
    caller, bootstrap = aws.together(
        lambda: aws.one("sts", "GetCallerIdentity"),
        lambda: (
            aws.find("ssm", "GetParameter", ("ParameterNotFound",), Name=f"/cdk-bootstrap/{qualifier}/version") or {}
        ),
    )
    if caller is None:
        return
    partition, number = caller["Arn"].split(":")[1], caller["Account"]
    if bootstrap == {}:
        default = qualifier == DEFAULT_QUALIFIER
        named = "the default qualifier" if default else f"the qualifier {qualifier} of the CDK context"
        message = f"account {number} is not bootstrapped for CDK in {aws.region} (with {named})"
        cure = f"cdk bootstrap aws://{number}/{aws.region}" + (
            "" if default else f" --qualifier {shlex.quote(qualifier)}"
        )
        yield "HP909", Problem("", message, cure)
    iam = f"arn:{partition}:iam::{number}:role"
    executor = f"{iam}/cdk-{qualifier}-cfn-exec-role-{number}-{aws.region}"
    actions = sorted({action for group in _needed(platform) for action in catalog.role("deployer").actions[group]})
    checks: list[tuple[str, str, list[str], list[str]]] = []
    principal = _principal(caller["Arn"], aws)
    if bootstrap:
        checks.append((executor, "CloudFormation's execution role", actions, ["*"]))
        deploy = f"{iam}/cdk-{qualifier}-deploy-role-{number}-{aws.region}"
        if principal:
            checks.append((principal, "the caller", ["sts:AssumeRole"], [deploy]))
    elif principal:
        checks.append((principal, "the caller", actions, ["*"]))
    for (arn, who, _, _), refused in aws.each(lambda check: _refused(check[0], check[2], check[3], aws), checks):
        if refused is None:
            yield "HP958", Problem("", f"{who} {arn} does not exist", f"cdk bootstrap aws://{number}/{aws.region}")
        elif refused:
            message = f"{who} ({arn}) lacks the permissions {', '.join(refused)}"
            yield "HP958", Problem("", message, f"Allow {', '.join(refused)}.")


def _needed(platform: Platform) -> Iterator[str]:
    yield from ("cluster", "eks", "iam")
    if platform.governance is not None:
        yield from ("governance", "governance_access_policies")


def _principal(arn: str, aws: AwsQueries) -> str | None:
    """The role or user of a caller, for which policies are simulated; None for the root user."""
    session = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.+", arn)
    if session is None:
        return None if arn.endswith(":root") else arn
    try:
        role = aws.find("iam", "GetRole", ("NoSuchEntity",), RoleName=session[3])
    except QueryFailed as error:
        aws.failures.append(error.failure)
        role = None
    return role["Role"]["Arn"] if role else f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}"


def _refused(arn: str, actions: list[str], resources: list[str], aws: AwsQueries) -> list[str] | None:
    response = aws.find(
        "iam",
        "SimulatePrincipalPolicy",
        ("NoSuchEntity",),
        PolicySourceArn=arn,
        ActionNames=actions,
        ResourceArns=resources,
    )
    if response is None:
        return None
    return [r["EvalActionName"] for r in response["EvaluationResults"] if r["EvalDecision"] != "allowed"]
