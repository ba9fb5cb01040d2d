"""A team's namespace, rights and, without task governance, its queue."""

from __future__ import annotations

from constructs import Construct

from hyperpod_constructs.core.manifests import local_queue, team_objects
from hyperpod_constructs.core.spec import Team

from .base import ObjectsChart


class TeamChart(ObjectsChart):
    """Namespace, Role and RoleBinding of a team, and its LocalQueue unless task governance makes it.

    Args:
        scope: a `cdk8s.App`.
        id: name of the chart.
        team: the team.
        group: Kubernetes group of its members; default: the namespace's name.
        task_governance: whether the add-on makes namespace and queue.
    """

    def __init__(
        self, scope: Construct, id: str, *, team: Team, group: str | None = None, task_governance: bool = False
    ) -> None:
        queues = [] if task_governance else [local_queue(team)]
        objects = team_objects(team, group=group, create_namespace=not task_governance)
        super().__init__(scope, id, objects=[*objects, *queues])
