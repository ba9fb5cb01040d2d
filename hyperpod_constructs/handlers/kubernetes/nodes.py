"""A wait for nodes, with messages from SageMaker if they do not join the cluster.

==========  ===================================================================================================
Type        arguments of the property ``Condition``
==========  ===================================================================================================
NodesReady  Count, LabelSelector (optional), HyperPodCluster (optional: name, for the reasons from SageMaker)
==========  ===================================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .conditions import Sources, State
from .diagnosis import as_text, condition
from .errors import HandlerError, clip

log = logging.getLogger(__name__)

_MAX_LINES = 4
_LINE_BYTES = 300


@dataclass(frozen=True)
class NodesReady:
    """At least ``count`` nodes with these labels are Ready."""

    count: int
    selector: str
    hyperpod_cluster: str

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> NodesReady:
        """Returns the condition of the property ``Condition``."""
        return cls(int(given["Count"]), given.get("LabelSelector", ""), given.get("HyperPodCluster", ""))

    def check(self, sources: Sources) -> State:
        """Counts Ready nodes. Raises ``HandlerError`` if the HyperPod cluster is Failed, because it does not add nodes."""
        nodes = self._nodes(sources)
        ready = sum(1 for node in nodes if condition(node, "Ready").get("status") == "True")
        where = f" with {self.selector}" if self.selector else ""
        state = State(ready >= self.count, f"{ready} of {self.count} nodes{where} ready, {len(nodes)} joined")
        if not state.met and self.hyperpod_cluster:
            cluster = self._query(sources, "describe_cluster")
            if cluster.get("ClusterStatus") == "Failed":
                reason = cluster.get("FailureMessage") or "no failure message"
                raise HandlerError(
                    f"{state.text}, and HyperPod cluster {self.hyperpod_cluster} is Failed: {clip(reason, 700)}; "
                    + "; ".join(self._hyperpod(sources)),
                    limit=2000,
                )
        return state

    def explain(self, sources: Sources) -> str:
        """Returns nodes that are not Ready, SageMaker's instance groups, instances and events."""
        lines = []
        for node in self._nodes(sources):
            ready = condition(node, "Ready")
            if ready.get("status") != "True":
                lines.append(f"node {node['metadata']['name']}: {as_text(ready) if ready else 'no status'}")
        lines = lines[:_MAX_LINES]
        if self.hyperpod_cluster:
            lines += self._hyperpod(sources)
        return "; ".join(clip(line, _LINE_BYTES) for line in lines) or "no node has joined the cluster"

    def _hyperpod(self, sources: Sources) -> Iterator[str]:
        cluster = self._query(sources, "describe_cluster")
        if cluster:
            failure = cluster.get("FailureMessage")
            yield f"HyperPod cluster is {cluster.get('ClusterStatus')}" + (f" ({failure})" if failure else "")
            yield _lifecycle_logs(cluster)
        for group in cluster.get("InstanceGroups", []):
            if group.get("CurrentCount", 0) < group.get("TargetCount", 0):
                yield (
                    f"group {group['InstanceGroupName']} ({group.get('InstanceType', '?')}) is {group.get('Status')}: "
                    f"{group.get('CurrentCount', 0)} of {group['TargetCount']} instances"
                )
        instances = self._query(sources, "list_cluster_nodes", MaxResults=100).get("ClusterNodeSummaries", [])
        unhealthy = [node for node in instances if node["InstanceStatus"]["Status"] != "Running"]
        for node in unhealthy[:_MAX_LINES]:
            status = node["InstanceStatus"]
            message = status.get("Message") or self._detail(sources, node)
            name = " ".join(filter(None, (node["InstanceGroupName"], node.get("InstanceId"))))
            yield ": ".join(filter(None, (name, status["Status"], message)))
        events = self._query(sources, "list_cluster_events", SortBy="EventTime", SortOrder="Descending", MaxResults=50)
        bad = [event for event in events.get("Events", []) if event.get("EventLevel") in ("Warn", "Error")]
        for event in bad[:_MAX_LINES]:
            yield f"event of {event.get('InstanceGroupName') or event.get('ResourceType')}: {event.get('Description')}"

    def _detail(self, sources: Sources, node: Mapping[str, Any]) -> str:
        if not node.get("InstanceId"):
            return ""
        details = self._query(sources, "describe_cluster_node", NodeId=node["InstanceId"]).get("NodeDetails", {})
        return str(details.get("InstanceStatus", {}).get("Message", ""))

    def _query(self, sources: Sources, operation: str, **arguments: Any) -> dict[str, Any]:
        """Returns SageMaker's response; empty after an error, because a missing reason does not fail the wait."""
        try:
            # The SDK of the Lambda runtime may not support the operation.
            call = getattr(sources.aws("sagemaker"), operation)
            response: dict[str, Any] = call(ClusterName=self.hyperpod_cluster, **arguments)
        except (ClientError, BotoCoreError, AttributeError) as error:
            log.warning("the request to SageMaker failed (%s): %s", operation, error)
            return {}
        return response

    def _nodes(self, sources: Sources) -> list[dict[str, Any]]:
        query = {"labelSelector": self.selector} if self.selector else {}
        return sources.client.items("/api/v1/nodes", **query)


def _lifecycle_logs(cluster: Mapping[str, Any]) -> str:
    """Returns the location of the lifecycle scripts' logs: nodes usually do not join because of a failed script."""
    id = str(cluster.get("ClusterArn", "")).rpartition("/")[2]
    return (
        f"lifecycle logs: log group /aws/sagemaker/Clusters/{cluster.get('ClusterName')}/{id}, "
        "streams LifecycleConfig/<instance group>/<instance id>"
    )
