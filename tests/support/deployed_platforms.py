"""Responses of AWS about a deployed platform, of this project or another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fake_aws import FakeAws

from hyperpod_constructs.core.cluster_properties import GroupPlacement, cluster_properties
from hyperpod_constructs.core.governance_properties import compute_quota_properties, scheduler_config_properties
from hyperpod_constructs.core.network_plan import control_plane_zones, default_zone, plan, zones_of
from hyperpod_constructs.core.spec import ADDON_NAMES, Platform
from hyperpod_constructs.core.spec.eks import ACCESS_POLICIES
from hyperpod_constructs.core.stack_names import PLATFORM_TAG

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
VPC = "vpc-0123456789abcdef0"
GROUP = "sg-0123456789abcdef0"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def described(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group as DescribeCluster returns it, from its properties."""
    found = dict(group)
    found["TargetCount"] = found["CurrentCount"] = found.pop("InstanceCount")
    if "MinInstanceCount" in found:
        found["MinCount"] = found.pop("MinInstanceCount")
    if "InstanceRequirements" in found:
        types = found.pop("InstanceRequirements")["InstanceTypes"]
        found["InstanceRequirements"] = {"DesiredInstanceTypes": types, "CurrentInstanceTypes": types}
    if "KubernetesConfig" in found:
        kubernetes_config = found.pop("KubernetesConfig")
        found["KubernetesConfig"] = {
            f"{when}{key}": kubernetes_config[key] for key in kubernetes_config for when in ("Current", "Desired")
        }
    found.pop("ImageReleaseVersion", None)
    found.pop("ImageId", None)
    return {**found, "Status": "InService"}


def deploy(aws: FakeAws, platform: Platform, *, own: bool = True) -> dict[str, Any]:
    """Make AWS answer as if the platform were deployed, by this project or another. Returns the cluster's description."""
    name, region = platform.name, platform.region
    tag = {PLATFORM_TAG: name} if own else {}
    cluster, eks = platform.completed_cluster, platform.completed_eks
    eks_name = eks.existing.cluster_name if eks.existing else eks.cluster_name or name
    eks_arn = f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{eks_name}"
    zones = zones_of(platform.network)
    subnets = {zone: f"subnet-0123456789abcdef{index}" for index, zone in enumerate(zones)}
    first = default_zone(platform.network)
    lifecycle = {"SourceS3Uri": f"s3://{name.lower()}-lifecycle-0a1b/scripts", "OnCreate": "on_create.sh"}
    scripts = {**lifecycle} if own else {"SourceS3Uri": "s3://scripts-of-theirs/nodes", "OnCreate": "on_create.sh"}
    placements = {
        group.name: GroupPlacement(
            subnet_ids=list(group.subnet_ids) or [subnets[group.availability_zone_id or first]],
            security_group_ids=[GROUP, *group.security_group_ids],
            execution_role_arn=group.execution_role_arn
            or cluster.execution_role_arn
            or role(f"{name}-HyperPod-{group.name}" if own else "TheirNodes"),
            lifecycle=scripts,
        )
        for group in cluster.groups
    }
    properties = cluster_properties(
        cluster,
        eks_cluster_arn=eks_arn,
        subnet_ids=[subnets[zone] for zone in control_plane_zones(platform.network)],
        security_group_ids=[GROUP],
        placements=placements,
        cluster_role_arn=role(f"{name}-HyperPod-Karpenter"),
    )
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:cluster/abcdefghijkl"
    tags = {**{item["Key"]: item["Value"] for item in properties.pop("Tags", [])}, **tag}
    answer: dict[str, Any] = {
        **{key: value for key, value in properties.items() if key not in cluster.properties},
        "ClusterArn": arn,
        "ClusterName": cluster.cluster_name or name,
        "ClusterStatus": "InService",
        "InstanceGroups": [described(instance_group) for instance_group in properties.get("InstanceGroups", [])],
        "RestrictedInstanceGroups": [described(item) for item in properties.get("RestrictedInstanceGroups", [])],
    }
    if "AutoScaling" in answer:
        answer["AutoScaling"] = {**answer["AutoScaling"], "Status": "InService"}
    shared = answer.pop("RestrictedInstanceGroupsConfig", None)
    if shared:
        environment_config = shared["SharedEnvironmentConfig"]
        answer["RestrictedInstanceGroupsConfig"] = {
            "SharedEnvironmentConfig": {"CurrentFSxLustreConfig": environment_config["FSxLustreConfig"]}
        }
    aws.on("sagemaker", "DescribeCluster", answer)
    aws.on("sagemaker", "ListTags", {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})
    _network(aws, platform, subnets, tag)
    _eks(aws, platform, eks_name, subnets, tag)
    _governance(aws, platform, arn)
    aws.on("fsx", "DescribeFileSystems", {"FileSystems": []})
    aws.on("cloudformation", "DescribeStackResources", {"StackResources": []})
    return answer


def _network(aws: FakeAws, platform: Platform, subnets: Mapping[str, str], tag: Mapping[str, str]) -> None:
    network = platform.network
    blocks = [network.vpc_cidr]
    if network.existing is None:
        planned = plan(network)
        blocks += planned.secondary_cidrs
        ranges = {subnet.availability_zone_id: subnet.cidr for subnet in planned.of_kind("node")}
    else:
        ranges = {zone: f"10.{index + 1}.0.0/16" for index, zone in enumerate(subnets)}
    answer = [
        {"SubnetId": subnets[zone], "AvailabilityZoneId": zone, "CidrBlock": ranges[zone], "VpcId": VPC}
        for zone in subnets
    ]
    by_id = {item["SubnetId"]: item for item in answer}
    aws.on(
        "ec2",
        "DescribeSubnets",
        lambda request: {"Subnets": [by_id[subnet_id] for subnet_id in request["SubnetIds"] if subnet_id in by_id]},
    )
    vpc = {
        "VpcId": VPC,
        "CidrBlock": blocks[0],
        "CidrBlockAssociationSet": [{"CidrBlock": block} for block in blocks],
        "Tags": [{"Key": key, "Value": value} for key, value in tag.items()],
    }
    aws.on("ec2", "DescribeVpcs", {"Vpcs": [vpc]})
    associations = [{"SubnetId": item, "Main": False} for item in subnets.values()]
    tables = [
        {"RouteTableId": "rtb-0123456789abcdef0", "Associations": [{"Main": True}]},
        {"RouteTableId": "rtb-0123456789abcdef1", "Associations": associations[:1]},
    ]
    aws.on("ec2", "DescribeRouteTables", {"RouteTables": tables})
    gateways = {"single": 1, "per-zone": 2, "none": 0}[network.nat]
    aws.on("ec2", "DescribeNatGateways", {"NatGateways": [{"NatGatewayId": f"nat-{n}"} for n in range(gateways)]})


def _eks(aws: FakeAws, platform: Platform, name: str, subnets: Mapping[str, str], tag: Mapping[str, str]) -> None:
    eks = platform.completed_eks
    issuer = f"oidc.eks.{platform.region}.amazonaws.com/id/EXAMPLE"
    public, private = "public" in eks.endpoint_access, "private" in eks.endpoint_access
    answer: dict[str, Any] = {
        "name": name,
        "version": eks.version or "1.35",
        "tags": dict(tag),
        "identity": {"oidc": {"issuer": f"https://{issuer}"}},
        "resourcesVpcConfig": {
            "vpcId": VPC,
            "subnetIds": list(subnets.values())[:2],
            "clusterSecurityGroupId": "sg-0123456789abcdef9",
            "endpointPublicAccess": public,
            "endpointPrivateAccess": private,
            "publicAccessCidrs": list(eks.public_access_cidrs) or ["0.0.0.0/0"],
        },
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": eks.service_cidr or "172.20.0.0/16"},
        "logging": {"clusterLogging": [{"types": list(eks.logs), "enabled": True}]},
        "upgradePolicy": {"supportType": eks.support},
        "deletionProtection": eks.deletion_protection,
    }
    if eks.secrets_key_arn:
        answer["encryptionConfig"] = [{"resources": ["secrets"], "provider": {"keyArn": eks.secrets_key_arn}}]
    aws.on("eks", "DescribeCluster", {"cluster": answer})
    names = {key: ADDON_NAMES[key] for key in platform.addons.effective() if key in ADDON_NAMES}
    versions = {ADDON_NAMES[key]: getattr(platform.addons.effective()[key], "version", None) for key in names}
    aws.on("eks", "ListAddons", {"addons": list(names.values())})

    def addon(request: dict[str, Any]) -> dict[str, Any]:
        found = {"addonName": request["addonName"], "configurationValues": '{"replicaCount": 3}'}
        version = versions[request["addonName"]]
        return {"addon": {**found, "addonVersion": version} if version else found}

    aws.on("eks", "DescribeAddon", addon)
    policies: dict[str, list[dict[str, Any]]] = {}
    groups: dict[str, list[str]] = {}
    for principal in eks.admins:
        policies.setdefault(principal, []).append(policy("cluster-admin"))
    for access in eks.access:
        policies.setdefault(access.principal, []).append(policy(access.policy, access.namespaces))
    for team in platform.governance.teams if platform.governance else ():
        for index, principals in enumerate((team.members, team.viewers)):
            for principal in principals:
                policies.setdefault(principal, []).append(policy("view", [team.namespace]))
                groups.setdefault(principal, []).append(team.groups[index])
    policies[role(f"{platform.name}-Eks-Functions")] = [policy("cluster-admin")]
    aws.on("eks", "ListAccessEntries", {"accessEntries": list(policies)})
    aws.on(
        "eks",
        "DescribeAccessEntry",
        lambda request: {
            "accessEntry": {
                "principalArn": request["principalArn"],
                "type": "STANDARD",
                "kubernetesGroups": groups.get(request["principalArn"], []),
            }
        },
    )
    aws.on(
        "eks",
        "ListAssociatedAccessPolicies",
        lambda request: {"associatedAccessPolicies": policies[request["principalArn"]]},
    )
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
    aws.on("iam", "ListOpenIDConnectProviders", {"OpenIDConnectProviderList": [{"Arn": provider}]})


def policy(name: str, namespaces: Any = ()) -> dict[str, Any]:
    scope = {"type": "namespace", "namespaces": list(namespaces)} if namespaces else {"type": "cluster"}
    return {
        "policyArn": f"arn:aws:eks::aws:cluster-access-policy/{ACCESS_POLICIES[name]}",
        "accessScope": scope,
    }


def _governance(aws: FakeAws, platform: Platform, arn: str) -> None:
    governance = platform.governance
    quotas = {}
    for index, team in enumerate(governance.teams if governance else ()):
        identity = f"abcdefghij{index:02d}"
        properties = compute_quota_properties(team, name=team.name, cluster_arn=arn)
        properties.pop("Tags", None)
        quotas[identity] = {
            **properties,
            "ComputeQuotaId": identity,
            "ComputeQuotaArn": f"arn:aws:sagemaker:{platform.region}:{ACCOUNT}:compute-quota/{identity}",
            "ComputeQuotaVersion": 1,
            "Status": "Created",
            "CreationTime": NOW,
        }
    summary = ("ComputeQuotaId", "ComputeQuotaArn", "Name", "Status", "ComputeQuotaTarget", "CreationTime")
    summaries = [{key: quota[key] for key in summary} for quota in quotas.values()]
    aws.on("sagemaker", "ListComputeQuotas", {"ComputeQuotaSummaries": summaries})
    aws.on("sagemaker", "DescribeComputeQuota", lambda request: quotas[request["ComputeQuotaId"]])
    if governance is None:
        aws.on("sagemaker", "ListClusterSchedulerConfigs", {"ClusterSchedulerConfigSummaries": []})
        return
    config = scheduler_config_properties(governance.scheduler, name="policy", cluster_arn=arn)
    config.pop("Tags", None)
    identity = {
        "ClusterSchedulerConfigId": "abcdefghijkl",
        "ClusterSchedulerConfigArn": f"arn:aws:sagemaker:{platform.region}:{ACCOUNT}:cluster-scheduler-config/abcdefghijkl",
        "Name": "policy",
        "Status": "Created",
        "CreationTime": NOW,
    }
    aws.on("sagemaker", "ListClusterSchedulerConfigs", {"ClusterSchedulerConfigSummaries": [identity]})
    aws.on("sagemaker", "DescribeClusterSchedulerConfig", {**config, **identity, "ClusterSchedulerConfigVersion": 1})
