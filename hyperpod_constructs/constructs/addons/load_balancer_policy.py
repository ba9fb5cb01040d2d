"""Permissions of the AWS load balancer controller: it tags the resources that it creates, and cannot change others."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from ...core import catalog

_TAG = "elbv2.k8s.aws/cluster"
_REQUEST_TAGGED = {"Null": {f"aws:RequestTag/{_TAG}": "false"}}
_OWNS = {"Null": {f"aws:ResourceTag/{_TAG}": "false"}}
_KEEPS_TAG = {"Null": {f"aws:RequestTag/{_TAG}": "true", f"aws:ResourceTag/{_TAG}": "false"}}


def load_balancer_statements(stack: Stack) -> list[iam.PolicyStatement]:
    """Returns the statements of the controller's role."""

    def load_balancing(resource: str) -> str:
        return f"arn:{stack.partition}:elasticloadbalancing:{stack.region}:{stack.account}:{resource}"

    security_groups = [stack.format_arn(service="ec2", resource="security-group", resource_name="*")]
    balancers = [
        load_balancing(f"{resource_type}/*/*")
        for resource_type in ("targetgroup", "loadbalancer/net", "loadbalancer/app")
    ]
    listeners = [
        load_balancing(f"{resource_type}/{kind}/*/*/*")
        for resource_type in ("listener", "listener-rule")
        for kind in ("net", "app")
    ]
    created = {"ec2:CreateAction": "CreateSecurityGroup"}
    balanced = {"elasticloadbalancing:CreateAction": ["CreateTargetGroup", "CreateLoadBalancer"]}
    linked = {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}
    where: dict[str, tuple[list[str], dict[str, Any]]] = {
        "service_linked_role": (["*"], {"StringEquals": linked}),
        "describe": (["*"], {}),
        "certificates_and_firewalls": (["*"], {}),
        "security_groups": (["*"], {}),
        "own_security_groups": (["*"], _OWNS),
        "tag_new_security_groups": (security_groups, {"StringEquals": created, **_REQUEST_TAGGED}),
        "tag_own_security_groups": (security_groups, _KEEPS_TAG),
        "create": (["*"], _REQUEST_TAGGED),
        "listeners": (["*"], {}),
        "tag_new": (balancers, {"StringEquals": balanced, **_REQUEST_TAGGED}),
        "tag_own": (balancers, _KEEPS_TAG),
        "tag_listeners": (listeners, {}),
        "own": (["*"], _OWNS),
        "targets": ([load_balancing("targetgroup/*/*")], {}),
    }
    actions = catalog.role("load_balancer_controller").actions
    return [
        iam.PolicyStatement(actions=list(actions[group]), resources=on, conditions=conditions or None)
        for group, (on, conditions) in where.items()
    ]


UNRESTRICTED = frozenset(
    action
    for group in (
        "service_linked_role",
        "describe",
        "certificates_and_firewalls",
        "security_groups",
        "own_security_groups",
        "create",
        "listeners",
        "own",
    )
    for action in catalog.role("load_balancer_controller").actions[group]
)
"""Actions that the controller's policy allows on any resource; those of `create` and `own...` require its tag."""
