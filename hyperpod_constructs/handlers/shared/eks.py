"""Access of the functions to an EKS cluster: its endpoint, its certificate, and a bearer token from a presigned request.

The token is the same as that of `aws eks get-token`: a presigned STS GetCallerIdentity request that contains the cluster's
name. EKS verifies it with STS. It is a credential, so it is never logged. It is valid for 15 minutes, so it is created for
each use.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_TOKEN_PREFIX = "k8s-aws-v1."
_CLUSTER_HEADER = "x-k8s-aws-id"
_URL_SECONDS = 60  # EKS rejects presigned requests with a longer validity


class ClusterGone(Exception):
    """The EKS cluster does not exist."""


class ClusterNotReady(Exception):
    """The EKS cluster has no endpoint yet: EKS is still creating it."""


@dataclass(frozen=True)
class ClusterAccess:
    """The address of the API server with its credentials.

    Attributes:
        name: name of the EKS cluster.
        endpoint: URL of the API server.
        certificate_authority: the API server's certificate authority, PEM in base64.
        make_token: creates a bearer token; call it for each use.
    """

    name: str
    endpoint: str
    certificate_authority: str
    make_token: Callable[[], str] = field(repr=False)


def cluster_access(cluster_name: str, *, session: Any | None = None) -> ClusterAccess:
    """Returns the address of the cluster's API server.

    Raises:
        ClusterGone: the cluster does not exist, or is being deleted.
        ClusterNotReady: it has no endpoint yet.
    """
    import boto3  # available only on Lambda and in tests; the tools that use other modules of this package do not require it

    session = session or boto3.Session()
    client = session.client("eks")
    try:
        cluster = client.describe_cluster(name=cluster_name)["cluster"]
    except client.exceptions.ResourceNotFoundException as error:
        raise ClusterGone(f"EKS cluster {cluster_name!r} does not exist") from error
    if cluster.get("status") == "DELETING":
        raise ClusterGone(f"EKS cluster {cluster_name!r} is being deleted")
    endpoint, authority = cluster.get("endpoint"), cluster.get("certificateAuthority", {}).get("data")
    if not endpoint or not authority:
        raise ClusterNotReady(f"EKS cluster {cluster_name!r} has no endpoint yet (status {cluster.get('status')})")
    return ClusterAccess(
        name=cluster_name,
        endpoint=endpoint,
        certificate_authority=authority,
        make_token=lambda: token(cluster_name, session=session),
    )


def token(cluster_name: str, *, session: Any) -> str:
    """Returns a bearer token for the cluster's API server, valid for 15 minutes."""
    client = session.client("sts")

    def add_cluster_header(request: Any, **_: Any) -> None:
        request.headers[_CLUSTER_HEADER] = cluster_name

    client.meta.events.register("before-sign.sts.GetCallerIdentity", add_cluster_header)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=_URL_SECONDS, HttpMethod="GET")
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
