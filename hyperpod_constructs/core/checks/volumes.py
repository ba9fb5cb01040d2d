"""HP35x and HP36x: storage of nodes, rolling updates, lifecycle configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import limit, pattern, source_of
from ..findings import Severity
from ..spec.arns import BUCKET_NAME
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.groups import Deployment, Lifecycle
from .context import Context, Groups, InstanceGroups, RestrictedGroups, as_text, skipped
from .groups import fragment
from .registry import Problem, rule

_EBS = "service model of sagemaker: ClusterEbsVolumeConfig"


@rule(
    "HP350",
    title="A root volume has a key and no size; a second volume has a size.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the volume: the service sets the size of the root volume.",
    cure="Use root_volume: {kms_key_arn: ...} and volume: {size_gib: ...}.",
    source=_EBS,
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, root_volume: {size_gib: 500}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 500}"),
)
def volumes(instance_groups: InstanceGroups, restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        if group.root_volume is not None and group.root_volume.size_gib is not None:
            yield Problem(f"{path}.root_volume.size_gib", "the size of a root volume is not configurable")
        if group.root_volume is not None and group.root_volume.kms_key_arn is None:
            yield Problem(f"{path}.root_volume", "no kms_key_arn: a root volume has no other setting")
        if group.volume is not None and group.volume.size_gib is None:
            yield Problem(f"{path}.volume", *_NO_SIZE)
    for path, restricted in restricted_groups:
        volume = restricted.volume
        if volume is not None and volume.size_gib is None:
            yield Problem(f"{path}.volume", *_NO_SIZE)
        if volume is not None and volume.kms_key_arn is not None:
            why = "The documentation page smcluster-cmk excludes restricted groups from customer managed keys."
            yield Problem(f"{path}.volume.kms_key_arn", "not supported in a restricted group", "Remove the key.", why)


_NO_SIZE = ("size_gib is not set", "Set volume.size_gib.", "CreateCluster rejects a volume without a size.")


@rule(
    "HP352",
    title="The policy of a customer managed key allows grants.",
    severity=Severity.NOTE,
    why="Without the grants, nodes fail when they are added, replaced or patched.",
    cure="Allow kms:CreateGrant and kms:DescribeKey for the execution role and sagemaker.<region>, without "
    "conditions on the encryption context. The key of a group cannot be changed later.",
    source="documentation page smcluster-cmk",
    wrong=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 500, "
        "kms_key_arn: 'arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012'}"
    ),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 500}"),
)
def key_policy(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        for name in ("root_volume", "volume"):
            volume = getattr(group, name)
            if volume is not None and volume.kms_key_arn is not None:
                yield Problem(f"{path}.{name}.kms_key_arn", "the key's policy must allow grants")


@rule(
    "HP353",
    title="Volumes are within the default quota.",
    severity=Severity.WARNING,
    why="CreateCluster rejects larger volumes. The default of the quota `Maximum size of EBS volume in GB for a SageMaker "
    "HyperPod cluster instance` was observed at 1024.",
    cure="Request a higher quota (L-E13DF72A) first; `hyperpod preflight` reads yours.",
    source="one account's quotas of 2026-10-04",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 4000}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 1000}"),
)
def volume_quota(instance_groups: InstanceGroups) -> Iterator[Problem]:
    from ..catalog import quota

    seen = quota("ebs_volume_size_gb").seen or ""
    for path, group in instance_groups:
        size = group.volume.size_gib if group.volume is not None else None
        if size is not None and seen.isdecimal() and size > int(seen):
            yield Problem(f"{path}.volume.size_gib", f"{size:,} GiB exceeds the default quota of {int(seen):,} GiB")


@rule(
    "HP354",
    title="Mounts of groups match the API's patterns and do not conflict.",
    severity=Severity.ERROR,
    why="CreateCluster or CloudFormation rejects the mount.",
    cure="Copy the DNS name and mount name from the file system; use an absolute path without trailing or double slash.",
    source=source_of("patterns", "fsx_mount_path"),
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, lustre: {dns_name: my-fs, mount_name: abcdefgh}"),
    right=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, lustre: "
        "{dns_name: fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com, mount_name: abcdefgh}"
    ),
)
def mounts(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        used_by: dict[str, str] = {"/opt/sagemaker": "the second volume"}
        for name in ("lustre", "open_zfs"):
            mount = getattr(group, name)
            if mount is None:
                continue
            place = f"{path}.{name}"
            yield from _matching(f"{place}.dns_name", mount.dns_name, "fsx_lustre_dns_name")
            if name == "lustre":
                yield from _matching(f"{place}.mount_name", mount.mount_name, "fsx_lustre_mount_name")
            yield from _matching(f"{place}.mount_path", mount.mount_path, "fsx_mount_path")
            clean = mount.mount_path.rstrip("/")
            if clean != mount.mount_path or "//" in mount.mount_path:
                message = f"{as_text(mount.mount_path)} has a trailing or double slash"
                yield Problem(f"{place}.mount_path", message, "Remove the additional slash.")
            if clean in used_by:
                message = f"{as_text(clean)} is already used by {used_by[clean]}"
                yield Problem(f"{place}.mount_path", message, "Use another path.")
            used_by[clean] = name


def _matching(path: str, value: str, name: str) -> Iterator[Problem]:
    bound = limit(f"{name}_length")
    if is_token(value):
        yield skipped(path)
    elif not re.fullmatch(pattern(name), value) or not bound.allows(len(value)):
        what, cure = _MOUNTS[name]
        yield Problem(path, f"{as_text(value)} is not a valid {what}", cure)


_DESCRIBE = "Copy it from `aws fsx describe-file-systems`."
_MOUNTS = {
    "fsx_lustre_dns_name": ("DNS name of a file system", _DESCRIBE),
    "fsx_lustre_mount_name": ("mount name of a file system", _DESCRIBE),
    "fsx_mount_path": ("mount path", "Use an absolute path, such as /fsx."),
}
"""Description and fix of each pattern of a mount."""


@rule(
    "HP356",
    title="A batch is a number of instances or a percentage of the group.",
    severity=Severity.ERROR,
    why="CreateCluster requires one type and one value.",
    cure="Set count or percent.",
    source="service model of sagemaker: CapacitySizeConfig",
    wrong=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, auto_patch: "
        "{deployment: {maximum_batch_size: {count: 1, percent: 50}}}"
    ),
    right=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, auto_patch: {deployment: {maximum_batch_size: {count: 1}}}"
    ),
)
def batches(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, deployment in _deployments(ctx):
        for name in ("maximum_batch_size", "rollback_batch_size"):
            size = getattr(deployment, name)
            if size is not None and (size.count is None) == (size.percent is None):
                given = "neither count nor percent is" if size.count is None else "both count and percent are"
                yield Problem(f"{path}.{name}", f"{given} set")


def _deployments(ctx: Context) -> Iterator[tuple[str, Deployment]]:
    for path, group in ctx.instance_groups:
        for name in ("scheduled_update", "auto_patch"):
            rollout = getattr(group, name)
            if rollout is not None and rollout.deployment is not None:
                yield f"{path}.{name}.deployment", rollout.deployment


@rule(
    "HP357",
    title="A schedule is a cron expression with a fixed minute and hour.",
    severity=Severity.ERROR,
    why="CloudFormation rejects the template.",
    cure="Use cron(0 3 ? * SUN *).",
    source="CloudFormation schema of AWS::SageMaker::Cluster: ScheduledUpdateConfig.ScheduleExpression",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, scheduled_update: {schedule: rate(1 day)}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, scheduled_update: {schedule: cron(0 3 ? * SUN *)}"),
)
def schedules(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        schedule = group.scheduled_update.schedule if group.scheduled_update is not None else None
        place = f"{path}.scheduled_update.schedule"
        if schedule is None:
            continue
        found = re.fullmatch(pattern("schedule_fields"), schedule)
        if is_token(schedule):
            yield skipped(place)
        elif found is None:
            yield Problem(
                place, f"unsupported schedule {as_text(schedule)}; use cron(minute hour day month weekday year)"
            )
        elif (found["day"] == "?") == (found["weekday"] == "?"):
            message = f"{as_text(schedule)} must have `?` for either the day of the month or the day of the week"
            cure = "Use cron(0 3 ? * SUN *) for a day of the week, cron(0 3 1 * ? *) for a day of the month."
            yield Problem(place, message, cure)
        elif not re.fullmatch(pattern("schedule_expression"), schedule):
            cure = (
                "Use numbers for minute and hour; 1-31 or ? for day; 1-12, * or */n for month; MON-SUN, 1-7, L, 6L, 2#1 or "
                "? for weekday; 2020-2099 or * for year."
            )
            yield Problem(place, f"{as_text(schedule)} has a field that CloudFormation does not support", cure)


@rule(
    "HP358",
    title="Alarms of a rolling update have valid names.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the list.",
    cure="Specify a name of 1 to 255 characters.",
    source="service model of sagemaker: AlarmDetails",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, auto_patch: {deployment: {alarms: ['']}}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, auto_patch: {deployment: {alarms: [errors]}}"),
)
def alarms(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    bound = limit("alarm_name_length")
    for path, deployment in _deployments(ctx):
        for index, name in enumerate(deployment.alarms):
            if not is_token(name) and not bound.allows(len(name)):
                yield Problem(f"{path}.alarms[{index}]", f"{len(name)} characters; 1 to {bound.value} are allowed")
            if name in deployment.alarms[:index]:
                yield Problem(f"{path}.alarms[{index}]", f"{as_text(name)} is listed twice", "Remove the duplicate.")


def _lifecycles(ctx: Context) -> Iterator[tuple[str, Lifecycle]]:
    if ctx.cluster is not None:
        yield "cluster.lifecycle", ctx.cluster.lifecycle
    for path, group in ctx.instance_groups:
        if group.lifecycle is not None:
            yield f"{path}.lifecycle", group.lifecycle


@rule(
    "HP360",
    title="Lifecycle scripts are in a bucket that nodes can read.",
    severity=Severity.WARNING,
    why="The managed policy of execution roles covers buckets named `sagemaker-*` only. The script fails on "
    "every node and is retried, and the nodes are billed.",
    cure="Use a bucket whose name begins with sagemaker-, or allow the role to read the bucket.",
    source="documentation page sagemaker-hyperpod-prerequisites-iam: AmazonSageMakerClusterInstanceRolePolicy",
    wrong="cluster: {execution_role_arn: arn:aws:iam::111122223333:role/Mine, lifecycle: {source: s3://scripts/hyperpod}}\n",
    right="cluster: {execution_role_arn: arn:aws:iam::111122223333:role/Mine, "
    "lifecycle: {source: s3://sagemaker-scripts/hyperpod}}\n",
)
def script_bucket(cluster: Cluster, groups: Groups, ctx: Context) -> Iterator[Problem]:
    if cluster.execution_role_arn is None and not any(g.execution_role_arn for _, g in groups):
        return
    places = [(f"{path}.source", lifecycle.source) for path, lifecycle in _lifecycles(ctx)]
    places.append(("cluster.lifecycle_bucket_name", cluster.lifecycle_bucket_name))
    for path, source in places:
        if source is None or is_token(source) or (path.endswith("source") and not source.startswith("s3://")):
            continue
        bucket = source.removeprefix("s3://").partition("/")[0]
        if not bucket.startswith("sagemaker-"):
            yield Problem(
                path,
                f"the bucket {as_text(bucket)} is not named sagemaker-*, and the execution role is an existing role",
            )


@rule(
    "HP361",
    title="A lifecycle configuration has the settings that its mode requires.",
    severity=Severity.WARNING,
    why="In bootstrap mode, scripts do not run.",
    cure="Remove source with `mode: bootstrap`; set source with `mode: extension`.",
    source="CloudFormation schema of AWS::SageMaker::Cluster: LifeCycleConfig",
    wrong="cluster: {lifecycle: {mode: bootstrap, source: scripts/}}\n",
    right="cluster: {lifecycle: {mode: on_create, source: scripts/}}\n",
)
def lifecycle_mode(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, lifecycle in _lifecycles(ctx):
        if lifecycle.mode == "bootstrap" and lifecycle.source is not None:
            cure = "Remove source, or use `mode: extension`."
            yield Problem(f"{path}.source", "ignored: the mode is bootstrap", cure, "The scripts do not run.")
        if lifecycle.source is None or is_token(lifecycle.source):
            continue
        if "://" in lifecycle.source and not re.fullmatch(rf"s3://{BUCKET_NAME}(/.*)?", lifecycle.source):
            message = f"{as_text(lifecycle.source)} is neither a local folder nor s3://bucket/prefix"
            cure = "Use a local folder or s3://bucket/prefix."
            yield Problem(f"{path}.source", message, cure, "CreateCluster rejects the group.", Severity.ERROR)
        if not lifecycle.script.endswith(".sh") or "/" in lifecycle.script:
            message = f"{as_text(lifecycle.script)} is not a file name of a shell script in the folder"
            yield Problem(
                f"{path}.script", message, "Specify a file name that ends in .sh, without a folder.", _NO_SCRIPT
            )


_NO_SCRIPT = "The nodes run no script, or fail to start."


@rule(
    "HP362",
    title="Custom lifecycle scripts are up to date.",
    severity=Severity.NOTE,
    why="Old copies of the public scripts break containerd on Amazon Linux 2023, change the directory before "
    "they have run, or lack fsx:DescribeFileSystems.",
    cure="Compare them with the public scripts after 2026-07, or use the built-in script, or `mode: bootstrap`.",
    source="Terraform module's git log: #884, #937, #998, #1209",
    wrong="cluster: {lifecycle: {source: scripts/}}\n",
    right="cluster: {lifecycle: {mode: bootstrap}}\n",
)
def own_scripts(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, lifecycle in _lifecycles(ctx):
        if lifecycle.source is not None and lifecycle.mode != "bootstrap":
            yield Problem(f"{path}.source", "custom scripts are not checked")
