"""Removal policies of resources with data."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.checks import Problem, find
from .validation import validate_with


def removal_policy(construct: Construct, removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Deletes data only if its own policy and the global switch both say so; if only one does, it is reported.

    A resource of a failed creation has no data yet and is deleted by the rollback; otherwise each attempt would leave one.
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
