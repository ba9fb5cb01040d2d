"""Dependencies of the handlers, which tests replace: time, AWS clients and connections to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..shared.clock import Clock
from .client import ApiClient, Connection
from .eks import EksConnection
from .timing import Deadline, retrying


@dataclass(frozen=True)
class Services:
    """The dependencies of one invocation.

    ``aws`` creates a boto3 client for a service name; ``connect`` connects to the cluster of a name.
    """

    aws: Callable[[str], Any]
    connect: Callable[[str], Connection]
    clock: Clock = field(default_factory=Clock)

    def api(self, cluster_name: str, deadline: Deadline) -> ApiClient:
        """Returns a client for the cluster; waits for its endpoint until the deadline. Raises ``ClusterGone``."""
        return ApiClient(retrying(lambda: self.connect(cluster_name), deadline), deadline)


@cache
def on_lambda() -> Services:
    """Returns the services of a Lambda function, created once per execution environment."""
    import boto3

    session, clock = boto3.Session(), Clock()

    @cache
    def aws(service: str) -> Any:
        return session.client(service)

    return Services(aws, lambda cluster_name: EksConnection(session, cluster_name, clock), clock)
