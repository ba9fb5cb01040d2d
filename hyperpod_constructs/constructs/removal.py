"""Removal policies of resources with data."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.checks import Problem, find
from .validation import validate_with


def removal_policy(construct: Construct, removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Returns `DESTROY` only if both `removal` and `allow_data_loss` allow it; `removal: destroy` alone is reported (HP808).

    A resource whose creation fails has no data yet, and the rollback deletes it: failed deployments retain no resources.
    """
    if removal != "destroy":
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    if allow_data_loss:
        return RemovalPolicy.DESTROY
    rule = find("HP808")
    assert rule is not None
    finding = rule.finding(Problem(construct.node.path, "set to be destroyed, but allow_data_loss is not set"))
    validate_with(construct, lambda: [finding])
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
