"""One question to a cluster's Kubernetes API, without the Kubernetes client."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..handlers.kubernetes.eks import trust
from ..handlers.shared.eks import token

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Signing:
    """As much of a session as signing a token needs: one client that is there."""

    sts: Any

    def client(self, _: str) -> Any:
        return self.sts


class Unreachable(Exception):
    """The API server gave no usable answer; the text says why."""


def deployments(cluster: Mapping[str, Any], sts: Any, *, label: str) -> list[dict[str, Any]]:
    """Deployments of all namespaces with a label.

    Args:
        cluster: of `eks:DescribeCluster`.
        sts: an STS client in the cluster's region, which signs the token.
        label: such as `app.kubernetes.io/name=kueue`.

    Raises:
        Unreachable: the API server does not answer from here, or does not let the caller in.
    """
    import urllib3

    certificate = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    pool = urllib3.PoolManager(ssl_context=trust(certificate), retries=False)
    url = f"{cluster['endpoint']}/apis/apps/v1/deployments?labelSelector={quote(label)}"
    headers = {"Authorization": f"Bearer {token(cluster['name'], session=_Signing(sts))}", "Accept": "application/json"}
    try:
        response = pool.request("GET", url, headers=headers, timeout=urllib3.Timeout(total=SECONDS))
        if response.status >= 300:
            raise Unreachable(f"the API server answers {response.status}")
        items: list[dict[str, Any]] = json.loads(response.data).get("items") or []
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise Unreachable(str(error).rpartition(": ")[2]) from error
    return items
