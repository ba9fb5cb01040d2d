"""Queues and quotas with Kueue alone, for clusters without the task governance add-on."""

from __future__ import annotations

from constructs import Construct

from hyperpod_constructs.core.manifests import kueue_objects, namespace
from hyperpod_constructs.core.spec import Governance

from .base import ObjectsChart


class KueueOnlyChart(ObjectsChart):
    """Namespaces, ResourceFlavors, ClusterQueues, LocalQueues and WorkloadPriorityClasses of a governance spec.

    The names are the same as with task governance, so that jobs work on both without changes. Kueue must be installed.
    """

    def __init__(self, scope: Construct, id: str, *, governance: Governance) -> None:
        namespaces = [namespace(team.namespace) for team in governance.teams]
        super().__init__(scope, id, objects=[*namespaces, *kueue_objects(governance)])
