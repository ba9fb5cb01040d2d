"""Probes of existing roles, buckets, keys, images and file systems in the config."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ...core import catalog
from ...core.checks import Context, Problem
from ...core.findings import Severity
from ...core.spec.base import is_token
from ...core.spec.groups import InstanceGroup
from ...core.spec.observability import Observability
from ...core.spec.platform import Platform
from .probes import Found, probe
from .queries import AwsQueries

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Role:
    path: str
    arn: str
    kind: str
    """Kind of the role in the catalog."""


def _roles(platform: Platform) -> list[_Role]:
    cluster, addons = platform.cluster, platform.addons
    named = [("cluster.execution_role_arn", cluster.execution_role_arn, "execution")]
    named += [(f"{p}.execution_role_arn", g.execution_role_arn, "execution") for p, g in Context.of(platform).groups]
    if cluster.autoscaling:
        named.append(("cluster.autoscaling.cluster_role_arn", cluster.autoscaling.cluster_role_arn, "cluster"))
    if addons.training_operator:
        named.append(("addons.training_operator.role_arn", addons.training_operator.role_arn, "training_operator"))
    if addons.inference_operator:
        named.append(("addons.inference_operator.role_arn", addons.inference_operator.role_arn, "inference_operator"))
    return [_Role(path, arn, kind) for path, arn, kind in named if arn and not is_token(arn)]


def _principals(platform: Platform) -> list[tuple[str, str]]:
    """Principals of access entries."""
    named = [(f"eks.admins[{index}]", arn) for index, arn in enumerate(platform.eks.admins)]
    named += [(f"eks.access[{index}].principal", entry.principal) for index, entry in enumerate(platform.eks.access)]
    return [(path, arn) for path, arn in named if not is_token(arn)]


def _buckets(platform: Platform) -> dict[str, str]:
    """Bucket to the first config path that refers to it."""
    cluster = platform.cluster
    buckets: dict[str, str] = {}
    if cluster.lifecycle_bucket_name:
        buckets[cluster.lifecycle_bucket_name] = "cluster.lifecycle_bucket_name"
    sources = [("cluster.lifecycle.source", cluster.lifecycle.source)]
    for index, group in enumerate(cluster.instance_groups):
        if group.lifecycle:
            sources.append((f"cluster.instance_groups[{index}].lifecycle.source", group.lifecycle.source))
    for path, source in sources:
        if source and source.startswith("s3://"):
            buckets.setdefault(source.removeprefix("s3://").partition("/")[0], path)
    inference = platform.addons.inference_operator
    if inference and inference.tls_bucket_name:
        buckets.setdefault(inference.tls_bucket_name, "addons.inference_operator.tls_bucket_name")
    return {name: path for name, path in buckets.items() if not is_token(name)}


@probe(
    "roles and principals",
    services=("iam",),
    applies=lambda platform: _roles(platform) or _principals(platform),
)
def roles(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether existing roles have the required trust policies, and principals of access entries exist."""
    wanted = {role.arn: role for role in reversed(_roles(platform))}
    principals = [(path, arn) for path, arn in _principals(platform) if arn not in wanted]

    def get(arn: str) -> Any:
        name = arn.rpartition("/")[2]
        if ":user/" in arn:
            return aws.find("iam", "GetUser", ("NoSuchEntity",), UserName=name)
        return aws.find("iam", "GetRole", ("NoSuchEntity",), RoleName=name)

    paths = {arn: role.path for arn, role in wanted.items()} | {arn: path for path, arn in principals}
    arns = [arn for arn in paths if ":role/" in arn or ":user/" in arn]
    for arn, response in aws.each(get, arns):
        if response is None:
            yield "HP950", Problem(paths[arn], f"{arn} does not exist")
        elif "Role" in response:
            if response["Role"]["Arn"] != arn:
                yield (
                    "HP950",
                    Problem(
                        paths[arn],
                        f"{arn} does not exist; did you mean {response['Role']['Arn']}?",
                        f"Use {response['Role']['Arn']}.",
                    ),
                )
            if arn in wanted:
                yield from _trust(wanted[arn], response["Role"])


def _trust(role: _Role, live: Json) -> Iterator[Found]:
    facts = catalog.role(role.kind)
    document = live.get("AssumeRolePolicyDocument", {})
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    for service in facts.principals:
        actions = ["sts:AssumeRole"] + (["sts:TagSession"] if service == "pods.eks.amazonaws.com" else [])
        missing = [action for action in actions if not _trusts(policy, service, action)]
        if missing:
            message = f"the trust policy of {role.arn} does not allow {' and '.join(missing)} for {service}"
            yield "HP951", Problem(role.path, message)


def _trusts(policy: Json, service: str, action: str) -> bool:
    for statement in _many(policy.get("Statement")):
        principal = statement.get("Principal", {})
        services = _many(principal.get("Service")) if isinstance(principal, Mapping) else []
        actions = _many(statement.get("Action"))
        if statement.get("Effect") == "Allow" and service in services and {action, "sts:*", "*"} & set(actions):
            return True
    return False


def _many(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


@probe("buckets", services=("s3", "iam"), applies=_buckets)
def buckets(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether existing buckets are in the region, and execution roles can read the scripts in them."""
    paths = _buckets(platform)

    def head(bucket: str) -> Any:
        return aws.find("s3", "HeadBucket", ("404", "NoSuchBucket"), Bucket=bucket)

    for bucket, response in aws.each(head, paths):
        if response is None:
            yield "HP953", Problem(paths[bucket], f"bucket {bucket} does not exist")
        elif response.get("BucketRegion", aws.region) != aws.region:
            message = f"bucket {bucket} is in the region {response['BucketRegion']}; the platform is in {aws.region}"
            yield "HP953", Problem(paths[bucket], message)
    executors = {role.arn: role.path for role in reversed(_roles(platform)) if role.kind == "execution"}
    scripts = [bucket for bucket, path in paths.items() if "lifecycle" in path]
    pairs = [(arn, bucket) for arn in executors for bucket in scripts]

    def denied_actions(pair: tuple[str, str]) -> list[str]:
        arn, bucket = pair
        resource_of = {"s3:GetObject": f"arn:aws:s3:::{bucket}/*", "s3:ListBucket": f"arn:aws:s3:::{bucket}"}
        refused = []
        for action, resource in resource_of.items():
            response = aws.find(
                *("iam", "SimulatePrincipalPolicy", ("NoSuchEntity",)),
                PolicySourceArn=arn,
                ActionNames=[action],
                ResourceArns=[resource],
            )
            results = response["EvaluationResults"] if response else []
            refused += [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
        return refused

    for (arn, bucket), refused in aws.each(denied_actions, pairs):
        if refused:
            message = f"{arn} lacks {' and '.join(refused)} for bucket {bucket}, which contains the lifecycle scripts"
            yield "HP952", Problem(executors[arn], message)


def _keys(platform: Platform) -> dict[str, str]:
    named: list[tuple[str, str | None]] = [("eks.secrets_key_arn", platform.eks.secrets_key_arn)]
    for index, group in enumerate(platform.cluster.instance_groups):
        for part, volume in (("root_volume", group.root_volume), ("volume", group.volume)):
            if volume:
                named.append((f"cluster.instance_groups[{index}].{part}.kms_key_arn", volume.kms_key_arn))
    named += [
        (f"storage.lustre[{i}].kms_key_arn", file_system.kms_key_arn)
        for i, file_system in enumerate(platform.storage.lustre)
    ]
    named += [
        (f"storage.buckets[{i}].kms_key_arn", bucket.kms_key_arn) for i, bucket in enumerate(platform.storage.buckets)
    ]
    return {key: path for path, key in reversed(named) if key and not is_token(key)}


@probe("KMS keys", services=("kms",), applies=_keys)
def keys(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether existing keys are enabled, and their policies allow the account's roles to use them."""
    paths = _keys(platform)

    def look(arn: str) -> tuple[Any, Any]:
        found, policy = aws.together(
            lambda: aws.find("kms", "DescribeKey", ("NotFoundException",), KeyId=arn) or {},
            lambda: aws.find("kms", "GetKeyPolicy", ("NotFoundException",), KeyId=arn, PolicyName="default"),
        )
        return found, policy

    for arn, (found, policy) in aws.each(look, paths):
        path = paths[arn]
        if found is None:
            continue
        if not found:
            yield "HP954", Problem(path, f"KMS key {arn} does not exist in {aws.region}")
            continue
        key = found["KeyMetadata"]
        if key.get("KeyState", "Enabled") != "Enabled":
            yield "HP954", Problem(path, f"KMS key {arn} is {key['KeyState']}", "Enable it, or use another key.")
        if key.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            yield (
                "HP954",
                Problem(path, f"KMS key {arn} is {key['KeySpec']}; volumes and secrets require a symmetric key"),
            )
        if policy is None:
            continue
        document = json.loads(policy["Policy"])
        users = [role.arn for role in _roles(platform) if role.kind == "execution"]
        if not _delegates(document, arn) and not _grants(document, users):
            message = f"the key policy of {arn} does not allow access through IAM policies of the account"
            if users:
                message += f", and does not allow {', '.join(dict.fromkeys(users))}"
            yield "HP954", Problem(path, message, "Allow kms:CreateGrant and kms:DescribeKey in the key policy.")


def _grantees(policy: Json) -> set[str]:
    """Principals that a key policy allows to use the key for other resources, as volumes require."""
    found: set[str] = set()
    for statement in _many(policy.get("Statement")):
        if statement.get("Effect") == "Allow" and {"kms:*", "kms:CreateGrant"} & set(_many(statement.get("Action"))):
            principal = statement.get("Principal", {})
            found |= {
                str(value) for value in _many(principal.get("AWS") if isinstance(principal, Mapping) else principal)
            }
    return found


def _delegates(policy: Json, key_arn: str) -> bool:
    """Whether the key policy delegates to the account's IAM policies."""
    account = key_arn.split(":")[4] if key_arn.startswith("arn:") else ""
    return any(principal in ("*", account) or principal.endswith(":root") for principal in _grantees(policy))


def _grants(policy: Json, users: Iterable[str]) -> bool:
    wanted = set(users)
    return bool(wanted) and wanted <= _grantees(policy)


def _images(platform: Platform) -> dict[str, list[tuple[str, InstanceGroup]]]:
    images: dict[str, list[tuple[str, InstanceGroup]]] = {}
    for path, group in Context.of(platform).instance_groups:
        if group.image_id and group.image_id != "default" and not is_token(group.image_id):
            images.setdefault(group.image_id, []).append((f"{path}.image_id", group))
    return images


@probe("images", services=("ec2", "sts"), applies=_images)
def images(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether custom AMIs exist, are available, belong to the account, and have the architecture of their groups."""
    wanted = _images(platform)
    filters = [{"Name": "image-id", "Values": sorted(wanted)}]
    listed, caller = aws.together(
        lambda: aws.all("ec2", "DescribeImages", "Images", Filters=filters),
        lambda: aws.one("sts", "GetCallerIdentity"),
    )
    if listed is None:
        return
    found = {image["ImageId"]: image for image in listed}
    for id_, groups in wanted.items():
        image = found.get(id_)
        if image is None:
            yield (
                "HP955",
                Problem(groups[0][0], f"{id_} does not exist in {aws.region}, or is not shared with this account"),
            )
            continue
        if image.get("State", "available") != "available":
            yield (
                "HP955",
                Problem(
                    groups[0][0], f"{id_} is {image['State']}", "Wait until it is available, or use another image."
                ),
            )
        if caller is not None and image["OwnerId"] != caller["Account"]:
            message = f"{id_} belongs to {image['OwnerId']}, not to this account"
            cure = "Copy it to this account (`aws ec2 copy-image`); it must be built from a HyperPod AMI."
            yield "HP955", Problem(groups[0][0], message, cure, severity=Severity.WARNING)
        for path, group in groups:
            for instance_type in group.types:
                facts = catalog.find_instance_type(instance_type)
                if facts and image.get("Architecture") and facts.architecture != image["Architecture"]:
                    yield (
                        "HP955",
                        Problem(
                            path,
                            f"{id_} is built for {image['Architecture']}, but {instance_type} is {facts.architecture}",
                        ),
                    )


@probe(
    "file systems and workspaces",
    services=("fsx", "amp"),
    applies=lambda platform: (
        any(file_system.existing_id for file_system in platform.storage.lustre) or _workspace(platform)
    ),
)
def stores(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether existing file systems and Prometheus workspaces are available."""
    named = {
        file_system.existing_id: index
        for index, file_system in enumerate(platform.storage.lustre)
        if file_system.existing_id
    }

    def describe(id_: str) -> Any:
        return aws.find("fsx", "DescribeFileSystems", ("FileSystemNotFound",), FileSystemIds=[id_])

    for id_, response in aws.each(describe, named):
        path = f"storage.lustre[{named[id_]}].existing_id"
        if not response or not response["FileSystems"]:
            yield "HP959", Problem(path, f"file system {id_} does not exist in {aws.region}")
            continue
        live = response["FileSystems"][0]
        if live.get("FileSystemType") != "LUSTRE":
            yield "HP959", Problem(path, f"{id_} is a file system of type {live.get('FileSystemType')}, not LUSTRE")
        elif live.get("Lifecycle") not in ("AVAILABLE", "UPDATING"):
            yield "HP959", Problem(path, f"file system {id_} is {live.get('Lifecycle')}")
        existing = platform.network.existing
        if existing is not None and live.get("VpcId", existing.vpc_id) != existing.vpc_id:
            yield "HP959", Problem(path, f"file system {id_} is in {live['VpcId']}, not in {existing.vpc_id}")
    workspace = _workspace(platform)
    if workspace:
        id_ = workspace.rpartition("/")[2]
        if aws.find("amp", "DescribeWorkspace", ("ResourceNotFoundException",), workspaceId=id_) is None:
            message = f"Prometheus workspace {workspace} does not exist in {aws.region}"
            yield "HP959", Problem("addons.observability.workspace_arn", message)


def _workspace(platform: Platform) -> str | None:
    observability = platform.addons.observability
    arn = observability.workspace_arn if isinstance(observability, Observability) else None
    return None if arn is None or is_token(arn) else arn
