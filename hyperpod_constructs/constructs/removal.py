"""Removal policies of resources with data."""

from __future__ import annotations

from aws_cdk import RemovalPolicy


def removal_policy(removal: str, *, allow_data_loss: bool) -> RemovalPolicy:
    """Delete data only if its own policy and the global switch both say so.

    A resource of a failed creation has no data yet and is deleted by the rollback; otherwise each attempt would leave one.
    """
    destroy = removal == "destroy" and allow_data_loss
    return RemovalPolicy.DESTROY if destroy else RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
