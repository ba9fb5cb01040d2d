"""An account without any findings, for tests that introduce one problem."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from fake_aws import AwsFault, FakeAws

from hyperpod_constructs.core.catalog import find_addon, use_clock
from hyperpod_constructs.core.findings import Finding
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.live.preflight import preflight

ACCOUNT = "111122223333"
REGION = "us-west-2"
TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/HyperPodNodes"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0e1a"
PLAN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-plan/big"
EKS_ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shared"

QUOTAS = {
    "ml.m5.4xlarge for cluster usage": 10,
    "ml.p5.48xlarge for cluster usage": 8,
    "ml.p5en.48xlarge for cluster usage": 2,
    "ml.p5.48xlarge for cluster spot instance usage": 4,
    "Maximum number instances allowed per SageMaker HyperPod cluster": 20,
    "Total number of instances allowed across SageMaker HyperPod clusters": 30,
    "Total number of Spot instances allowed across SageMaker HyperPod clusters": 4,
    "Maximum size of EBS volume in GB for a SageMaker HyperPod cluster instance": 1024,
    "Maximum total FSx Lustre capacity in TiB across HyperPod restricted instance groups": 10,
}
CALENDAR = {
    "1.36": ("2026-06-02", "2027-08-02", "2028-08-02", "STANDARD_SUPPORT"),
    "1.35": ("2026-01-27", "2027-03-27", "2028-03-27", "STANDARD_SUPPORT"),
    "1.34": ("2025-10-02", "2026-12-02", "2027-12-02", "STANDARD_SUPPORT"),
    "1.33": ("2025-05-29", "2026-07-29", "2027-07-29", "EXTENDED_SUPPORT"),
    "1.31": ("2024-09-26", "2025-11-26", "2026-11-26", "EXTENDED_SUPPORT"),
}
ADDONS = {
    "amazon-sagemaker-hyperpod-training-operator": {
        "v1.3.0-eksbuild.1": ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36"]
    },
    "amazon-sagemaker-hyperpod-taskgovernance": {"v1.6.1-eksbuild.1": ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36"]},
    "amazon-sagemaker-hyperpod-observability": {"v1.2.0-eksbuild.3": ["1.32", "1.33", "1.34", "1.35", "1.36"]},
}


def quotas(values: dict[str, float], service: str = "sagemaker") -> dict[str, Any]:
    entries = [
        {
            "ServiceCode": service,
            "QuotaCode": f"L-{index:08d}",
            "QuotaName": name,
            "Value": float(value),
            "Adjustable": True,
        }
        for index, (name, value) in enumerate(values.items())
    ]
    return {"Quotas": entries}


def calendar(versions: dict[str, tuple[str, str, str, str]] = CALENDAR) -> dict[str, Any]:
    return {
        "clusterVersions": [
            {
                "clusterVersion": version,
                "releaseDate": datetime.fromisoformat(f"{released}T00:00:00+00:00"),
                "endOfStandardSupportDate": datetime.fromisoformat(f"{standard}T00:00:00+00:00"),
                "endOfExtendedSupportDate": datetime.fromisoformat(f"{extended}T00:00:00+00:00"),
                "versionStatus": status,
                "defaultVersion": version == "1.35",
            }
            for version, (released, standard, extended, status) in versions.items()
        ]
    }


def addon_versions(addons: dict[str, dict[str, list[str]]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """By default any other add-on has the catalog's versions, or one for every Kubernetes version."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        name = request["addonName"]
        minors = [*CALENDAR, "1.32"]
        known = find_addon(name)
        covered = {item.version: [k for k in minors if item.covers(k)] for item in known.versions} if known else {}
        versions = addons.get(name, covered if any(covered.values()) else {"v9.9.9-eksbuild.1": minors})
        return {
            "addons": [
                {
                    "addonName": name,
                    "addonVersions": [
                        {
                            "addonVersion": version,
                            "compatibilities": [
                                {"clusterVersion": item, "defaultVersion": True} for item in kubernetes
                            ],
                        }
                        for version, kubernetes in versions.items()
                    ],
                }
            ]
            if versions
            else []
        }

    return answer


def hyperpod(name: str, groups: list[dict[str, Any]], **overrides: Any) -> dict[str, Any]:
    return {
        "ClusterArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:cluster/{name.lower()[:12]:a<12}",
        "ClusterName": name,
        "ClusterStatus": "InService",
        "InstanceGroups": groups,
        **overrides,
    }


def has_clusters(aws: FakeAws, *clusters: dict[str, Any]) -> None:
    by_name = {cluster["ClusterName"]: cluster for cluster in clusters}
    summaries = [
        {"ClusterArn": c["ClusterArn"], "ClusterName": name, "CreationTime": NOW, "ClusterStatus": c["ClusterStatus"]}
        for name, c in by_name.items()
    ]

    def describe(request: dict[str, Any]) -> dict[str, Any]:
        if request["ClusterName"] not in by_name:
            raise AwsFault("ResourceNotFound", "no such cluster")
        return by_name[request["ClusterName"]]

    aws.on("sagemaker", "ListClusters", {"ClusterSummaries": summaries})
    aws.on("sagemaker", "DescribeCluster", describe)
    aws.on("sagemaker", "ListClusterNodes", {"ClusterNodeSummaries": []})


def stack(
    name: str, *, platform: str | None = "research", status: str = "CREATE_COMPLETE", **overrides: Any
) -> dict[str, Any]:
    tags = [{"Key": "hyperpod-constructs:platform", "Value": platform}] if platform else []
    return {"StackName": name, "StackStatus": status, "CreationTime": NOW, "Tags": tags, **overrides}


def has_stacks(aws: FakeAws, *stacks: dict[str, Any], resources: dict[str, dict[str, str]] | None = None) -> None:
    """`resources` is stack name to physical id to type."""
    aws.on("cloudformation", "DescribeStacks", {"Stacks": list(stacks)})

    def listed(request: dict[str, Any]) -> dict[str, Any]:
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": f"R{index}",
                    "PhysicalResourceId": id_,
                    "ResourceType": type_,
                    "LastUpdatedTimestamp": NOW,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for index, (id_, type_) in enumerate((resources or {}).get(request["StackName"], {}).items())
            ]
        }

    aws.on("cloudformation", "ListStackResources", listed)


def subnet(id_: str, zone: str, **overrides: Any) -> dict[str, Any]:
    return {
        "SubnetId": id_,
        "VpcId": "vpc-1",
        "AvailabilityZoneId": zone,
        "CidrBlock": "10.1.0.0/16",
        "AvailableIpAddressCount": 60000,
        **overrides,
    }


def filtered(
    key: str, id_key: str, items: list[dict[str, Any]], filter_: str
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A Describe call of EC2 that supports one filter by id."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        values = next((f["Values"] for f in request.get("Filters", []) if f["Name"] == filter_), None)
        return {key: [item for item in items if values is None or item[id_key] in values]}

    return answer


def all_of_itself(id_: str) -> list[dict[str, Any]]:
    return [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": id_}]}]


def table(*routes: dict[str, Any], main: bool = True) -> dict[str, Any]:
    return {
        "RouteTables": [
            {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": main}], "Routes": list(routes)}
        ]
    }


NAT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}
S3_ROUTE = {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-s3", "State": "active"}


def group(id_: str, **overrides: Any) -> dict[str, Any]:
    itself = all_of_itself(id_)
    return {"GroupId": id_, "VpcId": "vpc-1", "IpPermissions": itself, "IpPermissionsEgress": itself, **overrides}


def eks(name: str = "shared", **overrides: Any) -> dict[str, Any]:
    network = {"vpcId": "vpc-1", "endpointPrivateAccess": True, "endpointPublicAccess": True}
    return {
        "cluster": {
            "name": name,
            "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}",
            "status": "ACTIVE",
            "version": "1.35",
            "endpoint": "https://127.0.0.1:1",
            "certificateAuthority": {"data": ""},
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
            "resourcesVpcConfig": network,
            **overrides,
        }
    }


def _shared(request: dict[str, Any]) -> dict[str, Any]:
    if request["name"] != "shared":
        raise AwsFault("ResourceNotFoundException", "no such cluster")
    return eks()


def healthy(aws: FakeAws) -> FakeAws:
    """Answers without findings, for both platforms."""
    aws.on("sts", "GetCallerIdentity", {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me", "UserId": "A"})
    aws.on("ssm", "GetParameter", {"Parameter": {"Value": "28"}})
    aws.on("iam", "SimulatePrincipalPolicy", allowed)
    has_stacks(aws)
    has_clusters(aws)
    service_quotas(aws)
    aws.on("ec2", "DescribeAvailabilityZones", {"AvailabilityZones": [_zone(f"usw2-az{n}") for n in (1, 2, 3)]})
    aws.on("ec2", "DescribeInstanceTypeOfferings", offers())
    aws.on(
        "ec2",
        "DescribeNetworkInterfaces",
        {"NetworkInterfaces": [{"NetworkInterfaceId": f"eni-{n}"} for n in range(9)]},
    )
    aws.on("ec2", "DescribeVpcs", filtered("Vpcs", "VpcId", [{"VpcId": "vpc-1"}], "vpc-id"))
    aws.on("ec2", "DescribeInternetGateways", {"InternetGateways": []})
    aws.on("ec2", "DescribeAddresses", {"Addresses": []})
    has_network(aws)
    aws.on("eks", "DescribeClusterVersions", calendar())
    aws.on("eks", "DescribeAddonVersions", addon_versions(ADDONS))
    aws.on("eks", "DescribeCluster", _shared)
    installed(
        aws, {"vpc-cni": "v1.20.0-eksbuild.1", "kube-proxy": "v1.35.0-eksbuild.1", "coredns": "v1.12.0-eksbuild.1"}
    )
    aws.on("eks", "ListAccessEntries", {"accessEntries": []})
    aws.on("logs", "DescribeLogGroups", {"logGroups": []})
    aws.on("iam", "GetRole", lambda request: role(f"arn:aws:iam::{ACCOUNT}:role/{request['RoleName']}"))
    return aws


def service_quotas(aws: FakeAws, **changes: dict[str, float]) -> None:
    """Quotas by service, some of them changed."""
    by_service = {
        "sagemaker": QUOTAS,
        "vpc": {"Network interfaces per Region": 5000, "VPCs per Region": 5, "Internet gateways per Region": 5},
        "ec2": {"EC2-VPC Elastic IPs": 5},
    }
    aws.on(
        "service-quotas",
        "ListServiceQuotas",
        lambda request: quotas(
            by_service[request["ServiceCode"]] | changes.get(request["ServiceCode"], {}), request["ServiceCode"]
        ),
    )


def _zone(id_: str) -> dict[str, Any]:
    return {"ZoneId": id_, "ZoneName": id_, "State": "available", "ZoneType": "availability-zone"}


def offers(**where: list[str]) -> dict[str, Any]:
    zones = {
        "m5.4xlarge": ["usw2-az1", "usw2-az2"],
        "p5.48xlarge": ["usw2-az2"],
        "p5en.48xlarge": ["usw2-az2"],
        **where,
    }
    return {
        "InstanceTypeOfferings": [
            {"InstanceType": kind, "LocationType": "availability-zone-id", "Location": zone}
            for kind, zone_names in zones.items()
            for zone in zone_names
        ]
    }


def allowed(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "EvaluationResults": [
            {"EvalActionName": action_name, "EvalDecision": "allowed"} for action_name in request["ActionNames"]
        ]
    }


def denying(*actions: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        decide = {True: "implicitDeny", False: "allowed"}
        return {
            "EvaluationResults": [
                {"EvalActionName": action_name, "EvalDecision": decide[action_name in actions]}
                for action_name in request["ActionNames"]
            ]
        }

    return answer


def has_network(
    aws: FakeAws, *, subnets: list[dict[str, Any]] | None = None, groups: list[dict[str, Any]] | None = None
) -> None:
    subnets = subnets or [subnet("subnet-a", "usw2-az1"), subnet("subnet-b", "usw2-az2")]
    aws.on("ec2", "DescribeSubnets", filtered("Subnets", "SubnetId", subnets, "subnet-id"))
    groups = [group("sg-nodes")] if groups is None else groups
    aws.on("ec2", "DescribeSecurityGroups", filtered("SecurityGroups", "GroupId", groups, "group-id"))
    aws.on("ec2", "DescribeRouteTables", table(NAT))
    aws.on("ec2", "DescribeVpcEndpoints", {"VpcEndpoints": []})
    aws.on(
        "ec2",
        "DescribeVpcAttribute",
        lambda request: {request["Attribute"][0].upper() + request["Attribute"][1:]: {"Value": True}},
    )


def installed(aws: FakeAws, versions: dict[str, str], **extra: dict[str, Any]) -> None:
    versions = {"eks-pod-identity-agent": "v1.4.0-eksbuild.1", **versions}
    aws.on("eks", "ListAddons", {"addons": list(versions)})
    aws.on(
        "eks",
        "DescribeAddon",
        lambda request: {
            "addon": {
                "addonName": request["addonName"],
                "addonVersion": versions[request["addonName"]],
                "status": "ACTIVE",
                **extra.get(request["addonName"].replace("-", "_"), {}),
            }
        },
    )


def trust(*services: str) -> str:
    import json
    from urllib.parse import quote

    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return quote(json.dumps({"Version": "2012-10-17", "Statement": statement}))


def role(arn: str, trusted: str = "sagemaker.amazonaws.com") -> dict[str, Any]:
    name = arn.rpartition("/")[2]
    return {
        "Role": {
            "Path": "/",
            "RoleName": name,
            "RoleId": "AROA1234567890ABC",
            "Arn": arn,
            "CreateDate": NOW,
            "AssumeRolePolicyDocument": trust(trusted),
        }
    }


def look(aws: FakeAws, platform: Platform, *, shared: bool = True, **options: Any) -> list[Finding]:
    with use_clock(TODAY):
        session = aws.session(shared=shared)
        return preflight(
            platform, session=session, **{"attempts": 1, "read_seconds": 120.0, "deadline_seconds": 300.0, **options}
        )


def finding_of(findings: list[Finding], rule: str) -> Finding:
    """Returns the only finding of a rule."""
    found = [finding for finding in findings if finding.rule == rule]
    assert len(found) == 1, [str(finding) for finding in findings]
    return found[0]


def ids(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]
