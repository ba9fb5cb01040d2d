"""HP21x: the EKS control plane: name, endpoint, access, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import limit, pattern, source_of
from ..findings import Severity
from ..spec.addons import CORE
from ..spec.base import is_token
from ..spec.eks import Eks
from ..spec.network import Network
from .context import Context, as_text, skipped
from .network import parsed
from .registry import Problem, rule

PRINCIPAL = r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+"


@rule(
    "HP210",
    title="The EKS cluster's name keeps to EKS's pattern.",
    severity=Severity.ERROR,
    why="EKS refuses the cluster.",
    cure="Use letters, digits, hyphens and underscores, beginning with a letter or digit, 100 at most; or no name.",
    source=source_of("patterns", "eks_cluster_name"),
    wrong="eks: {cluster_name: my.cluster}\n",
    right="eks: {cluster_name: my-cluster}\n",
)
def eks_name(eks: Eks) -> Iterator[Problem]:
    places = [("eks.cluster_name", eks.cluster_name)]
    if eks.existing is not None:
        places.append(("eks.existing.cluster_name", eks.existing.cluster_name))
    most = limit("eks_cluster_name_length").value
    for path, name in places:
        if name is None:
            continue
        if is_token(name):
            yield skipped(path)
        elif len(name) > most:
            yield Problem(path, f"has {len(name)} characters, {most} at most")
        elif not re.fullmatch(pattern("eks_cluster_name"), name):
            yield Problem(path, f"{as_text(name)} has characters that EKS does not take in a name")


@rule(
    "HP211",
    title="Nodes reach the Kubernetes API privately.",
    severity=Severity.WARNING,
    why="With public access only, nodes reach the API through NAT, and in a closed network not at all.",
    cure="Use public-and-private or private.",
    source="Terraform module closed-network.tfvars; EKS user guide, cluster endpoint access",
    wrong="eks: {endpoint_access: public}\n",
    right="eks: {endpoint_access: public-and-private}\n",
)
def private_endpoint(eks: Eks, ctx: Context) -> Iterator[Problem]:
    if eks.existing is not None or eks.endpoint_access != "public":
        return
    network = ctx.network
    if network is not None and network.existing is None and (network.mode == "closed" or network.nat == "none"):
        message = "the Kubernetes API has no private endpoint, and the network has no route to the public one"
        yield Problem("eks.endpoint_access", message, severity=Severity.ERROR)
    else:
        yield Problem("eks.endpoint_access", "the Kubernetes API has no private endpoint")


@rule(
    "HP212",
    title="A public endpoint is open to chosen ranges only.",
    severity=Severity.NOTE,
    why="Everyone on the internet can try to log in.",
    cure="Name public_access_cidrs, or use endpoint_access: private.",
    source="EKS user guide, cluster endpoint access",
    wrong="eks: {endpoint_access: public-and-private}\n",
    right="eks: {public_access_cidrs: [203.0.113.0/24]}\n",
)
def open_endpoint(eks: Eks) -> Iterator[Problem]:
    if eks.existing is not None or "public" not in eks.endpoint_access:
        return
    if not eks.public_access_cidrs:
        yield Problem("eks.endpoint_access", "the Kubernetes API can be reached from the whole internet")
    elif "0.0.0.0/0" in eks.public_access_cidrs:
        yield Problem("eks.public_access_cidrs", "0.0.0.0/0 is the whole internet")


@rule(
    "HP213",
    title="Ranges that may reach a public endpoint are public IPv4 ranges.",
    severity=Severity.ERROR,
    why="EKS refuses private and malformed ranges; with a private endpoint the ranges do nothing.",
    cure="Name public ranges, as the internet sees you.",
    source="EKS: VpcConfigRequest.publicAccessCidrs",
    certain=False,
    wrong="eks: {public_access_cidrs: [10.0.0.0/8]}\n",
    right="eks: {public_access_cidrs: [203.0.113.0/24]}\n",
)
def public_ranges(eks: Eks) -> Iterator[Problem]:
    for index, text in enumerate(eks.public_access_cidrs):
        path, block = f"eks.public_access_cidrs[{index}]", parsed(text)
        if is_token(text):
            yield skipped(path)
        elif block is None:
            yield Problem(path, f"{as_text(text)} is no IPv4 range (CIDR)")
        elif any(block.subnet_of(space) for space in _PRIVATE):
            yield Problem(path, f"{block} is a private range")
    if eks.public_access_cidrs and eks.endpoint_access == "private":
        message = "do nothing, since the endpoint is private"
        yield Problem("eks.public_access_cidrs", message, "Remove them.", severity=Severity.WARNING)


_PRIVATE = [block for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") if (block := parsed(text)) is not None]


@rule(
    "HP214",
    title="Access entries name IAM roles and users by ARN.",
    severity=Severity.ERROR,
    why="EKS refuses the access entry.",
    cure="Give the role itself: arn:aws:iam::111122223333:role/Name, not a session of it.",
    source="EKS: CreateAccessEntry.principalArn",
    wrong="eks: {admins: [arn:aws:sts::111122223333:assumed-role/Admin/me]}\n",
    right="eks: {admins: [arn:aws:iam::111122223333:role/Admin]}\n",
)
def principals(eks: Eks) -> Iterator[Problem]:
    places = [(f"eks.admins[{i}]", arn) for i, arn in enumerate(eks.admins)]
    places += [(f"eks.access[{i}].principal", entry.principal) for i, entry in enumerate(eks.access)]
    for path, arn in places:
        if is_token(arn):
            yield skipped(path)
        elif not re.fullmatch(PRINCIPAL, arn):
            yield Problem(path, f"{as_text(arn)} is no ARN of an IAM role or user")


@rule(
    "HP215",
    title="A principal has one access entry.",
    severity=Severity.ERROR,
    why="EKS takes one access entry for a principal; the second one fails with a conflict.",
    cure="Name each principal once; cluster-admin includes the other policies.",
    source="EKS: CreateAccessEntry, ResourceInUseException",
    wrong="eks: {admins: [arn:aws:iam::111122223333:role/A], access: [{principal: arn:aws:iam::111122223333:role/A}]}\n",
    right="eks: {admins: [arn:aws:iam::111122223333:role/A], access: [{principal: arn:aws:iam::111122223333:role/B}]}\n",
)
def one_entry_each(eks: Eks) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    places = [(f"eks.admins[{i}]", arn) for i, arn in enumerate(eks.admins)]
    places += [(f"eks.access[{i}].principal", entry.principal) for i, entry in enumerate(eks.access)]
    for path, arn in places:
        if arn in seen and not is_token(arn):
            yield Problem(path, f"{as_text(arn)} has an access entry already, at {seen[arn]}")
        seen.setdefault(arn, path)


@rule(
    "HP216",
    title="Somebody has access to the Kubernetes cluster.",
    severity=Severity.WARNING,
    why="Only our deployment's own functions can use the API; kubectl is refused for everyone.",
    cure="Name a role in eks.admins.",
    source="EKS user guide, access entries",
    wrong="eks: {admins: []}\n",
    right="eks: {admins: [arn:aws:iam::111122223333:role/Admin]}\n",
)
def someone_has_access(eks: Eks) -> Iterator[Problem]:
    if eks.existing is None and not eks.admins and not eks.access:
        yield Problem("eks.admins", "nobody has an access entry")


@rule(
    "HP217",
    title="The key for Kubernetes secrets is a KMS key of the region.",
    severity=Severity.ERROR,
    why="EKS refuses the cluster.",
    cure="Give the key's ARN: arn:aws:kms:us-west-2:111122223333:key/...",
    source="EKS: Provider.keyArn, a symmetric key of the same region",
    wrong="eks: {secrets_key_arn: alias/eks}\n",
    right="eks: {secrets_key_arn: 'arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012'}\n",
)
def secrets_key(eks: Eks, ctx: Context) -> Iterator[Problem]:
    arn = eks.secrets_key_arn if eks else None
    if arn is not None:
        yield from kms_key("eks.secrets_key_arn", arn, ctx.region)


def kms_key(path: str, arn: str, region: str | None) -> Iterator[Problem]:
    """What is wrong with the ARN of a KMS key."""
    found = re.fullmatch(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:(key|alias)/.+", arn)
    if is_token(arn):
        yield skipped(path)
    elif found is None:
        yield Problem(path, f"{as_text(arn)} is no ARN of a KMS key")
    elif region is not None and found[1] != region:
        yield Problem(path, f"the key is in {found[1]}, the platform in {region}")


@rule(
    "HP218",
    title="An EKS cluster that exists is used in the network that it is in.",
    severity=Severity.ERROR,
    complete=("network",),
    why="The HyperPod cluster must be in the VPC of the EKS cluster; a new VPC is another one.",
    cure="Describe its network in network.existing.",
    source="documentation page sagemaker-hyperpod-eks-operate-cli-command-create-cluster",
    wrong="eks: {existing: {cluster_name: mine}}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}]}}\neks: {existing: {cluster_name: mine}}\n",
)
def existing_eks_network(eks: Eks, network: Network) -> Iterator[Problem]:
    if eks is not None and eks.existing is not None and network is not None and network.existing is None:
        yield Problem("eks.existing", "the EKS cluster exists, but the network is a new one")


@rule(
    "HP219",
    title="An EKS cluster that exists is not also described.",
    severity=Severity.WARNING,
    why="What is said about a new control plane is ignored.",
    cure="Remove it, or remove `existing`.",
    source="this project",
    wrong="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}]}}\n"
    "eks: {existing: {cluster_name: mine}, service_cidr: 172.20.0.0/16}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}]}}\neks: {existing: {cluster_name: mine}}\n",
)
def existing_or_new_eks(eks: Eks, ctx: Context) -> Iterator[Problem]:
    if eks.existing is None:
        return
    for name in ("cluster_name", "endpoint_access", "public_access_cidrs", "secrets_key_arn", "service_cidr", "logs"):
        if getattr(eks, name) != type(eks).model_fields[name].default:
            yield Problem(f"eks.{name}", "is ignored, since `existing` names a cluster")
    if ctx.addons is None or eks.existing.core_addons:
        return
    for key in CORE:
        if key in ctx.addons.model_fields_set and getattr(ctx.addons, key).enabled:
            message = "is ignored: the core add-ons of an existing cluster are left alone"
            yield Problem(f"addons.{key}", message, "Remove it, or set eks.existing.core_addons: true.")
