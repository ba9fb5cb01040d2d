"""Selectors of an order rule: by type, by properties, and by facts in the catalog about an add-on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from hyperpod_constructs.assembly.graph._model import Resource
from hyperpod_constructs.assembly.graph._recognize import (
    EKS_CLUSTERS,
    HYPERPOD_CLUSTER,
    JOBS,
    OBJECTS,
    RELEASES,
    WAITS,
    Templates,
)
from hyperpod_constructs.core import catalog

Where: TypeAlias = Callable[[Templates, Resource], bool]


@dataclass(frozen=True)
class Selector:
    """Selects resources by type and properties. `title` is their name in the documentation."""

    title: str
    types: tuple[str, ...]
    where: Where = lambda templates, resource: True

    def of(self, templates: Templates) -> list[Resource]:
        """Returns the matching resources of `templates`."""
        return [resource for resource in templates.of(*self.types) if self.where(templates, resource)]


# Selectors

CORE_ADDONS = tuple(addon.name for addon in catalog.addons().values() if addon.core and not addon.needs_nodes)
AGENT_NAME, CERT_MANAGER_NAME = "eks-pod-identity-agent", "cert-manager"
GOVERNANCE_NAME = "amazon-sagemaker-hyperpod-taskgovernance"
OPERATOR_NAME = "amazon-sagemaker-hyperpod-training-operator"
_PODS = (*OBJECTS, *WAITS, *RELEASES)


def addon_name(resource: Resource) -> str:
    """The name of an `AWS::EKS::Addon`."""
    return str(resource.properties.get("AddonName", ""))


def addon_fact(resource: Resource) -> catalog.Addon | None:
    """Returns the catalog's facts about an `AWS::EKS::Addon`; None if the catalog does not have it."""
    return catalog.addons().get(addon_name(resource))


def _addons(title: str, where: Callable[[Resource], bool]) -> Selector:
    return Selector(title, ("AWS::EKS::Addon",), lambda templates, resource: where(resource))


def _addon(title: str, *names: str) -> Selector:
    return _addons(title, lambda resource: addon_name(resource) in names)


def _objects(title: str, *kinds: str) -> Selector:
    return Selector(title, OBJECTS, lambda templates, resource: not templates.kinds(resource).isdisjoint(kinds))


def _wait(title: str, *words: str) -> Selector:
    return Selector(title, WAITS, lambda templates, resource: any(word in templates.text(resource) for word in words))


def _ready(title: str, name: str) -> Selector:
    """A wait for objects that the add-on runs or installs, from the catalog; a wait for ACTIVE is not sufficient."""

    def where(templates: Templates, resource: Resource) -> bool:
        fact = catalog.addon(name)
        text = templates.text(resource)
        parts = (*fact.deployments, *fact.service_accounts, *fact.crds)
        return '"AddonActive"' not in text and any(f'"{part}"' in text for part in parts)

    return Selector(title, WAITS, where)


def _is_dependency_chart(templates: Templates, resource: Resource) -> bool:
    text = templates.text(resource)
    return "HyperPodHelmChart" in text or "hyperpod-dependencies" in text or "hyperpod-helm-chart" in text


def _needs_nodes(resource: Resource) -> bool:
    fact = addon_fact(resource)
    return fact is not None and fact.needs_nodes


def _is_other_hyperpod_addon(resource: Resource) -> bool:
    fact = addon_fact(resource)
    return fact is not None and fact.provider == "hyperpod" and fact.name != GOVERNANCE_NAME


def _needs(name: str) -> Callable[[Resource], bool]:
    def where(resource: Resource) -> bool:
        fact = addon_fact(resource)
        return fact is not None and name in fact.prerequisites

    return where


def _original(resource: Resource) -> str:
    """Name of the object that a resource copies."""
    return str((resource.properties.get("CopyOf") or {}).get("name", ""))


def _uses_existing_object(resource: Resource) -> bool:
    return bool(_original(resource)) or "FieldsOnly" in resource.properties


ATTACHMENTS = Selector("internet gateway attachment", ("AWS::EC2::VPCGatewayAttachment",))
BLOCKS = Selector("secondary CIDR blocks", ("AWS::EC2::VPCCidrBlock",))
SUBNETS = Selector("subnets in them", ("AWS::EC2::Subnet",))
HYPERPOD = Selector("HyperPod cluster", (HYPERPOD_CLUSTER,))
EKS = Selector("EKS cluster", EKS_CLUSTERS)
NODES = Selector(
    "HyperPod cluster, EKS nodes",
    (HYPERPOD_CLUSTER, "AWS::EKS::Nodegroup", "AWS::EKS::FargateProfile", "AWS::AutoScaling::AutoScalingGroup"),
)
RUNS_AS_ROLE = Selector("HyperPod cluster, EKS cluster, EKS nodes", (*NODES.types, *EKS_CLUSTERS))
CUSTOM = Selector("custom resources", ("Custom::*", "AWS::CloudFormation::CustomResource"))
IN_CLUSTER = Selector("Kubernetes objects, Helm releases, waits", _PODS)
ROUTES = Selector("routes and route table associations", ("AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation"))
ENDPOINTS = Selector("VPC endpoints", ("AWS::EC2::VPCEndpoint",))
GROUP_RULES = Selector("security group rules", ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"))
POLICIES = Selector("role policies", ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"))
NODE_POLICIES = Selector(
    "role policies",
    POLICIES.types,
    # the permission of restricted nodes to send metrics is created with the workspace, after the cluster; no boot
    # requires it
    lambda templates, resource: "RestrictedMetrics" not in resource.id,
)
HANDLER_POLICIES = Selector(
    "role policies",
    POLICIES.types,
    # only the resource of a chart or manifest requires permission to read it, and depends on the policy directly
    lambda templates, resource: not any(word in resource.id for word in ("ChartAccess", "ManifestAccess")),
)
ACCESS = Selector("access entries", ("AWS::EKS::AccessEntry",))
ASSOCIATIONS = Selector("pod identity associations", ("AWS::EKS::PodIdentityAssociation",))
CHART = Selector("dependency chart", RELEASES, _is_dependency_chart)
UPLOADS = Selector("lifecycle script upload", ("Custom::CDKBucketDeployment", "Custom::HyperPodLifecycleScripts"))
NODES_READY = _wait("nodes-ready wait", "NodesReady")
SCHEDULER = Selector(
    "scheduler config", ("AWS::SageMaker::ClusterSchedulerConfig", "Custom::HyperPodClusterSchedulerConfig")
)
QUOTAS = Selector("compute quotas", ("AWS::SageMaker::ComputeQuota", "Custom::HyperPodComputeQuota"))
GOVERNED = Selector("scheduler config, compute quotas", (*SCHEDULER.types, *QUOTAS.types))
JOB_OBJECTS = _objects("training jobs", *JOBS)
WORKLOADS = Selector(
    "training jobs, other Helm releases",
    (*OBJECTS, *RELEASES),
    lambda templates, resource: (
        not _is_dependency_chart(templates, resource)
        if resource.type in RELEASES
        else not templates.kinds(resource).isdisjoint(JOBS)
    ),
)
CSI_DRIVERS = Selector("CSI drivers", ("AWS::EKS::Addon",))
ADDONS = _addons("EKS add-ons", lambda resource: True)
CORE = _addon("network plug-in, proxy, pod identity agent", *CORE_ADDONS)
POD_ADDONS = _addons("add-ons that require a node", _needs_nodes)
WEBHOOK_ADDONS = _addons("training operator and other add-ons that require cert-manager", _needs(CERT_MANAGER_NAME))
HYPERPOD_ADDONS = _addons("other HyperPod add-ons", _is_other_hyperpod_addon)
IDENTITY_ADDONS = Selector("add-ons with pod identity", ("AWS::EKS::Addon",))
VOLUMES = _objects("volumes, storage classes", "PersistentVolume", "StorageClass")
CLAIMS = _objects("volume claims", "PersistentVolumeClaim")
NAMESPACES = _objects("namespaces", "Namespace")
OBJECTS_ALL = Selector("Kubernetes objects in the namespace", OBJECTS)
HYPERPOD_JOBS = _objects("HyperPodPyTorchJob", "HyperPodPyTorchJob")
KUBEFLOW_JOBS = _objects("PyTorchJob", "PyTorchJob")
AGENT = _addon("pod identity agent", AGENT_NAME)
CERT_MANAGER = _addon("cert-manager", CERT_MANAGER_NAME)
GOVERNANCE = _addon("task governance add-on", GOVERNANCE_NAME)
CERT_MANAGER_READY = _ready("wait for cert-manager", CERT_MANAGER_NAME)
GOVERNANCE_READY = _ready("wait for Kueue", GOVERNANCE_NAME)
OPERATOR_READY = _ready("wait for the operator's CRD", OPERATOR_NAME)
OPERATOR = _addon("training operator add-on", OPERATOR_NAME)
COPIES = Selector(
    "copies of their objects, and fields of their objects",
    OBJECTS,
    lambda templates, resource: _uses_existing_object(resource),
)
COPIED_ADDONS = _addon("network add-on, CoreDNS", "vpc-cni", "coredns")
NETWORK_COPIES = Selector(
    "network agent of restricted nodes",
    OBJECTS,
    lambda templates, resource: _original(resource) == "aws-node",
)
DNS_COPIES = Selector(
    "DNS servers on every node", OBJECTS, lambda templates, resource: _original(resource) == "coredns"
)
DNS_READY = _wait("wait for the servers", "node-coredns")
DNS_POLICY = Selector(
    "node-local DNS policy",
    OBJECTS,
    lambda templates, resource: "FieldsOnly" in resource.properties and "kube-dns" in templates.text(resource),
)
PART_KINDS = (
    "PersistentVolumeClaim",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "Role",
    "RoleBinding",
    "LocalQueue",
    "ResourceQuota",
    "LimitRange",
)
SHARED_KINDS = ("ClusterQueue", "ResourceFlavor", "Topology", "WorkloadPriorityClass", "PriorityClass")
JOB_PARTS = _objects("claims, service accounts, queues and similar objects", *PART_KINDS, *SHARED_KINDS)
