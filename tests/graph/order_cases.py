"""Small templates for each order rule, and the base of a complete platform."""

from __future__ import annotations

import json
from typing import Any


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def resource(type_: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_, "Properties": properties}


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": resources}


# For each rule: resources, the pair, and the gate between them

EKS = resource("AWS::EKS::Cluster", ResourcesVpcConfig={"SecurityGroupIds": [ref("PlaneGroup")]})
GROUP = resource("AWS::EC2::SecurityGroup", VpcId=ref("Vpc"))
VPC = resource("AWS::EC2::VPC")
SUBNET = resource("AWS::EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.1.0.0/17")
HYPERPOD = resource(
    "AWS::SageMaker::Cluster",
    Orchestrator={"Eks": {"ClusterArn": att("Eks")}},
    VpcConfig={"Subnets": [ref("Subnet")], "SecurityGroupIds": [ref("Group")]},
    InstanceGroups=[
        {
            "ExecutionRole": att("Role"),
            "LifeCycleConfig": {"SourceS3Uri": {"Fn::Join": ["", ["s3://", ref("Bucket"), "/scripts/"]]}},
        }
    ],
)
WAIT = "Custom::HyperPodKubernetesWait"
TRAINING = "amazon-sagemaker-hyperpod-training-operator"
GOVERNANCE = "amazon-sagemaker-hyperpod-taskgovernance"
OBSERVABILITY = "amazon-sagemaker-hyperpod-observability"


def addon(name: str, **extra: Any) -> dict[str, Any]:
    return resource("AWS::EKS::Addon", AddonName=name, ClusterName=ref("Eks"), **extra)


def objects(*items: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(items)
    return resource("Custom::HyperPodKubernetesObjects", ClusterName=ref("Eks"), ServiceToken=att("Fn"), Manifest=text)


def from_existing(item: dict[str, Any], **extra: Any) -> dict[str, Any]:
    found = objects(item)
    found["Properties"] |= extra
    return found


def k8s_object(kind: str, name: str = "x", namespace: str | None = None, **overrides: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})}, **overrides}


def wait(**condition: Any) -> dict[str, Any]:
    return resource(WAIT, ClusterName=ref("Eks"), ServiceToken=att("Fn"), Condition=condition)


def release(name: str) -> dict[str, Any]:
    return resource("Custom::HyperPodHelmRelease", ClusterName=ref("Eks"), ServiceToken=att("Fn"), Release=name)


COREDNS = {"kind": "Deployment", "name": "coredns"}
FUNCTION = resource(
    "AWS::Lambda::Function",
    Role=att("FnRole"),
    VpcConfig={"SubnetIds": [ref("Subnet")], "SecurityGroupIds": [ref("FnGroup")]},
)
JOB = objects(k8s_object("HyperPodPyTorchJob", namespace="hyperpod-ns-blue"))
ROUTE = resource("AWS::EC2::Route", RouteTableId=ref("Table"), NatGatewayId=ref("Nat"))
BASE = {
    "Vpc": VPC,
    "Subnet": SUBNET,
    "Group": GROUP,
    "PlaneGroup": GROUP,
    "FnGroup": GROUP,
    "Role": resource("AWS::IAM::Role"),
    "FnRole": resource("AWS::IAM::Role"),
    "Bucket": resource("AWS::S3::Bucket"),
    "Eks": EKS,
    "Fn": FUNCTION,
    "Table": resource("AWS::EC2::RouteTable", VpcId=ref("Vpc")),
    "Association": resource("AWS::EC2::SubnetRouteTableAssociation", SubnetId=ref("Subnet"), RouteTableId=ref("Table")),
    "Nat": resource("AWS::EC2::NatGateway", SubnetId="subnet-public"),
}
PVC_SPEC = {"spec": {"volumeName": "data", "storageClassName": ""}}

CASES: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    "gateway-before-routes": (
        {
            "Attached": resource("AWS::EC2::VPCGatewayAttachment", InternetGatewayId=ref("Gateway")),
            "Gateway": resource("AWS::EC2::InternetGateway"),
            "Out": resource("AWS::EC2::Route", RouteTableId=ref("Table"), GatewayId=ref("Gateway")),
        },
        "Attached",
        "Out",
        None,
    ),
    "address-block-before-subnets": (
        {"Block": resource("AWS::EC2::VPCCidrBlock", VpcId=ref("Vpc"), CidrBlock="10.1.0.0/16")},
        "Block",
        "Subnet",
        None,
    ),
    "routes-before-nodes": ({"Route": ROUTE, "HyperPod": HYPERPOD}, "Route", "HyperPod", None),
    "endpoints-before-nodes": (
        {"End": resource("AWS::EC2::VPCEndpoint", VpcId=ref("Vpc")), "HyperPod": HYPERPOD},
        "End",
        "HyperPod",
        None,
    ),
    "security-group-rules-before-nodes": (
        {"In": resource("AWS::EC2::SecurityGroupIngress", GroupId=att("Group", "GroupId")), "HyperPod": HYPERPOD},
        "In",
        "HyperPod",
        None,
    ),
    "routes-before-handlers": ({"Route": ROUTE, "Job": JOB}, "Route", "Job", None),
    "endpoints-before-handlers": (
        {"End": resource("AWS::EC2::VPCEndpoint", VpcId=ref("Vpc")), "Job": JOB},
        "End",
        "Job",
        None,
    ),
    "security-group-rules-before-handlers": (
        {
            "PlaneIn": resource("AWS::EC2::SecurityGroupIngress", GroupId=att("Eks", "ClusterSecurityGroupId")),
            "Job": JOB,
        },
        "PlaneIn",
        "Job",
        None,
    ),
    "role-policies-before-clusters": (
        {"Policy": resource("AWS::IAM::Policy", Roles=[ref("Role")]), "HyperPod": HYPERPOD},
        "Policy",
        "HyperPod",
        None,
    ),
    "role-policies-before-addons": (
        {
            "AddonRole": resource("AWS::IAM::Role"),
            "AddonPolicy": resource("AWS::IAM::RolePolicy", RoleName=ref("AddonRole")),
            "Driver": addon("aws-fsx-csi-driver", ServiceAccountRoleArn=att("AddonRole")),
        },
        "AddonPolicy",
        "Driver",
        None,
    ),
    "handler-policies-before-custom-resources": (
        {"FnPolicy": resource("AWS::IAM::ManagedPolicy", Roles=[ref("FnRole")]), "Job": JOB},
        "FnPolicy",
        "Job",
        None,
    ),
    "lifecycle-scripts-before-cluster": (
        {"Up": resource("Custom::HyperPodLifecycleScripts", Bucket=ref("Bucket")), "HyperPod": HYPERPOD},
        "Up",
        "HyperPod",
        None,
    ),
    "access-before-objects": (
        {"Entry": resource("AWS::EKS::AccessEntry", ClusterName=ref("Eks")), "Chart": release("hyperpod-dependencies")},
        "Entry",
        "Chart",
        None,
    ),
    "control-plane-before-cluster": (
        {
            "Named": resource("AWS::EKS::Cluster", Name="research"),
            "HyperPod": resource(
                "AWS::SageMaker::Cluster",
                Orchestrator={"Eks": {"ClusterArn": "arn:aws:eks:us-west-2:111122223333:cluster/research"}},
            ),
        },
        "Named",
        "HyperPod",
        None,
    ),
    "core-addons-before-cluster": ({"Cni": addon("vpc-cni"), "HyperPod": HYPERPOD}, "Cni", "HyperPod", None),
    "chart-before-cluster": (
        {"Chart": release("hyperpod-dependencies"), "HyperPod": HYPERPOD},
        "Chart",
        "HyperPod",
        None,
    ),
    "restricted-network-before-cluster": (
        {
            "RigAgent": from_existing(
                k8s_object("DaemonSet", "rig-aws-node"), CopyOf={"kind": "DaemonSet", "name": "aws-node"}
            ),
            "HyperPod": HYPERPOD,
        },
        "RigAgent",
        "HyperPod",
        None,
    ),
    "nodes-before-addons": (
        {"HyperPod": HYPERPOD, "Ready": wait(Type="NodesReady", Count=1), "Dns": addon("coredns")},
        "HyperPod",
        "Dns",
        "Ready",
    ),
    "nodes-before-workloads": (
        {"HyperPod": HYPERPOD, "Ready": wait(Type="NodesReady", Count=1), "Job": JOB},
        "HyperPod",
        "Job",
        "Ready",
    ),
    "originals-before-copies": (
        {"Dns": addon("coredns"), "Servers": from_existing(k8s_object("DaemonSet", "node-coredns"), CopyOf=COREDNS)},
        "Dns",
        "Servers",
        None,
    ),
    "dns-servers-before-policy": (
        {
            "Servers": from_existing(k8s_object("DaemonSet", "node-coredns"), CopyOf=COREDNS),
            "Ready": wait(Type="DaemonSetReady", Name="node-coredns"),
            "Local": from_existing(k8s_object("Service", "kube-dns"), FieldsOnly="true"),
        },
        "Servers",
        "Local",
        "Ready",
    ),
    "cert-manager-before-webhooks": (
        {
            "Certs": addon("cert-manager"),
            "Ready": wait(Type="DeploymentAvailable", Name="cert-manager-webhook", Namespace="cert-manager"),
            "Operator": addon(TRAINING),
        },
        "Certs",
        "Operator",
        "Ready",
    ),
    "pod-identity-agent-before-consumers": (
        {
            "Agent": addon("eks-pod-identity-agent"),
            "Driver": addon("aws-ebs-csi-driver", PodIdentityAssociations=[{"RoleArn": att("Role")}]),
        },
        "Agent",
        "Driver",
        None,
    ),
    "association-before-addon": (
        {
            "Pod": resource(
                "AWS::EKS::PodIdentityAssociation",
                ClusterName=ref("Eks"),
                Namespace="aws-hyperpod",
                ServiceAccount="hp-training-operator-controller-manager",
                RoleArn=att("Role"),
            ),
            "Operator": addon(TRAINING),
        },
        "Pod",
        "Operator",
        None,
    ),
    "prerequisite-addons-first": (
        {"Metrics": addon("metrics-server"), "Inference": addon("amazon-sagemaker-hyperpod-inference")},
        "Metrics",
        "Inference",
        None,
    ),
    "governance-before-quotas": (
        {
            "Governance": addon(GOVERNANCE),
            "Ready": wait(Type="DeploymentAvailable", Name="kueue-controller-manager"),
            "Quota": resource("AWS::SageMaker::ComputeQuota", ClusterArn=att("HyperPod", "ClusterArn")),
            "HyperPod": HYPERPOD,
        },
        "Governance",
        "Quota",
        "Ready",
    ),
    "governance-before-addons": (
        {
            "Governance": addon(GOVERNANCE),
            "Ready": wait(Type="DeploymentAvailable", Name="kueue-controller-manager"),
            "Metrics": addon(OBSERVABILITY),
        },
        "Governance",
        "Metrics",
        "Ready",
    ),
    "cluster-before-quotas": (
        {
            "HyperPod": HYPERPOD,
            "Quota": resource("Custom::HyperPodComputeQuota", EksClusterName=ref("Eks"), TeamName="blue"),
        },
        "HyperPod",
        "Quota",
        None,
    ),
    "scheduler-config-before-quotas": (
        {
            "Config": resource("AWS::SageMaker::ClusterSchedulerConfig", ClusterArn=att("HyperPod")),
            "Quota": resource("AWS::SageMaker::ComputeQuota", ClusterArn=att("HyperPod")),
            "HyperPod": HYPERPOD,
        },
        "Config",
        "Quota",
        None,
    ),
    "csi-driver-before-volumes": (
        {
            "Driver": addon("aws-fsx-csi-driver"),
            "Volume": objects(k8s_object("PersistentVolume", "data", spec={"csi": {"driver": "fsx.csi.aws.com"}})),
        },
        "Driver",
        "Volume",
        None,
    ),
    "volumes-before-claims": (
        {
            "Volume": objects(k8s_object("PersistentVolume", "data")),
            "Claim": objects(k8s_object("PersistentVolumeClaim", "mine", "blue", **PVC_SPEC)),
        },
        "Volume",
        "Claim",
        None,
    ),
    "namespace-before-contents": (
        {"Space": objects(k8s_object("Namespace", "blue")), "Map": objects(k8s_object("ConfigMap", "m", "blue"))},
        "Space",
        "Map",
        None,
    ),
    "parts-before-jobs": (
        {"Claim": objects(k8s_object("PersistentVolumeClaim", "mine", "hyperpod-ns-blue")), "Job": JOB},
        "Claim",
        "Job",
        None,
    ),
    "quotas-before-contents": (
        {
            "HyperPod": HYPERPOD,
            "Quota": resource(
                "AWS::SageMaker::ComputeQuota",
                ClusterArn=att("HyperPod"),
                ComputeQuotaTarget={"TeamName": "blue"},
            ),
            "Claim": objects(k8s_object("PersistentVolumeClaim", "mine", "hyperpod-ns-blue", **PVC_SPEC)),
        },
        "Quota",
        "Claim",
        None,
    ),
    "quotas-before-jobs": (
        {
            "HyperPod": HYPERPOD,
            "Quota": resource(
                "AWS::SageMaker::ComputeQuota",
                ClusterArn=att("HyperPod"),
                ComputeQuotaTarget={"TeamName": "blue"},
            ),
            "Job": JOB,
        },
        "Quota",
        "Job",
        None,
    ),
    "operator-before-jobs": (
        {
            "Operator": addon(TRAINING),
            "Ready": wait(Type="CrdEstablished", Name="hyperpodpytorchjobs.sagemaker.amazonaws.com"),
            "Job": JOB,
        },
        "Operator",
        "Job",
        "Ready",
    ),
    "chart-before-kubeflow-jobs": (
        {"Chart": release("hyperpod-dependencies"), "Job": objects(k8s_object("PyTorchJob", namespace="x"))},
        "Chart",
        "Job",
        None,
    ),
}
