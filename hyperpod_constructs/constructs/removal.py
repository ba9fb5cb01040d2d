"""What becomes of data when its resource goes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.checks import Problem, find
from .validation import validate_with


def removal_policy(construct: Construct, removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Data goes only where its own policy and the global switch both say so; where only one does, that is reported.

    What a failed creation made holds no data yet: it goes with the rollback, or each attempt would leave one more.
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
