"""HP819: zones of file systems."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity
from ..placement import is_accelerated, storage_zone
from ..spec.cluster import Cluster
from ..spec.storage import Storage
from .registry import Problem, rule

_GROUPS = (
    "cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, "
    "{name: a, instance_type: ml.p5.48xlarge, count: 1, availability_zone_id: usw2-az1}, "
    "{name: b, instance_type: ml.p5.48xlarge, count: 1, availability_zone_id: usw2-az2}]}\naddons: {fsx_csi: {}}\n"
)


@rule(
    "HP819",
    title="With accelerated groups in several zones, the zone of a file system is set.",
    severity=Severity.WARNING,
    why="By default the file system follows the first accelerated group. A deployment rejects an edit of the groups that "
    "would move it, because a moved file system is a new, empty one.",
    cure="Set availability_zone_id; for a deployed file system, to the zone that it is in.",
    source="CloudFormation schema of AWS::FSx::FileSystem: SubnetIds is create-only",
    wrong=_GROUPS + "storage: {lustre: [{name: data}]}\n",
    right=_GROUPS + "storage: {lustre: [{name: data, availability_zone_id: usw2-az1}]}\n",
)
def zone_is_named(storage: Storage, cluster: Cluster) -> Iterator[Problem]:
    zones = {g.availability_zone_id for g in cluster.instance_groups if is_accelerated(g) and g.availability_zone_id}
    if len(zones) < 2:
        return
    for index, system in enumerate(storage.lustre):
        if system.existing_id is None and system.availability_zone_id is None:
            zone = storage_zone(cluster)
            message = f"not set: the file system {system.name!r} is in the zone of the first accelerated group, {zone}"
            yield Problem(
                f"storage.lustre[{index}].availability_zone_id",
                message,
                f"Set it to {zone}, or, if the file system is deployed, to its current zone.",
            )
