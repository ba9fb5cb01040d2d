"""HP21x: the EKS control plane: name, endpoint, access, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network

from ..catalog import limit, pattern, source_of
from ..findings import Severity
from ..spec.addons import CORE
from ..spec.base import is_token
from ..spec.eks import Eks
from ..spec.network import Network
from .context import Context, as_text, skipped
from .network import parsed
from .registry import Problem, describe, rule


@rule(
    "HP210",
    title="The EKS cluster's name matches EKS's pattern.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster.",
    cure="Use letters, digits, hyphens and underscores, beginning with a letter or digit, 100 characters at "
    "most, or remove the name.",
    source=source_of("patterns", "eks_cluster_name"),
    wrong="eks: {cluster_name: my.cluster}\n",
    right="eks: {cluster_name: my-cluster}\n",
)
def eks_name(eks: Eks) -> Iterator[Problem]:
    places = [("eks.cluster_name", eks.cluster_name)]
    if eks.existing is not None:
        places.append(("eks.existing.cluster_name", eks.existing.cluster_name))
    maximum = limit("eks_cluster_name_length").value
    for path, name in places:
        if name is None:
            continue
        if is_token(name):
            yield skipped(path)
        elif len(name) > maximum:
            yield Problem(path, f"{len(name)} characters; the limit is {maximum}")
        elif not re.fullmatch(pattern("eks_cluster_name"), name):
            message, existing = (
                f"invalid characters in the EKS cluster name {as_text(name)}",
                path != "eks.cluster_name",
            )
            yield Problem(path, message, *(_NO_SUCH_CLUSTER if existing else ()))


_NO_SUCH_CLUSTER = ("Specify the name of the existing cluster.", "No EKS cluster has this name.")
"""Fix and impact of a name that no existing cluster can have."""


@rule(
    "HP211",
    title="Nodes reach the Kubernetes API privately.",
    severity=Severity.WARNING,
    why="With public access only, nodes reach the API through NAT; in a closed network they cannot reach it.",
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
    title="A public endpoint is restricted to CIDRs.",
    severity=Severity.WARNING,
    complete=("eks",),
    why="Only IAM authentication protects the cluster: leaked credentials can be used from any IP address.",
    cure="Set public_access_cidrs to the CIDRs of your networks, or set endpoint_access: private.",
    source="EKS user guide, cluster endpoint access",
    wrong="eks: {endpoint_access: public-and-private}\n",
    right="eks: {public_access_cidrs: [203.0.113.0/24]}\n",
)
def open_endpoint(eks: Eks) -> Iterator[Problem]:
    if eks.existing is not None or "public" not in eks.endpoint_access:
        return
    if not eks.public_access_cidrs:
        yield Problem("eks.endpoint_access", "the Kubernetes API is reachable from any IP address")
    elif "0.0.0.0/0" in eks.public_access_cidrs:
        yield Problem("eks.public_access_cidrs", "0.0.0.0/0 allows every IP address")


@rule(
    "HP213",
    title="CIDRs for a public endpoint are public IPv4 ranges.",
    severity=Severity.ERROR,
    why="EKS rejects private and malformed ranges.",
    cure="Specify public ranges: the source addresses of your network on the internet.",
    source="EKS: VpcConfigRequest.publicAccessCidrs",
    certain=False,
    wrong="eks: {public_access_cidrs: [10.0.0.0/8]}\n",
    right="eks: {public_access_cidrs: [203.0.113.0/24]}\n",
)
def public_ranges(eks: Eks) -> Iterator[Problem]:
    maximum = limit("eks_public_access_cidrs").value
    if len(eks.public_access_cidrs) > maximum:
        message = f"{len(eks.public_access_cidrs)} ranges; the limit is {maximum}"
        cure = "Merge adjacent ranges, or use endpoint_access: private."
        yield Problem("eks.public_access_cidrs", message, cure, "EKS rejects the list.")
    for index, text in enumerate(eks.public_access_cidrs):
        path, block = f"eks.public_access_cidrs[{index}]", parsed(text)
        if is_token(text):
            yield skipped(path)
        elif block is None:
            yield Problem(path, f"{as_text(text)} is not a valid IPv4 CIDR")
        else:
            kind = next((kind for space, kind in _SPECIAL.items() if block.subnet_of(IPv4Network(space))), None)
            if kind is not None:
                yield Problem(path, f"{block} is {kind}, which is not used on the internet")
    if eks.public_access_cidrs and eks.endpoint_access == "private":
        message = "no effect: the endpoint is private"
        why = "A private endpoint accepts requests from the VPC and connected networks only."
        yield Problem("eks.public_access_cidrs", message, "Remove them.", why, Severity.WARNING)


_SPECIAL = {
    "10.0.0.0/8": "a private range",
    "172.16.0.0/12": "a private range",
    "192.168.0.0/16": "a private range",
    "100.64.0.0/10": "shared address space (carrier-grade NAT)",
    "127.0.0.0/8": "a loopback range",
    "169.254.0.0/16": "a link-local range",
    "224.0.0.0/4": "a multicast range",
    "240.0.0.0/4": "a reserved range",
}
"""Non-public CIDRs, from IANA's registry of special-purpose addresses."""


@rule(
    "HP215",
    title="Each access of a principal adds permissions.",
    severity=Severity.WARNING,
    why="A principal has one access entry with all its policies and scopes; this item does not change it.",
    cure="Remove it. Several policies, and one policy in several namespaces, are supported.",
    source="EKS user guide, access policies: an access entry can have several, each with its scope",
    wrong="eks: {admins: [arn:aws:iam::111122223333:role/A], access: [{principal: arn:aws:iam::111122223333:role/A}]}\n",
    right="eks: {access: [{principal: arn:aws:iam::111122223333:role/A}, {principal: arn:aws:iam::111122223333:role/A, "
    "policy: edit, namespaces: [default]}]}\n",
)
def accesses_add_something(eks: Eks) -> Iterator[Problem]:
    whole = "cluster-admin"
    entries = [(f"eks.admins[{i}]", arn, whole, frozenset[str]()) for i, arn in enumerate(eks.admins)]
    for i, access in enumerate(eks.access):
        entries.append((f"eks.access[{i}]", access.principal, access.policy, frozenset(access.namespaces)))
    for index, (path, arn, policy, namespaces) in enumerate(entries):
        for other, (place, other_arn, other_policy, other_namespaces) in enumerate(entries):
            if other == index or other_arn != arn or is_token(arn):
                continue
            same = other_policy == policy and namespaces == other_namespaces
            if same and other > index:
                continue  # the later one of two is reported
            wider = not other_namespaces or (namespaces and namespaces <= other_namespaces)
            if same or (wider and other_policy in (policy, whole)):
                yield Problem(path, f"{as_text(arn)} already has this access through {place}")
                break


@rule(
    "HP216",
    title="At least one principal has access to the Kubernetes cluster.",
    severity=Severity.WARNING,
    complete=("eks",),
    why="Only the deployment's own functions can use the API; kubectl is denied for all users.",
    cure="Add a role to eks.admins.",
    source="EKS user guide, access entries",
    wrong="eks: {admins: []}\n",
    right="eks: {admins: [arn:aws:iam::111122223333:role/Admin]}\n",
)
def has_access_entry(eks: Eks) -> Iterator[Problem]:
    if eks.existing is None and not eks.admins and not eks.access:
        yield Problem("eks.admins", "no access entries")


@rule(
    "HP218",
    title="An existing EKS cluster is used in its own network.",
    severity=Severity.ERROR,
    complete=("network",),
    why="The HyperPod cluster must be in the VPC of the EKS cluster, not in a new one.",
    cure="Describe the network of the EKS cluster in network.existing.",
    source="documentation page sagemaker-hyperpod-eks-operate-cli-command-create-cluster",
    wrong="eks: {existing: {cluster_name: mine}}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}]}}\neks: {existing: {cluster_name: mine}}\n",
)
def existing_eks_network(eks: Eks, network: Network) -> Iterator[Problem]:
    if eks is not None and eks.existing is not None and network is not None and network.existing is None:
        yield Problem("eks.existing", "existing EKS cluster with a new network")


@rule(
    "HP219",
    title="Settings of a new EKS cluster are not combined with an existing one.",
    severity=Severity.WARNING,
    why="The existing cluster keeps its own settings.",
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
            yield Problem(f"eks.{name}", "ignored: `existing` specifies a cluster")
    if ctx.addons is None or eks.existing.core_addons:
        return
    for key in CORE:
        if key in ctx.addons.model_fields_set and getattr(ctx.addons, key).enabled:
            message = "ignored: core add-ons of an existing cluster are not managed"
            yield Problem(f"addons.{key}", message, "Remove it, or set eks.existing.core_addons: true.")


describe(
    "HP207",
    title="An EKS cluster with Auto Mode has the core add-ons for HyperPod nodes.",
    severity=Severity.WARNING,
    why="Nodes of Auto Mode have pod networking and DNS built in, so that such a cluster may not have these add-ons. "
    "HyperPod requires the Amazon VPC CNI; that its nodes never become Ready without it is expected, but not documented.",
    cure="Install vpc-cni, kube-proxy, coredns and eks-pod-identity-agent, or use default_capacity_type="
    "DefaultCapacityType.NODEGROUP with default_capacity=0; acknowledge this finding if the add-ons are installed.",
    source="eksctl user guide, page auto-mode: networking and cluster DNS are core components of Auto Mode, not add-ons; "
    "documentation page sagemaker-hyperpod-eks-prerequisites: the Amazon VPC CNI is required; CDK's aws_eks_v2 switches "
    "Auto Mode on by default. Uncertain: no page describes HyperPod on a cluster with Auto Mode",
)
