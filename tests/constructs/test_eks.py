"""The EKS control plane: the effect of each option, and an existing control plane."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks_v2
from platform_parts import KEY, SYSTEM, ZONES, Synthesized, make_cluster, synthesize
from proving import every

from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.eks import HyperPodEks
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.core.catalog import default_kubernetes_version
from hyperpod_constructs.core.spec import Addons, Eks, Network

pytestmark = pytest.mark.slow

NEW = Network(availability_zone_ids=ZONES)
BROUGHT = Network.model_validate(
    {
        "existing": {
            "vpc_id": "vpc-0123456789abcdef0",
            "security_group_id": "sg-0123456789abcdef0",
            "node_subnets": [
                {"subnet_id": f"subnet-0123456789abcdef{i}", "availability_zone_id": zone}
                for i, zone in enumerate(ZONES)
            ],
        }
    }
)


def eks(*, addons: dict[str, Any] | None = None, outputs: bool = False, **options: Any) -> Synthesized:
    def build(stack):
        network = HyperPodNetwork(stack, "Network", network=BROUGHT if "existing" in options else NEW)
        spec = Eks.model_validate(options)
        HyperPodEks(
            stack, "Eks", network=network, eks=spec, addons=Addons.model_validate(addons or {}), outputs=outputs
        )

    return synthesize(build)


def cluster(template: Synthesized) -> dict[str, Any]:
    return template.only("AWS::EKS::Cluster")


@pytest.fixture(scope="module")
def default() -> Synthesized:
    return eks()


def test_the_default_version_is_the_catalogs_newest_that_hyperpod_documents(default: Synthesized):
    assert cluster(default)["Version"] == default_kubernetes_version().version


def test_the_eks_cluster_has_no_nodes_and_no_auto_mode(default: Synthesized):
    assert cluster(default)["ComputeConfig"] == {"Enabled": False}
    assert not default.of("AWS::EKS::Nodegroup")
    assert cluster(default)["BootstrapSelfManagedAddons"] is False


def test_defaults_of_security(default: Synthesized):
    access = cluster(default)["AccessConfig"]
    assert access["AuthenticationMode"] == "API_AND_CONFIG_MAP"
    assert access["BootstrapClusterCreatorAdminPermissions"] is False
    assert cluster(default)["UpgradePolicy"] == {"SupportType": "STANDARD"}
    assert "DeletionProtection" not in cluster(default)
    assert "EncryptionConfig" not in cluster(default)


def test_every_option_reaches_the_cluster():
    template = cluster(
        eks(
            kubernetes_version="1.34",
            cluster_name="mine",
            authentication_mode="API",
            endpoint_access="public-and-private",
            public_access_cidrs=["203.0.113.0/24"],
            logs=["api", "audit"],
            secrets_key_arn=KEY,
            service_cidr="172.20.0.0/16",
            support="EXTENDED",
            deletion_protection=True,
        )
    )
    assert (template["Version"], template["Name"]) == ("1.34", "mine")
    assert template["AccessConfig"]["AuthenticationMode"] == "API"
    assert template["ResourcesVpcConfig"]["PublicAccessCidrs"] == ["203.0.113.0/24"]
    assert {log["Type"] for log in template["Logging"]["ClusterLogging"]["EnabledTypes"]} == {"api", "audit"}
    assert template["EncryptionConfig"] == [{"Provider": {"KeyArn": KEY}, "Resources": ["secrets"]}]
    assert template["KubernetesNetworkConfig"]["ServiceIpv4Cidr"] == "172.20.0.0/16"
    assert template["UpgradePolicy"] == {"SupportType": "EXTENDED"}
    assert template["DeletionProtection"] is True


@pytest.mark.parametrize(
    ("access", "public", "private", "in_vpc"),
    [("public-and-private", True, True, False), ("private", False, True, True), ("public", True, False, False)],
)
def test_endpoint_access_determines_where_functions_run(access: str, public: bool, private: bool, in_vpc: bool):
    template = eks(endpoint_access=access)
    config = cluster(template)["ResourcesVpcConfig"]
    assert (config["EndpointPublicAccess"], config["EndpointPrivateAccess"]) == (public, private)
    functions = [f for f in template.of("AWS::Lambda::Function").values() if f["Handler"].startswith("handlers.")]
    assert functions
    assert {"VpcConfig" in function for function in functions} == {in_vpc}


def test_functions_run_inside_where_the_public_endpoint_is_open_to_some_only():
    template = eks(public_access_cidrs=["203.0.113.0/24"])
    functions = [f for f in template.of("AWS::Lambda::Function").values() if f["Handler"].startswith("handlers.")]
    assert functions
    assert {"VpcConfig" in function for function in functions} == {True}


def test_principals_get_access_entries():
    template = eks(
        admins=["arn:aws:iam::111122223333:role/Admin"],
        access=[
            {"principal": "arn:aws:iam::111122223333:role/Dev", "policy": "edit", "namespaces": ["research"]},
            {"principal": "arn:aws:iam::111122223333:role/Support", "policy": "view"},
        ],
    )
    found = {}
    for entry in template.of("AWS::EKS::AccessEntry").values():
        if isinstance(entry["PrincipalArn"], str):  # that of the deployment functions is a reference
            (policy,) = entry["AccessPolicies"]
            name = entry["PrincipalArn"].rpartition("/")[2]
            found[name] = (json.dumps(policy["PolicyArn"]), policy["AccessScope"])
    assert "AmazonEKSClusterAdminPolicy" in found["Admin"][0]
    assert "AmazonEKSEditPolicy" in found["Dev"][0]
    assert found["Dev"][1] == {"Namespaces": ["research"], "Type": "namespace"}
    assert found["Support"][1] == {"Type": "cluster"}


def test_core_add_ons_without_nodes_are_created_with_the_control_plane(default: Synthesized):
    addons = {a["AddonName"]: a for a in default.of("AWS::EKS::Addon").values()}
    assert set(addons) == {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"}
    assert every(a["PreserveOnDelete"] and a["ResolveConflicts"] == "OVERWRITE" for a in addons.values())


def test_a_core_add_on_can_be_configured_and_disabled():
    template = eks(
        addons={"vpc_cni": {"configuration": {"env": {"WARM_IP_TARGET": "1"}}}, "kube_proxy": {"enabled": False}}
    )
    addons = {a["AddonName"]: a for a in template.of("AWS::EKS::Addon").values()}
    assert set(addons) == {"vpc-cni", "eks-pod-identity-agent"}
    assert json.loads(addons["vpc-cni"]["ConfigurationValues"]) == {"env": {"WARM_IP_TARGET": "1"}}


def test_an_existing_cluster_gets_only_access_entries_and_requested_add_ons():
    template = eks(existing={"cluster_name": "mine"}, admins=["arn:aws:iam::111122223333:role/Admin"])
    assert not template.of("AWS::EKS::Cluster")
    assert not template.of("AWS::EKS::Addon")
    assert {e["ClusterName"] for e in template.of("AWS::EKS::AccessEntry").values()} == {"mine"}


def test_an_existing_cluster_can_have_its_core_add_ons_managed():
    template = eks(existing={"cluster_name": "mine", "core_addons": True}, kubernetes_version="1.35")
    assert len(template.of("AWS::EKS::Addon")) == 3


def test_nodes_and_an_existing_clusters_security_group_allow_each_other():
    template = eks(existing={"cluster_name": "mine", "security_group_id": "sg-0123456789abcdef1"})
    rules = template.of("AWS::EC2::SecurityGroupIngress").values()
    assert {(rule["GroupId"], rule["SourceSecurityGroupId"]) for rule in rules} == {
        ("sg-0123456789abcdef1", "sg-0123456789abcdef0"),
        ("sg-0123456789abcdef0", "sg-0123456789abcdef1"),
    }


def test_one_group_for_nodes_and_control_plane_needs_no_rules():
    template = eks(existing={"cluster_name": "mine", "security_group_id": "sg-0123456789abcdef0"})
    assert not template.of("AWS::EC2::SecurityGroupIngress")


def test_the_rules_are_created_before_nodes_and_functions_of_an_existing_cluster():
    options = {"existing": {"cluster_name": "mine", "security_group_id": "sg-0123456789abcdef1"}}
    spec = Eks.model_validate({**options, "endpoint_access": "private"})
    template = synthesize(lambda stack: make_cluster(stack, network=BROUGHT, eks=spec) and None)
    rules = set(template.of("AWS::EC2::SecurityGroupIngress"))
    assert len(rules) == 2
    for type_ in ("AWS::SageMaker::Cluster", "Custom::HyperPodKubernetesWait"):
        (later,) = (r for r in template.template["Resources"].values() if r["Type"] == type_)
        assert rules <= set(later["DependsOn"]), type_


@pytest.mark.parametrize("with_security_group", [True, False])
def test_an_existing_cluster_without_a_security_group_is_a_warning(with_security_group: bool):
    stack = Stack(App(context=cdk_context() | UNCOPIED), "Test")
    existing = {
        "cluster_name": "mine",
        **({"security_group_id": "sg-0123456789abcdef1"} if with_security_group else {}),
    }
    spec = Eks.model_validate({"existing": existing})
    HyperPodEks(stack, "Eks", network=HyperPodNetwork(stack, "Network", network=BROUGHT), eks=spec)
    warnings = [entry for entry in stack.node.find_child("Eks").node.metadata if entry.type == "aws:cdk:warning"]
    assert ["is unknown" in entry.data for entry in warnings] == ([] if with_security_group else [True])


def test_the_command_that_connects_kubectl_is_an_output_on_request():
    assert "Outputs" not in eks(existing={"cluster_name": "mine"}).template
    outputs = eks(existing={"cluster_name": "mine"}, outputs=True).template["Outputs"]
    (command,) = (output["Value"] for name, output in outputs.items() if "KubeconfigCommand" in name)
    assert command == "aws eks update-kubeconfig --region us-west-2 --name mine"


@pytest.mark.parametrize("in_vpc", [True, False])
def test_functions_for_an_existing_l2_cluster_run_in_the_given_subnets(in_vpc: bool):
    def build(stack):
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        HyperPodCluster(
            stack,
            "HyperPod",
            vpc=vpc,
            eks_cluster=eks_v2.Cluster(stack, "Eks", version=eks_v2.KubernetesVersion.of("1.35"), vpc=vpc),
            instance_groups=[SYSTEM],
            handler_subnets=vpc.private_subnets if in_vpc else (),
        )

    template = synthesize(build)
    functions = [
        f for f in template.of("AWS::Lambda::Function").values() if f["Handler"].startswith("handlers.kubernetes")
    ]
    assert functions
    if not in_vpc:
        assert not any("VpcConfig" in function for function in functions)
        return
    nodes = template.only("AWS::SageMaker::Cluster")["VpcConfig"]["SecurityGroupIds"]
    assert every(function["VpcConfig"]["SecurityGroupIds"] == nodes for function in functions)
    assert every(len(function["VpcConfig"]["SubnetIds"]) == 2 for function in functions)


def test_an_imported_l2_cluster_need_not_know_its_security_group():
    def build(stack):
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        existing = eks_v2.Cluster.from_cluster_attributes(stack, "Eks", cluster_name="mine", vpc=vpc)
        HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=existing, instance_groups=[SYSTEM])

    rules = synthesize(build).of("AWS::EC2::SecurityGroupIngress").values()
    assert not [rule for rule in rules if rule["Description"] == "HyperPod"]
