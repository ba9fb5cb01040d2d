"""Closed networks: endpoints of the features in use, functions in the VPC, and no external references."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT, Assembly, read_assembly
from proving import every, proved

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.catalog import endpoints, endpoints_for
from hyperpod_constructs.core.closed import endpoint_services, outside
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.endpoint_policies import endpoint_policy, endpoints_without_policy
from hyperpod_constructs.core.spec import Network, Platform

EXAMPLE = ROOT / "examples" / "closed-network.yaml"
REGISTRY = "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"


def chart(folder: Path) -> None:
    """A placeholder for the vendored chart, whose content is not read during synthesis."""
    target = folder / "vendor" / "hyperpod-chart"
    target.mkdir(parents=True)
    (target / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("closed")
    chart(folder)
    config = folder / "closed-network.yaml"
    shutil.copyfile(EXAMPLE, config)
    loaded = load(config)
    assert loaded.platform is not None
    assert loaded.ok, [str(finding) for finding in loaded.findings]
    build([loaded.platform], context=cdk_context(), outdir=str(folder / "out")).synth()
    return read_assembly(folder / "out")


def services(assembly: Assembly) -> dict[str, str]:
    """Service to type of every endpoint."""
    found = {}
    for endpoint in assembly.resources("AWS::EC2::VPCEndpoint").values():
        properties = endpoint["Properties"]
        name = properties["ServiceName"]
        separator, parts = ("", [name]) if isinstance(name, str) else name["Fn::Join"]
        text = separator.join(part if isinstance(part, str) else "us-west-2" for part in parts)
        found[text.removeprefix("com.amazonaws.us-west-2.")] = properties["VpcEndpointType"]
    return found


def platform(**parts: Any) -> Platform:
    base = {"name": "a", "region": "us-west-2", "network": {"mode": "closed"}, "cluster": {}}
    return Platform.model_validate({**base, **parts})


# ---- the network ----


def test_a_closed_network_has_no_internet_access(closed: Assembly):
    for type_ in ("InternetGateway", "NatGateway", "EIP", "VPCGatewayAttachment", "Route"):
        assert not closed.resources(f"AWS::EC2::{type_}"), type_
    assert not any("Public" in name for name in closed.resources("AWS::EC2::Subnet"))


def test_the_endpoints_are_exactly_those_of_the_features_in_use(closed: Assembly):
    assert services(closed) == {endpoint.service: endpoint.type for endpoint in endpoints_for(["ebs"])}


def test_endpoints_admit_every_range_of_the_vpc(closed: Assembly):
    ranges = {block["Properties"]["CidrBlock"] for block in closed.resources("AWS::EC2::VPCCidrBlock").values()}
    ranges |= {vpc["Properties"]["CidrBlock"] for vpc in closed.resources("AWS::EC2::VPC").values()}
    admitted = {
        rule["Properties"]["CidrIp"]
        for rule in closed.resources("AWS::EC2::SecurityGroupIngress").values()
        if rule["Properties"].get("FromPort") == 443
    }
    assert admitted == ranges


def test_the_kubernetes_api_is_private_and_functions_run_in_the_vpc(closed: Assembly):
    config = closed.only("AWS::EKS::Cluster")["ResourcesVpcConfig"]
    assert (config["EndpointPrivateAccess"], config["EndpointPublicAccess"]) == (True, False)
    functions = closed.resources("AWS::Lambda::Function").values()
    own_functions = [
        f
        for f in functions
        if "handlers.kubernetes" in f["Properties"]["Handler"] or "helm" in f["Properties"]["Handler"]
    ]
    assert len(own_functions) == 4
    assert every(f["Properties"]["VpcConfig"]["SubnetIds"] for f in own_functions)


def test_functions_run_in_the_vpc_also_with_a_public_endpoint():
    from platform_parts import ZONES, make_cluster, synthesize

    network = Network(availability_zone_ids=ZONES, mode="closed")
    template = synthesize(lambda stack: make_cluster(stack, network=network) and None)
    functions = [f for f in template.of("AWS::Lambda::Function").values() if "handlers.kubernetes" in f["Handler"]]
    assert functions
    assert every("VpcConfig" in function for function in functions)


def test_the_order_is_proved_including_endpoints(closed: Assembly):
    proved(closed.folder, "endpoints-before-nodes", "endpoints-before-handlers")


# ---- what is fetched ----


def test_the_chart_is_an_asset_and_its_images_are_the_copies(closed: Assembly):
    release = closed.only("Custom::HyperPodHelmRelease")
    assert release["Chart"]["Kind"] == "asset"
    values = json.loads(release["Values"])
    assert values["nvidia-device-plugin"]["image"]["repository"] == f"{REGISTRY}/nvidia/k8s-device-plugin"
    assert values["mpi-operator"]["mpiOperator"]["image"]["repository"] == f"{REGISTRY}/mpioperator/mpi-operator"
    assert values["training-operators"]["image"]["repository"] == f"{REGISTRY}/kubeflow/training-operator"
    (operator,) = [insertion for insertion in release["Insertions"] if "training-operator" in insertion["Path"]]
    assert (operator["After"], operator["Line"]) == (
        "        - /manager",
        f"        - --pytorch-init-container-image={REGISTRY}/alpine:3.10",
    )


def test_nothing_in_the_templates_points_outside(closed: Assembly):
    assert outside(closed.templates) == []


def test_the_default_platform_does_point_outside(default: Assembly):
    hosts = {reference.host for reference in outside(default.templates)}
    assert hosts == {"codeload.github.com"}


@pytest.mark.parametrize(
    ("properties", "host"),
    [
        ({"Manifest": '[{"spec": {"image": "nvcr.io/nvidia/pytorch:1"}}]'}, "nvcr.io"),
        ({"Manifest": '[{"spec": {"image": "pytorch/pytorch:2"}}]'}, "docker.io"),
        ({"Values": '{"image": {"repository": "quay.io/a/b"}}'}, "quay.io"),
        ({"Values": '{"image": {"registry": "quay.io", "repository": "a/b"}}'}, "quay.io"),
        ({"Manifest": '[{"image": "public.ecr.aws/neuron/neuron-device-plugin:1"}]'}, "public.ecr.aws"),
        ({"Chart": {"Reference": "oci://registry.k8s.io/kueue/charts/kueue"}}, "registry.k8s.io"),
        ({"A": {"Fn::Join": ["", ["https://", {"Ref": "X"}, ".example.com/", {"Ref": "Y"}]]}}, "${}.example.com"),
    ],
)
def test_external_references_are_found(properties: dict[str, Any], host: str):
    found = outside({"S": {"Resources": {"R": {"Type": "Custom::X", "Properties": properties}}}})
    assert [reference.host for reference in found] == [host]


@pytest.mark.parametrize(
    "properties",
    [
        {"Manifest": '[{"spec": {"image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/a:1"}}]'},
        {"Values": '{"image": {"registry": "111122223333.dkr.ecr.us-west-2.amazonaws.com", "repository": "a/b"}}'},
        {"Manifest": {"Fn::Join": ["", ['{"image":"', {"Ref": "Repository"}, '/a:1"}']]}},
        {"Url": "https://sqs.us-west-2.amazonaws.com/1/q", "Url2": "https://x.api.aws/", "Url3": "http://a.b.svc/"},
        {"Description": "see https://docs.example.com"},
    ],
)
def test_internal_references_are_not_found(properties: dict[str, Any]):
    assert outside({"S": {"Resources": {"R": {"Type": "Custom::X", "Properties": properties}}}}) == []


def findings(tmp_path: Path, **parts: Any) -> set[tuple[str, str]]:
    """Rule and path of the findings in the example with additional dependencies, add-ons or jobs."""
    chart(tmp_path)
    content = yaml.safe_load(EXAMPLE.read_text())
    for name, overrides in parts.items():
        content[name] = overrides if isinstance(overrides, str) else {**content[name], **overrides}
    config = tmp_path / "closed-network.yaml"
    config.write_text(yaml.safe_dump(content))
    found = load(config).findings  # HP146 is a note about the example's training operator
    return {
        (finding.rule, finding.path) for finding in found if finding.rule.startswith("HP14") and finding.rule != "HP146"
    }


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({}, set()),
        ({"dependencies": {"cert_manager": True}}, {("HP141", "dependencies.cert_manager")}),
        ({"dependencies": {"inference_operators": True}}, {("HP141", "dependencies.inference_operators")}),
        (
            {"dependencies": {"image_registry": "111122223333.dkr.ecr.us-east-1.amazonaws.com/mirror"}},
            {("HP141", "dependencies.image_registry")},
        ),
        ({"dependencies": {"image_registry": "quay.io/mirror"}}, {("HP141", "dependencies.image_registry")}),
        ({"region": "us-east-2"}, {("HP141", "dependencies.image_registry"), ("HP143", "jobs[0].image")}),
        (
            {
                "addons": {
                    "observability": {
                        "grafana": {
                            "kind": "self-hosted",
                            "chart": {
                                "reference": "oci://ghcr.io/a/b",
                                "version": "1",
                                "digest": f"sha256:{'ab' * 32}",
                            },
                        }
                    }
                }
            },
            {
                ("HP144", "addons.observability.grafana.chart"),
                ("HP144", "addons.observability.grafana.values"),
            },
        ),
    ],
)
def test_external_downloads_are_an_error(parts: dict[str, Any], found: set[tuple[str, str]], tmp_path: Path):
    assert findings(tmp_path, **parts) == found


# ---- endpoints by feature ----

KEY = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"
ENCRYPTED = {"name": "a", "instance_type": "ml.m5.xlarge", "count": 1, "volume": {"size_gib": 1, "kms_key_arn": KEY}}


@pytest.mark.parametrize(
    ("parts", "extra"),
    [
        ({}, set()),
        ({"addons": {"observability": {}}}, {"aps-workspaces", "grafana-workspace"}),
        ({"addons": {"fsx_csi": {}}}, {"fsx"}),
        ({"addons": {"inference_operator": {}}}, {"fsx", "elasticloadbalancing", "acm", "secretsmanager"}),
        ({"cluster": {"instance_groups": [ENCRYPTED]}}, {"kms"}),
        ({"eks": {"secrets_key_arn": KEY}}, {"kms"}),
        (
            {
                "cluster": {
                    "restricted_instance_groups": [
                        {"name": "r", "instance_type": "ml.p5.48xlarge", "count": 1, "reward_functions": True}
                    ]
                }
            },
            {"lambda", "sqs"},
        ),
    ],
)
def test_a_feature_adds_its_endpoints(parts: dict[str, Any], extra: set[str]):
    base = {endpoint.service for endpoint in endpoints_for([])}
    assert set(endpoint_services(platform(**parts))) - base == extra


def test_an_open_network_and_an_existing_one_get_none_by_themselves():
    assert endpoint_services(platform(network={"mode": "open"})) == []
    existing = {"vpc_id": "vpc-1", "node_subnets": [{"subnet_id": "subnet-1", "availability_zone_id": "usw2-az1"}]}
    assert endpoint_services(platform(network={"mode": "closed", "existing": existing})) == []


# ---- policies of endpoints ----


def test_every_endpoint_of_a_closed_network_has_a_policy(closed: Assembly) -> None:
    assert len(closed.resources("AWS::EC2::VPCEndpoint")) > 10
    assert endpoints_without_policy(closed.templates) == []


def test_an_endpoint_without_a_policy_is_found(closed: Assembly) -> None:
    (name, endpoint), *_ = closed.resources("AWS::EC2::VPCEndpoint").items()
    without = {**endpoint, "Properties": {k: v for k, v in endpoint["Properties"].items() if k != "PolicyDocument"}}
    allow_all = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    opened = {**endpoint, "Properties": {**endpoint["Properties"], "PolicyDocument": allow_all}}
    for changed in (without, opened):
        assert endpoints_without_policy({"Network": {"Resources": {name: changed}}}) == [f"Network.{name}"]


def test_endpoints_of_an_open_network_are_as_they_were(default: Assembly) -> None:
    endpoints = default.resources("AWS::EC2::VPCEndpoint").values()
    assert endpoints
    assert every("PolicyDocument" not in endpoint["Properties"] for endpoint in endpoints)


@pytest.mark.parametrize("service", sorted(endpoints()))
def test_a_policy_allows_principals_of_the_account_to_access_its_resources(service: str) -> None:
    policy = endpoint_policy(service, account="111122223333", region="us-west-2", accounts=["444455556666"])
    own_resources, services, *reading = policy["Statement"]
    accounts = ["111122223333", "444455556666"]
    assert own_resources["Condition"] == {
        "StringEquals": {"aws:PrincipalAccount": accounts},
        "StringEqualsIfExists": {"aws:ResourceAccount": accounts},
    }
    assert services["Condition"] == {"Bool": {"aws:PrincipalIsAWSService": "true"}}
    for statement in reading:  # no write access to resources that AWS owns
        verbs = [action.partition(":")[2] for action in statement["Action"]]
        assert every(verb.startswith(("Get", "BatchGet", "BatchCheck", "Describe", "AssumeRoleWith")) for verb in verbs)
        assert "*" not in statement["Resource"]


def test_principals_of_an_organization_are_allowed() -> None:
    policy = endpoint_policy("s3", account="1", region="us-west-2", organization_id="o-a1b2c3d4e5")
    (statement,) = [item for item in policy["Statement"] if item["Sid"] == "OwnOrganization"]
    assert statement["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}


def test_layers_of_images_and_web_identities_are_reached() -> None:
    s3 = endpoint_policy("s3", account="1", region="us-west-2")["Statement"][-1]
    assert "arn:aws:s3:::prod-us-west-2-starport-layer-bucket/*" in s3["Resource"]
    assert "Condition" not in s3
    sts = endpoint_policy("sts", account="1", region="us-west-2")["Statement"][-1]
    assert sts["Resource"] == ["arn:aws:iam::1:role/*"]
