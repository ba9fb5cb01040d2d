"""The connection of a function to a cluster, without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import ProtocolError

from ...handlers.kubernetes.errors import ApiError
from ...handlers.shared.eks import ClusterGone
from .call import Call
from .eks import cluster_of
from .iam import allowed
from .kubernetes import Answer, KubernetesCluster


@dataclass
class Pool:
    """Replaces urllib3's pool: requests are sent to the cluster in this process."""

    cluster: KubernetesCluster
    role: str

    def request(self, method: str, url: str, **given: Any) -> Answer:
        """Sends a request."""
        try:
            return self.cluster.server.request(method, url, self.role, given.get("body"), given.get("headers") or {})
        except OSError as error:
            raise ProtocolError(str(error)) from None


class Connection:
    """The connection to a cluster, for one role."""

    ssl_context = None

    def __init__(self, cluster: KubernetesCluster, role: str) -> None:
        self.endpoint = f"https://{cluster.name}.eks.amazonaws.com"
        self.pool = Pool(cluster, role)

    def headers(self) -> Mapping[str, str]:
        """Returns no headers: the caller is known."""
        return {}

    def renew(self) -> None:
        """Does nothing: credentials do not expire."""


def connect(call: Call, name: str) -> Connection:
    """Describes a cluster in EKS. Raises `ClusterGone`, and `ApiError` if the role lacks the permission."""
    account = call.services.account
    resource = account.find("AWS::EKS::Cluster", name)
    if resource is None and name in account.known_names:
        raise ClusterGone(f"EKS cluster {name!r} does not exist")
    arn = f"arn:{account.partition}:eks:{account.region}:{account.account}:cluster/{name}"
    if not allowed(account, call.role, "eks:DescribeCluster", arn):
        raise ApiError(403, "AccessDeniedException", f"{call.role} is not authorized to perform: eks:DescribeCluster")
    return Connection(cluster_of(call.services, name), call.role)
