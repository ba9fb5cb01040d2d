"""EKS: clusters, access entries, add-ons and pod identity associations."""

from __future__ import annotations

from typing import Any

from ...core.catalog import minor
from .account import AwsResource, Refused
from .iam import has_managed, trusts
from .kubernetes import Installed, KubernetesCluster
from .real_server import assign_cluster, real_servers
from .resources import MODELS, Model, Request, Resources
from .world import Steps

CLUSTER = "AWS::EKS::Cluster"


def cluster_of(services: Resources, name: Any) -> KubernetesCluster:
    """The model of an EKS cluster's content; an existing cluster is assumed to work. Raises `Refused`."""
    resource = services.account.find(CLUSTER, name)
    key = resource.id if resource is not None else str(name).rpartition("/")[2]
    if key not in services.clusters:
        if not services.account.exists(CLUSTER, name):
            raise Refused(f"No cluster found for name: {name}")
        existing = services.clusters[key] = _inside(services, key, owned=False)
        for addon in ("vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"):
            existing.addons[addon] = Installed(addon, ready=True, status="ACTIVE")
    return services.clusters[key]


def _inside(services: Resources, name: str, *, owned: bool = True) -> KubernetesCluster:
    cluster = KubernetesCluster(name, services, owned)
    if services.kubernetes is not None:
        assign_cluster(services.kubernetes, cluster)
    return cluster


def _before_cluster(services: Resources, request: Request) -> None:
    role = request.properties.get("RoleArn")
    if not trusts(services.account, str(role), "eks.amazonaws.com"):
        raise Refused(f"Role {role} cannot be assumed by eks.amazonaws.com")
    if not has_managed(services.account, str(role), "AmazonEKSClusterPolicy"):
        raise Refused(f"Role {role} lacks AmazonEKSClusterPolicy")
    subnets = request.properties["ResourcesVpcConfig"]["SubnetIds"]
    zones = set()
    for subnet in subnets:
        resource = services.account.find("AWS::EC2::Subnet", subnet)
        zones.add(subnet if resource is None else str(resource.properties.get("AvailabilityZoneId", resource.id)))
    if len(zones) < 2:
        raise Refused("Subnets specified must be in at least two different AZs")


def _after_cluster_creation(services: Resources, resource: AwsResource, _: Request) -> None:
    services.clusters[resource.id] = _inside(services, resource.id)
    group = ("AWS::Logs::LogGroup", f"/aws/eks/{resource.id}/cluster")
    if resource.properties.get("Logging") and group not in services.account.resources:
        services.account.taken[group] = f"EKS cluster {resource.id}"


def _before_cluster_update(_: Resources, resource: AwsResource, request: Request) -> None:
    """EKS upgrades one minor version at a time, and does not support downgrades."""
    before, after = (str(version.get("Version") or "") for version in (resource.properties, request.properties))
    if before and after and minor(after)[1] - minor(before)[1] not in (0, 1):
        raise Refused(f"Unsupported Kubernetes minor version update from {before} to {after}")


def _before_cluster_deletion(services: Resources, resource: AwsResource) -> None:
    if str(resource.properties.get("DeletionProtection", "")).lower() == "true":
        raise Refused(f"cluster {resource.id} has deletion protection")
    for hyperpod in services.account.of_kind("AWS::SageMaker::Cluster"):
        arn = hyperpod.properties.get("Orchestrator", {}).get("Eks", {}).get("ClusterArn")
        if arn in resource.names:
            path = f"{hyperpod.stack}.{hyperpod.name}"
            services.record.find(
                "HPR02",
                path,
                (f"EKS cluster {resource.id} is deleted before the HyperPod cluster {path} that runs on it"),
            )


def _after_cluster_deletion(services: Resources, resource: AwsResource) -> None:
    cluster = services.clusters.pop(resource.id)
    cluster.deleted = True
    for server in real_servers([cluster]):
        server.clear()
    for kind in ("AWS::EKS::AccessEntry", "AWS::EKS::Addon", "AWS::EKS::PodIdentityAssociation"):
        for part in services.account.of_kind(kind):
            if part.properties["ClusterName"] == resource.id:
                services.account.remove(part)


def _before_addon(services: Resources, request: Request) -> None:
    cluster = cluster_of(services, request.properties["ClusterName"])
    failure_text = cluster.missing(str(request.properties["AddonName"]))
    if failure_text:
        services.record.find("HPR02", request.path, failure_text)
    cluster.failure_text[request.path] = failure_text


def _after_addon_creation(services: Resources, resource: AwsResource, request: Request) -> Steps:
    cluster = cluster_of(services, resource.properties["ClusterName"])
    failure_text = cluster.failure_text.pop(request.path, "")
    yield from cluster.install(Installed(str(resource.properties["AddonName"])), request.path, failure_text)


def _after_addon_update(services: Resources, resource: AwsResource, _: Request) -> Steps:
    cluster = cluster_of(services, resource.properties["ClusterName"])
    installed = cluster.addons.get(str(resource.properties["AddonName"]))
    if installed is not None:
        installed.status = "ACTIVE" if installed.ready else installed.status
    yield 1.0


def _after_addon_deletion(services: Resources, resource: AwsResource) -> None:
    name = str(resource.properties["AddonName"])
    cluster = services.clusters.get(str(resource.properties["ClusterName"]))
    if cluster is not None:
        cluster.remove(name, str(resource.properties.get("PreserveOnDelete", "")).lower() == "true")


def _before_addon_deletion(services: Resources, resource: AwsResource) -> None:
    name = str(resource.properties["AddonName"])
    cluster = services.clusters.get(str(resource.properties["ClusterName"]))
    path = f"{resource.stack}.{resource.name}"
    if cluster is None:
        return
    if name == "amazon-sagemaker-hyperpod-training-operator":
        for key in cluster.store.objects:
            if key[1] == "hyperpodpytorchjobs":
                services.record.find(
                    "HPR04", path, f"the training operator is deleted while the job {key[2]}/{key[3]} exists"
                )
    for other in services.account.of_kind("AWS::EKS::Addon"):
        if other is not resource and other.properties["ClusterName"] == resource.properties["ClusterName"]:
            from ...core.catalog import find_addon

            known = find_addon(str(other.properties["AddonName"]))
            if known is not None and name in known.prerequisites:
                services.record.find("HPR02", path, f"{name} is deleted while {known.name}, which requires it, exists")


def _before_association(services: Resources, request: Request) -> None:
    role = str(request.properties["RoleArn"])
    resource = services.account.find(CLUSTER, request.properties["ClusterName"])
    source = str(resource.attributes["Arn"]) if resource is not None else ""
    if not trusts(services.account, role, "pods.eks.amazonaws.com", source):
        raise Refused(
            f"The trust policy of role {role} does not allow pods.eks.amazonaws.com to assume it for {source}"
        )
    for other in services.account.of_kind("AWS::EKS::PodIdentityAssociation"):
        same = ("ClusterName", "Namespace", "ServiceAccount")
        if all(other.properties[name] == request.properties[name] for name in same):
            raise Refused("Association already exists: " + "/".join(str(request.properties[name]) for name in same))


MODELS |= {
    CLUSTER: Model(
        before_create=_before_cluster,
        after_create=_after_cluster_creation,
        before_update=_before_cluster_update,
        before_delete=_before_cluster_deletion,
        after_delete=_after_cluster_deletion,
    ),
    "AWS::EKS::Addon": Model(
        before_create=_before_addon,
        after_create=_after_addon_creation,
        after_update=_after_addon_update,
        before_delete=_before_addon_deletion,
        after_delete=_after_addon_deletion,
    ),
    "AWS::EKS::PodIdentityAssociation": Model(before_create=_before_association),
}
