"""Reads a HyperPod cluster and its related resources with read-only requests. Every request is in `CALLS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .operations.aws import Failure, FailureCause, config, failure, pages
from .operations.clusters import eks_name

CALLS: Mapping[str, str] = {
    "sagemaker:DescribeCluster": "the HyperPod cluster; required for any import",
    "sagemaker:ListTags": "tags of the cluster",
    "sagemaker:ListComputeQuotas": "teams",
    "sagemaker:DescribeComputeQuota": "compute quota of each team",
    "sagemaker:ListClusterSchedulerConfigs": "the cluster policy",
    "sagemaker:DescribeClusterSchedulerConfig": "priorities and fair share",
    "eks:DescribeCluster": "the EKS cluster",
    "eks:ListAddons": "add-ons",
    "eks:DescribeAddon": "version and configuration of each add-on",
    "eks:ListAccessEntries": "access entries",
    "eks:DescribeAccessEntry": "Kubernetes groups of each entry",
    "eks:ListAssociatedAccessPolicies": "access policies of each entry",
    "ec2:DescribeSubnets": "zone and CIDR of each subnet",
    "ec2:DescribeRouteTables": "route table of each subnet",
    "ec2:DescribeVpcs": "CIDRs of the VPC",
    "ec2:DescribeNatGateways": "whether the VPC has internet access",
    "fsx:DescribeFileSystems": "FSx for Lustre file systems in the VPC",
    "iam:ListOpenIDConnectProviders": "the OIDC provider of the EKS cluster",
    "cloudformation:DescribeStackResources": "the stack that contains the cluster",
}
"""IAM actions that an import requires, and their purposes."""

_ABSENT = (FailureCause.NOT_FOUND,)


@dataclass(slots=True)
class Deployed:
    """A deployed cluster and its related resources, in the formats of the services' responses.

    Attributes:
        cluster: response of SageMaker's DescribeCluster.
        tags: tags of the cluster.
        eks: the EKS cluster.
        addons: EKS add-ons.
        entries: access entries, each with `policies`.
        subnets: subnets that the clusters use.
        tables: route tables of the VPC.
        vpc: the VPC.
        nat_gateways: NAT gateways of the VPC.
        quotas: compute quotas of the cluster.
        scheduler: its scheduler configuration.
        file_systems: FSx for Lustre file systems in the VPC.
        oidc_provider_arn: provider of the EKS cluster's issuer.
        stack: CloudFormation stack of the cluster.
        failures: failed requests, without duplicates.
    """

    cluster: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    eks: dict[str, Any] = field(default_factory=dict)
    addons: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    subnets: list[dict[str, Any]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    vpc: dict[str, Any] = field(default_factory=dict)
    nat_gateways: list[dict[str, Any]] | None = None
    quotas: list[dict[str, Any]] = field(default_factory=list)
    scheduler: dict[str, Any] = field(default_factory=dict)
    file_systems: list[dict[str, Any]] = field(default_factory=list)
    oidc_provider_arn: str | None = None
    stack: str | None = None
    failures: dict[str, Failure] = field(default_factory=dict)


class _Reads:
    """Sends requests by IAM action. A failed request is recorded, and an empty response is returned."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._clients: dict[str, Any] = {}
        self.failures: dict[str, Failure] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service, config=config())
        return self._clients[service]

    def one(self, action: str, **params: Any) -> dict[str, Any]:
        """Returns the response of a request without pages."""
        found: dict[str, Any] = self._read(action, lambda api, operation: getattr(api, operation)(**params), {})
        return found

    def all(self, action: str, key: str, **params: Any) -> list[Any]:
        """Returns all items of a paged request."""
        found: list[Any] = self._read(action, lambda api, operation: pages(api, operation, key, **params), [])
        return found

    def _read(self, action: str, call: Any, nothing: Any) -> Any:
        assert action in CALLS, action
        service, _, name = action.partition(":")
        api = self.client(service)
        operation = next(method for method, found in api.meta.method_to_api_mapping.items() if found == name)
        try:
            return call(api, operation)
        except Exception as error:
            found = failure(error, action)
            if found is None:
                raise
            if found.cause not in _ABSENT:
                self.failures.setdefault(action, found)
            return nothing


def read(session: Any, cluster_name: str) -> Deployed:
    """Reads a HyperPod cluster and its related resources.

    Raises:
        botocore.exceptions.ClientError: the cluster itself cannot be described.
        ValueError: it is orchestrated by Slurm.
    """
    reads = _Reads(session)
    cluster = reads.client("sagemaker").describe_cluster(ClusterName=cluster_name)
    cluster.pop("ResponseMetadata", None)
    name = eks_name(cluster)
    if name is None:
        raise ValueError(f"{cluster_name} is orchestrated by Slurm; this project supports EKS orchestration only")
    found = Deployed(cluster=cluster, failures=reads.failures)
    arn = cluster["ClusterArn"]
    found.tags = {tag["Key"]: tag["Value"] for tag in reads.all("sagemaker:ListTags", "Tags", ResourceArn=arn)}
    _read_eks(reads, found, name)
    _read_network(reads, found)
    _read_governance(reads, found, arn)
    resources = reads.one("cloudformation:DescribeStackResources", PhysicalResourceId=arn).get("StackResources", ())
    found.stack = next((resource["StackName"] for resource in resources), None)
    return found


def _read_eks(reads: _Reads, found: Deployed, name: str) -> None:
    found.eks = reads.one("eks:DescribeCluster", name=name).get("cluster") or {"name": name}
    for addon in reads.all("eks:ListAddons", "addons", clusterName=name):
        response = reads.one("eks:DescribeAddon", clusterName=name, addonName=addon)
        found.addons.append(response.get("addon") or {"addonName": addon})
    for principal in reads.all("eks:ListAccessEntries", "accessEntries", clusterName=name):
        entry = reads.one("eks:DescribeAccessEntry", clusterName=name, principalArn=principal).get("accessEntry", {})
        policies = reads.all(
            "eks:ListAssociatedAccessPolicies", "associatedAccessPolicies", clusterName=name, principalArn=principal
        )
        found.entries.append({"principalArn": principal, **entry, "policies": policies})
    issuer = found.eks.get("identity", {}).get("oidc", {}).get("issuer", "").removeprefix("https://")
    providers = reads.one("iam:ListOpenIDConnectProviders").get("OpenIDConnectProviderList", ()) if issuer else ()
    found.oidc_provider_arn = next(
        (provider["Arn"] for provider in providers if provider["Arn"].endswith(f"/{issuer}")), None
    )


def _read_network(reads: _Reads, found: Deployed) -> None:
    ids = dict.fromkeys([*found.cluster.get("VpcConfig", {}).get("Subnets", ()), *_group_subnets(found.cluster)])
    vpc = found.eks.get("resourcesVpcConfig", {}).get("vpcId")
    if ids:
        found.subnets = reads.all("ec2:DescribeSubnets", "Subnets", SubnetIds=list(ids))
    vpc = vpc or next((subnet["VpcId"] for subnet in found.subnets), None)
    if vpc is None:
        return
    within = [{"Name": "vpc-id", "Values": [vpc]}]
    found.vpc = next(iter(reads.all("ec2:DescribeVpcs", "Vpcs", VpcIds=[vpc])), {"VpcId": vpc})
    found.tables = reads.all("ec2:DescribeRouteTables", "RouteTables", Filters=within)
    gateways = reads.all("ec2:DescribeNatGateways", "NatGateways", Filters=within)
    if "ec2:DescribeNatGateways" not in reads.failures:
        found.nat_gateways = [gateway for gateway in gateways if gateway.get("State") in (None, "available", "pending")]
    systems = reads.all("fsx:DescribeFileSystems", "FileSystems")
    found.file_systems = [
        file_system
        for file_system in systems
        if file_system.get("VpcId") == vpc and file_system.get("FileSystemType") == "LUSTRE"
    ]


def _group_subnets(cluster: Mapping[str, Any]) -> Sequence[str]:
    groups = [*cluster.get("InstanceGroups", ()), *cluster.get("RestrictedInstanceGroups", ())]
    return [subnet for group in groups for subnet in group.get("OverrideVpcConfig", {}).get("Subnets", ())]


def _read_governance(reads: _Reads, found: Deployed, arn: str) -> None:
    for quota in reads.all("sagemaker:ListComputeQuotas", "ComputeQuotaSummaries", ClusterArn=arn):
        response = reads.one("sagemaker:DescribeComputeQuota", ComputeQuotaId=quota["ComputeQuotaId"])
        found.quotas.append(response or quota)
    for config_ in reads.all(
        "sagemaker:ListClusterSchedulerConfigs", "ClusterSchedulerConfigSummaries", ClusterArn=arn
    ):
        identity = config_["ClusterSchedulerConfigId"]
        found.scheduler = reads.one("sagemaker:DescribeClusterSchedulerConfig", ClusterSchedulerConfigId=identity)
