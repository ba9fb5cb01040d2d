"""Converts deployed add-ons, teams and file systems to a config, and declares the data that is read from AWS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from .. import catalog
from ..spec.addons import ADDON_NAMES, CORE, PREREQUISITES
from .draft import Draft

Json = Mapping[str, Any]


class Deployed(Protocol):
    """The result of `live.deployed.read`."""

    cluster: dict[str, Any]
    tags: dict[str, str]
    eks: dict[str, Any]
    addons: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    subnets: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    vpc: dict[str, Any]
    nat_gateways: list[dict[str, Any]] | None
    quotas: list[dict[str, Any]]
    scheduler: dict[str, Any]
    file_systems: list[dict[str, Any]]
    oidc_provider_arn: str | None
    stack: str | None


def tags_of(tags: Any) -> dict[str, str]:
    """Returns tags as a mapping, regardless of the service's format."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


_ROLES = {"training_operator": "role_arn", "mountpoint_s3_csi": "role_arn"}
"""Add-ons with a field for the role of their service account."""


def describe_addons(draft: Draft, found: Deployed, *, creates_eks: bool) -> None:
    """Adds the EKS add-ons that this library manages, with settings that differ from the defaults."""
    keys = {name: key for key, name in ADDON_NAMES.items()}
    installed = {keys[addon["addonName"]]: addon for addon in found.addons if addon["addonName"] in keys}
    prerequisites = {prerequisite for key in installed for prerequisite in PREREQUISITES.get(key, ())}
    for key, addon in installed.items():
        if key in CORE and not creates_eks:
            continue
        settings: dict[str, Any] = {}
        version = addon.get("addonVersion")
        if version and version != _default_version(addon["addonName"], found.eks.get("version")):
            settings["version"] = version
        if not creates_eks and (values := addon.get("configurationValues")):
            settings["configuration"] = _configuration(values)
        if not creates_eks and key in _ROLES and addon.get("serviceAccountRoleArn"):
            settings[_ROLES[key]] = addon["serviceAccountRoleArn"]
        if not settings and (key in CORE or key in prerequisites):
            continue
        draft.put(f"addons.{key}", settings)
    unknown = [addon["addonName"] for addon in found.addons if addon["addonName"] not in keys]
    if unknown:
        draft.messages.append(f"add-ons that this library does not manage: {', '.join(unknown)}: not changed")
    if not creates_eks and draft.get("addons"):
        draft.notes["addons"] = (
            "already installed, so creating them fails: adopt them first (`hyperpod adopt`), or remove them here"
        )


def _default_version(name: str, kubernetes: str | None) -> str | None:
    facts = catalog.find_addon(name)
    found = facts.version_for(kubernetes) if facts is not None and kubernetes else None
    return found.version if found else None


def _configuration(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError:
        return {}


def describe_governance(draft: Draft, found: Deployed, *, creates_eks: bool) -> None:
    """Adds teams, from their compute quotas, and the cluster policy."""
    teams = [_team(quota, found) for quota in found.quotas]
    draft.put("governance.teams", teams or None)
    config = found.scheduler.get("SchedulerConfig") or {}
    if not found.scheduler:
        return
    scheduler: dict[str, Any] = {} if creates_eks else {"name": found.scheduler["Name"]}
    scheduler["description"] = found.scheduler.get("Description")
    classes = [
        {"name": priority_class["Name"], "weight": priority_class["Weight"]}
        for priority_class in config.get("PriorityClasses", ())
    ]
    scheduler["priority_classes"] = classes or None
    scheduler["fair_share"] = config.get("FairShare") != "Disabled"
    if config.get("IdleResourceSharing"):
        scheduler["idle_resource_sharing"] = config["IdleResourceSharing"] == "Enabled"
    kept = {key: value for key, value in scheduler.items() if value is not None}
    draft.put("governance.scheduler", kept)
    if not creates_eks:
        draft.put("governance.through", "handler")
        draft.put(
            "governance.adopt", True, "compute quotas and cluster policy are adopted by name, and retained on deletion"
        )


def _team(quota: Json, found: Deployed) -> dict[str, Any]:
    config = quota.get("ComputeQuotaConfig") or {}
    sharing = config.get("ResourceSharingConfig") or {}
    target = quota.get("ComputeQuotaTarget") or {}
    name = target.get("TeamName", quota["Name"])
    team: dict[str, Any] = {"name": name, "description": quota.get("Description")}
    team["quota"] = [_resource(quota_resource) for quota_resource in config.get("ComputeQuotaResources", ())] or None
    team["sharing"] = sharing.get("Strategy")
    team["borrow_limit"] = sharing.get("BorrowLimit")
    team["borrow_limits"] = [_resource(limit) for limit in sharing.get("AbsoluteBorrowLimits", ())] or None
    team["preempt"] = config.get("PreemptTeamTasks")
    team["fair_share_weight"] = target.get("FairShareWeight")
    team["active"] = quota.get("ActivationState", "Enabled") == "Enabled"
    for key, group in (("members", f"hyperpod-team-{name}"), ("viewers", f"hyperpod-team-{name}-viewers")):
        team[key] = [
            entry["principalArn"] for entry in found.entries if group in entry.get("kubernetesGroups", ())
        ] or None
    return {key: value for key, value in team.items() if value is not None}


def _resource(given: Json) -> dict[str, Any]:
    partition = given.get("AcceleratorPartition") or {}
    found = {"instance_type": given.get("InstanceType"), "count": given.get("Count")}
    found |= {
        "accelerators": given.get("Accelerators"),
        "vcpu": given.get("VCpu"),
        "memory_gib": given.get("MemoryInGiB"),
    }
    found |= {"mig_profile": partition.get("Type"), "mig_count": partition.get("Count")}
    return {key: value for key, value in found.items() if value is not None}


def describe_storage(draft: Draft, found: Deployed) -> None:
    """Adds the FSx for Lustre file systems of the VPC as existing file systems."""
    systems = []
    for number, system in enumerate(found.file_systems, 1):
        tags = tags_of(system.get("Tags"))
        lustre = system.get("LustreConfiguration") or {}
        name = re.sub(r"[^a-z0-9-]+", "-", tags.get("Name", "").lower()).strip("-")[:40]
        file_system: dict[str, Any] = {"name": name or f"fsx-{number}", "existing_id": system["FileSystemId"]}
        file_system["existing_dns_name"] = system.get("DNSName")
        file_system["existing_mount_name"] = lustre.get("MountName")
        file_system["size_gib"] = system.get("StorageCapacity")
        systems.append({key: value for key, value in file_system.items() if value is not None})
    if systems:
        draft.put(
            "storage.lustre",
            systems,
            "a claim is created for each in namespace `default`; remove file systems that jobs do not use",
        )
