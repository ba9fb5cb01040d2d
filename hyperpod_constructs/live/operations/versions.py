"""Current versions from EKS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..upgrade.gates import Insight
from ..upgrade.versions import Release, Support, live_calendar, live_matrix
from .aws import error_code, pages

_ABSENT = ("ResourceNotFoundException", "InvalidParameterException")


def releases(eks: Any) -> list[Release]:
    """The calendar of a region, newest first, from `eks:DescribeClusterVersions`."""
    return live_calendar(pages(eks, "describe_cluster_versions", "clusterVersions", includeAll=True))


def supports(eks: Any, names: Iterable[str], kubernetes: Iterable[str]) -> list[Support]:
    """The versions that add-ons support, from `eks:DescribeAddonVersions`; none for unknown add-ons."""
    responses: dict[str, list[Mapping[str, Any]]] = {}
    for name in names:
        try:
            responses[name] = pages(eks, "describe_addon_versions", "addons", addonName=name)
        except eks.exceptions.ClientError as error:
            if error_code(error) not in _ABSENT:
                raise
            responses[name] = []
    return live_matrix(responses, kubernetes)


def installed(eks: Any, cluster: str) -> dict[str, str]:
    """Add-ons of a cluster and their versions."""
    names = pages(eks, "list_addons", "addons", clusterName=cluster)
    return {name: eks.describe_addon(clusterName=cluster, addonName=name)["addon"]["addonVersion"] for name in names}


def insights(eks: Any, cluster: str) -> list[Insight]:
    """EKS upgrade insights of a cluster."""
    found = pages(eks, "list_insights", "insights", clusterName=cluster, filter={"categories": ["UPGRADE_READINESS"]})
    return [
        Insight(
            insight.get("kubernetesVersion", ""),
            insight.get("name", ""),
            insight.get("insightStatus", {}).get("status", "UNKNOWN"),
            insight.get("insightStatus", {}).get("reason", ""),
        )
        for insight in found
    ]
