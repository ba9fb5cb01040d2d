"""HyperPod: clusters, nodes that join if their requirements are met, scheduler configs and compute quotas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.catalog import allowed as allowed_values
from ...core.catalog import deployment_wait
from .account import ANYTHING, AwsResource, Refused
from .addon_objects import KARPENTER
from .eks import cluster_of
from .iam import allowed, attached, has_managed, trusts
from .jobs import running_jobs
from .kubernetes import KubernetesCluster
from .network import egress_routes
from .resources import MODELS, Model, Request, Resources
from .stack import same
from .world import Steps

CLUSTER = "AWS::SageMaker::Cluster"
_INSTANCE_POLICY = "AmazonSageMakerClusterInstanceRolePolicy"
_NODE_ADDONS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")


def groups(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Instance groups and restricted instance groups."""
    yield from properties.get("InstanceGroups") or ()
    yield from properties.get("RestrictedInstanceGroups") or ()


def _count(group: Mapping[str, Any]) -> int:
    return int(group.get("InstanceCount", 0))


def _before_creation(services: Resources, request: Request) -> None:
    services.changing.add((request.stack, request.name))
    eks = request.properties["Orchestrator"]["Eks"]["ClusterArn"]
    cluster = cluster_of(services, eks)
    if cluster.owned and not cluster.has_release:
        services.record.find(
            "HPR02", request.path, "the HyperPod cluster is created before its dependency chart is installed"
        )
    for group in groups(request.properties):
        role = str(group["ExecutionRole"])
        if not trusts(services.account, role, "sagemaker.amazonaws.com"):
            raise Refused(f"SageMaker cannot assume the execution role {role} of group {group['InstanceGroupName']}")
    name = request.properties.get("ClusterName")
    for other in services.account.of_kind(CLUSTER):
        if name is not None and other.properties.get("ClusterName") == name:
            raise Refused(f"the cluster name {name} is already in use by {other.id}")


def _before_update(services: Resources, resource: AwsResource, request: Request) -> None:
    """Rejects changes of a cluster and of instance groups that UpdateCluster does not support."""
    mode = [cluster.get("NodeProvisioningMode") for cluster in (resource.properties, request.properties)]
    if mode[0] != mode[1]:
        raise Refused(f"NodeProvisioningMode cannot be changed from {mode[0]} to {mode[1]}")
    old = {str(group["InstanceGroupName"]): group for group in groups(resource.properties)}
    for group in groups(request.properties):
        name = str(group["InstanceGroupName"])
        for part in allowed_values("immutable_of_instance_group") if name in old else ():
            before, after = old[name].get(part), group.get(part)
            if not same(before, after):
                raise Refused(f"instance group {name}: {part} cannot be changed from {before} to {after}")


def _after_creation(services: Resources, resource: AwsResource, _: Request) -> None:
    resource.state |= {"nodes": {}, "failures": {}}
    _scale(services, resource)
    _autoscaling(services, resource)


def _after_update(services: Resources, resource: AwsResource, _: Request) -> None:
    _scale(services, resource)
    _autoscaling(services, resource)


def _autoscaling(services: Resources, resource: AwsResource) -> None:
    """Installs Karpenter's kinds, some time after a cluster with autoscaling is in service."""
    if (resource.properties.get("AutoScaling") or {}).get("Mode") != "Enable":
        return
    cluster = cluster_of(services, resource.properties["Orchestrator"]["Eks"]["ClusterArn"])

    def install() -> None:
        for name in KARPENTER:
            cluster.define(name, {})

    services.world.after(services.timing.seconds(deployment_wait("autoscaling")), install)


def _type_of(group: Mapping[str, Any]) -> str:
    """Returns the instance type of a group's nodes; the first one of a flexible group."""
    if "InstanceType" in group:
        return str(group["InstanceType"])
    return str(group["InstanceRequirements"]["InstanceTypes"][0])


def _scale(services: Resources, resource: AwsResource) -> None:
    """Scales each group to its count."""
    cluster = cluster_of(services, resource.properties["Orchestrator"]["Eks"]["ClusterArn"])
    nodes: dict[str, list[str]] = resource.state["nodes"]
    before = Counter(map(_kind_of, cluster.nodes()))
    wanted = {str(group["InstanceGroupName"]): group for group in groups(resource.properties)}
    for name in [name for name in nodes if name not in wanted]:
        for node in nodes.pop(name):
            cluster.leave(node)
    for name, group in wanted.items():
        node_ids = nodes.setdefault(name, [])
        while len(node_ids) > _count(group):
            cluster.leave(node_ids.pop())
        for _ in range(_count(group) - len(node_ids)):
            node = f"hyperpod-i-{len(services.account.known_names):05d}{len(node_ids):03d}{name[:4]}"
            services.account.known_names.add(node)
            node_ids.append(node)
            services.world.start(_boot(services, resource, cluster, group, node))
    _interrupted(services, resource, cluster, before)


def _kind_of(node: Mapping[str, Any]) -> str:
    """The instance type of a node."""
    return str(node["metadata"]["labels"]["node.kubernetes.io/instance-type"])


def _interrupted(services: Resources, resource: AwsResource, cluster: KubernetesCluster, before: Counter[str]) -> None:
    """Reports running jobs whose nodes are removed."""
    after = Counter(map(_kind_of, cluster.nodes()))
    for name, kind, pods in running_jobs(cluster):
        if after[kind] < min(pods, before[kind]):
            services.record.find(
                "HPR04",
                f"{resource.stack}.{resource.name}",
                f"{before[kind] - after[kind]} of {before[kind]} nodes of {kind} are removed; the job {name} has {pods} "
                "pods on nodes of that type",
            )


def _boot(
    services: Resources, resource: AwsResource, cluster: KubernetesCluster, group: Mapping[str, Any], node: str
) -> Steps:
    """Boots one node, which requires network, role and scripts to start, and the node add-ons to become ready."""
    name = str(group["InstanceGroupName"])
    failure_text = next(_failure(services, resource, group), "")
    if name in services.timing.no_nodes:
        failure_text = "no capacity is available (injected)"
    yield services.timing.seconds(deployment_wait("node"), "node")
    if node not in resource.state["nodes"].get(name, ()):
        return
    if failure_text:
        resource.state["failures"][name] = failure_text
        services.record.find(
            "HPR02", f"{resource.stack}.{resource.name}", f"no node of group {name} can join: {failure_text}"
        )
        return
    missing = [name for name in _NODE_ADDONS if name not in cluster.addons]
    if missing:
        text = f"the nodes of group {name} are not ready: the add-ons {', '.join(missing)} are missing"
        resource.state["failures"][name] = text
        services.record.find("HPR02", f"{resource.stack}.{resource.name}", text)
        while any(name not in cluster.addons for name in _NODE_ADDONS):
            yield 30.0
            if cluster.deleted or resource.state.get("deleted"):
                return
    resource.state["failures"].pop(name, None)
    cluster.join(node, _type_of(group), resource.id)


def _failure(services: Resources, resource: AwsResource, group: Mapping[str, Any]) -> Iterator[str]:
    account, role = services.account, str(group["ExecutionRole"])
    owner = account.find("AWS::IAM::Role", role)
    if owner is not None and not has_managed(account, role, _INSTANCE_POLICY) and not attached(account, owner):
        yield f"its execution role {owner.name} has no policy (yet)"
    vpc = group.get("OverrideVpcConfig") or resource.properties.get("VpcConfig") or {}
    for subnet in vpc.get("Subnets") or ():
        arn = f"arn:{account.partition}:ec2:{account.region}:{account.account}:subnet/{subnet}"
        subnet_resource = account.find("AWS::EC2::Subnet", subnet)
        prefix = arn.partition(":subnet/")[0]
        context = {} if subnet_resource is None else {"ec2:Vpc": f"{prefix}:vpc/{subnet_resource.properties['VpcId']}"}
        if owner is not None and not allowed(account, role, "ec2:CreateNetworkInterface", arn, context):
            yield f"its execution role lacks permission (yet) to create network interfaces in {subnet}"
        routes = egress_routes(account, subnet)
        if routes is not None and "internet" not in routes and not {"s3", "ecr.api"} <= routes:
            yield f"its subnet {subnet} has no route to ECR and S3 (yet)"
    for security_group in vpc.get("SecurityGroupIds") or ():
        arn = f"arn:{account.partition}:ec2:{account.region}:{account.account}:security-group/{security_group}"
        if owner is not None and not allowed(account, role, "ec2:CreateNetworkInterface", arn):
            yield f"its execution role lacks permission (yet) to create network interfaces with {security_group}"
        if not _allows_own_traffic(services, security_group):
            yield f"its security group {security_group} does not allow traffic between nodes (yet)"
    eks = str(resource.properties["Orchestrator"]["Eks"]["ClusterArn"])
    if owner is not None and not allowed(account, role, "eks-auth:AssumeRoleForPodIdentity", eks):
        yield "its execution role lacks permission (yet) to give pods credentials by pod identity"
    yield from _scripts(services, group, role)


def _allows_own_traffic(services: Resources, group: str) -> bool:
    resource = services.account.find("AWS::EC2::SecurityGroup", group)
    if resource is None:
        return True

    def inside(kind: str, other: str) -> bool:
        return any(
            rule.properties["GroupId"] == group and rule.properties.get(other) == group
            for rule in services.account.of_kind(kind)
        )

    return inside("AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId") and inside(
        "AWS::EC2::SecurityGroupEgress", "DestinationSecurityGroupId"
    )


def _scripts(services: Resources, group: Mapping[str, Any], role: str) -> Iterator[str]:
    config = group.get("LifeCycleConfig") or {}
    place, script = config.get("SourceS3Uri"), config.get("OnCreate")
    if not place or not script:
        return
    bucket, _, prefix = str(place).removeprefix("s3://").partition("/")
    key = f"{prefix.rstrip('/')}/{script}".lstrip("/")
    if not services.account.exists("AWS::S3::Bucket", bucket):
        yield f"the bucket of its lifecycle scripts, {bucket}, does not exist (yet)"
    if bucket in services.account.objects:
        if not {key, f"{prefix.rstrip('/')}/{ANYTHING}"} & services.account.objects[bucket]:
            yield f"its lifecycle script s3://{bucket}/{key} does not exist (yet)"
        elif not allowed(services.account, role, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            yield f"its execution role lacks permission (yet) to read its lifecycle script s3://{bucket}/{key}"


def _before_deletion(services: Resources, resource: AwsResource) -> None:
    for kind in ("AWS::SageMaker::ComputeQuota", "AWS::SageMaker::ClusterSchedulerConfig"):
        for part in services.account.of_kind(kind):
            if part.properties["ClusterArn"] == resource.id:
                raise Refused(f"the cluster has the {kind.rpartition('::')[2]} {part.id}: delete it first")


def _after_deletion(services: Resources, resource: AwsResource) -> None:
    resource.state["deleted"] = True
    for cluster in services.clusters.values():
        for nodes in resource.state.get("nodes", {}).values():
            for node in nodes:
                cluster.leave(node)


def _after_governance_creation(services: Resources, resource: AwsResource, _: Request) -> Steps:
    yield from govern(services, resource, exists=True)


def govern(services: Resources, resource: AwsResource, *, exists: bool) -> Steps:
    """Applies a scheduler config or a quota to Kueue, whose webhook must be available. Raises `Refused`."""
    hyperpod = services.account.find(CLUSTER, resource.properties["ClusterArn"])
    if hyperpod is None:
        return
    cluster = cluster_of(services, hyperpod.properties["Orchestrator"]["Eks"]["ClusterArn"])
    addon = cluster.addons.get("amazon-sagemaker-hyperpod-taskgovernance")
    if exists and (addon is None or not addon.ready):
        raise Refused(f"{resource.name}: CreateFailed: Kueue's webhook is not available (yet)")
    yield services.timing.seconds(deployment_wait("kueue"))
    team = (resource.properties.get("ComputeQuotaTarget") or {}).get("TeamName")
    if team:
        cluster.team(str(team), exists)


def _after_quota_deletion(services: Resources, resource: AwsResource) -> None:
    for _ in govern(services, resource, exists=False):
        pass


MODELS |= {
    CLUSTER: Model(
        before_create=_before_creation,
        after_create=_after_creation,
        before_update=_before_update,
        after_update=_after_update,
        before_delete=_before_deletion,
        after_delete=_after_deletion,
    ),
    "AWS::SageMaker::ComputeQuota": Model(after_create=_after_governance_creation, after_delete=_after_quota_deletion),
    "AWS::SageMaker::ClusterSchedulerConfig": Model(after_create=_after_governance_creation),
}
