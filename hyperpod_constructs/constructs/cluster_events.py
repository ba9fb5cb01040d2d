"""The EventBridge events of a HyperPod cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_events as events
from constructs import Construct

STATE_CHANGE = "SageMaker HyperPod Cluster State Change"
NODE_HEALTH = "SageMaker HyperPod Cluster Node Health Event"
CLUSTER_EVENT = "SageMaker HyperPod Cluster Event"


def cluster_rule(
    scope: Construct,
    id: str,
    cluster_arn: str,
    detail_type: str,
    detail: Mapping[str, Any] | None = None,
    *,
    description: str | None = None,
    targets: Sequence[events.IRuleTarget] = (),
) -> events.Rule:
    """Creates a rule for the events of one HyperPod cluster."""
    pattern = events.EventPattern(
        source=["aws.sagemaker"], detail_type=[detail_type], resources=[cluster_arn], detail=detail
    )
    return events.Rule(scope, id, description=description, event_pattern=pattern, targets=list(targets))
