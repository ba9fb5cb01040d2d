"""Plans how the stacks of a config adopt deployed resources: which resources, their identifiers, and what prevents it.

A resource is adopted by a CloudFormation resource import, which requires a template and an identifier. The import template
contains each resource in its current state, and is compared with the template of the config property by property.
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
"""Maximum number of characters of a value in a message."""

UNKNOWN = "(known after deployment)"
"""A value of a template that is known only after deployment."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """An existing resource that a stack of the config also contains.

    Attributes:
        stack: name of the stack.
        logical_id: logical ID of the resource in its template.
        kind: CloudFormation type.
        identifier: resource identifier for the import.
        properties: current properties in CloudFormation's format.
        replaced: differences that replace the resource, one sentence each; if any, it cannot be adopted.
        changed: differences that the first deployment changes in place, one sentence each.
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
        """The type and the identifier, for messages."""
        return f"{self.kind} {', '.join(self.identifier.values())}"

    def as_resource(self) -> dict[str, Any]:
        """Returns the resource for the import template: as it is deployed, with deletion policy Retain."""
        policies = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        return {"Type": self.kind, **policies, "Properties": dict(self.properties)}


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
        """Resources that a deployment would replace, and that therefore cannot be adopted."""
        return [takeover for takeover in self.takeovers if takeover.replaced]

    @property
    def possible(self) -> list[Takeover]:
        """Resources that can be adopted."""
        return [takeover for takeover in self.takeovers if not takeover.replaced]

    def stacks(self) -> list[str]:
        """Returns the stacks that adopt resources, in the order of deployment."""
        return list(dict.fromkeys(item.stack for item in self.possible))

    def template(self, stack: str) -> dict[str, Any]:
        """Returns the import template of a stack: the resources as they are deployed, with deletion policy Retain."""
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "Import of existing resources; the next deployment replaces this template",
            "Resources": {item.logical_id: item.as_resource() for item in self.possible if item.stack == stack},
        }

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """Returns the value of `--resources-to-import` of the AWS CLI."""
        takeovers = [item for item in self.possible if item.stack == stack]
        keys = ("ResourceType", "LogicalResourceId", "ResourceIdentifier")
        return [dict(zip(keys, (item.kind, item.logical_id, dict(item.identifier)), strict=True)) for item in takeovers]

    def mapping(self, stack: str) -> dict[str, dict[str, str]] | None:
        """Returns the `--resource-mapping` of `cdk import`; None if this command cannot import the stack's resources.

        `cdk import` imports resources as they are in the synthesized template, with all references and dependencies.
        """
        if not all(item.alone for item in self.possible if item.stack == stack):
            return None
        return {item.logical_id: dict(item.identifier) for item in self.possible if item.stack == stack}


def adoption(stacks: Stacks, found: Deployed, *, region: str, account: str) -> Adoption:
    """Compares the resources in `found` with the stacks of a config, and returns which resources can be adopted."""
    result = Adoption(owner=found.stack)
    resolver = _Resolver(stacks, region, account)
    for stack in sorted(stacks, key=_place):
        for logical_id, resource in stacks[stack].get("Resources", {}).items():
            kind = resource["Type"]
            expected = resolver.value(stack, resource.get("Properties", {}))
            live = _LIVE[kind](found, expected) if kind in _LIVE else None
            if live is None:
                result.new[stack] = result.new.get(stack, 0) + 1
                continue
            identifier, properties = live
            replaced = [
                _sentence(path.replace("/", "."), now, then)
                for path in _create_only(kind)
                if not same(now := _at(properties, path), then := _at(expected, path))
            ]
            changed: list[str] = []
            for path, now, then in _differences(properties, expected):
                if path.split(".")[0] in {name.split("/")[0] for name in _create_only(kind)}:
                    continue
                (replaced if _is_fixed(path, then) else changed).append(_sentence(path, now, then))
            alone = not resource.get("DependsOn") and UNKNOWN not in json.dumps(expected)
            result.takeovers.append(
                Takeover(stack, logical_id, kind, identifier, properties, tuple(replaced), tuple(changed), alone)
            )
    if not any(takeover.kind == "AWS::EKS::Cluster" for takeover in result.takeovers):
        result.others.append(f"EKS cluster {found.eks.get('name')}: used as an existing cluster (`eks.existing`)")
    if found.vpc:
        result.others.append(
            f"{found.vpc.get('VpcId')}, its subnets and routes: used as an existing network (`network.existing`)"
        )
    adopted = {value for takeover in result.takeovers for value in takeover.identifier.values()}
    addons = [addon["addonName"] for addon in found.addons if addon["addonName"] not in adopted]
    if addons:
        result.others.append(f"add-ons {', '.join(addons)}: not changed")
    custom = [kind for stack in stacks.values() for kind in _kinds(stack) if kind == "Custom::HyperPodComputeQuota"]
    if custom:
        result.others.append("compute quotas and cluster policy: adopted by the deployment (`governance.adopt`)")
    return result


def changes(now: Json, then: Json, only: Container[str] | None = None) -> list[str]:
    """Returns the properties of a deployed resource that a template changes, one sentence each with both values.

    >>> changes({"NodeRecovery": "Automatic"}, {"NodeRecovery": "None"})
    ['NodeRecovery: Automatic now, None in the config']
    """
    return [
        _sentence(path, before, after)
        for path, before, after in _differences(now, then)
        if only is None or path.partition("[")[0] in only
    ]


def deployed_resources(found: Deployed) -> Iterator[tuple[str, Live]]:
    """Yields the deployed resources whose types can be imported, with their identifiers and properties."""
    eks = found.eks.get("name")
    requests: list[tuple[str, dict[str, Any]]] = [("AWS::EKS::Cluster", {"Name": eks}), ("AWS::SageMaker::Cluster", {})]
    requests += [("AWS::EKS::Addon", {"ClusterName": eks, "AddonName": addon["addonName"]}) for addon in found.addons]
    requests += [
        ("AWS::EKS::AccessEntry", {"ClusterName": eks, "PrincipalArn": entry["principalArn"]})
        for entry in found.entries
    ]
    requests += [
        ("AWS::SageMaker::ComputeQuota", {"ComputeQuotaTarget": quota.get("ComputeQuotaTarget")})
        for quota in found.quotas
    ]
    requests.append(("AWS::SageMaker::ClusterSchedulerConfig", {}))
    for kind, expected in requests:
        live = _LIVE[kind](found, expected)
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
    """Whether a difference removes an instance group, or changes an immutable part of one."""
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
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


QUIET = ("Tags", "ResolveConflicts", "PreserveOnDelete")
"""Properties that are not compared, because setting them has no other effect."""


def _is_equivalent(value: Any, other: Any) -> bool:
    """Whether two values are equivalent; strings can contain equivalent JSON."""
    if isinstance(value, str) and isinstance(other, str) and value[:1] == other[:1] == "{":
        try:
            return same(json.loads(value), json.loads(other))
        except ValueError:
            return False
    return same(value, other)


def _size(group: Json | None) -> str | None:
    """Returns the size of an instance group for a message."""
    return None if group is None else count(group.get("InstanceCount", 0), "instance")


def _differences(now: Json, then: Json) -> Iterator[tuple[str, Any, Any]]:
    """Yields the top-level properties that differ, and for a cluster the properties of groups that differ."""
    for key in dict.fromkeys([*now, *then]):
        before, after = now.get(key), then.get(key)
        if key in QUIET or _is_equivalent(before, after):
            continue
        if key in ("InstanceGroups", "RestrictedInstanceGroups"):
            old = {group["InstanceGroupName"]: group for group in before or ()}
            new = {group["InstanceGroupName"]: group for group in after or ()}
            for name in dict.fromkeys([*old, *new]):
                if name not in old or name not in new:
                    yield f"{key}[{name}]", _size(old.get(name)), _size(new.get(name))
                    continue
                for inner, old_value, new_value in _differences(old[name], new[name]):
                    yield f"{key}[{name}].{inner}", old_value, new_value
        else:
            yield key, before, after


# ---- deployed resources in CloudFormation's format: identifier and properties of each kind ----

Live = tuple[dict[str, str], dict[str, Any]]


def _hyperpod(found: Deployed, expected: Json) -> Live | None:
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


def _eks_cluster(found: Deployed, expected: Json) -> Live | None:
    eks = found.eks
    if expected.get("Name") != eks.get("name"):
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


def _addon(found: Deployed, expected: Json) -> Live | None:
    addon = next((addon for addon in found.addons if addon["addonName"] == expected.get("AddonName")), None)
    if addon is None or expected.get("ClusterName") != found.eks.get("name"):
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


def _access_entry(found: Deployed, expected: Json) -> Live | None:
    entry = next((entry for entry in found.entries if entry["principalArn"] == expected.get("PrincipalArn")), None)
    if entry is None or expected.get("ClusterName") != found.eks.get("name"):
        return None
    policies = []
    for policy in entry["policies"]:
        scope = policy.get("accessScope", {})
        found_scope = {"Type": scope.get("type")}
        if scope.get("namespaces"):
            found_scope["Namespaces"] = list(scope["namespaces"])
        policies.append({"PolicyArn": policy["policyArn"], "AccessScope": found_scope})
    properties: dict[str, Any] = {"ClusterName": found.eks["name"], "PrincipalArn": entry["principalArn"]}
    if "Type" in expected:
        properties["Type"] = entry.get("type", "STANDARD")
    if policies:
        properties["AccessPolicies"] = policies
    if entry.get("kubernetesGroups"):
        properties["KubernetesGroups"] = list(entry["kubernetesGroups"])
    return {"PrincipalArn": entry["principalArn"], "ClusterName": found.eks["name"]}, properties


def _quota(found: Deployed, expected: Json) -> Live | None:
    team = (expected.get("ComputeQuotaTarget") or {}).get("TeamName")
    quota = next((quota for quota in found.quotas if quota.get("ComputeQuotaTarget", {}).get("TeamName") == team), None)
    if quota is None:
        return None
    keys = ("Name", "Description", "ClusterArn", "ComputeQuotaConfig", "ComputeQuotaTarget", "ActivationState")
    properties = {key: quota[key] for key in keys if quota.get(key)}
    return {"ComputeQuotaArn": quota["ComputeQuotaArn"]}, properties


def _policy(found: Deployed, expected: Json) -> Live | None:
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
    """Resolves values in templates that are known before a deployment."""

    def __init__(self, stacks: Stacks, region: str, account: str) -> None:
        facts = catalog.find_region(region)
        partition = facts.partition if facts else "aws"
        self._pseudo = {"AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": partition}

    def value(self, stack: str, value: Any) -> Any:
        """Returns a value with resolved pseudo parameters and joins; references to resources are `UNKNOWN`."""
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
