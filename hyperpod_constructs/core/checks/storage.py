"""HP80x: FSx for Lustre file systems and buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import allowed, limit, source_of
from ..findings import Severity
from ..spec.base import is_token
from ..spec.governance import Governance
from ..spec.storage import Bucket, LustreFileSystem, Storage
from .context import Context, EffectiveAddons, Groups, as_text, skipped, types_of
from .registry import Problem, rule

_FSX = "botocore 1.44.5, service model of fsx: CreateFileSystemLustreConfiguration"


_TEAMS = "addons: {fsx_csi: {}, task_governance: {}}\ngovernance: {teams: [{name: vision}]}\n"


def _fs(rest: str = "") -> str:
    return f"storage: {{lustre: [{{name: data{', ' + rest if rest else ''}}}]}}\naddons: {{fsx_csi: {{}}}}\n"


def _made(ctx: Context) -> Iterator[tuple[str, LustreFileSystem]]:
    for index, system in enumerate(ctx.storage.lustre if ctx.storage else ()):
        if system.existing_id is None:
            yield f"storage.lustre[{index}]", system


@rule(
    "HP801",
    title="A file system's capacity is one of FSx's steps.",
    severity=Severity.ERROR,
    why="FSx refuses the file system.",
    cure="Use 1200, 2400, or a multiple of 2400 GiB.",
    source=_FSX + ", StorageCapacity",
    wrong=_fs("size_gib: 1000"),
    right=_fs("size_gib: 4800"),
)
def capacity(storage: Storage, ctx: Context) -> Iterator[Problem]:
    least, step = limit("fsx_capacity_min_gib").value, limit("fsx_capacity_step_gib").value
    for path, system in _made(ctx):
        size = system.size_gib
        if size != least and (size < step or size % step):
            near = least if size <= least else -(-size // step) * step
            yield Problem(f"{path}.size_gib", f"is {size:,} GiB", f"The next size that FSx makes is {near:,} GiB.")


@rule(
    "HP802",
    title="A file system's throughput is one that its deployment type has.",
    severity=Severity.ERROR,
    why="FSx refuses the file system.",
    cure="PERSISTENT_2: 125, 250, 500 or 1000 MB/s per TiB; PERSISTENT_1: 50, 100 or 200; SCRATCH_2 has none to choose.",
    source=_FSX + ", PerUnitStorageThroughput",
    wrong=_fs("throughput: 333"),
    right=_fs("throughput: 500"),
)
def throughput(storage: Storage, ctx: Context) -> Iterator[Problem]:
    lists = {"PERSISTENT_2": "fsx_throughput_persistent_2", "PERSISTENT_1": "fsx_throughput_persistent_1_ssd"}
    for path, system in _made(ctx):
        if system.deployment_type not in lists:
            if system.throughput is not None:
                message = f"{system.deployment_type} has no throughput to choose"
                yield Problem(f"{path}.throughput", message, "Remove it.", "It is ignored.", Severity.WARNING)
            continue
        values = allowed(lists[system.deployment_type])
        if system.effective_throughput not in values:
            listed = ", ".join(map(str, values))
            yield Problem(f"{path}.throughput", f"is {system.throughput}; {system.deployment_type} has {listed}")


@rule(
    "HP803",
    title="The Lustre version is one that FSx has for the deployment type.",
    severity=Severity.ERROR,
    why="FSx refuses the file system.",
    cure='Use "2.15".',
    source=_FSX + ", FileSystemTypeVersion",
    wrong=_fs('lustre_version: "2.1"'),
    right=_fs('lustre_version: "2.15"'),
)
def lustre_version(storage: Storage, ctx: Context) -> Iterator[Problem]:
    known = allowed("fsx_lustre_version")
    for path, system in _made(ctx):
        version, place = system.lustre_version, f"{path}.lustre_version"
        if is_token(version):
            yield skipped(place)
        elif version not in known:
            yield Problem(place, f"{as_text(version)} is none of {', '.join(known)}")
        elif version == "2.10" and system.deployment_type == "PERSISTENT_2":
            yield Problem(place, "2.10 is for scratch and PERSISTENT_1 only")


@rule(
    "HP804",
    title="EFA is asked for on PERSISTENT_2.",
    severity=Severity.ERROR,
    why="FSx refuses the file system.",
    cure="Use PERSISTENT_2, or `efa: false`.",
    source=_FSX + ", EfaEnabled",
    wrong=_fs("deployment_type: SCRATCH_2, efa: true"),
    right=_fs("efa: true, size_gib: 19200"),
)
def efa(storage: Storage, ctx: Context) -> Iterator[Problem]:
    for path, system in _made(ctx):
        if system.efa and system.deployment_type != "PERSISTENT_2":
            yield Problem(f"{path}.efa", f"is true, and the deployment type is {system.deployment_type}")
        elif system.efa and system.lustre_version != "2.15" and not is_token(system.lustre_version):
            message = f"is true, and the Lustre version is {system.lustre_version}"
            yield Problem(f"{path}.efa", message, 'Use "2.15".', severity=Severity.WARNING)


@rule(
    "HP805",
    title="A file system is in the zone of the groups that use it.",
    severity=Severity.WARNING,
    why="Traffic between zones is slower and billed, and EFA does not cross zones.",
    cure="Put the file system into the zone of the accelerated groups.",
    source="Terraform module fsx_lustre; documentation of FSx for Lustre",
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}]}\n" + _fs("availability_zone_id: usw2-az2"),
    right="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}]}\n" + _fs("availability_zone_id: usw2-az1"),
)
def near_the_nodes(storage: Storage, groups: Groups, ctx: Context) -> Iterator[Problem]:
    zones = {ctx.zone_of(group) for _, group in groups if any(kind.is_accelerated for kind in types_of(group))}
    known = sorted(zone for zone in zones if zone is not None)
    for path, system in _made(ctx):
        zone = system.availability_zone_id
        if zone is not None and known and zone not in known and not any(map(is_token, [zone, *known])):
            yield Problem(
                f"{path}.availability_zone_id", f"is {zone}; the accelerated groups are in {', '.join(known)}"
            )


@rule(
    "HP806",
    title="Names of file systems, buckets and namespaces are Kubernetes names, each once.",
    severity=Severity.ERROR,
    why="Kubernetes refuses the volume claim, or two of them are the same.",
    cure="Use lower-case letters, digits and hyphens, 63 at most.",
    source="Kubernetes: names of objects (RFC 1123)",
    wrong="storage: {lustre: [{name: My_Data}]}\naddons: {fsx_csi: {}}\n",
    right="storage: {lustre: [{name: my-data}]}\naddons: {fsx_csi: {}}\n",
)
def names(storage: Storage) -> Iterator[Problem]:
    for base in ("storage.lustre", "storage.buckets"):
        seen: set[str] = set()
        for index, item in enumerate(_items(storage, base)):
            yield from _label(f"{base}[{index}].name", item.name)
            if item.name in seen:
                yield Problem(f"{base}[{index}].name", f"{as_text(item.name)} is named twice")
            seen.add(item.name)
    for index, system in enumerate(storage.lustre):
        for place, namespace in enumerate(system.namespaces):
            yield from _label(f"storage.lustre[{index}].namespaces[{place}]", namespace)


def _items(storage: Storage, base: str) -> tuple[LustreFileSystem | Bucket, ...]:
    return storage.lustre if base == "storage.lustre" else storage.buckets


def _label(path: str, name: str) -> Iterator[Problem]:
    most = limit("kubernetes_name_length").value
    if is_token(name):
        yield skipped(path)
    elif len(name) > most or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        yield Problem(path, f"{as_text(name)} is no Kubernetes name")


@rule(
    "HP807",
    title="A file system that exists is named completely.",
    severity=Severity.ERROR,
    why="The volume cannot be mounted.",
    cure="Give existing_id, existing_dns_name and existing_mount_name.",
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
            yield Problem(f"storage.lustre[{index}].{given}", f"is given without {' and '.join(missing)}")
        known = system.existing_id
        if known is not None and not is_token(known) and not re.fullmatch(r"fs-[0-9a-f]{8,17}", known):
            yield Problem(f"storage.lustre[{index}].existing_id", f"{as_text(known)} is no id of a file system")


@rule(
    "HP808",
    title="Data is destroyed only where two switches say so.",
    severity=Severity.WARNING,
    why="The data is kept all the same, and paid for, when the stack is deleted.",
    cure="Set allow_data_loss: true as well, or `removal: retain`.",
    source="this project: stateful data goes only when two switches say so",
    wrong="storage: {buckets: [{name: scratch, removal: destroy}]}\n",
    right="allow_data_loss: true\nstorage: {buckets: [{name: scratch, removal: destroy}]}\n",
)
def two_switches(storage: Storage, ctx: Context) -> Iterator[Problem]:
    if ctx.allow_data_loss or not ctx.whole:
        return
    for base in ("storage.lustre", "storage.buckets"):
        for index, item in enumerate(_items(storage, base)):
            if item.removal == "destroy":
                yield Problem(f"{base}[{index}].removal", "is destroy, but allow_data_loss is false")


@rule(
    "HP809",
    title="A data repository is a bucket of the platform or an S3 address, and no other one overlaps its path.",
    severity=Severity.ERROR,
    complete=("storage",),
    why="FSx refuses the link.",
    cure="Name a bucket of storage.buckets, or s3://bucket/prefix; the path is absolute.",
    source="botocore 1.44.5, service model of fsx: CreateDataRepositoryAssociation",
    wrong=_fs("data_repositories: [{bucket: inputs}]"),
    right=_fs("data_repositories: [{bucket: 's3://inputs/raw'}]"),
)
def data_repository(storage: Storage, ctx: Context) -> Iterator[Problem]:
    known = [bucket.name for bucket in (storage.buckets if storage else ())]
    for path, system in _made(ctx):
        for index, link in enumerate(system.data_repositories):
            place = f"{path}.data_repositories[{index}]"
            if is_token(link.bucket):
                yield skipped(f"{place}.bucket")
            elif link.bucket not in known and not re.fullmatch(
                r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", link.bucket
            ):
                message = f"{as_text(link.bucket)} is neither a bucket of storage.buckets nor an S3 address"
                yield Problem(f"{place}.bucket", message)
            if not link.path.startswith("/") and not is_token(link.path):
                yield Problem(f"{place}.path", f"{as_text(link.path)} is not absolute")
                continue
            for other in system.data_repositories[:index]:
                if other.path.startswith("/") and _overlap(link.path, other.path):
                    message = f"{as_text(link.path)} overlaps {as_text(other.path)}, which is linked already"
                    cure = "Link directories of which none lies in another; `/` goes alone."
                    yield Problem(f"{place}.path", message, cure)
                    break


def _overlap(one: str, other: str) -> bool:
    """Whether two directories are the same, or one lies in the other.

    >>> _overlap("/data", "/data/sub"), _overlap("/data", "/database"), _overlap("/", "/data"), _overlap("/a/", "/a")
    (True, False, True, True)
    """
    first, second = (path.rstrip("/") + "/" for path in (one, other))
    return first.startswith(second) or second.startswith(first)


@rule(
    "HP812",
    title="A file system with EFA has one of the larger capacities that EFA wants.",
    severity=Severity.ERROR,
    complete=("storage",),
    why="FSx refuses the file system: with EFA, minimum and step depend on the throughput.",
    cure="Use a multiple of 38400, 19200, 9600 or 4800 GiB at 125, 250, 500 or 1000 MB/s per TiB, or `efa: false`.",
    source=source_of("limits", "fsx_efa_capacity_500_gib"),
    certain=False,
    wrong=_fs("efa: true, size_gib: 4800, throughput: 500"),
    right=_fs("efa: true, size_gib: 9600, throughput: 500"),
)
def capacity_with_efa(storage: Storage, ctx: Context) -> Iterator[Problem]:
    for path, system in _made(ctx):
        chosen = system.effective_throughput
        if not system.efa or system.deployment_type != "PERSISTENT_2":
            continue
        if chosen not in allowed("fsx_throughput_persistent_2"):  # HP802 says so
            continue
        step = limit(f"fsx_efa_capacity_{chosen}_gib").value
        if system.size_gib % step:
            near = -(-system.size_gib // step) * step
            message = f"is {system.size_gib:,} GiB with EFA; at {chosen} MB/s per TiB the step is {step:,} GiB"
            yield Problem(f"{path}.size_gib", message, f"Use {near:,} GiB, another throughput, or `efa: false`.")


@rule(
    "HP813",
    title="A file system with data repositories has a Lustre version that can have them.",
    severity=Severity.ERROR,
    why="FSx makes the file system and refuses its links.",
    cure='Use lustre_version "2.15" or "2.12", or remove data_repositories.',
    source=source_of("allowed", "fsx_data_repository_lustre_version"),
    wrong=_fs("deployment_type: PERSISTENT_1, lustre_version: \"2.10\", data_repositories: [{bucket: 's3://inputs'}]"),
    right=_fs("deployment_type: PERSISTENT_1, lustre_version: \"2.12\", data_repositories: [{bucket: 's3://inputs'}]"),
)
def version_of_linked(storage: Storage, ctx: Context) -> Iterator[Problem]:
    versions = allowed("fsx_data_repository_lustre_version")
    for path, system in _made(ctx):
        version = system.lustre_version
        if system.data_repositories and version not in versions and not is_token(version):
            message = f"{as_text(version)} takes no data repositories; {' and '.join(versions)} do"
            yield Problem(f"{path}.lustre_version", message)


@rule(
    "HP810",
    title="Claims have their CSI driver.",
    severity=Severity.WARNING,
    complete=("addons",),
    why="The volume claims stay pending, and so do the pods that use them.",
    cure="Add `fsx_csi: {}` to addons.",
    source="Terraform module fsx_lustre",
    wrong="storage: {lustre: [{name: data}]}\n",
    right=_fs(),
)
def csi_driver(storage: Storage, effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    ours = ctx.eks is None or ctx.eks.existing is None
    if ours and storage.lustre and "fsx_csi" not in effective_addons:
        yield Problem("storage.lustre", "has volume claims, but the add-on fsx_csi is not there")
    mounted = any(bucket.namespaces for bucket in storage.buckets)
    if ours and mounted and "mountpoint_s3_csi" not in effective_addons:
        cure = "Add `mountpoint_s3_csi: {}` to addons."
        yield Problem("storage.buckets", "has volume claims, but the add-on mountpoint_s3_csi is not there", cure)


@rule(
    "HP811",
    title="Claims are in namespaces that are there.",
    severity=Severity.WARNING,
    complete=("governance",),
    why="The claim is refused until somebody makes the namespace, and the deployment fails after ten minutes.",
    cure="Name a team or `default`, or make the namespace before the deployment.",
    source="this project: teams' namespaces come with their quotas, others are not ours",
    wrong="storage: {lustre: [{name: data, namespaces: [nobody]}]}\n" + _TEAMS,
    right="storage: {lustre: [{name: data, namespaces: [vision]}]}\n" + _TEAMS,
)
def namespaces_of_claims(storage: Storage, governance: Governance) -> Iterator[Problem]:
    teams = governance.teams if governance else ()
    known = {"default", *(team.name for team in teams), *(team.namespace for team in teams)}
    for base in ("storage.lustre", "storage.buckets") if storage else ():
        for index, item in enumerate(_items(storage, base)):
            for place, namespace in enumerate(item.namespaces):
                if namespace not in known and not is_token(namespace):
                    path = f"{base}[{index}].namespaces[{place}]"
                    yield Problem(path, f"{as_text(namespace)} is neither default nor a team's")
