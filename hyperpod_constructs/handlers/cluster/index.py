"""Lambda entry point: rejects a replacement and reads the live counts, before CloudFormation updates the cluster.

If a create-only property changes, CloudFormation creates a new cluster and deletes the old one with all its nodes. This
function compares the template with the live cluster, so it always accepts a rollback, whose template matches the live
cluster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ..shared.refusals import until_allowed

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)


class Refused(Exception):
    """The edit would replace the cluster or a file system."""


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    import boto3

    clients = {name: boto3.client(name) for name in ("cloudformation", "sagemaker", "fsx")}
    return answer(event, **clients)


def answer(
    event: Mapping[str, Any],
    *,
    cloudformation: Any,
    sagemaker: Any,
    fsx: Any = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Returns the physical id, and the count of each group as `Count0`, `Count1` and so on.

    Raises:
        Refused: a create-only property differs from that of the live cluster, and replacement is not allowed; or a file
            system without a zone in the config would move to another subnet.
    """
    wanted = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        # the received id: CloudFormation generates one if the response to a Create was lost
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    physical_id = f"{wanted['LogicalId']}-guard"
    live = until_allowed(lambda: live_cluster(wanted, cloudformation, sagemaker), sleep)
    if live is not None:
        found = replacing(wanted, event.get("OldResourceProperties", {}), live)
        if found and wanted["AllowReplacement"] != "true":
            raise Refused(
                f"This edit replaces the HyperPod cluster {live['ClusterName']} with all its nodes: "
                f"{'; '.join(found)}. Revert the edit, or confirm it with `allow_cluster_replacement: true` "
                "(allow_replacement=True of HyperPodCluster)."
            )
        roles = changed_roles(wanted.get("Roles", ()), live)
        if roles and wanted["AllowReplacement"] != "true":
            raise Refused(
                f"The execution role of an instance group cannot be changed: {'; '.join(roles)}. Keep "
                "`execution_roles: shared` (or the execution_role_arn) of the cluster, or create a group with "
                "a new name and delete the old one."
            )
    moving = until_allowed(lambda: moved(wanted, cloudformation, fsx), sleep)
    if moving:
        raise Refused(
            f"This edit moves file systems, which replaces them with new, empty ones: {'; '.join(moving)}. Without "
            "availability_zone_id, a file system is in the zone of the first accelerated instance group, or in the first "
            "zone. Set availability_zone_id of the file system to its current zone, or to the new zone if a new file "
            "system is intended."
        )
    return {"PhysicalResourceId": physical_id, "Data": counts(wanted.get("Groups", ()), live)}


def live_cluster(wanted: Mapping[str, Any], cloudformation: Any, sagemaker: Any) -> Mapping[str, Any] | None:
    """Returns the cluster that this stack created; None if it does not exist."""
    cluster_arn = physical_id_of(wanted["LogicalId"], wanted, cloudformation)
    if not cluster_arn:
        return None
    try:
        live: Mapping[str, Any] = sagemaker.describe_cluster(ClusterName=cluster_arn)
    except ClientError as error:
        # CloudFormation also lists a cluster that was deleted, or whose creation failed
        if error.response.get("Error", {}).get("Code") in ("ResourceNotFound", "ResourceNotFoundException"):
            return None
        raise
    return live


def physical_id_of(logical_id: str, wanted: Mapping[str, Any], cloudformation: Any) -> str | None:
    """Returns the physical id of a resource of this stack; None if it does not exist."""
    try:
        resource = cloudformation.describe_stack_resource(StackName=wanted["StackId"], LogicalResourceId=logical_id)
    except ClientError as error:
        if "does not exist" in str(error):  # the error code is the general ValidationError: only the text identifies it
            return None
        raise
    return resource["StackResourceDetail"].get("PhysicalResourceId") or None


def moved(wanted: Mapping[str, Any], cloudformation: Any, fsx: Any) -> list[str]:
    """Returns the live file systems that the template places in another subnet."""
    found = []
    for system in wanted.get("FileSystems", ()):
        id_ = physical_id_of(system["LogicalId"], wanted, cloudformation)
        if id_ is None:
            continue
        try:
            live = fsx.describe_file_systems(FileSystemIds=[id_])["FileSystems"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "FileSystemNotFound":
                continue  # CloudFormation also lists a file system that was deleted
            raise
        subnets = [subnet for group in live for subnet in group["SubnetIds"]]
        if subnets and system["SubnetId"] not in subnets:
            found.append(f"{system['Name']} ({id_}) from {_list(subnets)} to {system['SubnetId']}")
    return found


def replacing(wanted: Mapping[str, Any], old: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Returns the changes of the template that would replace the live cluster, as text."""
    found = []
    vpc = live.get("VpcConfig", {})
    for name, was in (("Subnets", vpc.get("Subnets")), ("SecurityGroupIds", vpc.get("SecurityGroupIds"))):
        if was is not None and set(was) != set(wanted[name]):
            found.append(f"VpcConfig.{name} {_list(was)} would become {_list(wanted[name])}")
            if name == "Subnets":
                found[-1] += (
                    " (to keep the subnets, list their zone IDs in network.control_plane_zone_ids, "
                    "or the subnets in cluster_subnets of HyperPodCluster)"
                )
    eks = live.get("Orchestrator", {}).get("Eks", {}).get("ClusterArn")
    if eks != wanted["EksClusterArn"]:
        found.append(f"Orchestrator.Eks.ClusterArn {eks} would become {wanted['EksClusterArn']}")
    name = live["ClusterName"]
    if "ClusterName" in wanted:
        if wanted["ClusterName"] != name:
            found.append(f"ClusterName {name} would become {wanted['ClusterName']}")
    elif old.get("ClusterName") == name:
        found.append(f"ClusterName {name} would become a name that CloudFormation generates")
    return found


def changed_roles(roles: Any, live: Mapping[str, Any]) -> list[str]:
    """Returns the existing groups that would get another execution role, as text."""
    groups = [*live.get("InstanceGroups", ()), *live.get("RestrictedInstanceGroups", ())]
    now = {group["InstanceGroupName"]: group.get("ExecutionRole") for group in groups}
    return [
        f"{group['Name']} from {now[group['Name']]} to {group['Role']}"
        for group in roles
        if now.get(group["Name"]) not in (None, group["Role"])
    ]


def counts(groups: Any, live: Mapping[str, Any] | None) -> dict[str, int]:
    """Returns the live target count of each group, or the count of the config for a group that does not exist yet."""
    now = {group["InstanceGroupName"]: group["TargetCount"] for group in (live or {}).get("InstanceGroups", ())}
    result = {}
    for index, group in enumerate(groups):
        count = max(now.get(group["Name"], int(group["Count"])), int(group.get("MinCount", 0)))
        log.info("%s: %s (count in the config: %s)", group["Name"], count, group["Count"])
        result[f"Count{index}"] = count
    return result


def _list(ids: Any) -> str:
    return ", ".join(sorted(ids))
