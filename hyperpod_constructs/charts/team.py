"""A team's namespace, isolation, permissions and, without task governance, its queue."""

from __future__ import annotations

from constructs import Construct

from hyperpod_constructs.core.isolation import isolation_objects, pod_security_labels
from hyperpod_constructs.core.manifests import local_queue, namespace, team_objects
from hyperpod_constructs.core.spec import Cluster, Team

from .base import ObjectsChart


class TeamChart(ObjectsChart):
    """Namespace, isolation, Role and RoleBinding of a team, and its LocalQueue unless task governance creates it.

    The namespace has the Pod Security labels if this chart creates it.

    Args:
        scope: a `cdk8s.App`.
        id: name of the chart.
        team: the team.
        group: Kubernetes group of its members; default: the namespace's name.
        task_governance: whether the add-on creates namespace and queue.
        cluster: the cluster, whose system group the team's pods cannot use; default: they can use any node.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        team: Team,
        group: str | None = None,
        task_governance: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        labels = pod_security_labels(team.isolation) if team.isolation.enabled else None
        spaces = [] if task_governance else [namespace(team.namespace, labels=labels)]
        rights = team_objects(team, group=group, create_namespace=False)
        queues = [] if task_governance else [local_queue(team)]
        policies = isolation_objects(team, cluster=cluster)
        super().__init__(scope, id, objects=[*spaces, *policies, *rights, *queues])  # policies before permissions
