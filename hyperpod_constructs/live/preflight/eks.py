"""Probes of an existing EKS cluster."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...core import catalog
from ...core.catalog import minor
from ...core.checks import Problem
from ...core.findings import Severity
from ...core.spec.addons import ADDON_NAMES, CORE
from ...core.spec.platform import Platform
from ..upgrade.versions import number
from .own import clusters, own_resources
from .probes import Found, probe
from .queries import AwsQueries

Json = Mapping[str, Any]

_ABSENT = ("ResourceNotFoundException",)
_GOVERNANCE = "amazon-sagemaker-hyperpod-taskgovernance"
_PATH = "eks.existing.cluster_name"


def _name(platform: Platform) -> str:
    return platform.eks.existing.cluster_name if platform.eks.existing else ""


@probe(
    "EKS cluster",
    services=("eks", "sagemaker", "cloudformation"),
    applies=lambda platform: platform.eks.existing,
)
def cluster(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Status, authentication mode, version, endpoint and VPC; and whether a HyperPod cluster already uses it."""
    response, hyperpod, own_ids = aws.together(
        lambda: aws.find("eks", "DescribeCluster", _ABSENT, name=_name(platform)) or {},
        lambda: clusters(aws),
        lambda: own_resources(platform, aws),
    )
    if response is None:
        return
    if not response:
        yield "HP940", Problem(_PATH, f"EKS cluster {_name(platform)!r} does not exist in {aws.region}")
        return
    live = response["cluster"]
    if live["status"] != "ACTIVE":
        yield "HP940", Problem(_PATH, f"EKS cluster {live['name']} is {live['status']}", "Wait until it is ACTIVE.")
    mode = live.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP")
    if mode not in catalog.allowed("eks_authentication_mode"):
        cure = (
            f"aws eks update-cluster-config --name {shlex.quote(live['name'])} "
            f"--access-config authenticationMode=API_AND_CONFIG_MAP --region {aws.region}"
        )
        yield "HP941", Problem(_PATH, f"EKS cluster {live['name']} has authentication mode {mode}", cure)
    yield from _version(platform, live)
    network = live["resourcesVpcConfig"]
    if not network.get("endpointPrivateAccess"):
        cure = (
            f"aws eks update-cluster-config --name {shlex.quote(live['name'])} "
            f"--resources-vpc-config endpointPrivateAccess=true --region {aws.region}"
        )
        closed = platform.network.mode == "closed"
        message = f"the private endpoint of EKS cluster {live['name']} is disabled"
        yield "HP943", Problem(_PATH, message, cure, severity=Severity.ERROR if closed else Severity.WARNING)
    existing, vpc = platform.network.existing, network.get("vpcId")
    if existing is None:
        message = f"EKS cluster {live['name']} is in {vpc}, but the config creates a new VPC"
        yield "HP944", Problem("network", message, f"Set network.existing.vpc_id to {vpc}, with its subnets.")
    elif vpc != existing.vpc_id:
        message = f"EKS cluster {live['name']} is in {vpc}, not in {existing.vpc_id}"
        yield "HP944", Problem("network.existing.vpc_id", message, f"Set vpc_id to {vpc}.")
    ours = set((own_ids or {}).get("AWS::SageMaker::Cluster", ()))
    for other in hyperpod or ():
        uses = other.get("Orchestrator", {}).get("Eks", {}).get("ClusterArn")
        if uses == live["arn"] and not ours & {other["ClusterArn"], other.get("ClusterName")}:
            message = f"HyperPod cluster {other.get('ClusterName')} already uses EKS cluster {live['name']}"
            yield "HP948", Problem(_PATH, message)


def _version(platform: Platform, live: Json) -> Iterator[Found]:
    version = live["version"]
    wanted = platform.eks.kubernetes_version
    if wanted is not None and wanted != version:
        path = "eks.kubernetes_version"
        yield (
            "HP942",
            Problem(
                path, f"EKS cluster {live['name']} has Kubernetes {version}, not {wanted}", f'Set it to "{version}".'
            ),
        )
    known = catalog.find_kubernetes_version(version)
    if known is None or not known.hyperpod_documented:
        documented = [str(version) for version in catalog.kubernetes_versions().values() if version.hyperpod_documented]
        message = f"EKS cluster {live['name']} has Kubernetes {version}, which HyperPod does not document"
        cure = f"Use a cluster with Kubernetes {', '.join(documented)}."
        newer = minor(version) > minor(documented[-1])
        yield "HP942", Problem(_PATH, message, cure, severity=Severity.WARNING if newer else None)


@probe(
    "add-ons and access of the EKS cluster",
    services=("eks", "cloudformation"),
    applies=lambda platform: platform.eks.existing,
)
def addons_and_access(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Installed add-ons with versions, and principals with access entries."""
    name = _name(platform)
    installed, entries, own_ids = aws.together(
        lambda: _installed(name, aws),
        lambda: aws.all("eks", "ListAccessEntries", "accessEntries", clusterName=name),
        lambda: own_resources(platform, aws),
    )
    held = own_ids or {}
    if installed is not None:
        yield from _addons(platform, installed, held.get("AWS::EKS::Addon", ()))
    if entries is not None:
        own_entries = held.get("AWS::EKS::AccessEntry", ())
        existing = platform.eks.existing
        admins = platform.eks.admins if existing is not None and existing.admin_entries else ()
        named = [(f"eks.admins[{index}]", arn) for index, arn in enumerate(admins)]
        named += [
            (f"eks.access[{index}].principal", entry.principal) for index, entry in enumerate(platform.eks.access)
        ]
        for path, arn in named:
            if arn in entries and not any(arn in id_ for id_ in own_entries):
                message = f"{arn} already has an access entry in {name}; EKS rejects a second one"
                cure = "Set eks.existing.admin_entries to false to use the existing entries of all admins."
                yield "HP946", Problem(path, message, cure if path.startswith("eks.admins") else None)


def _installed(name: str, aws: AwsQueries) -> dict[str, Json]:
    names = aws.all("eks", "ListAddons", "addons", clusterName=name)
    described = aws.each(lambda addon: aws.one("eks", "DescribeAddon", clusterName=name, addonName=addon), names)
    return {addon: response["addon"] for addon, response in described}


def _addons(platform: Platform, installed: Mapping[str, Json], own_ids: Iterable[str]) -> Iterator[Found]:
    existing = platform.eks.existing
    managed = existing is not None and existing.core_addons
    wanted = platform.addons.effective()
    for key in wanted:
        name = ADDON_NAMES.get(key)
        if name is None:
            continue
        live, facts = installed.get(name), catalog.find_addon(name)
        if key in CORE and not managed:
            if live is None:
                message = f"{name} is not installed as an EKS add-on"
                cure = (
                    "Set eks.existing.core_addons to true, or install it. No change is required if it is self-managed."
                )
                yield "HP945", Problem(f"addons.{key}", message, cure, severity=Severity.WARNING)
                continue
        elif live is not None and not any(name in id_ for id_ in own_ids):
            version = live["addonVersion"]
            message = f"{name} {version} is already installed, but not by this platform"
            cure = f"Set {key}: {{enabled: false}} to keep the installed add-on, or remove that add-on first."
            yield "HP945", Problem(f"addons.{key}", message, cure)
        if live is None:
            continue
        if live["status"] not in ("ACTIVE", "UPDATING", "CREATING"):
            issues = "; ".join(issue.get("message", "") for issue in live.get("health", {}).get("issues", ()))
            message = f"{name} is {live['status']}" + (f": {issues}" if issues else "")
            yield "HP945", Problem(f"addons.{key}", message, "Fix the add-on first.", severity=Severity.WARNING)
        least = facts.min_version if facts else None
        if least and number(live["addonVersion"]) < number(least):
            message = f"{name} {live['addonVersion']} is older than {least}, the minimum version on HyperPod"
            yield "HP945", Problem(f"addons.{key}", message, f"Update it to {least} or later.")


@probe(
    "Kueue in the EKS cluster",
    services=("eks", "sts"),
    applies=lambda platform: platform.eks.existing and "task_governance" in platform.addons.effective(),
)
def own_kueue(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether a Kueue installation other than task governance's exists; sends requests to the Kubernetes API."""
    from ..operations.kubernetes import KubernetesError, Signing, by_eks

    name = _name(platform)
    live, installed = aws.together(
        lambda: aws.find("eks", "DescribeCluster", _ABSENT, name=name),
        lambda: aws.all("eks", "ListAddons", "addons", clusterName=name),
    )
    if live is None or installed is None or _GOVERNANCE in installed:
        return
    path = "addons.task_governance"
    try:
        api = by_eks(live["cluster"], Signing(aws.client("sts")))
        found = api.items("/apis/apps/v1/deployments", labelSelector="app.kubernetes.io/name=kueue")
    except KubernetesError as error:
        message = f"could not check {name} for a Kueue installation: {error}"
        cure = "Check with `kubectl get deployments -A -l app.kubernetes.io/name=kueue`."
        yield (
            "HP947",
            Problem(path, message, cure, "Whether it conflicts with task governance is unknown.", Severity.NOTE),
        )
        return
    if found:
        names = ", ".join(f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in found)
        yield "HP947", Problem(path, f"{name} has a separate Kueue installation: {names}")
