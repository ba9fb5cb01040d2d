"""Every add-on: version, configuration, role, identity, readiness, and position in the order."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize
from proving import every, proved
from waiting import Waiting

from hyperpod_constructs.constructs.addons import CORE_ADDONS, NODE_ADDONS
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.constructs.training_job import TrainingJob
from hyperpod_constructs.core.jobs import Job
from hyperpod_constructs.core.spec import ADDON_NAMES, Addon, Addons, Cluster
from hyperpod_constructs.core.spec.addons import InferenceOperator, MountpointS3

pytestmark = pytest.mark.slow

BUCKET = "arn:aws:s3:::data"
EVERYTHING = Addons(
    training_operator={},
    inference_operator={},
    spaces={},
    fsx_csi={},
    mountpoint_s3_csi={"bucket_arns": [BUCKET]},
    cloudwatch_observability={},
    task_governance={"version": "v1.6.1-eksbuild.1", "resolve_conflicts": "PRESERVE", "preserve_on_delete": True},
    metrics_server={"configuration": {"replicas": 2}},
)


def add(cluster: HyperPodCluster, addons: Addons) -> None:
    """The add-ons that require nodes, in the reverse order of the platform: the order of deployment must be the same."""
    effective = addons.effective()
    for key, construct in reversed(list(NODE_ADDONS.items())):
        if key in effective:
            construct(cluster, construct.__name__, cluster=cluster, settings=effective[key])


@pytest.fixture(scope="module")
def everything() -> Synthesized:
    """All add-ons of the platform."""
    return synthesize(lambda stack: add(make_cluster(stack, addons=EVERYTHING), EVERYTHING))


@pytest.fixture(scope="module")
def kueue() -> Synthesized:
    """Kueue by Helm instead of task governance."""
    addons = Addons(kueue={"values": {"controllerManager": {"replicas": 2}}}, training_operator={})

    def build(stack: Stack) -> None:
        cluster = make_cluster(stack, addons=addons)
        add(cluster, addons)
        TrainingJob(
            stack, "Train", cluster=cluster, job=Job(name="train", image="registry/train:v1", vcpu=1, memory_gib=1)
        )

    return synthesize(build)


def addon(template: Synthesized, key: str) -> dict[str, Any]:
    name = ADDON_NAMES[key]
    (found,) = [item for item in template.of("AWS::EKS::Addon").values() if item["AddonName"] == name]
    return found


def values(template: Synthesized, key: str) -> Any:
    """Configuration values, with `<token>` for values that are known only at deployment."""
    configuration = addon(template, key)["ConfigurationValues"]
    text = (
        configuration
        if isinstance(configuration, str)
        else "".join(p if isinstance(p, str) else "<token>" for p in configuration["Fn::Join"][1])
    )
    return json.loads(text)


def association(template: Synthesized, account: str) -> dict[str, Any]:
    associations = template.of("AWS::EKS::PodIdentityAssociation").values()
    (found,) = [item for item in associations if item["ServiceAccount"] == account]
    return found


def role_of(template: Synthesized, reference: Any) -> tuple[str, dict[str, Any]]:
    """Logical id and properties of a role by `Fn::GetAtt`, with its trust read."""
    name = reference["Fn::GetAtt"][0]
    properties = template.template["Resources"][name]["Properties"]
    trust = properties["AssumeRolePolicyDocument"]
    if "Fn::Sub" in trust:
        properties = {**properties, "AssumeRolePolicyDocument": json.loads(trust["Fn::Sub"][0])}
    return name, properties


def policies(role: dict[str, Any]) -> str:
    return json.dumps(role.get("ManagedPolicyArns", []))


# ---- all of them ----


def test_every_key_of_the_config_has_a_construct():
    assert CORE_ADDONS.keys() | NODE_ADDONS.keys() | {"observability"} >= set(Addons.model_fields)


def test_all_add_ons_are_created_once(everything: Synthesized):
    names = [item["AddonName"] for item in everything.of("AWS::EKS::Addon").values()]
    assert sorted(names) == sorted({ADDON_NAMES[key] for key in EVERYTHING.effective()})


def test_order_of_creation_and_deletion_holds_for_all(everything: Synthesized):
    proved(
        {"Test": everything.template},
        "nodes-before-addons",
        "cert-manager-before-webhooks",
        "pod-identity-agent-before-consumers",
        "association-before-addon",
        "prerequisite-addons-first",
        "governance-before-addons",
        "role-policies-before-addons",
    )


def test_settings_reach_the_add_on(everything: Synthesized):
    governance = addon(everything, "task_governance")
    assert governance["AddonVersion"] == "v1.6.1-eksbuild.1"
    assert governance["ResolveConflicts"] == "PRESERVE"
    assert governance["PreserveOnDelete"] is True
    assert values(everything, "metrics_server") == {"tolerations": [{"operator": "Exists"}], "replicas": 2}


def test_core_add_ons_keep_their_objects_and_others_do_not(everything: Synthesized):
    keeps = {item["AddonName"] for item in everything.of("AWS::EKS::Addon").values() if item.get("PreserveOnDelete")}
    core = {ADDON_NAMES[key] for key in ("vpc_cni", "kube_proxy", "coredns", "pod_identity_agent")}
    assert keeps == core | {ADDON_NAMES["task_governance"]}


def test_required_add_ons_are_waited_for(everything: Synthesized):
    waits = [wait["Condition"] for wait in everything.of("Custom::HyperPodKubernetesWait").values()]
    active = {resource["AddonName"] for resource in waits if resource["Type"] == "AddonActive"}
    assert active == {ADDON_NAMES[key] for key in EVERYTHING.effective() if key not in CORE_ADDONS}
    deployments = {resource["Name"] for resource in waits if resource["Type"] == "DeploymentAvailable"}
    assert deployments >= {
        "cert-manager-webhook",
        "kueue-controller-manager",
        "metrics-server",
        "ebs-csi-controller",
        "hyperpod-inference-controller-manager",
        "jupyter-k8s-controller-manager",
    }


def test_pod_identity_roles_are_for_this_cluster_only(everything: Synthesized):
    associations = everything.of("AWS::EKS::PodIdentityAssociation").values()
    assert len(associations) == 6
    for item in associations:
        _, role = role_of(everything, item["RoleArn"])
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
        assert set(statement["Condition"]) == {"StringEquals", "ArnEquals"}


# ---- one by one ----


def test_ebs_csi_attaches_volumes_through_this_cluster(everything: Synthesized):
    name, role = role_of(everything, association(everything, "ebs-csi-controller-sa")["RoleArn"])
    assert "service-role/AmazonEBSCSIDriverPolicy" in policies(role)
    (attach,) = everything.allows(name, "sagemaker:AttachClusterNodeVolume")
    assert attach["Resource"]["Fn::GetAtt"][1] == "ClusterArn"
    assert everything.allows(name, "eks:DescribeCluster")


def test_mountpoint_s3_reads_and_writes_its_buckets_through_oidc(everything: Synthesized):
    name, role = role_of(everything, addon(everything, "mountpoint_s3_csi")["ServiceAccountRoleArn"])
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert (
        statement["Condition"]["StringEquals"]["${Issuer}:sub"] == "system:serviceaccount:kube-system:s3-csi-driver-sa"
    )
    assert [s["Resource"] for s in everything.allows(name, "s3:PutObject")] == [f"{BUCKET}/*"]
    assert [s["Resource"] for s in everything.allows(name, "s3:ListBucket")] == [BUCKET]


def test_one_oidc_provider_serves_all_that_need_it(everything: Synthesized):
    assert len(everything.of("AWS::IAM::OIDCProvider")) == 1


def test_inference_operator_has_the_role_name_that_it_insists_on(everything: Synthesized):
    role = next(r for r in everything.of("AWS::IAM::Role").values() if "RoleName" in r)
    prefix, region, suffix = (
        role["RoleName"]["Fn::Join"][1]
        if isinstance(role["RoleName"], dict)
        else (*re.fullmatch(r"(.*-)(us-west-2)(-.*)", role["RoleName"]).groups(),)
    )
    assert prefix.startswith("SageMakerHyperPodInference")
    assert region == "us-west-2" or region == {"Ref": "AWS::Region"}
    assert len(prefix) + len("ap-northeast-1") + len(suffix) <= 64
    assert "AmazonSageMakerHyperPodInferenceAccess" in policies(role)


def test_the_inference_operator_gets_its_roles_bucket_and_cluster(everything: Synthesized):
    chart_settings = values(everything, "inference_operator")
    assert chart_settings["alb"] == {"enabled": True, "serviceAccount": {"create": True, "roleArn": "<token>"}}
    assert chart_settings["keda"] == {
        "enabled": True,
        "auth": {"aws": {"irsa": {"enabled": True, "roleArn": "<token>"}}},
    }
    assert {chart_settings[key] for key in ("executionRoleArn", "tlsCertificateS3Bucket", "hyperpodClusterArn")} == {
        "<token>"
    }


def test_the_operators_accounts_trust_the_right_service_accounts(everything: Synthesized):
    subjects = {
        json.loads(role["AssumeRolePolicyDocument"]["Fn::Sub"][0])["Statement"][0]["Condition"]["StringEquals"][
            "${Issuer}:sub"
        ]
        for role in everything.of("AWS::IAM::Role").values()
        if "Fn::Sub" in role["AssumeRolePolicyDocument"]
    }
    operator = "system:serviceaccount:hyperpod-inference-system"
    assert subjects == {
        "system:serviceaccount:kube-system:s3-csi-driver-sa",
        f"{operator}:hyperpod-inference-controller-manager",
        f"{operator}:aws-load-balancer-controller",
        f"{operator}:keda-operator",
    }


def test_the_load_balancer_controller_changes_only_its_own_resources(everything: Synthesized):
    for action in (
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:AddTags",
        "ec2:DeleteSecurityGroup",
        "ec2:CreateTags",
    ):
        found = everything.allows("LoadBalancerRole", action)
        assert found, action
        assert every(
            "Condition" in statement or "listener" in json.dumps(statement["Resource"]) for statement in found
        ), action


def test_spaces_has_a_role_for_its_controller_and_its_router(everything: Synthesized):
    for account, policy in (
        ("jupyter-k8s-controller-manager", "AmazonSageMakerSpacesControllerPolicy"),
        ("jupyter-k8s-authmiddleware", "AmazonSageMakerSpacesRouterPolicy"),
    ):
        _, role = role_of(everything, association(everything, account)["RoleArn"])
        assert policy in policies(role)


def test_container_insights_may_write_metrics_and_logs(everything: Synthesized):
    _, role = role_of(everything, association(everything, "cloudwatch-agent")["RoleArn"])
    assert "CloudWatchAgentServerPolicy" in policies(role)


# ---- options ----


def test_the_inference_operator_uses_existing_resources_and_omits_disabled_parts():
    settings = InferenceOperator(
        role_arn="arn:aws:iam::111122223333:role/SageMakerHyperPodInference-mine",
        tls_bucket_name="hyperpod-tls-mine",
        load_balancer=False,
        keda=False,
        jumpstart_gated_role_arn="arn:aws:iam::111122223333:role/Gated",
    )
    addons = Addons(inference_operator=settings)
    template = synthesize(lambda stack: add(make_cluster(stack, addons=addons), addons))
    chart_settings = values(template, "inference_operator")
    assert (chart_settings["alb"], chart_settings["keda"]) == ({"enabled": False}, {"enabled": False})
    assert chart_settings["executionRoleArn"].endswith("SageMakerHyperPodInference-mine")
    assert chart_settings["tlsCertificateS3Bucket"] == "hyperpod-tls-mine"
    assert chart_settings["jumpstartGatedModelDownloadRoleArn"].endswith("Gated")
    assert not [r for r in template.of("AWS::IAM::Role").values() if "RoleName" in r]


OIDC = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"


def test_an_existing_cluster_requires_the_arn_of_its_oidc_provider():
    def build(stack, *, with_provider: bool) -> None:
        from aws_cdk import aws_ec2 as ec2

        provider = iam.OpenIdConnectProvider.from_open_id_connect_provider_arn(stack, "Oidc", OIDC)
        cluster = HyperPodCluster(
            stack,
            "HyperPod",
            vpc=ec2.Vpc(stack, "Vpc"),
            eks_cluster=EksClusterAttributes(cluster_name="mine", oidc_provider=provider if with_provider else None),
            cluster=Cluster(instance_groups=(SYSTEM,)),
        )
        NODE_ADDONS["mountpoint_s3_csi"](stack, "S3", cluster=cluster, settings=MountpointS3(bucket_arns=(BUCKET,)))

    with pytest.raises(ValueError, match="oidc_provider"):
        synthesize(lambda stack: build(stack, with_provider=False))
    template = synthesize(lambda stack: build(stack, with_provider=True))
    _, role = role_of(template, addon(template, "mountpoint_s3_csi")["ServiceAccountRoleArn"])
    sub = template.of("AWS::IAM::Role")
    trusts = [
        r["AssumeRolePolicyDocument"]["Fn::Sub"][1] for r in sub.values() if "Fn::Sub" in r["AssumeRolePolicyDocument"]
    ]
    assert trusts == [{"Provider": OIDC, "Issuer": OIDC.partition("oidc-provider/")[2]}]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Federated": "${Provider}"}


# ---- Kueue by Helm ----


def test_kueue_is_the_pinned_chart_with_the_released_image(kueue: Synthesized):
    release = next(r for r in kueue.of("Custom::HyperPodHelmRelease").values() if r["Release"] == "kueue")
    assert release["Chart"]["Kind"] == "git"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", release["Chart"]["Digest"])
    values = json.loads(release["Values"])
    assert values["controllerManager"]["manager"]["image"]["repository"] == "registry.k8s.io/kueue/kueue"
    assert values["controllerManager"]["replicas"] == 2
    configuration = yaml.safe_load(values["managerConfig"]["controllerManagerConfigYaml"])
    assert configuration["integrations"]["externalFrameworks"] == ["HyperPodPyTorchJob.v1.sagemaker.amazonaws.com"]
    assert configuration["manageJobsWithoutQueueName"] is False


def test_kueue_is_created_after_nodes_and_before_what_its_webhook_intercepts(kueue: Synthesized):
    proved({"Test": kueue.template}, "operator-before-jobs", "cert-manager-before-webhooks")
    (wait,) = [
        name
        for name, item in kueue.of("Custom::HyperPodKubernetesWait").items()
        if item["Condition"].get("Name") == "kueue-controller-manager"
    ]
    operator = next(
        resource
        for resource in kueue.template["Resources"].values()
        if resource["Type"] == "AWS::EKS::Addon"
        and resource["Properties"]["AddonName"] == ADDON_NAMES["training_operator"]
    )
    assert wait in operator["DependsOn"]
    waiting = Waiting({"Test": kueue.template})
    (release,) = [name for name, item in kueue.of("Custom::HyperPodHelmRelease").items() if item["Release"] == "kueue"]
    assert waiting.after(wait, release)
    firsts = [
        name
        for name, item in kueue.of("Custom::HyperPodKubernetesWait").items()
        if item["Condition"]["Type"] == "NodesReady"
        or item["Condition"].get("AddonName") == "coredns"
        or item["Condition"].get("Namespace") == "cert-manager"
    ]
    assert waiting.after("TrainJob", wait), "jobs are queued from the start"
    assert len(firsts) == 5, "the nodes, DNS, and the three deployments of cert-manager"
    assert [first for first in firsts if not waiting.after(release, first)] == []


def test_spaces_waits_for_cert_manager_without_task_governance_between():
    addons = Addons(spaces={})
    template = synthesize(lambda stack: add(make_cluster(stack, addons=addons), addons))
    addon_resources = {n: r for n, r in template.template["Resources"].items() if r["Type"] == "AWS::EKS::Addon"}
    spaces = next(r for r in addon_resources.values() if r["Properties"]["AddonName"] == ADDON_NAMES["spaces"])
    assert any("CertManager" in name and "Available" in name for name in spaces["DependsOn"])


def test_an_add_on_can_be_used_separately_with_its_defaults():
    template = synthesize(
        lambda stack: NODE_ADDONS["ebs_csi"](stack, "Ebs", cluster=make_cluster(stack), settings=Addon()) and None
    )
    assert addon(template, "ebs_csi")["ResolveConflicts"] == "OVERWRITE"
