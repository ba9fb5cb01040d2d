"""A wait as a resource of a stack: dependent resources are created after the condition is met."""

from __future__ import annotations

from collections.abc import Callable

from aws_cdk import CfnResource, Duration
from constructs import Construct

from ..arguments import checked, renamed
from ..late import late
from .conditions import WaitCondition
from .provider import KubernetesProvider

_HOUR = 3600
_ANSWER_SECONDS = 300


class KubernetesWait(Construct):
    """Waits, when it is created or changed, until a condition is met in the cluster; deleting it has no effect.

    A failure reports pods, nodes, events and SageMaker's messages, and is immediate if the condition can no longer be
    met. CloudFormation limits a custom resource to one hour, of which the last two minutes are reserved for the response.

    Args:
        kubernetes: the Kubernetes provider of the EKS cluster.
        condition: what to wait for, created by a function of this package such as `nodes_ready`; or a function that
            creates it at synthesis.
        timeout: at most one hour.
        rerun_on: any text, such as a version; changing it runs the wait again. Default: the wait runs again only when
            its condition, timeout or cluster changes.

    Raises:
        ValueError: the timeout is not between one second and one hour.
    """

    @renamed(provider="kubernetes")
    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        condition: WaitCondition | Callable[[], WaitCondition],
        timeout: Duration,
        rerun_on: str | None = None,
    ) -> None:
        super().__init__(scope, id)
        seconds = int(timeout.to_seconds())
        if not 1 <= seconds <= _HOUR:
            raise ValueError(f"{self.node.path}: timeout must be between 1 and {_HOUR} seconds, got {seconds}")
        properties = {
            "ServiceToken": kubernetes.wait_service_token,
            "ServiceTimeout": min(_HOUR, seconds + _ANSWER_SECONDS),
            "ClusterName": kubernetes.cluster_name,
            "Condition": late(lambda: condition().properties()) if callable(condition) else condition.properties(),
            "TimeoutSeconds": seconds,
        }
        if rerun_on is not None:
            properties["RerunOn"] = rerun_on
        self.resource = CfnResource(self, "Resource", type="Custom::HyperPodKubernetesWait", properties=properties)
        self.resource.node.add_dependency(kubernetes.wait_ready)
