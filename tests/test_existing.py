"""Constructs in an app of a user: a VPC, and an EKS cluster of v1, of v2, and by attributes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from assembly import UNCOPIED, Assembly, read_assembly
from proving import proved

sys.path.insert(0, str(Path(__file__).parent / "apps"))
import existing

KINDS = ("v1", "v2", "attributes")


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    synthesized = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind) / "cdk.out"
        existing.app(kind, str(folder)).synth()
        synthesized[kind] = read_assembly(folder)
    return synthesized


@pytest.mark.parametrize("kind", KINDS)
def test_the_cluster_uses_existing_resources(assemblies: dict[str, Assembly], kind: str):
    cluster = assemblies[kind].only("AWS::SageMaker::Cluster")
    for group in cluster["InstanceGroups"]:
        assert group["ExecutionRole"] == "arn:aws:iam::111122223333:role/Nodes"
        assert group["OverrideVpcConfig"]["SecurityGroupIds"] == ["sg-0123456789abcdef0"]
        assert group["LifeCycleConfig"]["SourceS3Uri"].startswith("s3://sagemaker-scripts/lifecycle/")


@pytest.mark.parametrize("kind", KINDS)
def test_no_existing_resource_is_created_again(assemblies: dict[str, Assembly], kind: str):
    assembly = assemblies[kind]
    assert len(assembly.resources("AWS::EC2::VPC")) == (0 if kind == "attributes" else 1)
    assert len(assembly.resources("AWS::EKS::Cluster")) == (1 if kind == "v2" else 0)
    descriptions = [r["Properties"].get("Description") for r in assembly.resources("AWS::IAM::Role").values()]
    assert "Execution role of HyperPod instance groups" not in descriptions


@pytest.mark.parametrize("kind", KINDS)
def test_a_zone_id_of_a_foreign_vpc_is_looked_up_among_its_subnets(assemblies: dict[str, Assembly], kind: str):
    (lookup,) = assemblies[kind].resources("Custom::AWS").values()
    assert "usw2-az2" in json.dumps(lookup["Properties"]["Create"])
    system, workers = assemblies[kind].only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert workers["OverrideVpcConfig"]["Subnets"][0]["Fn::GetAtt"][1] == "Subnets.0.SubnetId"
    (first,) = system["OverrideVpcConfig"]["Subnets"]
    assert first == "subnet-0123456789abcdef0" if kind == "attributes" else "Ref" in first


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_and_control_plane_allow_each_other(assemblies: dict[str, Assembly], kind: str):
    rules = [r["Properties"] for r in assemblies[kind].resources("AWS::EC2::SecurityGroupIngress").values()]
    rule_groups = [(r["GroupId"], r["SourceSecurityGroupId"]) for r in rules if r["Description"] == "HyperPod"]
    nodes = "sg-0123456789abcdef0"
    (control_plane,) = (to for to, source in rule_groups if source == nodes)
    (cluster,) = assemblies[kind].resources("AWS::SageMaker::Cluster").values()
    names = {n for n, r in assemblies[kind].resources("AWS::EC2::SecurityGroupIngress").items() if "HyperPodEks" in n}
    assert len(names) == 2
    assert names <= set(cluster["DependsOn"])
    assert sorted(rule_groups, key=str) == sorted([(control_plane, nodes), (nodes, control_plane)], key=str)
    if kind == "attributes":
        assert control_plane == "sg-0123456789abcdef1"
    else:
        assert "ClusterSecurityGroupId" in control_plane["Fn::GetAtt"][1]


@pytest.mark.parametrize("kind", KINDS)
def test_order_holds(assemblies: dict[str, Assembly], kind: str):
    proved(
        assemblies[kind].folder,
        "chart-before-cluster",
        "nodes-before-addons",
        "cert-manager-before-webhooks",
        "operator-before-jobs",
    )


def test_errors_of_the_checks_fail_the_synth_with_the_same_message(tmp_path: Path):
    import aws_cdk as cdk
    from aws_cdk import aws_ec2 as ec2

    from hyperpod_constructs import EksClusterAttributes, HyperPodCluster, InstanceGroup

    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
    stack = cdk.Stack(app, "Mine", env=cdk.Environment(region="us-west-2"))
    cluster = HyperPodCluster(
        stack,
        "HyperPod",
        vpc=ec2.Vpc(stack, "Vpc", max_azs=2),
        eks_cluster=EksClusterAttributes(cluster_name="shared"),
        instance_groups=[InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)],
    )
    cluster.add_instance_group(InstanceGroup(name="workers", instance_type="ml.trn1.32xlage", count=2))
    with pytest.raises(RuntimeError, match=r"HP301 .*'ml.trn1.32xlage'(?s:.*)Did you mean 'ml.trn1.32xlarge'"):
        app.synth()


def test_a_new_eks_cluster_in_a_network_to_which_nothing_is_added(tmp_path, assemble):
    """The network stack remains, because CDK makes the EKS stack depend on it."""
    config = tmp_path / "hyperpod.yaml"
    config.write_text(
        "name: shared\nregion: us-west-2\ndefaults: 2\nnetwork:\n  existing:\n    vpc_id: vpc-0123456789abcdef0\n"
        "    security_group_id: sg-0123456789abcdef0\n    node_subnets:\n"
        "      - {subnet_id: subnet-0123456789abcdef0, availability_zone_id: usw2-az1}\n"
        "      - {subnet_id: subnet-0123456789abcdef1, availability_zone_id: usw2-az2}\n"
        "cluster:\n  instance_groups:\n    - {name: system, instance_type: ml.m5.4xlarge, count: 2}\n"
    )
    resources = assemble(config).templates["shared-Network"]["Resources"]
    assert [resource["Type"] for resource in resources.values()] == ["AWS::CloudFormation::WaitConditionHandle"]
