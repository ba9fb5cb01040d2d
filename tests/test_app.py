"""The shipped config, synthesized: its resources, its order, and the same bytes for the same input."""

from __future__ import annotations

import inspect
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsii._type_checking
import pytest
import yaml
from assembly import ROOT, Assembly, read_assembly
from aws_cdk import CfnTag
from proving import every, proved
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from hyperpod_constructs.assembly.graph import prove, without_edge
from hyperpod_constructs.assembly.synth import build, cdk_context, skip_argument_checks
from hyperpod_constructs.core.config import load

HASH = re.compile(r"\b[0-9a-f]{64}\b")


def manifests(assembly: Assembly) -> str:
    """All Kubernetes manifests in the templates, as text."""
    objects = assembly.resources("Custom::HyperPodKubernetesObjects").values()
    return "".join(json.dumps(resource["Properties"]["Manifest"]) for resource in objects)


# ---- resources ----


def test_network_has_two_zones_by_zone_id(default: Assembly):
    zones = {s["Properties"]["AvailabilityZoneId"] for s in default.resources("AWS::EC2::Subnet").values()}
    assert zones == {"usw2-az1", "usw2-az2"}
    assert not any("AvailabilityZone" in s["Properties"] for s in default.resources("AWS::EC2::Subnet").values())


def test_network_has_an_s3_gateway_endpoint_on_every_private_route_table(default: Assembly):
    endpoint = default.only("AWS::EC2::VPCEndpoint")
    private = [n for n in default.resources("AWS::EC2::RouteTable") if "Private" in n]
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert {table["Ref"] for table in endpoint["RouteTableIds"]} == set(private)


def test_node_security_group_admits_itself_in_both_directions_by_explicit_rules(default: Assembly):
    ingress, egress = default.only("AWS::EC2::SecurityGroupIngress"), default.only("AWS::EC2::SecurityGroupEgress")
    assert ingress["IpProtocol"] == egress["IpProtocol"] == "-1"
    assert ingress["GroupId"] == ingress["SourceSecurityGroupId"] == egress["GroupId"]
    assert egress["GroupId"] == egress["DestinationSecurityGroupId"]


def test_eks_is_the_guides_control_plane(default: Assembly):
    eks = default.only("AWS::EKS::Cluster")
    assert eks["AccessConfig"] == {
        "AuthenticationMode": "API_AND_CONFIG_MAP",
        "BootstrapClusterCreatorAdminPermissions": False,
    }
    assert eks["Version"] == "1.35"
    assert eks["ComputeConfig"] == {"Enabled": False}
    assert eks["BootstrapSelfManagedAddons"] is False
    assert len(eks["Logging"]["ClusterLogging"]["EnabledTypes"]) == 5
    assert len(eks["ResourcesVpcConfig"]["SubnetIds"]) == 2


def test_admins_get_cluster_admin_access_entries(default: Assembly):
    entries = [e["Properties"] for e in default.resources("AWS::EKS::AccessEntry").values()]
    admin = next(e for e in entries if e["PrincipalArn"] == "arn:aws:iam::111122223333:role/PlatformAdmin")
    (policy,) = admin["AccessPolicies"]
    assert policy["AccessScope"] == {"Type": "cluster"}
    assert "cluster-access-policy/AmazonEKSClusterAdminPolicy" in json.dumps(policy["PolicyArn"])


def test_hyperpod_cluster_has_the_guides_groups(default: Assembly):
    cluster = default.only("AWS::SageMaker::Cluster")
    assert cluster["NodeProvisioningMode"] == "Continuous"
    assert cluster["NodeRecovery"] == "Automatic"
    assert {"Key": "SageMaker", "Value": "true"} in cluster["Tags"]
    system, workers = cluster["InstanceGroups"]
    assert (system["InstanceType"], system["InstanceCount"]) == ("ml.m5.4xlarge", 2)
    assert (workers["InstanceType"], workers["InstanceCount"]) == ("ml.trn1.32xlarge", 2)
    assert workers["OnStartDeepHealthChecks"] == ["InstanceStress"]
    assert len(workers["OverrideVpcConfig"]["Subnets"]) == 1


def test_no_physical_name_is_set(default: Assembly):
    names = ("ClusterName", "BucketName", "RoleName", "FunctionName", "PolicyName", "Name")
    named_resources = {
        (resource["Type"], name)
        for resource in default.resources().values()
        for name in names
        if isinstance(resource.get("Properties", {}).get(name), str)
    }
    allowed = {"AWS::EKS::Cluster", "AWS::SageMaker::Cluster", "Custom::HyperPodClusterGuard"}  # after the platform
    assert {type_ for type_, _ in named_resources} <= {"AWS::IAM::Policy", "AWS::SSM::Parameter", *allowed}, (
        named_resources
    )


def test_addons_are_the_catalogs_versions(default: Assembly):
    addons = {a["Properties"]["AddonName"]: a["Properties"] for a in default.resources("AWS::EKS::Addon").values()}
    assert set(addons) == {
        "vpc-cni",
        "kube-proxy",
        "eks-pod-identity-agent",
        "coredns",
        "cert-manager",
        "amazon-sagemaker-hyperpod-training-operator",
    }
    assert addons["amazon-sagemaker-hyperpod-training-operator"]["AddonVersion"] == "v1.3.0-eksbuild.1"
    assert every(a["ResolveConflicts"] == "OVERWRITE" for a in addons.values())
    assert "PodIdentityAssociations" not in addons["amazon-sagemaker-hyperpod-training-operator"]


def test_training_operator_has_a_standalone_association_and_a_role_for_this_cluster_only(default: Assembly):
    association = default.only("AWS::EKS::PodIdentityAssociation")
    assert association["Namespace"] == "aws-hyperpod"
    assert association["ServiceAccount"] == "hp-training-operator-controller-manager"
    role = default.resources()[association["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert set(statement["Condition"]) == {"StringEquals", "ArnEquals"}


def test_the_execution_role_is_restricted_to_its_subnets_and_security_group(default: Assembly):
    policies = [
        s
        for p in default.resources("AWS::IAM::Policy").values()
        for s in p["Properties"]["PolicyDocument"]["Statement"]
        if "ec2:CreateNetworkInterface" in s["Action"] and "network-interface" in json.dumps(s["Resource"])
    ]
    assert len(policies) == 2  # one for each group
    for statement in policies:
        assert "*" not in statement["Resource"]
        assert len(statement["Resource"]) == 1 + 1 + 1  # interfaces, the group's subnet, one security group


def test_lifecycle_scripts_are_addressed_by_their_content(default: Assembly):
    groups = default.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    (address,) = {json.dumps(group["LifeCycleConfig"]) for group in groups}
    upload = default.only("Custom::HyperPodLifecycleScripts")
    assert upload["Prefix"] in address
    assert re.fullmatch(r"lifecycle/[0-9a-f]{16}", upload["Prefix"])


def test_the_assets_are_the_helm_binary_and_little_else(default: Assembly):
    """The assets contain neither CDK's AWS CLI layer for uploads nor kubectl, which no function runs."""
    files = [path for path in default.folder.glob("asset.*/**/*") if path.is_file()]
    files += [path for path in default.folder.glob("asset.*") if path.is_file()]
    (large,) = [path for path in files if path.stat().st_size > 1_000_000]
    assert zipfile.ZipFile(large).namelist() == ["helm/helm"]
    assert sum(path.stat().st_size for path in files) < 20_000_000
    assert len(default.resources("AWS::Lambda::LayerVersion")) == 1


def test_dependency_chart_is_pinned_by_commit_and_digest(default: Assembly):
    release = json.dumps(default.only("Custom::HyperPodHelmRelease"))
    assert "011ca927123e02b35a399935bbb3ab1905fe33c7" in release
    assert "sha256:d4bef34e665877995a82614fde96124cc148f674a775e427dd24887c527255f5" in release


def test_job_is_the_guides_training_job(default: Assembly):
    text = manifests(default)
    assert "HyperPodPyTorchJob" in text
    assert "pytorch-training-neuronx:2.1.2-neuronx-py310-sdk2.20.2-ubuntu20.04" in text


def test_no_token_is_left_in_a_template(default: Assembly):
    text = json.dumps(default.templates)
    assert "${Token[" not in text
    assert "unresolved-token" not in text


# ---- order ----


OTHER_CONFIGS = ["tests/configs/closed-control-plane.yaml", "tests/configs/existing-network.yaml"]


@pytest.mark.parametrize("config", ["hyperpod.yaml", *OTHER_CONFIGS])
def test_order_of_creation_and_deletion_holds(assemble: Callable[[str], Assembly], config: str):
    proved(
        assemble(config).folder,
        "chart-before-cluster",
        "nodes-before-addons",
        "cert-manager-before-webhooks",
        "operator-before-jobs",
    )


def test_cutting_any_edge_that_the_order_rests_on_breaks_the_proof(default: Assembly):
    broken = 0
    for pair, edges in prove(default.folder).cuts():
        after = prove(without_edge(default.folder, *edges), [pair.rule])
        found = {(p.first, p.then) for p in after.pairs} | {(v.first, v.then) for v in after.violations}
        if (pair.first, pair.then) not in found:
            continue  # the edge also identified the pair: a custom resource without its service token
        assert not after.holds, f"{pair.rule.id}: {pair.first} before {pair.then} holds without {edges}"
        broken += 1
    assert broken > 20


# ---- the same input, the same bytes ----


def synthesized(config: dict[str, Any], folder: Path) -> Assembly:
    folder.mkdir()
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    loaded = load(path)
    assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
    build([loaded.platform], context=cdk_context(), outdir=str(folder / "out")).synth()
    return read_assembly(folder / "out")


@pytest.fixture
def shipped() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "hyperpod.yaml").read_text())
    config["jobs"] = [str(ROOT / job) for job in config["jobs"]]
    return config


def test_two_synths_are_byte_identical(default: Assembly, shipped: dict[str, Any], tmp_path: Path):
    second = synthesized(shipped, tmp_path / "again")
    for path in sorted(default.folder.glob("*.template.json")):
        assert path.read_bytes() == (second.folder / path.name).read_bytes()


def test_another_instance_count_changes_only_the_cluster(default: Assembly, shipped: dict[str, Any], tmp_path: Path):
    shipped["cluster"]["instance_groups"][1]["count"] = 3
    before, after = default.resources(), synthesized(shipped, tmp_path / "more").resources()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {after[name]["Type"] for name in changed} == {"AWS::SageMaker::Cluster"}


# ---- review ----


def test_templates_are_the_reviewed_ones(default: Assembly, snapshot: SnapshotAssertion):
    for name, template in default.templates.items():
        assert json.loads(HASH.sub("<asset>", json.dumps(template))) == snapshot(
            name=name, extension_class=JSONSnapshotExtension
        )


# ---- run-time checks of arguments ----


def test_arguments_are_checked_by_jsii_only_in_apps_of_users(monkeypatch: pytest.MonkeyPatch):
    wrong: Any = 1
    monkeypatch.setattr(jsii._type_checking, "_resolved_check", None)
    monkeypatch.setattr(jsii._type_checking, "_type_hints_cache", {})
    with pytest.raises(TypeError, match="type of argument key must be str; got int instead"):
        CfnTag(key=wrong, value="research")
    inspect.unwrap(skip_argument_checks)()  # all tests run with the checks
    assert CfnTag(key=wrong, value="research").key == wrong
