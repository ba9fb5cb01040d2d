"""HP806, HP810, HP811, HP814, HP815: names and claims of storage, and existing buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import allowed, limit, matches
from ..findings import Severity
from ..spec.base import defaults, is_token
from ..spec.governance import Governance
from ..spec.storage import Bucket, LustreFileSystem, Storage
from .context import Context, EffectiveAddons, as_text, skipped
from .registry import Problem, rule

_TEAMS = "addons: {fsx_csi: {}, task_governance: {}}\ngovernance: {teams: [{name: vision}]}\n"


def stored(ctx: Context) -> Iterator[tuple[str, LustreFileSystem | Bucket]]:
    """Returns path and item of every file system and bucket."""
    if ctx.storage is not None:
        yield from ((f"storage.lustre[{index}]", file_system) for index, file_system in enumerate(ctx.storage.lustre))
        yield from ((f"storage.buckets[{index}]", bucket) for index, bucket in enumerate(ctx.storage.buckets))


@rule(
    "HP806",
    title="Names of file systems, buckets and namespaces are valid in Kubernetes, and claims and volumes are unique.",
    severity=Severity.ERROR,
    why="Kubernetes rejects the volume claim, or two resources overwrite the same claim.",
    cure="Use lowercase letters, digits and hyphens, 63 characters at most.",
    source="Kubernetes: names of objects (RFC 1123); the spec of a claim is immutable",
    wrong="storage: {lustre: [{name: My_Data}]}\naddons: {fsx_csi: {}}\n",
    right="storage: {lustre: [{name: my-data}]}\naddons: {fsx_csi: {}}\n",
)
def names(storage: Storage, ctx: Context) -> Iterator[Problem]:
    teams = ctx.governance or defaults(Governance)
    items: dict[tuple[type, str], str] = {}
    claims: dict[tuple[str, str], str] = {}
    volumes: dict[str, str] = {}
    for path, item in stored(ctx):
        yield from _label(f"{path}.name", item.name)
        first = items.setdefault((type(item), item.name), path)
        if first != path:
            yield Problem(
                f"{path}.name", f"{as_text(item.name)} is used twice, first at {first}", "Rename one of them."
            )
            continue
        for place, namespace in enumerate(item.namespaces):
            yield from _label(f"{path}.namespaces[{place}]", namespace)
        for namespace in dict.fromkeys(map(teams.namespace_of, item.namespaces)):
            volume = f"{item.name}-{'s3-' if isinstance(item, Bucket) else ''}{namespace}"
            claimed = claims.setdefault((namespace, item.name), path)
            bound = volumes.setdefault(volume, path)
            if claimed != path:
                message = f"{as_text(item.name)} conflicts with the claim of {claimed} in the namespace {namespace}"
                yield Problem(f"{path}.name", message, "Rename one of them, or use different namespaces.")
            elif bound != path:
                message = f"the volume for the namespace {namespace} has the same name as that of {bound}: {volume}"
                yield Problem(f"{path}.name", message, "Rename one of them.")


def _label(path: str, name: str) -> Iterator[Problem]:
    maximum = limit("kubernetes_name_length").value
    if is_token(name):
        yield skipped(path)
    elif len(name) > maximum:
        yield Problem(path, f"{as_text(name)} has {len(name)} characters; the limit is {maximum}")
    elif not matches("dns_label", name):
        yield Problem(path, f"{as_text(name)} is not a valid Kubernetes name")


@rule(
    "HP810",
    title="Volume claims have their CSI driver.",
    severity=Severity.WARNING,
    complete=("addons",),
    why="The volume claims stay pending, and so do the pods that use them.",
    cure="Add `fsx_csi: {}` to addons.",
    source="Terraform module fsx_lustre",
    wrong="storage: {lustre: [{name: data}]}\n",
    right="storage: {lustre: [{name: data}]}\naddons: {fsx_csi: {}}\n",
)
def csi_driver(storage: Storage, effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    ours = ctx.eks is None or ctx.eks.existing is None
    if ours and storage.lustre and "fsx_csi" not in effective_addons:
        yield _without_driver(ctx, "storage.lustre", "fsx_csi")
    mounted = any(bucket.namespaces for bucket in storage.buckets)
    if ours and mounted and "mountpoint_s3_csi" not in effective_addons:
        yield _without_driver(ctx, "storage.buckets", "mountpoint_s3_csi")


def _without_driver(ctx: Context, path: str, driver: str) -> Problem:
    listed = ctx.addons is not None and getattr(ctx.addons, driver) is not None
    cure = f"Set addons.{driver}.enabled to true." if listed else f"Add `{driver}: {{}}` to addons."
    return Problem(path, f"volume claims require the add-on {driver}, which is not enabled", cure)


@rule(
    "HP811",
    title="Namespaces of claims exist.",
    severity=Severity.WARNING,
    complete=("governance",),
    why="The claim is rejected until the namespace exists, and the deployment fails after ten minutes.",
    cure="Specify a team or `default`, or create the namespace before the deployment.",
    source="this project: a quota creates its team's namespace; other namespaces are not managed",
    wrong="storage: {lustre: [{name: data, namespaces: [nobody]}]}\n" + _TEAMS,
    right="storage: {lustre: [{name: data, namespaces: [vision]}]}\n" + _TEAMS,
)
def namespaces_of_claims(storage: Storage, ctx: Context) -> Iterator[Problem]:
    if ctx.governance is None and not ctx.whole:
        return
    teams = ctx.governance.teams if ctx.governance else ()
    known = {"default", *(team.name for team in teams), *(team.namespace for team in teams)}
    for base, item in stored(ctx):
        for place, namespace in enumerate(item.namespaces):
            if namespace not in known and not is_token(namespace):
                message = f"the namespace {as_text(namespace)} is neither `default` nor the namespace of a team"
                yield Problem(f"{base}.namespaces[{place}]", message)


@rule(
    "HP814",
    title="Existing buckets are specified by name.",
    severity=Severity.ERROR,
    why="S3 has no bucket with this name, and the deployment fails where it is first used.",
    cure="Specify the name without s3:// or arn: 3 to 63 lowercase letters, digits, hyphens and dots.",
    source="S3 user guide, bucketnamingrules",
    wrong="cluster: {lifecycle_bucket_name: My_Bucket}\n",
    right="cluster: {lifecycle_bucket_name: sagemaker-scripts}\n",
)
def bucket_names(ctx: Context) -> Iterator[Problem]:
    places: list[tuple[str, str | None]] = []
    if ctx.cluster is not None:
        places.append(("cluster.lifecycle_bucket_name", ctx.cluster.lifecycle_bucket_name))
    for index, bucket in enumerate(ctx.storage.buckets if ctx.storage else ()):
        places.append((f"storage.buckets[{index}].log_bucket_name", bucket.log_bucket_name))
    operator = ctx.addons.inference_operator if ctx.addons is not None else None
    if operator is not None and operator.enabled:
        places.append(("addons.inference_operator.tls_bucket_name", operator.tls_bucket_name))
    for path, name in places:
        if is_token(name):
            yield skipped(path)
        elif name is not None and not is_bucket_name(name):
            bare = re.sub(r"^(s3://|arn:aws[a-z-]*:s3:::)", "", name).split("/")[0]
            yield Problem(
                path,
                f"{as_text(name)} is not a valid bucket name",
                f"Specify {bare}." if is_bucket_name(bare) else None,
            )


def is_bucket_name(name: str) -> bool:
    """Whether S3 accepts a bucket name.

    >>> [name for name in ("my-bucket", "My_Bucket", "ab", "192.168.0.1", "xn--a", "a..b") if is_bucket_name(name)]
    ['my-bucket']
    """
    return (
        matches("s3_bucket_name", name)
        and not matches("ipv4_address", name)
        and not name.startswith(allowed("s3_reserved_prefixes"))
        and not name.endswith(allowed("s3_reserved_suffixes"))
    )
