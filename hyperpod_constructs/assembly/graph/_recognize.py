"""The relations between resources of a HyperPod platform: their clusters, roles and objects.

Results are sets of keys, and an order rule pairs two resources that share one. A key is the id of a resource, or the
literal name of a resource that is not in the templates.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from hyperpod_constructs.assembly.graph._assembly import Stack
from hyperpod_constructs.assembly.graph._model import Graph, Resource
from hyperpod_constructs.assembly.graph._references import CUT, references

Keys: TypeAlias = frozenset[str]
Object: TypeAlias = Mapping[str, Any]

HYPERPOD_CLUSTER = "AWS::SageMaker::Cluster"
EKS_CLUSTERS = ("AWS::EKS::Cluster", "Custom::AWSCDK-EKS-Cluster")
OBJECTS = ("Custom::HyperPodKubernetesObjects", "Custom::AWSCDK-EKS-KubernetesResource")
WAITS = ("Custom::HyperPodKubernetesWait", "Custom::AWSCDK-EKS-KubernetesObjectValue")
RELEASES = ("Custom::HyperPodHelmRelease", "Custom::AWSCDK-EKS-HelmChart")
JOBS = ("HyperPodPyTorchJob", "PyTorchJob", "Job")

_CLUSTER_PROPERTIES = ("ClusterName", "EksClusterName", "EksClusterArn", "Orchestrator.Eks.ClusterArn", "ClusterArn")
_SUBNETS = {
    HYPERPOD_CLUSTER: (
        "VpcConfig.Subnets",
        "InstanceGroups.*.OverrideVpcConfig.Subnets",
        "RestrictedInstanceGroups.*.OverrideVpcConfig.Subnets",
    ),
    "AWS::EKS::Nodegroup": ("Subnets",),
    "AWS::EKS::FargateProfile": ("Subnets",),
    "AWS::AutoScaling::AutoScalingGroup": ("VPCZoneIdentifier",),
    "AWS::Lambda::Function": ("VpcConfig.SubnetIds",),
}
_ROLES = (
    "InstanceGroups.*.ExecutionRole",
    "RestrictedInstanceGroups.*.ExecutionRole",
    "ClusterRole",
    "RoleArn",
    "NodeRole",
    "Role",
    "ServiceAccountRoleArn",
    "PodIdentityAssociations.*.RoleArn",
)
_HANDLERS = ("AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version", "AWS::StepFunctions::StateMachine")


class Templates:
    """The resources of a graph, with cached results for each."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.by_type: dict[str, list[Resource]] = defaultdict(list)
        for resource in graph.resources.values():
            self.by_type[resource.type].append(resource)
        self._positions = {name: number for number, name in enumerate(graph.resources)}
        self._handlers: dict[str, Keys] = {}
        self._clusters: dict[str, Keys] = {}
        self._objects: dict[str, tuple[Object, ...]] = {}
        self._text: dict[str, str] = {}

    def of(self, *types: str) -> Iterator[Resource]:
        """Returns the resources of these types; `AWS::EKS::*` matches all that start with it."""
        for type_ in types:
            if type_.endswith("*"):
                for name, resources in self.by_type.items():
                    yield from resources if name.startswith(type_[:-1]) else ()
            else:
                yield from self.by_type.get(type_, ())

    def position(self, resource: Resource) -> int:
        """Returns the position of the resource among all resources, to sort results in the order of the templates."""
        return self._positions[resource.id]

    # Values

    def origins(self, stack: Stack, value: object) -> Keys:
        """Returns the origins of a value: ids of resources and literal texts, through parameters, exports and outputs."""
        return frozenset(self._origins(stack, value))

    def _origins(self, stack: Stack, value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
            return
        if isinstance(value, dict) and value.keys() & {"Fn::Join", "Fn::Sub"}:
            argument = next(iter(value.values()))
            text = argument[0] if isinstance(argument, list) and "Fn::Sub" in value else argument
            parts = argument[1] if "Fn::Join" in value and isinstance(argument[1], list) else [text]
            if len(parts) > 1 and all(isinstance(part, str) or _is_pseudo(part) for part in parts):
                # only the account, region or partition is unknown: one literal, such as an ARN
                words = (part if isinstance(part, str) else "${" + part["Ref"] + "}" for part in parts)
                yield str(argument[0]).join(words)
                return
            yield from (part for part in parts if isinstance(part, str))
        elif isinstance(value, list):
            for item in value:
                yield from self._origins(stack, item)
            return
        for reference in references(value):
            yield from self._origin(stack, reference.target, reference.attribute, reference.kind)
            if reference.kind in ("Fn::ImportValue", "Fn::GetStackOutput"):
                exporter = self.graph.exporter(stack, reference)
                if exporter:
                    yield from self._origins(*exporter)

    def _origin(self, stack: Stack, target: object, attribute: str, kind: str) -> Iterator[str]:
        if kind not in ("Ref", "Fn::GetAtt") or not isinstance(target, str):
            return
        inner = stack.nested.get(target)
        if inner and attribute.startswith("Outputs."):
            outputs = inner.template.get("Outputs") or {}
            yield from self._origins(inner, outputs.get(attribute.removeprefix("Outputs."), {}).get("Value"))
        elif target in stack.resources:
            yield f"{stack.name}.{target}"
        elif bound := self.graph.parameter(stack, target):
            yield from self._origins(*bound)

    def values(self, resource: Resource, *paths: str) -> Keys:
        """Origins of the values at these property paths; `*` matches every item of a list."""
        return frozenset(
            origin
            for path in paths
            for value in _values_at(resource.properties, path.split("."))
            for origin in self._origins(resource.stack, value)
        )

    def mentioned(self, resource: Resource, *types: str) -> Keys:
        """Ids of the resources of these types that the resource's properties refer to."""
        found = set()
        for reference in references(resource.properties):
            value = {
                reference.kind: [reference.target, reference.attribute] if reference.attribute else reference.target
            }
            for origin in self._origins(resource.stack, value):
                other = self.graph.resources.get(origin)
                if other is not None and other.type in types:
                    found.add(origin)
        return frozenset(found)

    def named(self, keys: Keys) -> Keys:
        """Returns `keys` with literal ARNs and URIs shortened to the name at their end."""
        return frozenset(key if key in self.graph.resources else re.split(r"[/:]", key.rstrip("/"))[-1] for key in keys)

    # Clusters

    def clusters(self, resource: Resource) -> Keys:
        """Returns the EKS clusters that a resource belongs to; a HyperPod cluster counts as its EKS cluster.

        If the templates do not determine them, these are the clusters of the resource's stage, otherwise all clusters.
        """
        return self._clusters_of(resource) or self._stage_clusters.get(resource.stack.stage) or self._all_clusters

    def _clusters_of(self, resource: Resource) -> Keys:
        if resource.id not in self._clusters:
            self._clusters[resource.id] = frozenset()  # endpoints the recursion for a resource that refers to itself
            self._clusters[resource.id] = self._find_clusters(resource)
        return self._clusters[resource.id]

    def _find_clusters(self, resource: Resource) -> Keys:
        if resource.type in EKS_CLUSTERS:
            return frozenset({resource.id})
        direct = self.values(resource, *_CLUSTER_PROPERTIES)
        found = self._as_clusters(direct) or self._as_clusters(
            self.mentioned(resource, *EKS_CLUSTERS, HYPERPOD_CLUSTER)
        )
        literal = {_cluster_name(text) for text in direct if text not in self.graph.resources}
        return found or frozenset(self._cluster_names.get(name, name) for name in literal if name)

    def _as_clusters(self, origins: Keys) -> Keys:
        found: set[str] = set()
        for origin in origins:
            other = self.graph.resources.get(origin)
            if other is not None and other.type in (*EKS_CLUSTERS, HYPERPOD_CLUSTER):
                found |= self._clusters_of(other) or {other.id}
        return frozenset(found)

    @cached_property
    def _cluster_names(self) -> dict[str, str]:
        """Returns ids of the EKS clusters that have a physical name, by that name."""
        return {
            name: cluster.id
            for cluster in self.of(*EKS_CLUSTERS)
            for name in self.values(cluster, "Name", "Config.name")
            if name not in self.graph.resources
        }

    @cached_property
    def _stage_clusters(self) -> dict[str, Keys]:
        found: dict[str, Keys] = {}
        for resource in self.of(HYPERPOD_CLUSTER, *EKS_CLUSTERS, "AWS::EKS::*", *OBJECTS, *WAITS, *RELEASES):
            stated_clusters = self._clusters_of(resource)
            found[resource.stack.stage] = found.get(resource.stack.stage, frozenset()) | stated_clusters
        return found

    @cached_property
    def _all_clusters(self) -> Keys:
        return frozenset().union(*self._stage_clusters.values()) or frozenset({"?"})

    # Network

    def subnets(self, resource: Resource) -> Keys:
        """Subnets in which the resource, or the handler of a custom resource, runs."""
        runners = [resource, *(self.graph.resources[key] for key in self.handlers(resource))]
        return frozenset(
            subnet for runner in runners for subnet in self.values(runner, *_SUBNETS.get(runner.type, ())) if subnet
        )

    def vpcs(self, resource: Resource) -> Keys:
        """VPCs of the resource's subnets."""
        return frozenset(
            vpc
            for subnet in self.subnets(resource)
            if subnet in self.graph.resources
            for vpc in self.values(self.graph.resources[subnet], "VpcId")
        )

    def egress(self, resource: Resource) -> Keys:
        """Returns ids of the routes and route table associations that the resource's subnets and NAT gateways need."""
        found: set[str] = set()
        queue = list(self.subnets(resource))
        seen: set[str] = set()
        while queue:
            subnet = queue.pop()
            if subnet in seen:
                continue
            seen.add(subnet)
            parts = self._routes_of_subnet.get(subnet, ())
            found.update(part.id for part in parts)
            for part in parts:
                for nat in self.values(part, "NatGatewayId") & self.graph.resources.keys():
                    queue += self.values(self.graph.resources[nat], "SubnetId")
        return frozenset(found)

    @cached_property
    def _routes_of_subnet(self) -> dict[str, list[Resource]]:
        routes: dict[str, list[Resource]] = defaultdict(list)
        for route in self.of("AWS::EC2::Route"):
            for table in self.values(route, "RouteTableId"):
                routes[table].append(route)
        found: dict[str, list[Resource]] = defaultdict(list)
        for association in self.of("AWS::EC2::SubnetRouteTableAssociation"):
            for subnet in self.values(association, "SubnetId"):
                found[subnet].append(association)
                for table in self.values(association, "RouteTableId"):
                    found[subnet] += routes.get(table, [])
        return found

    def security_groups(self, resource: Resource) -> Keys:
        """Returns security groups between the resource (or its handler), its control plane and its VPC's endpoints."""
        if not self.subnets(resource):
            return frozenset()
        runners = [resource, *(self.graph.resources[key] for key in self.handlers(resource))]
        stated_clusters = self._clusters_of(resource)
        control_planes = [self.graph.resources[key] for key in sorted(stated_clusters) if key in self.graph.resources]
        vpcs = self.vpcs(resource)
        endpoints = [end for end in self.of("AWS::EC2::VPCEndpoint") if self.values(end, "VpcId") & vpcs]
        groups = {
            group
            for resource in (*runners, *control_planes, *endpoints)
            for group in self.mentioned(resource, "AWS::EC2::SecurityGroup")
        }
        return frozenset(groups | {plane.id for plane in control_planes})  # the cluster, for the group that EKS creates

    # Roles and handlers

    def roles(self, resource: Resource) -> Keys:
        """Returns the roles that the resource runs as."""
        return self.named(self.values(resource, *_ROLES)) - {""}

    def attached_roles(self, policy: Resource) -> Keys:
        """Roles that a policy resource is attached to."""
        return self.named(self.values(policy, "Roles", "RoleName"))

    def handlers(self, resource: Resource) -> Keys:
        """Returns functions and state machines behind a custom resource, starting at its service token."""
        token = resource.properties.get("ServiceToken")
        if token is None:
            return frozenset()
        found: set[str] = set()
        for start in self.origins(resource.stack, token) & self.graph.resources.keys():
            found |= self._reach_handlers(start)
        return frozenset(found)

    def _reach_handlers(self, start: str) -> Keys:
        if start not in self._handlers:
            found: set[str] = set()
            queue = [start]
            while queue:
                resource = self.graph.resources[queue.pop()]
                if resource.id not in found and resource.type in _HANDLERS:
                    found.add(resource.id)
                    queue += self.mentioned(resource, *_HANDLERS)
            self._handlers[start] = frozenset(found)
        return self._handlers[start]

    def handler_roles(self, resource: Resource) -> Keys:
        """Roles of the functions and state machines behind a custom resource."""
        return frozenset(role for key in self.handlers(resource) for role in self.roles(self.graph.resources[key]))

    # Kubernetes

    def objects(self, resource: Resource) -> tuple[Object, ...]:
        """Returns the Kubernetes objects that a custom resource applies; tokens in them are `${token}`."""
        if resource.id not in self._objects:
            listed = resource.properties.get("Objects") or ()  # for a manifest that is an asset
            found = resource.properties.get("Manifest") or [{**item, "metadata": item} for item in listed]
            self._objects[resource.id] = tuple(_objects(found)) if resource.type in OBJECTS else ()
        return self._objects[resource.id]

    def kinds(self, resource: Resource) -> frozenset[str]:
        """Kinds of the objects that a custom resource applies."""
        return frozenset(str(item.get("kind")) for item in self.objects(resource))

    def text(self, resource: Resource) -> str:
        """The resource's properties as one text, to identify the target of a wait or a release."""
        if resource.id not in self._text:
            self._text[resource.id] = json.dumps(resource.properties, default=str).replace('\\"', '"')
        return self._text[resource.id]


def _values_at(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield value
    elif path[0] == "*":
        for item in value if isinstance(value, list) else ():
            yield from _values_at(item, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])


def _is_pseudo(part: object) -> bool:
    return isinstance(part, dict) and part.keys() == {"Ref"} and str(part["Ref"]).startswith("AWS::")


def _cluster_name(text: str) -> str:
    """The name in a literal EKS cluster name or ARN; empty for other texts."""
    if ":cluster/" in text:
        return text.rpartition(":cluster/")[2] if ":eks:" in text else ""
    return text if text != CUT and re.fullmatch(r"[0-9A-Za-z][\w-]*", text) else ""


def _objects(value: Any) -> Iterator[Object]:
    if isinstance(value, dict) and "Fn::Join" in value:
        value = _with_tokens(value["Fn::Join"][1])
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            # A manifest with other tokens cannot be parsed, but its kinds can be found.
            value = [{"kind": kind} for kind in re.findall(r'"kind"\s*:\s*"(\w+)"', value)]
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(item, dict):
            continue
        if isinstance(item.get("items"), list):
            yield from _objects(item["items"])
        else:
            yield item


def _with_tokens(parts: list[Any]) -> str:
    """The joined text with a placeholder for each token: a number in place of a JSON value, text inside a string."""
    out: list[str] = []
    inside = False
    for part in parts:
        if isinstance(part, str):
            out.append(part)
            if len(re.findall(r'(?<!\\)(?:\\\\)*"', part)) % 2:
                inside = not inside
        else:
            out.append("${token}" if inside else "0")
    return "".join(out)
