"""The defaults of version 0.1.0, which apply to a config file unless it sets `defaults: 2`.

AWS cannot change the name or the execution roles of an existing cluster, and Karpenter drains the nodes of a NodePool
that is deleted. A new default for one of these settings would break the first deployment after an upgrade of this
library.
"""

from __future__ import annotations

from typing import Any


def completed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a config file, completed with the defaults of version 0.1.0 unless it sets `defaults: 2`.

    Settings in the file and values with an invalid structure are not changed.

    >>> completed({"cluster": {"execution_roles": "per-group"}})["cluster"]
    {'execution_roles': 'per-group', 'cluster_name': None}
    >>> completed({"defaults": 2, "cluster": {}})
    {'defaults': 2, 'cluster': {}}
    """
    if content.setdefault("defaults", 1) != 1:
        return content
    eks = content.setdefault("eks", {})
    if not (isinstance(eks, dict) and "existing" in eks):
        _fill(eks, cluster_name=None)
    cluster = content.get("cluster")
    _fill(cluster, cluster_name=None, execution_roles="shared")
    _fill(cluster.get("autoscaling") if isinstance(cluster, dict) else None, pools="shared")
    network = content.get("network")
    if isinstance(network, dict) and _has_endpoint_policies(network):
        _fill(network, image_accounts=["*"])  # the endpoints had no policy: images of any account can be in use
    storage = content.get("storage")
    buckets = storage.get("buckets") if isinstance(storage, dict) else None
    for bucket in buckets if isinstance(buckets, list) else ():
        _fill(bucket, nodes=True)
    return content


def _has_endpoint_policies(network: dict[str, Any]) -> bool:
    return network.get("mode") == "closed" and network.get("endpoint_policies", True) and "existing" not in network


def _fill(part: Any, **settings: Any) -> None:
    if isinstance(part, dict):
        for name, value in settings.items():
            part.setdefault(name, value)
