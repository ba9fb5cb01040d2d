"""Existing resources of the account: the platform's stacks and their resources, and all HyperPod clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.spec.platform import Platform
from ..operations.stacks import platform_of
from .queries import AwsQueries

Json = Mapping[str, Any]


def stacks(aws: AwsQueries) -> list[Json]:
    """Every stack of the region."""
    found: list[Json] = aws.all("cloudformation", "DescribeStacks", "Stacks")
    return found


def own_stacks(platform: Platform, aws: AwsQueries) -> list[Json]:
    """The stacks of this platform, if it is deployed."""
    return [stack for stack in stacks(aws) if platform_of(stack) == platform.name]


def own_resources(platform: Platform, aws: AwsQueries) -> dict[str, list[str]]:
    """CloudFormation type to the physical IDs of the resources in this platform's stacks."""
    held: dict[str, list[str]] = {}
    names = [stack["StackName"] for stack in own_stacks(platform, aws)]
    key = "StackResourceSummaries"
    for _, resources in aws.each(
        lambda name: aws.all("cloudformation", "ListStackResources", key, StackName=name), names
    ):
        for resource in resources:
            held.setdefault(resource["ResourceType"], []).append(resource.get("PhysicalResourceId", ""))
    return held


def clusters(aws: AwsQueries) -> list[Json]:
    """Details of every HyperPod cluster of the region."""
    summaries = aws.all("sagemaker", "ListClusters", "ClusterSummaries")
    names = [summary["ClusterName"] for summary in summaries]
    described = aws.each(lambda name: aws.one("sagemaker", "DescribeCluster", ClusterName=name), names)
    return [cluster for _, cluster in described]


def clusters_and_own(platform: Platform, aws: AwsQueries) -> tuple[list[Json], list[Json]]:
    """The other HyperPod clusters, and those of this platform."""
    everything, held = aws.together(lambda: clusters(aws), lambda: own_resources(platform, aws))
    names = {
        *(held or {}).get("AWS::SageMaker::Cluster", ()),
        *((platform.completed_cluster.cluster_name,) if held else ()),
    }
    others: list[Json] = []
    ours: list[Json] = []
    for cluster in everything or ():
        is_own = {cluster["ClusterArn"], cluster.get("ClusterName"), cluster["ClusterArn"].rpartition("/")[2]} & names
        (ours if is_own else others).append(cluster)
    return others, ours


def counts(cluster: Json) -> list[tuple[str, int, bool]]:
    """Instance type, current or requested instances, and whether they are spot, for each group of a cluster."""
    found = []
    for group in (*cluster.get("InstanceGroups", ()), *cluster.get("RestrictedInstanceGroups", ())):
        spot = "Spot" in (group.get("CapacityRequirements") or {})
        details = group.get("InstanceTypeDetails")
        if details and not group.get("InstanceType"):
            found += [(detail["InstanceType"], detail.get("CurrentCount", 0), spot) for detail in details]
        else:
            count = max(group.get("CurrentCount", 0), group.get("TargetCount", 0))
            found.append((group.get("InstanceType", ""), count, spot))
    return found
