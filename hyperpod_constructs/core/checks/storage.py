"""HP80x: FSx for Lustre file systems and buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import allowed, limit, matches, pattern, source_of
from ..findings import Severity
from ..plural import either
from ..spec.arns import BUCKET_NAME
from ..spec.base import is_token
from ..spec.storage import LustreFileSystem, Storage
from .claims import stored
from .context import Context, Groups, as_text, skipped, types_of
from .registry import Problem, rule

_FSX = "botocore 1.44.5, service model of fsx: CreateFileSystemLustreConfiguration"


def _fs(rest: str = "") -> str:
    return f"storage: {{lustre: [{{name: data{', ' + rest if rest else ''}}}]}}\naddons: {{fsx_csi: {{}}}}\n"


def _created(ctx: Context) -> Iterator[tuple[str, LustreFileSystem]]:
    for index, system in enumerate(ctx.storage.lustre if ctx.storage else ()):
        if system.existing_id is None:
            yield f"storage.lustre[{index}]", system


@rule(
    "HP801",
    title="The storage capacity of a file system is valid in FSx.",
    severity=Severity.ERROR,
    why="FSx rejects the file system.",
    cure="Use 1200, 2400, or a multiple of 2400 GiB.",
    source=_FSX + ", StorageCapacity",
    wrong=_fs("size_gib: 1000"),
    right=_fs("size_gib: 4800"),
)
def capacity(storage: Storage, ctx: Context) -> Iterator[Problem]:
    least, step = limit("fsx_capacity_min_gib").value, limit("fsx_capacity_step_gib").value
    for path, system in _created(ctx):
        size = system.size_gib
        if size != least and (size < step or size % step):
            steps = _efa_step(system) or step
            near = least if size <= least and steps == step else -(-size // steps) * steps
            cure = f"Use {near:,} GiB, the next valid size{' with EFA' if steps != step else ''}."
            yield Problem(f"{path}.size_gib", f"{size:,} GiB is not a valid size", cure)


def _efa_step(system: LustreFileSystem) -> int | None:
    """Returns the step of the capacity with EFA in GiB; None without EFA, or if another setting is not valid with it."""
    chosen = system.effective_throughput
    if not system.efa or system.deployment_type != "PERSISTENT_2" or chosen not in allowed(_PERSISTENT_2):
        return None
    return limit(f"fsx_efa_capacity_{chosen}_gib").value


_PERSISTENT_2 = "fsx_throughput_persistent_2"


@rule(
    "HP802",
    title="The deployment type of a file system supports its throughput.",
    severity=Severity.ERROR,
    why="FSx rejects the file system.",
    cure="Use 125, 250, 500 or 1000 MB/s per TiB with PERSISTENT_2, and 50, 100 or 200 with PERSISTENT_1.",
    source=_FSX + ", PerUnitStorageThroughput",
    wrong=_fs("throughput: 333"),
    right=_fs("throughput: 500"),
)
def throughput(storage: Storage, ctx: Context) -> Iterator[Problem]:
    lists = {"PERSISTENT_2": _PERSISTENT_2, "PERSISTENT_1": "fsx_throughput_persistent_1_ssd"}
    for path, system in _created(ctx):
        if system.deployment_type not in lists:
            if system.throughput is not None:
                message = f"the throughput of {system.deployment_type} is not configurable"
                yield Problem(f"{path}.throughput", message, "Remove it.", "The setting is ignored.", Severity.WARNING)
            continue
        values = allowed(lists[system.deployment_type])
        if system.effective_throughput not in values:
            listed = ", ".join(map(str, values))
            yield Problem(
                f"{path}.throughput",
                f"{system.throughput} is not supported; {system.deployment_type} supports {listed}",
                f"Use {either(map(str, values))} MB/s per TiB.",
            )


@rule(
    "HP803",
    title="The deployment type supports the Lustre version.",
    severity=Severity.ERROR,
    why="FSx rejects the file system.",
    cure='Use "2.15".',
    source=_FSX + ", FileSystemTypeVersion",
    wrong=_fs('lustre_version: "2.1"'),
    right=_fs('lustre_version: "2.15"'),
)
def lustre_version(storage: Storage, ctx: Context) -> Iterator[Problem]:
    known = allowed("fsx_lustre_version")
    for path, system in _created(ctx):
        version, place = system.lustre_version, f"{path}.lustre_version"
        if is_token(version):
            yield skipped(place)
        elif version not in known:
            yield Problem(place, f"{as_text(version)} is not a supported version; use {', '.join(known)}")
        elif version == "2.10" and system.deployment_type == "PERSISTENT_2":
            yield Problem(
                place, "2.10 is supported by the scratch deployment types and PERSISTENT_1 only, not by PERSISTENT_2"
            )


@rule(
    "HP804",
    title="EFA is used with PERSISTENT_2.",
    severity=Severity.ERROR,
    why="FSx rejects the file system.",
    cure="Use PERSISTENT_2, or `efa: false`.",
    source=_FSX + ", EfaEnabled",
    wrong=_fs("deployment_type: SCRATCH_2, efa: true"),
    right=_fs("efa: true, size_gib: 19200"),
)
def efa(storage: Storage, ctx: Context) -> Iterator[Problem]:
    for path, system in _created(ctx):
        if system.efa and system.deployment_type != "PERSISTENT_2":
            yield Problem(f"{path}.efa", f"EFA requires PERSISTENT_2; the deployment type is {system.deployment_type}")
        elif system.efa and system.lustre_version != "2.15" and not is_token(system.lustre_version):
            message = f"EFA requires Lustre 2.15; the version is {system.lustre_version}"
            yield Problem(f"{path}.efa", message, 'Use "2.15".', severity=Severity.WARNING)


@rule(
    "HP805",
    title="A file system is in the zone of the groups that use it.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="Traffic between zones is slower and billed, and EFA does not cross zones.",
    cure="Use the zone of the accelerated groups for the file system.",
    source="Terraform module fsx_lustre; documentation of FSx for Lustre",
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}]}\n" + _fs("availability_zone_id: usw2-az2"),
    right="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}]}\n" + _fs("availability_zone_id: usw2-az1"),
)
def near_the_nodes(storage: Storage, groups: Groups, ctx: Context) -> Iterator[Problem]:
    zones = {
        ctx.zone_of(group)
        for _, group in groups
        if any(instance_type.is_accelerated for instance_type in types_of(group))
    }
    known = sorted(zone for zone in zones if zone is not None)
    for path, system in _created(ctx):
        zone = system.availability_zone_id
        if zone is not None and known and zone not in known and not any(map(is_token, [zone, *known])):
            yield Problem(
                f"{path}.availability_zone_id", f"in {zone}, but the accelerated groups are in {', '.join(known)}"
            )


@rule(
    "HP807",
    title="An existing file system is completely specified.",
    severity=Severity.ERROR,
    why="The volume cannot be mounted.",
    cure="Set existing_id, existing_dns_name and existing_mount_name.",
    source="FSx CSI driver: volumeHandle, dnsname and mountname of a static volume",
    wrong=_fs("existing_id: fs-0123456789abcdef0"),
    right=_fs(
        "existing_id: fs-0123456789abcdef0, existing_dns_name: fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com, "
        "existing_mount_name: abcdefgh"
    ),
)
def existing(storage: Storage) -> Iterator[Problem]:
    parts = ("existing_id", "existing_dns_name", "existing_mount_name")
    for index, system in enumerate(storage.lustre if storage else ()):
        missing = [name for name in parts if getattr(system, name) is None]
        if 0 < len(missing) < len(parts):
            given = next(name for name in parts if name not in missing)
            yield Problem(f"storage.lustre[{index}].{given}", f"requires {' and '.join(missing)}")
        known = system.existing_id
        if (
            known is not None
            and not is_token(known)
            and not (matches("fsx_file_system_id", known) and limit("fsx_file_system_id_length").allows(len(known)))
        ):
            yield Problem(
                f"storage.lustre[{index}].existing_id", f"{as_text(known)} is not a valid file system id", _COPY
            )
        for name, meaning, form in (
            ("existing_dns_name", "DNS name", "fsx_lustre_dns_name"),
            ("existing_mount_name", "mount name", "fsx_lustre_mount_name"),
        ):
            value = getattr(system, name)
            if value is not None and not is_token(value) and not re.fullmatch(pattern(form), value):
                message = f"{as_text(value)} is not a valid {meaning} of a file system"
                yield Problem(f"storage.lustre[{index}].{name}", message, _COPY)


_COPY = "Copy it from `aws fsx describe-file-systems`."


@rule(
    "HP808",
    title="Data is deleted only if two settings allow it.",
    severity=Severity.WARNING,
    why="The data is retained and billed after the stack is deleted.",
    cure="Set allow_data_loss: true as well, or `removal: retain`.",
    source="this project: stateful data goes only when two switches say so",
    wrong="storage: {buckets: [{name: scratch, removal: destroy}]}\n",
    right="allow_data_loss: true\nstorage: {buckets: [{name: scratch, removal: destroy}]}\n",
)
def two_switches(storage: Storage, ctx: Context) -> Iterator[Problem]:
    if ctx.allow_data_loss or not ctx.whole:
        return
    for path, item in stored(ctx):
        if item.removal == "destroy":
            yield Problem(f"{path}.removal", "destroy, but allow_data_loss is false")


@rule(
    "HP809",
    title="A data repository is a bucket or an S3 URL, and paths do not overlap.",
    severity=Severity.ERROR,
    complete=("storage",),
    why="FSx rejects the association.",
    cure="Specify a bucket of storage.buckets, or s3://bucket/prefix.",
    source="botocore 1.44.5, service model of fsx: CreateDataRepositoryAssociation",
    wrong=_fs("data_repositories: [{bucket: inputs}]"),
    right=_fs("data_repositories: [{bucket: 's3://inputs/raw'}]"),
)
def data_repository(storage: Storage, ctx: Context) -> Iterator[Problem]:
    known = [bucket.name for bucket in (storage.buckets if storage else ())]
    for path, system in _created(ctx):
        for index, link in enumerate(system.data_repositories):
            place = f"{path}.data_repositories[{index}]"
            if is_token(link.bucket):
                yield skipped(f"{place}.bucket")
            elif link.bucket not in known and not re.fullmatch(rf"s3://{BUCKET_NAME}(/.*)?", link.bucket):
                message = f"{as_text(link.bucket)} is neither a bucket of storage.buckets nor an S3 URL"
                yield Problem(f"{place}.bucket", message)
            earlier = [f"s3://{linked.bucket.removeprefix('s3://')}" for linked in system.data_repositories[:index]]
            import_path = f"s3://{link.bucket.removeprefix('s3://')}"
            if any(uri.rstrip("/") == import_path.rstrip("/") for uri in earlier) and not is_token(link.bucket):
                message = f"{as_text(link.bucket)} is already linked to another directory of the file system"
                yield Problem(f"{place}.bucket", message, "Link each bucket or prefix once.")
            if not link.path.startswith("/") and not is_token(link.path):
                yield Problem(
                    f"{place}.path", f"{as_text(link.path)} is not an absolute path", "Begin the path with /."
                )
                continue
            for other in system.data_repositories[:index]:
                if other.path.startswith("/") and _overlap(link.path, other.path):
                    message = f"{as_text(link.path)} overlaps {as_text(other.path)}, which is already linked"
                    cure = "Use directories that are not inside one another; `/` can only be used alone."
                    yield Problem(f"{place}.path", message, cure)
                    break


def _overlap(mounted: str, other: str) -> bool:
    """Whether two directories are the same, or one is inside the other.

    >>> _overlap("/data", "/data/sub"), _overlap("/data", "/database"), _overlap("/", "/data"), _overlap("/a/", "/a")
    (True, False, True, True)
    """
    first, second = (path.rstrip("/") + "/" for path in (mounted, other))
    return first.startswith(second) or second.startswith(first)


@rule(
    "HP812",
    title="A file system with EFA has a capacity that EFA supports.",
    severity=Severity.ERROR,
    complete=("storage",),
    why="FSx rejects the file system: with EFA, minimum and step depend on the throughput.",
    cure="Use a multiple of 38400, 19200, 9600 or 4800 GiB at 125, 250, 500 or 1000 MB/s per TiB, or `efa: false`.",
    source=source_of("limits", "fsx_efa_capacity_500_gib"),
    certain=False,
    wrong=_fs("efa: true, size_gib: 4800, throughput: 500"),
    right=_fs("efa: true, size_gib: 9600, throughput: 500"),
)
def capacity_with_efa(storage: Storage, ctx: Context) -> Iterator[Problem]:
    for path, system in _created(ctx):
        chosen, step = system.effective_throughput, _efa_step(system)
        if step is not None and system.size_gib % step:
            near = -(-system.size_gib // step) * step
            message = (
                f"{system.size_gib:,} GiB with EFA at {chosen} MB/s per TiB; the size must be a multiple "
                f"of {step:,} GiB"
            )
            yield Problem(f"{path}.size_gib", message, f"Use {near:,} GiB, another throughput, or `efa: false`.")


@rule(
    "HP813",
    title="The Lustre version supports data repositories.",
    severity=Severity.ERROR,
    why="FSx creates the file system but rejects the associations.",
    cure='Use lustre_version "2.15" or "2.12", or remove data_repositories.',
    source=source_of("allowed", "fsx_data_repository_lustre_version"),
    wrong=_fs("deployment_type: PERSISTENT_1, lustre_version: \"2.10\", data_repositories: [{bucket: 's3://inputs'}]"),
    right=_fs("deployment_type: PERSISTENT_1, lustre_version: \"2.12\", data_repositories: [{bucket: 's3://inputs'}]"),
)
def version_of_linked(storage: Storage, ctx: Context) -> Iterator[Problem]:
    versions = allowed("fsx_data_repository_lustre_version")
    for path, system in _created(ctx):
        version = system.lustre_version
        if system.data_repositories and version not in versions and not is_token(version):
            message = f"{as_text(version)} does not support data repositories; {' and '.join(versions)} do"
            yield Problem(f"{path}.lustre_version", message)


@rule(
    "HP815",
    title="Each bucket can be used by nodes or namespaces.",
    severity=Severity.WARNING,
    why="The pods of jobs get AccessDenied. In version 0.1.0 the execution roles of all nodes could use every bucket.",
    cure="Specify namespaces or teams in used_by, or set nodes: true, the default of version 0.1.0.",
    source="this project; EKS user guide, EKS Pod Identity",
    wrong="storage: {buckets: [{name: data}]}\n",
    right="storage: {buckets: [{name: data, used_by: [default]}]}\n",
)
def used_buckets(storage: Storage) -> Iterator[Problem]:
    for index, bucket in enumerate(storage.buckets):
        if bucket.access != "none" and not (bucket.used_by or bucket.nodes or bucket.namespaces):
            yield Problem(f"storage.buckets[{index}]", f"no principal can use the bucket {as_text(bucket.name)}")
        if bucket.access == "none" and (bucket.used_by or bucket.nodes):
            field = "used_by" if bucket.used_by else "nodes"
            yield Problem(f"storage.buckets[{index}].{field}", "no effect: access is none", "Remove it.", _NO_ACCESS)


_NO_ACCESS = "No role gets permissions on the bucket."
