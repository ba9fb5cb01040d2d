"""Removal policies of resources with data."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.checks import Problem, find
from .validation import validate_with


def removal_policy(construct: Construct, removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Deletes data only if both its removal policy and the global setting allow it; if only one does, this is reported.

    A resource of a failed creation has no data yet and is deleted by the rollback, so that no attempt leaves a resource.
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
