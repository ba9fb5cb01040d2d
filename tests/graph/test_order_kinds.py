"""Every type, property, kind and add-on that the order rules recognize."""

from __future__ import annotations

import runpy
import sys
from copy import deepcopy
from typing import Any

import pytest
from order_cases import (
    BASE,
    CASES,
    HYPERPOD,
    JOB,
    addon,
    att,
    k8s_object,
    objects,
    ref,
    release,
    resource,
    template,
    wait,
)
from test_order_rules import case, violated

from hyperpod_constructs.assembly.graph import prove
from hyperpod_constructs.core import catalog

SUBNETS = {"Subnets": [ref("Subnet")]}
ROLE = att("Role")


@pytest.mark.parametrize(
    ("rule", "name", "kind", "properties"),
    [
        ("routes-before-nodes", "HyperPod", "AWS::EKS::Nodegroup", SUBNETS),
        ("routes-before-nodes", "HyperPod", "AWS::EKS::FargateProfile", SUBNETS),
        (
            "routes-before-nodes",
            "HyperPod",
            "AWS::AutoScaling::AutoScalingGroup",
            {"VPCZoneIdentifier": [ref("Subnet")]},
        ),
        ("routes-before-nodes", "HyperPod", "AWS::SageMaker::Cluster", {"VpcConfig": SUBNETS}),
        *(
            ("routes-before-nodes", "HyperPod", "AWS::SageMaker::Cluster", {groups: [{"OverrideVpcConfig": SUBNETS}]})
            for groups in ("InstanceGroups", "RestrictedInstanceGroups")
        ),
        ("routes-before-nodes", "Route", "AWS::EC2::SubnetRouteTableAssociation", {"SubnetId": ref("Subnet")}),
        (
            "security-group-rules-before-nodes",
            "In",
            "AWS::EC2::SecurityGroupEgress",
            {"GroupId": att("Group", "GroupId")},
        ),
        ("role-policies-before-clusters", "Policy", "AWS::IAM::RolePolicy", {"RoleName": ref("Role")}),
        ("role-policies-before-clusters", "Policy", "AWS::IAM::ManagedPolicy", {"Roles": [ref("Role")]}),
        ("role-policies-before-clusters", "HyperPod", "AWS::SageMaker::Cluster", {"ClusterRole": ROLE}),
        *(
            (
                "role-policies-before-clusters",
                "HyperPod",
                "AWS::SageMaker::Cluster",
                {groups: [{"ExecutionRole": ROLE}]},
            )
            for groups in ("InstanceGroups", "RestrictedInstanceGroups")
        ),
        ("role-policies-before-clusters", "HyperPod", "AWS::EKS::Cluster", {"RoleArn": ROLE}),
        ("role-policies-before-clusters", "HyperPod", "Custom::AWSCDK-EKS-Cluster", {"RoleArn": ROLE}),
        ("role-policies-before-clusters", "HyperPod", "AWS::EKS::Nodegroup", {"NodeRole": ROLE}),
        (
            "role-policies-before-addons",
            "Driver",
            "AWS::EKS::Addon",
            {"PodIdentityAssociations": [{"RoleArn": att("AddonRole")}]},
        ),
        ("handler-policies-before-custom-resources", "FnPolicy", "AWS::IAM::Policy", {"Roles": [ref("FnRole")]}),
        ("handler-policies-before-custom-resources", "FnPolicy", "AWS::IAM::RolePolicy", {"RoleName": ref("FnRole")}),
        (
            "handler-policies-before-custom-resources",
            "Job",
            "AWS::CloudFormation::CustomResource",
            {"ServiceToken": att("Fn")},
        ),
        (
            "lifecycle-scripts-before-cluster",
            "Up",
            "Custom::CDKBucketDeployment",
            {"DestinationBucketName": ref("Bucket")},
        ),
        ("access-before-objects", "Chart", "Custom::AWSCDK-EKS-HelmChart", {}),
        ("access-before-objects", "Chart", "Custom::HyperPodHelmRelease", {}),
        ("access-before-objects", "Chart", "Custom::AWSCDK-EKS-KubernetesResource", {}),
        ("access-before-objects", "Chart", "Custom::HyperPodKubernetesObjects", {}),
        ("access-before-objects", "Chart", "Custom::AWSCDK-EKS-KubernetesObjectValue", {}),
        ("access-before-objects", "Chart", "Custom::HyperPodKubernetesWait", {}),
        ("control-plane-before-cluster", "Named", "Custom::AWSCDK-EKS-Cluster", {"Config": {"name": "research"}}),
        ("cluster-before-quotas", "Quota", "AWS::SageMaker::ComputeQuota", {"ClusterArn": att("HyperPod")}),
        ("cluster-before-quotas", "Quota", "AWS::SageMaker::ClusterSchedulerConfig", {"ClusterArn": att("HyperPod")}),
        ("cluster-before-quotas", "Quota", "Custom::HyperPodClusterSchedulerConfig", {"EksClusterName": ref("Eks")}),
        ("scheduler-config-before-quotas", "Config", "Custom::HyperPodClusterSchedulerConfig", {}),
        ("scheduler-config-before-quotas", "Quota", "Custom::HyperPodComputeQuota", {}),
        ("chart-before-cluster", "Chart", "Custom::HyperPodHelmRelease", {"Chart": "s3://b/HyperPodHelmChart"}),
        ("chart-before-cluster", "Chart", "Custom::AWSCDK-EKS-HelmChart", {"Chart": "hyperpod-helm-chart"}),
    ],
    ids=str,
)
def test_each_type_and_the_property_that_relates_it(
    rule: str, name: str, kind: str, properties: dict[str, Any]
) -> None:
    _, earlier, later, _ = CASES[rule]
    templates = case(rule)
    templates["Platform"]["Resources"][name] = resource(kind, **properties)
    pairs = [(pair.first, pair.then) for pair in prove(templates).pairs if pair.rule.id == rule]
    assert (f"Platform.{earlier}", f"Platform.{later}") in pairs


@pytest.mark.parametrize("kind", ["AWS::Lambda::Alias", "AWS::Lambda::Version"])
def test_a_function_behind_an_alias_or_a_version(kind: str) -> None:
    templates = case("handler-policies-before-custom-resources")
    resources = templates["Platform"]["Resources"]
    resources["Live"] = resource(kind, FunctionName=ref("Fn"))
    resources["Job"]["Properties"]["ServiceToken"] = ref("Live")
    assert violated(templates, "handler-policies-before-custom-resources") == [("Platform.FnPolicy", "Platform.Job")]


@pytest.mark.parametrize("kind", ["Custom::HyperPodComputeQuota", "AWS::SageMaker::ComputeQuota", "AWS::EKS::Addon"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ClusterName", "one"),
        ("EksClusterName", "one"),
        ("EksClusterArn", "arn:aws:eks:us-west-2:111122223333:cluster/one"),
        ("ClusterArn", "arn:aws:eks:us-west-2:111122223333:cluster/one"),
    ],
)
def test_the_properties_that_name_the_cluster_of_a_resource(name: str, value: str, kind: str) -> None:
    def hyperpod(cluster: str) -> dict[str, Any]:
        arn = f"arn:aws:eks:us-west-2:111122223333:cluster/{cluster}"
        return resource("AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": arn}})

    changed = resource(kind, AddonName="coredns", **{name: value})
    templates = {"S": template(A=hyperpod("one"), B=hyperpod("two"), One=changed)}
    rule = "nodes-before-addons" if kind == "AWS::EKS::Addon" else "cluster-before-quotas"
    assert violated(templates, rule) == [("S.A", "S.One")]


@pytest.mark.parametrize(
    "rule",
    [
        "gateway-before-routes",
        "address-block-before-subnets",
        "routes-before-nodes",
        "endpoints-before-nodes",
        "security-group-rules-before-nodes",
        "routes-before-handlers",
        "endpoints-before-handlers",
        "security-group-rules-before-handlers",
        "role-policies-before-clusters",
        "handler-policies-before-custom-resources",
        "lifecycle-scripts-before-cluster",
    ],
)
def test_networks_roles_and_buckets_can_be_shared_by_clusters(rule: str) -> None:
    """A resource that belongs to one cluster can be required by another."""
    _, earlier, later, _ = CASES[rule]
    templates = case(rule)
    resources = templates["Platform"]["Resources"]
    resources["Other"] = resource("AWS::EKS::Cluster")
    for name, cluster in ((earlier, "Other"), (later, "Eks")):
        resources[name]["Properties"].setdefault("Tags", []).append({"Key": "cluster", "Value": ref(cluster)})
    assert (f"Platform.{earlier}", f"Platform.{later}") in violated(templates, rule)


GOVERNANCE, TRAINING, OBSERVABILITY, INFERENCE = (
    f"amazon-sagemaker-hyperpod-{name}"
    for name in ("taskgovernance", "training-operator", "observability", "inference")
)
SPACES = "amazon-sagemaker-spaces"


@pytest.mark.parametrize(
    ("rule", "pairs"),
    [
        (
            "core-addons-before-cluster",
            {(name, "HyperPod") for name in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")},
        ),
        ("cert-manager-before-webhooks", {("cert-manager", name) for name in (TRAINING, INFERENCE, SPACES, "adot")}),
        (
            "pod-identity-agent-before-consumers",
            {("eks-pod-identity-agent", name) for name in (TRAINING, OBSERVABILITY, SPACES)},
        ),
        (
            "prerequisite-addons-first",
            {
                ("aws-ebs-csi-driver", SPACES),
                ("aws-fsx-csi-driver", INFERENCE),
                ("aws-mountpoint-s3-csi-driver", INFERENCE),
                ("metrics-server", INFERENCE),
            },
        ),
        ("governance-before-addons", {(GOVERNANCE, name) for name in (TRAINING, OBSERVABILITY, INFERENCE, SPACES)}),
    ],
)
def test_the_add_ons_of_each_rule(rule: str, pairs: set[tuple[str, str]]) -> None:
    addons = {name: addon(name) for name in catalog.addons()}
    templates = {"S": {"Resources": {**BASE, **addons, "HyperPod": HYPERPOD, "Unknown": addon("of-a-partner")}}}
    assert set(violated(templates, rule)) == {(f"S.{earlier}", f"S.{later}") for earlier, later in pairs}


def test_add_ons_that_require_a_node() -> None:
    addons = {name: addon(name) for name in catalog.addons()}
    templates = {"S": {"Resources": {**BASE, **addons, "HyperPod": HYPERPOD, "Unknown": addon("of-a-partner")}}}
    first = {name for name, fact in catalog.addons().items() if not fact.needs_nodes}
    assert {"vpc-cni", "kube-proxy", "eks-pod-identity-agent", "prometheus-node-exporter"} <= first
    found = [later for _, later in violated(templates, "nodes-before-addons")]
    assert found == [f"S.{name}" for name in catalog.addons() if name not in first]


# Kubernetes objects


@pytest.mark.parametrize("kind", ["HyperPodPyTorchJob", "PyTorchJob", "Job"])
def test_each_kind_of_job(kind: str) -> None:
    templates = case("parts-before-jobs")
    templates["Platform"]["Resources"]["Job"] = objects(k8s_object(kind, namespace="hyperpod-ns-blue"))
    assert violated(templates, "parts-before-jobs") == [("Platform.Claim", "Platform.Job")]
    nodes = case("nodes-before-workloads")
    nodes["Platform"]["Resources"]["Job"] = objects(k8s_object(kind))
    assert violated(nodes, "nodes-before-workloads") == [("Platform.HyperPod", "Platform.Job")]


PARTS = ["PersistentVolumeClaim", "ServiceAccount", "ConfigMap", "Secret", "Role", "RoleBinding", "LocalQueue"]
PARTS += ["ResourceQuota", "LimitRange"]
SHARED = ["ClusterQueue", "ResourceFlavor", "Topology", "WorkloadPriorityClass", "PriorityClass"]


@pytest.mark.parametrize(
    ("kind", "same_namespace", "other_namespace"),
    [
        *((kind, True, False) for kind in PARTS),
        *((kind, True, True) for kind in SHARED),
        *((kind, False, False) for kind in ("Deployment", "StorageClass", "HyperPodPyTorchJob")),
    ],
)
def test_what_a_job_requires_in_its_namespace_and_in_the_cluster(
    kind: str, same_namespace: bool, other_namespace: bool
) -> None:
    for namespace, expected in (("hyperpod-ns-blue", same_namespace), ("other", other_namespace)):
        templates = case("parts-before-jobs")
        templates["Platform"]["Resources"]["Claim"] = objects(k8s_object(kind, "x", namespace))
        pairs = [("Platform.Claim", "Platform.Job")] if expected else []
        assert violated(templates, "parts-before-jobs") == pairs, namespace


@pytest.mark.parametrize(
    ("job", "first"),
    [
        (k8s_object("PyTorchJob", namespace="hyperpod-ns-blue"), ["Config", "Quota"]),
        (k8s_object("PyTorchJob", namespace="hyperpod-ns-red"), ["Config"]),
        (k8s_object("PyTorchJob", namespace="x"), []),
        ({"kind": "PyTorchJob", "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "q"}}}, ["Config"]),
        ({"kind": "PyTorchJob", "metadata": {"labels": None}}, []),
        ({"kind": "PyTorchJob", "metadata": None}, []),
        (k8s_object("ConfigMap", namespace="hyperpod-ns-blue"), []),
    ],
    ids=str,
)
def test_a_job_that_is_queued_requires_the_policy_and_the_quota_of_its_team(job: Any, first: list[str]) -> None:
    templates = case("quotas-before-jobs")
    resources = templates["Platform"]["Resources"]
    resources["Config"] = resource("AWS::SageMaker::ClusterSchedulerConfig", ClusterArn=att("HyperPod"))
    resources["Job"] = objects(job)
    found = [earlier for earlier, later in violated(templates, "quotas-before-jobs") if later == "Platform.Job"]
    assert sorted(found) == [f"Platform.{name}" for name in first]


@pytest.mark.parametrize(
    ("space", "item", "pair"),
    [
        (k8s_object("Namespace", "blue"), k8s_object("ConfigMap", "m", "blue"), True),
        (k8s_object("Namespace", "blue"), k8s_object("ConfigMap", "m", "red"), False),
        (k8s_object("Namespace", "default"), k8s_object("ConfigMap", "m"), True),
        (k8s_object("Namespace", "a-${token}"), k8s_object("ConfigMap", "m", "red"), True),
        (k8s_object("Namespace", "red"), k8s_object("ConfigMap", "m", "${token}"), True),
        (k8s_object("Namespace", "blue"), k8s_object("Namespace", "red", "blue"), False),
        (k8s_object("ServiceAccount", "blue"), k8s_object("ConfigMap", "m", "blue"), False),
        ({"kind": "Namespace"}, k8s_object("ConfigMap", "m", "blue"), False),
        (k8s_object("Namespace", "default"), {"kind": "ConfigMap", "metadata": None}, True),
    ],
    ids=str,
)
def test_namespaces_and_what_is_in_them(space: dict[str, Any], item: dict[str, Any], pair: bool) -> None:
    templates = case("namespace-before-contents")
    templates["Platform"]["Resources"] |= {"Space": objects(space), "Map": objects(item)}
    assert (("Platform.Space", "Platform.Map") in violated(templates, "namespace-before-contents")) is pair


CLAIM = {"kind": "PersistentVolumeClaim"}


@pytest.mark.parametrize(
    ("volume", "claim", "pair"),
    [
        (k8s_object("PersistentVolume", "data"), {**CLAIM, "spec": {"volumeName": "data"}}, True),
        (k8s_object("PersistentVolume", "data"), {**CLAIM, "spec": {"storageClassName": "data"}}, False),
        (k8s_object("StorageClass", "fast"), {**CLAIM, "spec": {"storageClassName": "fast"}}, True),
        (k8s_object("StorageClass", "fast"), {**CLAIM, "spec": {"volumeName": "fast"}}, False),
        (k8s_object("StorageClass", "fast"), CLAIM, False),
        (k8s_object("StorageClass", "fast"), {**CLAIM, "spec": {"storageClassName": "${token}"}}, True),
        (k8s_object("StorageClass", "fast"), {"kind": "StatefulSet", "spec": {"storageClassName": "fast"}}, False),
        (k8s_object("ConfigMap", "fast"), {**CLAIM, "spec": {"storageClassName": "fast"}}, False),
    ],
    ids=str,
)
def test_volumes_and_classes_and_their_claims(volume: dict[str, Any], claim: dict[str, Any], pair: bool) -> None:
    templates = case("volumes-before-claims")
    templates["Platform"]["Resources"] |= {"Volume": objects(volume), "Claim": objects(claim)}
    assert violated(templates, "volumes-before-claims") == ([("Platform.Volume", "Platform.Claim")] if pair else [])


@pytest.mark.parametrize(
    ("driver", "volume", "pair"),
    [
        ("aws-fsx-csi-driver", k8s_object("PersistentVolume", spec={"csi": {"driver": "fsx.csi.aws.com"}}), True),
        ("aws-ebs-csi-driver", k8s_object("StorageClass", provisioner="ebs.csi.aws.com"), True),
        (
            "aws-mountpoint-s3-csi-driver",
            k8s_object("PersistentVolume", spec={"csi": {"driver": "s3.csi.aws.com"}}),
            True,
        ),
        ("aws-efs-csi-driver", k8s_object("StorageClass", provisioner="ebs.csi.aws.com"), False),
        ("aws-efs-csi-driver", k8s_object("StorageClass", provisioner="${token}"), True),
        ("aws-efs-csi-driver", k8s_object("PersistentVolume", spec={"hostPath": {}}), False),
        ("aws-efs-csi-driver", k8s_object("PersistentVolume", spec=None), False),
        ("coredns", k8s_object("PersistentVolume", spec={"csi": {"driver": "coredns"}}), False),
    ],
    ids=str,
)
def test_volumes_and_their_drivers(driver: str, volume: dict[str, Any], pair: bool) -> None:
    templates = case("csi-driver-before-volumes")
    templates["Platform"]["Resources"] |= {"Driver": addon(driver), "Volume": objects(volume)}
    assert violated(templates, "csi-driver-before-volumes") == (
        [("Platform.Driver", "Platform.Volume")] if pair else []
    )


@pytest.mark.parametrize(
    ("job", "pair"),
    [
        (release("team-chart"), True),
        (release("hyperpod-dependencies"), False),
        (resource("Custom::AWSCDK-EKS-HelmChart", ClusterName=ref("Eks"), Chart="HyperPodHelmChart"), False),
        (resource("Custom::AWSCDK-EKS-HelmChart", ClusterName=ref("Eks"), Chart="hyperpod-helm-chart"), False),
        (objects(k8s_object("Deployment")), False),
        (JOB, True),
    ],
    ids=str,
)
def test_workloads_are_jobs_and_releases_except_the_dependencies(job: dict[str, Any], pair: bool) -> None:
    templates = case("nodes-before-workloads")
    templates["Platform"]["Resources"]["Job"] = deepcopy(job)
    assert violated(templates, "nodes-before-workloads") == ([("Platform.HyperPod", "Platform.Job")] if pair else [])


@pytest.mark.parametrize(
    ("condition", "ready"),
    [
        ({"Type": "DeploymentAvailable", "Name": "kueue-controller-manager"}, True),
        ({"Type": "CrdEstablished", "Name": "workloads.kueue.x-k8s.io"}, True),
        ({"Type": "DeploymentAvailable", "Name": "kueue-controller-manager-2"}, False),
        ({"Type": "AddonActive", "Name": "kueue-controller-manager"}, False),
        ({"Type": "DeploymentAvailable", "Name": "cert-manager"}, False),
    ],
    ids=str,
)
def test_the_waits_that_show_that_an_add_on_serves(condition: dict[str, Any], ready: bool) -> None:
    templates = case("governance-before-addons", ("Ready", "Governance"), ("Metrics", "Ready"))
    templates["Platform"]["Resources"]["Ready"] = wait(**condition) | {"DependsOn": ["Governance"]}
    assert (violated(templates, "governance-before-addons") == []) is ready


@pytest.mark.parametrize("arguments", [[], ["--table"]])
def test_the_module_as_a_program(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["graph", *arguments])
    monkeypatch.delitem(sys.modules, "hyperpod_constructs.assembly.graph.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("hyperpod_constructs.assembly.graph", run_name="__main__")
    output = capsys.readouterr()
    assert (ended.value.code, bool(output.out), bool(output.err)) == (
        (0, True, False) if arguments else (2, False, True)
    )
