"""HyperPod clusters and their nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .aws import pages

Json = Mapping[str, Any]

AT_ONCE = 8
NODES_PER_CALL = 25
"""Maximum nodes that one request reboots or replaces, from the API's model."""
BUSY = ("Updating", "SystemUpdating", "Creating", "RollingBack")


def eks_name(cluster: Json) -> str | None:
    """The EKS cluster that orchestrates a HyperPod cluster; None for Slurm."""
    arn = (cluster.get("Orchestrator") or {}).get("Eks", {}).get("ClusterArn")
    return arn.rpartition("/")[2] if arn else None


def groups_of(cluster: Json) -> list[dict[str, Any]]:
    """The groups of a cluster with their main properties; restricted instance groups are last."""
    found = []
    for kind, restricted in (("InstanceGroups", False), ("RestrictedInstanceGroups", True)):
        for group in cluster.get(kind) or ():
            types = [group["InstanceType"]] if group.get("InstanceType") else []
            types += [detail["InstanceType"] for detail in group.get("InstanceTypeDetails") or () if not types]
            found.append(
                {
                    "name": group.get("InstanceGroupName"),
                    "types": types,
                    "count": group.get("CurrentCount"),
                    "target": group.get("TargetCount"),
                    "status": group.get("Status"),
                    "software": group.get("ImageVersionStatus"),
                    "training_plan": (group.get("TrainingPlanArn") or "").rpartition("/")[2] or None,
                    "restricted": restricted,
                }
            )
    return found


def summary(cluster: Json) -> dict[str, Any]:
    """A cluster as one row."""
    groups = groups_of(cluster)
    return {
        "name": cluster.get("ClusterName"),
        "status": cluster["ClusterStatus"],
        "eks": eks_name(cluster),
        "groups": len(groups),
        "nodes": sum(group["count"] or 0 for group in groups),
        "target": sum(group["target"] or 0 for group in groups),
        "created": cluster.get("CreationTime"),
        "arn": cluster["ClusterArn"],
    }


def clusters(sagemaker: Any) -> list[dict[str, Any]]:
    """All clusters of the region, one row each."""
    names = [cluster["ClusterName"] for cluster in pages(sagemaker, "list_clusters", "ClusterSummaries")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [
            summary(cluster) for cluster in pool.map(lambda name: sagemaker.describe_cluster(ClusterName=name), names)
        ]


def described(cluster: Json) -> dict[str, Any]:
    """All details of a cluster, with stable keys."""
    return {
        **summary(cluster),
        "failure": cluster.get("FailureMessage") or None,
        "node_recovery": cluster.get("NodeRecovery"),
        "provisioning": cluster.get("NodeProvisioningMode", "Request"),
        "autoscaling": (cluster.get("AutoScaling") or {}).get("Mode"),
        "subnets": list((cluster.get("VpcConfig") or {}).get("Subnets", ())),
        "security_groups": list((cluster.get("VpcConfig") or {}).get("SecurityGroupIds", ())),
        "instance_groups": groups_of(cluster),
    }


def nodes(sagemaker: Any, cluster: str, *, group: str | None = None, status: str | None = None) -> list[dict[str, Any]]:
    """The nodes of a cluster, optionally of one group or with one status."""
    params = {"ClusterName": cluster} | ({"InstanceGroupNameContains": group} if group else {})
    found = []
    for node in pages(sagemaker, "list_cluster_nodes", "ClusterNodeSummaries", **params):
        state = node["InstanceStatus"]
        if (group and node["InstanceGroupName"] != group) or (status and state["Status"] != status):
            continue
        found.append(
            {
                "id": node["InstanceId"],
                "group": node["InstanceGroupName"],
                "type": node["InstanceType"],
                "status": state["Status"],
                "message": state.get("Message") or None,
                "host": node.get("PrivateDnsHostname"),
                "software": node.get("ImageVersionStatus"),
                "release": node.get("CurrentImageReleaseVersion"),
                "launched": node["LaunchTime"],
            }
        )
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an operation on nodes: the IDs that succeeded, and those that failed with the reason."""

    done: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        return {"done": list(self.done), "failed": [{"id": id_, "reason": reason} for id_, reason in self.failed]}


def reboot(sagemaker: Any, cluster: str, ids: Sequence[str]) -> Outcome:
    """Reboots nodes."""
    return _batch(sagemaker.batch_reboot_cluster_nodes, cluster, ids)


def replace(sagemaker: Any, cluster: str, ids: Sequence[str]) -> Outcome:
    """Replaces nodes; data on their disks is lost."""
    return _batch(sagemaker.batch_replace_cluster_nodes, cluster, ids)


def _batch(call: Callable[..., Json], cluster: str, ids: Sequence[str]) -> Outcome:
    done: list[str] = []
    failed: list[tuple[str, str]] = []
    for start in range(0, len(ids), NODES_PER_CALL):
        response = call(ClusterName=cluster, NodeIds=list(ids[start : start + NODES_PER_CALL]))
        done += response.get("Successful") or ()
        failed += [
            (failure["NodeId"], f"{failure['ErrorCode']}: {failure['Message']}")
            for failure in response.get("Failed") or ()
        ]
    return Outcome(tuple(done), tuple(failed))


def update_software(
    sagemaker: Any,
    cluster: str,
    *,
    groups: Sequence[str] = (),
    release: str | None = None,
    batch: str | None = None,
    wait_seconds: int | None = None,
    alarms: Sequence[str] = (),
) -> str:
    """Starts an update of the nodes' software (AMI and agents); running jobs are interrupted.

    Args:
        sagemaker: a client.
        cluster: name of the cluster.
        groups: groups to update; default: all.
        release: image release version to update to, with `groups`; default: the newest.
        batch: instances at a time, as a number ("2") or a percentage ("10%"); default: all at once.
        wait_seconds: seconds to monitor alarms after each batch.
        alarms: CloudWatch alarms that roll back the update.

    Returns:
        The cluster's ARN.

    Raises:
        ValueError: `batch` is not a number or a percentage.
    """
    request: dict[str, Any] = {"ClusterName": cluster}
    if groups:
        chosen = {"ImageReleaseVersion": release} if release else {}
        request["InstanceGroups"] = [{"InstanceGroupName": name, **chosen} for name in groups]
    rollout: dict[str, Any] = {}
    if batch:
        rollout["RollingUpdatePolicy"] = {"MaximumBatchSize": _batch_size(batch)}
    if wait_seconds is not None:
        rollout["WaitIntervalInSeconds"] = wait_seconds
    if alarms:
        rollout["AutoRollbackConfiguration"] = [{"AlarmName": name} for name in alarms]
    if rollout:
        request["DeploymentConfig"] = rollout
    return str(sagemaker.update_cluster_software(**request)["ClusterArn"])


def _batch_size(text: str) -> dict[str, Any]:
    """Converts a batch size to the API's format.

    >>> _batch_size("10%"), _batch_size("2")["Value"]
    ({'Type': 'CAPACITY_PERCENTAGE', 'Value': 10}, 2)
    """
    number = text.removesuffix("%")
    if not number.isdigit() or int(number) < 1:
        raise ValueError(f"{text!r} is not a number of instances or a percentage such as 10%")
    return {"Type": "CAPACITY_PERCENTAGE" if text.endswith("%") else "INSTANCE_COUNT", "Value": int(number)}


def states(sagemaker: Any, cluster: str, sleep: Callable[[float], None], *, every: float = 30.0) -> Iterator[Json]:
    """Yields the cluster repeatedly until no operation is in progress; the last item is the final status."""
    while True:
        live = sagemaker.describe_cluster(ClusterName=cluster)
        yield live
        if live["ClusterStatus"] not in BUSY and not _busy(live.get("InstanceGroups") or ()):
            return
        sleep(every)


def _busy(groups: Iterable[Json]) -> bool:
    return any(group.get("Status") in BUSY for group in groups)
