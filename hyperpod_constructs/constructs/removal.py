"""What becomes of data when its resource goes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy


def removal_policy(removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Data goes only where its own policy and the global switch both say so.

    What a failed creation made holds no data yet: it goes with the rollback, or each attempt would leave one more.
    """
    destroy = removal == "destroy" and allow_data_loss
    return RemovalPolicy.DESTROY if destroy else RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
