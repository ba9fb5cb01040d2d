"""How the stacks of a config adopt deployed resources: which ones, with which identifiers, and which would be replaced.

A resource is adopted by a CloudFormation resource import, which requires a template and an identifier. The import template
has each resource in its current state, and is compared with the template of the config property by property.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import catalog
from ..plural import count
from ..stack_names import DEPLOY_ORDER
from ..stack_templates import same
from .deployed import settings_of
from .deployed_parts import Deployed

Json = Mapping[str, Any]
Stacks = Mapping[str, Json]

_SHOWN = 300
"""Characters of a value in a message."""

UNKNOWN = "(known after deployment)"
"""A value of a template that is known only after deployment."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """An existing resource that a stack of the config also has.

    Attributes:
        stack: name of the stack.
        logical_id: logical ID of the resource in its template.
        kind: CloudFormation type.
        identifier: resource identifier for the import.
        properties: current properties in CloudFormation's format.
        replaced: differing properties whose change replaces the resource, a sentence each; it cannot be adopted.
        changed: properties that the first deployment changes in place.
    """

    stack: str
    logical_id: str
    kind: str
    identifier: Mapping[str, str]
    properties: Json
    replaced: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    alone: bool = True
    """Whether its template refers only to deployed resources, so that `cdk import` can import it."""

    @property
    def name(self) -> str:
        """Type and identifier, for messages."""
        return f"{self.kind} {', '.join(self.identifier.values())}"

    def as_resource(self) -> dict[str, Any]:
        """The resource in the template of the import: as it is deployed, and retained."""
        kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        return {"Type": self.kind, **kept, "Properties": dict(self.properties)}


@dataclass(slots=True)
class Adoption:
    """The resources that can be adopted, in the order of the stacks."""

    takeovers: list[Takeover] = field(default_factory=list)
    new: dict[str, int] = field(default_factory=dict)
    """Number of other resources that the first deployment creates, by stack."""
    others: list[str] = field(default_factory=list)
    """Deployed resources that have no counterpart in the stacks, or are adopted in another way."""
    owner: str | None = None
    """The stack that contains the HyperPod cluster now."""

    @property
    def refused(self) -> list[Takeover]:
        """Resources that a deployment would replace."""
        return [takeover for takeover in self.takeovers if takeover.replaced]

    @property
    def possible(self) -> list[Takeover]:
        """Resources that can be adopted."""
        return [takeover for takeover in self.takeovers if not takeover.replaced]

    def stacks(self) -> list[str]:
        """Stacks that adopt resources, in the order of deployment."""
        return list(dict.fromkeys(item.stack for item in self.possible))

    def template(self, stack: str) -> dict[str, Any]:
        """The template of the import into a stack: the resources as they are, with deletion policy Retain."""
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "Import of existing resources; the next deployment replaces this template",
            "Resources": {item.logical_id: item.as_resource() for item in self.possible if item.stack == stack},
        }

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """`--resources-to-import` of the AWS CLI."""
        taken = [item for item in self.possible if item.stack == stack]
        keys = ("ResourceType", "LogicalResourceId", "ResourceIdentifier")
        return [dict(zip(keys, (t.kind, t.logical_id, dict(t.identifier)), strict=True)) for t in taken]

    def mapping(self, stack: str) -> dict[str, dict[str, str]] | None:
        """`--resource-mapping` of `cdk import`; None if that command cannot import the stack's resources.

        `cdk import` imports resources as in the synthesized template, with all their references and dependencies.
        """
        if not all(item.alone for item in self.possible if item.stack == stack):
            return None
        return {item.logical_id: dict(item.identifier) for item in self.possible if item.stack == stack}


def adoption(stacks: Stacks, found: Deployed, *, region: str, account: str) -> Adoption:
    """Returns which of the `found` resources the stacks of a config can adopt."""
    made = Adoption(owner=found.stack)
    resolver = _Resolver(stacks, region, account)
    for stack in sorted(stacks, key=_place):
        for logical_id, resource in stacks[stack].get("Resources", {}).items():
            kind = resource["Type"]
            wanted = resolver.value(stack, resource.get("Properties", {}))
            live = _LIVE[kind](found, wanted) if kind in _LIVE else None
            if live is None:
                made.new[stack] = made.new.get(stack, 0) + 1
                continue
            identifier, properties = live
            replaced = [
                _sentence(path.replace("/", "."), now, then)
                for path in _create_only(kind)
                if not same(now := _at(properties, path), then := _at(wanted, path))
            ]
            changed: list[str] = []
            for path, now, then in _differences(properties, wanted):
                if path.split(".")[0] in {each.split("/")[0] for each in _create_only(kind)}:
                    continue
                (replaced if _is_fixed(path, then) else changed).append(_sentence(path, now, then))
            alone = not resource.get("DependsOn") and UNKNOWN not in json.dumps(wanted)
            made.takeovers.append(
                Takeover(stack, logical_id, kind, identifier, properties, tuple(replaced), tuple(changed), alone)
            )
    here = {tuple(takeover.identifier.values()) for takeover in made.takeovers}
    if not any(takeover.kind == "AWS::EKS::Cluster" for takeover in made.takeovers):
        made.others.append(f"EKS cluster {found.eks.get('name')}: used as an existing cluster (`eks.existing`)")
    if found.vpc:
        made.others.append(
            f"{found.vpc.get('VpcId')}, its subnets and routes: used as an existing network (`network.existing`)"
        )
    names = {value for values in here for value in values}
    left = [addon["addonName"] for addon in found.addons if addon["addonName"] not in names]
    if left:
        made.others.append(f"add-ons {', '.join(left)}: not changed")
    custom = [kind for stack in stacks.values() for kind in _kinds(stack) if kind == "Custom::HyperPodComputeQuota"]
    if custom:
        made.others.append("compute quotas and cluster policy: adopted by the deployment (`governance.adopt`)")
    return made


def changes(now: Json, then: Json, only: Container[str] | None = None) -> list[str]:
    """The properties of a deployed resource that a template changes, a sentence each with both values.

    >>> changes({"NodeRecovery": "Automatic"}, {"NodeRecovery": "None"})
    ['NodeRecovery: Automatic now, None in the config']
    """
    return [
        _sentence(path, before, after)
        for path, before, after in _differences(now, then)
        if only is None or path.partition("[")[0] in only
    ]


def deployed_resources(found: Deployed) -> Iterator[tuple[str, Live]]:
    """Every deployed resource of a type that can be imported, with its identifier and its properties."""
    eks = found.eks.get("name")
    asked: list[tuple[str, dict[str, Any]]] = [("AWS::EKS::Cluster", {"Name": eks}), ("AWS::SageMaker::Cluster", {})]
    asked += [("AWS::EKS::Addon", {"ClusterName": eks, "AddonName": addon["addonName"]}) for addon in found.addons]
    asked += [
        ("AWS::EKS::AccessEntry", {"ClusterName": eks, "PrincipalArn": entry["principalArn"]})
        for entry in found.entries
    ]
    asked += [
        ("AWS::SageMaker::ComputeQuota", {"ComputeQuotaTarget": quota.get("ComputeQuotaTarget")})
        for quota in found.quotas
    ]
    asked.append(("AWS::SageMaker::ClusterSchedulerConfig", {}))
    for kind, wanted in asked:
        live = _LIVE[kind](found, wanted)
        if live is not None:
            yield kind, live


def _kinds(template: Json) -> Iterator[str]:
    return (resource["Type"] for resource in template.get("Resources", {}).values())


def _place(stack: str) -> int:
    return next((index for index, name in enumerate(DEPLOY_ORDER) if stack.endswith(name)), len(DEPLOY_ORDER))


def _create_only(kind: str) -> list[str]:
    entry: Mapping[str, list[str]] = catalog.load("replacement")["types"].get(kind, {})
    return [*entry.get("create_only", ()), *entry.get("documented", ())]


def _is_fixed(path: str, then: Any) -> bool:
    """Whether it is an instance group that is removed, or a part of one that cannot change."""
    fixed = catalog.allowed("immutable_of_instance_group")
    group, _, part = path.rpartition("].")
    return part in fixed if group else path.endswith("]") and then is None


def _at(properties: Any, path: str) -> Any:
    for part in path.split("/"):
        properties = properties.get(part) if isinstance(properties, Mapping) else None
    return properties


def _sentence(path: str, now: Any, then: Any) -> str:
    return f"{path}: {_text(now)} now, {_text(then)} in the config"


def _text(value: Any) -> str:
    if value in (None, [], {}):
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


QUIET = ("Tags", "ResolveConflicts", "PreserveOnDelete")
"""Properties that are not compared: a deployment sets them, which changes nothing else."""


def _alike(value: Any, other: Any) -> bool:
    """Whether two values mean the same; texts may hold the same JSON."""
    if isinstance(value, str) and isinstance(other, str) and value[:1] == other[:1] == "{":
        try:
            return same(json.loads(value), json.loads(other))
        except ValueError:
            return False
    return same(value, other)


def _size(group: Json | None) -> str | None:
    """An instance group in a message."""
    return None if group is None else count(group.get("InstanceCount", 0), "instance")


def _differences(now: Json, then: Json) -> Iterator[tuple[str, Any, Any]]:
    """Top-level properties that differ; for a cluster, group by group. Properties that were not read are skipped."""
    for key in dict.fromkeys([*now, *then]):
        before, after = now.get(key), then.get(key)
        if key in QUIET or _alike(before, after):
            continue
        if key in ("InstanceGroups", "RestrictedInstanceGroups"):
            old = {group["InstanceGroupName"]: group for group in before or ()}
            new = {group["InstanceGroupName"]: group for group in after or ()}
            for name in dict.fromkeys([*old, *new]):
                if name not in old or name not in new:
                    yield f"{key}[{name}]", _size(old.get(name)), _size(new.get(name))
                    continue
                for inner, old_value, other in _differences(old[name], new[name]):
                    yield f"{key}[{name}].{inner}", old_value, other
        else:
            yield key, before, after


# ---- deployed resources in CloudFormation's format: identifier and properties of each kind ----

Live = tuple[dict[str, str], dict[str, Any]]


def _hyperpod(found: Deployed, wanted: Json) -> Live | None:
    cluster = found.cluster
    keys = (
        "ClusterName",
        "Orchestrator",
        "VpcConfig",
        "NodeRecovery",
        "NodeProvisioningMode",
        "AutoScaling",
        "ClusterRole",
    )
    properties = {key: cluster[key] for key in (*keys, "TieredStorageConfig") if cluster.get(key)}
    if "AutoScaling" in properties:
        scaling = properties["AutoScaling"]
        properties["AutoScaling"] = {key: scaling[key] for key in ("Mode", "AutoScalerType") if key in scaling}
    for key in ("InstanceGroups", "RestrictedInstanceGroups"):
        if cluster.get(key):
            properties[key] = [settings_of(group) for group in cluster[key]]
    return {"ClusterArn": cluster["ClusterArn"]}, properties


def _eks_cluster(found: Deployed, wanted: Json) -> Live | None:
    eks = found.eks
    if wanted.get("Name") != eks.get("name"):
        return None
    vpc = eks.get("resourcesVpcConfig", {})
    properties = {
        "Name": eks["name"],
        "RoleArn": eks.get("roleArn"),
        "Version": eks.get("version"),
        "ResourcesVpcConfig": {
            "SubnetIds": vpc.get("subnetIds", []),
            "SecurityGroupIds": vpc.get("securityGroupIds", []),
            "EndpointPublicAccess": vpc.get("endpointPublicAccess"),
            "EndpointPrivateAccess": vpc.get("endpointPrivateAccess"),
        },
    }
    return {"Name": eks["name"]}, {key: value for key, value in properties.items() if value is not None}


def _addon(found: Deployed, wanted: Json) -> Live | None:
    addon = next((addon for addon in found.addons if addon["addonName"] == wanted.get("AddonName")), None)
    if addon is None or wanted.get("ClusterName") != found.eks.get("name"):
        return None
    properties = {"ClusterName": found.eks["name"], "AddonName": addon["addonName"]}
    for key, name in (
        ("AddonVersion", "addonVersion"),
        ("ConfigurationValues", "configurationValues"),
        ("ServiceAccountRoleArn", "serviceAccountRoleArn"),
    ):
        if addon.get(name):
            properties[key] = addon[name]
    return {"ClusterName": found.eks["name"], "AddonName": addon["addonName"]}, properties


def _access_entry(found: Deployed, wanted: Json) -> Live | None:
    entry = next((entry for entry in found.entries if entry["principalArn"] == wanted.get("PrincipalArn")), None)
    if entry is None or wanted.get("ClusterName") != found.eks.get("name"):
        return None
    policies = []
    for policy in entry["policies"]:
        scope = policy.get("accessScope", {})
        found_scope = {"Type": scope.get("type")}
        if scope.get("namespaces"):
            found_scope["Namespaces"] = list(scope["namespaces"])
        policies.append({"PolicyArn": policy["policyArn"], "AccessScope": found_scope})
    properties: dict[str, Any] = {"ClusterName": found.eks["name"], "PrincipalArn": entry["principalArn"]}
    if "Type" in wanted:
        properties["Type"] = entry.get("type", "STANDARD")
    if policies:
        properties["AccessPolicies"] = policies
    if entry.get("kubernetesGroups"):
        properties["KubernetesGroups"] = list(entry["kubernetesGroups"])
    return {"PrincipalArn": entry["principalArn"], "ClusterName": found.eks["name"]}, properties


def _quota(found: Deployed, wanted: Json) -> Live | None:
    team = (wanted.get("ComputeQuotaTarget") or {}).get("TeamName")
    quota = next((quota for quota in found.quotas if quota.get("ComputeQuotaTarget", {}).get("TeamName") == team), None)
    if quota is None:
        return None
    keys = ("Name", "Description", "ClusterArn", "ComputeQuotaConfig", "ComputeQuotaTarget", "ActivationState")
    properties = {key: quota[key] for key in keys if quota.get(key)}
    return {"ComputeQuotaArn": quota["ComputeQuotaArn"]}, properties


def _policy(found: Deployed, wanted: Json) -> Live | None:
    if not found.scheduler:
        return None
    keys = ("Name", "Description", "ClusterArn", "SchedulerConfig")
    properties = {key: found.scheduler[key] for key in keys if found.scheduler.get(key)}
    return {"ClusterSchedulerConfigArn": found.scheduler["ClusterSchedulerConfigArn"]}, properties


_LIVE = {
    "AWS::SageMaker::Cluster": _hyperpod,
    "AWS::EKS::Cluster": _eks_cluster,
    "AWS::EKS::Addon": _addon,
    "AWS::EKS::AccessEntry": _access_entry,
    "AWS::SageMaker::ComputeQuota": _quota,
    "AWS::SageMaker::ClusterSchedulerConfig": _policy,
}


class _Resolver:
    """Values of templates, as far as they are known before a deployment."""

    def __init__(self, stacks: Stacks, region: str, account: str) -> None:
        facts = catalog.find_region(region)
        partition = facts.partition if facts else "aws"
        self._pseudo = {"AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": partition}

    def value(self, stack: str, value: Any) -> Any:
        """The value with pseudo parameters and joins resolved; references to resources are `UNKNOWN`."""
        if isinstance(value, list):
            return [self.value(stack, item) for item in value]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            key, inner = next(iter(value.items()))
            if key == "Ref":
                return self._pseudo.get(inner, UNKNOWN)
            if key == "Fn::Join":
                parts = [self.value(stack, part) for part in inner[1]] if isinstance(inner[1], list) else [UNKNOWN]
                return UNKNOWN if UNKNOWN in parts else str(inner[0]).join(map(str, parts))
            if key.startswith("Fn::"):
                return UNKNOWN
        return {key: self.value(stack, inner) for key, inner in value.items()}
