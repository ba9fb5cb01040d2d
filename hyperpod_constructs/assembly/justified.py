"""Accepted findings of cdk-nag, each with the construct that creates the resource, the detail, and a reason."""

from __future__ import annotations

import re

from aws_cdk import Stack, custom_resources
from constructs import Construct

from ..constructs.addons.cloudwatch_observability import CloudWatchObservabilityAddon
from ..constructs.addons.ebs_csi import EbsCsiAddon
from ..constructs.addons.fsx_csi import FsxCsiAddon
from ..constructs.addons.inference_operator import InferenceOperatorAccess
from ..constructs.addons.load_balancer_policy import UNRESTRICTED
from ..constructs.addons.mountpoint_s3_csi import MountpointS3CsiAddon
from ..constructs.addons.observability import ObservabilityAddon
from ..constructs.addons.spaces import SpacesAddon
from ..constructs.addons.training_operator import TrainingOperatorAddon
from ..constructs.bucket import HyperPodBucket
from ..constructs.cluster import HyperPodCluster
from ..constructs.cluster_guard import ClusterGuard
from ..constructs.eks import HyperPodEks
from ..constructs.execution_roles import ExecutionRoles
from ..constructs.governance import GovernanceProvider
from ..constructs.grafana import ManagedGrafana
from ..constructs.kubernetes import KubernetesProvider
from ..constructs.kubernetes.helm_release import HelmRelease
from ..constructs.kubernetes.provider import VPC_ACTIONS
from ..constructs.lifecycle_scripts import LifecycleScripts, ScriptCopier
from ..constructs.network import HyperPodNetwork
from ..constructs.storage import PodAccess
from .justification import IAM5, Justified, actions_of, describing

_IAM4, _IAM5 = "AwsSolutions-IAM4", IAM5
_POLICY = r"Policy::arn:<AWS::Partition>:iam::aws:policy/"
_ARN = r"Resource::arn:(?:aws|<AWS::Partition>)"
_OWN = r"[\w-]*(?:<AWS::Region>)?:(?:<AWS::AccountId>|\d{12})"
_CALL = "AWS679f53fac002430cb0da5b7982bd2287"
_RETENTION = "LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8a"
_ROLE = "Role/DefaultPolicy/Resource"
_NODES = r"[^/]+/(?:DefaultPolicy|Policy\w*)/Resource"
_S3 = r"Action::s3:(?:Abort|DeleteObject|GetBucket|GetObject|List)\*"
_OBJECTS = r"Resource::(?:<\w+\.Arn>|arn:(?:aws|<AWS::Partition>):s3:::[^*]+)/\*"


def _managed(made_by: type[Construct], below: str, name: str, reason: str) -> Justified:
    return Justified(_IAM4, made_by, below, reason, _POLICY + re.escape(name))


JUSTIFIED: tuple[Justified, ...] = (
    # CDK's own functions
    _managed(
        custom_resources.Provider,
        r"framework-\w+/ServiceRole/Resource",
        "service-role/AWSLambdaBasicExecutionRole",
        "CDK attaches this policy to its functions, so that they can write logs",
    ),
    Justified(
        _IAM5,
        custom_resources.Provider,
        r"(?:framework-\w+/ServiceRole|waiter-state-machine/Role)/DefaultPolicy/Resource",
        "CDK allows every version of the one function that is invoked",
        r"Resource::<\w+\.Arn>:\*",
    ),
    Justified(
        "AwsSolutions-SF1",
        custom_resources.Provider,
        "waiter-state-machine/Resource",
        "CDK's waiter logs its errors; logs of every poll are not required",
    ),
    Justified(
        "AwsSolutions-SF2",
        custom_resources.Provider,
        "waiter-state-machine/Resource",
        "CDK's waiter polls one function; traces add no information",
    ),
    _managed(
        Stack,
        rf"{_CALL}/ServiceRole/Resource",
        "service-role/AWSLambdaBasicExecutionRole",
        "CDK attaches this policy to its functions, so that they can write logs",
    ),
    _managed(
        Stack,
        rf"{_RETENTION}/ServiceRole/Resource",
        "service-role/AWSLambdaBasicExecutionRole",
        "CDK attaches this policy to its functions, so that they can write logs",
    ),
    Justified(
        _IAM5,
        Stack,
        rf"{_RETENTION}/ServiceRole/DefaultPolicy/Resource",
        "CDK's function sets the retention of log groups that services create",
        r"Resource::\*",
        frozenset({"logs:DeleteRetentionPolicy", "logs:PutRetentionPolicy"}),
    ),
    Justified(
        _IAM5,
        custom_resources.AwsCustomResource,
        "CustomResourcePolicy/Resource",
        "looking up a subnet does not support resource-level permissions",
        r"Resource::\*",
        frozenset({"ec2:DescribeSubnets"}),
    ),
    # roles that require AWS managed policies
    _managed(HyperPodEks, "Cluster/Role/Resource", "AmazonEKSClusterPolicy", "EKS requires this policy"),
    _managed(
        ExecutionRoles,
        r"[^/]+/Resource",
        "AmazonSageMakerClusterInstanceRolePolicy",
        "documented for execution roles of HyperPod",
    ),
    _managed(
        TrainingOperatorAddon,
        "Role/Resource",
        "AmazonSageMakerHyperPodTrainingOperatorAccess",
        "documented for the add-on",
    ),
    _managed(
        InferenceOperatorAccess, "Role/Resource", "AmazonSageMakerHyperPodInferenceAccess", "documented for the add-on"
    ),
    _managed(
        SpacesAddon,
        "ControllerRole/Resource",
        "AmazonSageMakerSpacesControllerPolicy",
        "AWS managed policy for the add-on's controller",
    ),
    _managed(
        SpacesAddon,
        "RouterRole/Resource",
        "AmazonSageMakerSpacesRouterPolicy",
        "AWS managed policy for the add-on's router",
    ),
    _managed(
        EbsCsiAddon, "Role/Resource", "service-role/AmazonEBSCSIDriverPolicy", "AWS managed policy for the driver"
    ),
    _managed(
        CloudWatchObservabilityAddon, "Role/Resource", "CloudWatchAgentServerPolicy", "AWS managed policy for the agent"
    ),
    # nodes
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "interfaces get their ids on creation; a condition limits actions on them to the VPC",
        rf"{_ARN}:ec2:{_OWN}:network-interface/\*",
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "instances get their ids when nodes start, and may be in an account of the service",
        rf"{_ARN}:ec2:(?:{_OWN}|\*:\*):instance/\*",
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "IAM defines no resource for these actions, except for alarms of rolling updates, which are only read",
        r"Resource::\*",
        describing(),
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "images of the service are in accounts of the service, which differ by region; access is pull only",
        rf"{_ARN}:ecr:\*:\*:repository/\*",
    ),
    Justified(_IAM5, ExecutionRoles, _NODES, "actions that CDK grants on one bucket: scripts, storage", _S3),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "objects of one bucket: lifecycle scripts, storage, and buckets in the config",
        _OBJECTS,
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "objects below the prefix of the lifecycle scripts",
        rf"{_ARN}:s3:::[^*/]+/[^*]+\*",
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "the names of reward functions and queues contain a given word; a tag excludes functions of the deployment",
        rf"{_ARN}:(?:lambda:{_OWN}:function|sqs:{_OWN}):\*SageMaker\*",
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "access points and buckets of the service for gated recipes, which differ by region; access is read only",
        rf"{_ARN}:s3:(?:\*:\d+:accesspoint/|::)advanced-model-customization-recipes[\w-]*\*/\*",
    ),
    Justified(
        _IAM5,
        ExecutionRoles,
        _NODES,
        "any HyperPod cluster of the account: the cluster depends on its roles, so its ARN is unknown",
        rf"{_ARN}:sagemaker:{_OWN}:cluster/\*",
    ),
    Justified(
        _IAM5,
        HyperPodCluster,
        f"Cluster{_ROLE}",
        "any HyperPod cluster of the role's own account: the cluster depends on its role, so its ARN is unknown",
        rf"{_ARN}:sagemaker:{_OWN}:cluster/\*",
    ),
    # functions of this library
    Justified(
        _IAM5,
        KubernetesProvider,
        rf"(?:Wait)?{_ROLE}",
        "any HyperPod cluster, read only: the cluster depends on this stack, so its ARN is unknown",
        rf"{_ARN}:sagemaker:{_OWN}:cluster/\*",
    ),
    Justified(
        _IAM5,
        KubernetesProvider,
        rf"(?:Wait)?{_ROLE}",
        "any add-on of one EKS cluster, read only",
        rf"{_ARN}:eks:{_OWN}:addon/[^*]+/\*",
    ),
    Justified(
        _IAM5,
        KubernetesProvider,
        rf"(?:Wait)?{_ROLE}",
        (
            "Lambda requires these for functions in a VPC before it creates their interfaces, and documents "
            "them on any resource"
        ),
        r"Resource::\*",
        frozenset(VPC_ACTIONS),
    ),
    Justified(
        _IAM5,
        HelmRelease,
        "ChartAccess/Resource",
        "IAM defines no resource for an authorization token of ECR",
        r"Resource::\*",
        frozenset({"ecr:GetAuthorizationToken"}),
    ),
    Justified(
        _IAM5,
        ClusterGuard,
        _ROLE,
        "any HyperPod cluster, read only: the cluster depends on the guard, so its ARN is unknown",
        rf"{_ARN}:sagemaker:{_OWN}:cluster/\*",
    ),
    Justified(
        _IAM5,
        ClusterGuard,
        _ROLE,
        "IAM defines no resource for describing file systems",
        r"Resource::\*",
        frozenset({"fsx:DescribeFileSystems"}),
    ),
    # add-ons
    Justified(
        _IAM5,
        FsxCsiAddon,
        _ROLE,
        "IAM defines no resource for describing file systems",
        r"Resource::\*",
        frozenset({"fsx:DescribeFileSystems"}),
    ),
    Justified(
        _IAM5,
        InferenceOperatorAccess,
        f"Keda{_ROLE}",
        "each scaler specifies the CloudWatch metrics that it reads; access is read only",
        r"Resource::\*",
        actions_of("keda", "metrics"),
    ),
    Justified(
        _IAM5,
        InferenceOperatorAccess,
        f"Keda{_ROLE}",
        "each scaler specifies the workspace whose metrics it reads",
        rf"{_ARN}:aps:{_OWN}:workspace/\*",
    ),
    Justified(
        _IAM5,
        InferenceOperatorAccess,
        f"LoadBalancer{_ROLE}",
        "the controller's own policy: resources that it creates get its tag, and changes require the tag, "
        "except for listeners, ingress rules of security groups, certificates and firewalls",
        r"Resource::\*",
        UNRESTRICTED,
    ),
    Justified(
        _IAM5,
        InferenceOperatorAccess,
        f"LoadBalancer{_ROLE}",
        "the controller's own policy: the controller generates the names",
        rf"{_ARN}:(?:ec2:{_OWN}:security-group/\*|elasticloadbalancing:{_OWN}:"
        r"(?:targetgroup/\*/\*|loadbalancer/(?:app|net)/\*/\*|listener(?:-rule)?/(?:app|net)/\*/\*/\*))",
    ),
    Justified(_IAM5, InferenceOperatorAccess, _ROLE, "all objects of the bucket for TLS certificates", _OBJECTS),
    Justified(
        _IAM5,
        InferenceOperatorAccess,
        _ROLE,
        "certificates get their ids when the operator creates them; the permission only adds tags",
        rf"{_ARN}:acm:{_OWN}:certificate/\*",
    ),
    Justified(
        _IAM5, MountpointS3CsiAddon, _ROLE, "all objects of the buckets that are mounted", _OBJECTS, sibling=True
    ),
    Justified(_IAM5, MountpointS3CsiAddon, _ROLE, "actions that CDK grants on one bucket", _S3, sibling=True),
    # teams, storage, observability
    Justified(
        _IAM5,
        GovernanceProvider,
        _ROLE,
        "IAM defines no resource for list actions",
        r"Resource::\*",
        actions_of("governance_handler", "list"),
    ),
    Justified(
        _IAM5,
        GovernanceProvider,
        _ROLE,
        "the service generates the ids of quotas and scheduler configs",
        rf"{_ARN}:sagemaker:{_OWN}:(?:compute-quota|cluster-scheduler-config)/\*",
    ),
    Justified(
        _IAM5,
        GovernanceProvider,
        _ROLE,
        "the access entries of one EKS cluster",
        rf"{_ARN}:eks:{_OWN}:access-entry/[^*]+/\*",
    ),
    Justified(_IAM5, PodAccess, _ROLE, "actions that CDK grants on one bucket", _S3),
    Justified(_IAM5, PodAccess, _ROLE, "all objects of one bucket", _OBJECTS),
    Justified(
        "AwsSolutions-S1",
        HyperPodBucket,
        "Bucket/Resource",
        "access logs are written to the bucket that the config specifies, if any",
    ),
    Justified(
        _IAM5,
        ObservabilityAddon,
        _ROLE,
        "query results are read by ids that only the caller who starts the query knows",
        r"Resource::\*",
        actions_of("observability", "log_queries"),
    ),
    Justified(
        _IAM5,
        ObservabilityAddon,
        _ROLE,
        "names of the log groups of HyperPod clusters contain ids of the service",
        rf"{_ARN}:logs:{_OWN}:log-group:/aws/sagemaker/Clusters/\*",
    ),
    Justified(
        _IAM5,
        ManagedGrafana,
        _ROLE,
        "users choose metrics, alarms, tags and query results in Grafana; access is read only",
        r"Resource::\*",
        actions_of("grafana", "cloudwatch", "log_queries", "tags") | {"aps:ListWorkspaces", "logs:DescribeLogGroups"},
    ),
    Justified(
        _IAM5,
        ManagedGrafana,
        _ROLE,
        "names of the log groups of HyperPod clusters contain ids of the service",
        rf"{_ARN}:logs:{_OWN}:log-group:/aws/sagemaker/Clusters/\*",
    ),
    # choices of the config
    Justified(
        _IAM5,
        ScriptCopier,
        _ROLE,
        "actions that CDK grants to write objects, below one prefix of one bucket",
        r"Action::(?:s3:Abort|kms:ReEncrypt|kms:GenerateDataKey)\*|Resource::(?:<\w+\.Arn>|[^*]+:s3:::[^*]+)/lifecycle/\*",
    ),
    Justified("AwsSolutions-S1", LifecycleScripts, "Bucket/Resource", "access logs require another bucket"),
    Justified("AwsSolutions-S1", InferenceOperatorAccess, "TlsBucket/Resource", "access logs require another bucket"),
    Justified(
        "AwsSolutions-VPC7", HyperPodNetwork, "Vpc", "`network.flow_logs` enables flow logs, which are billed by volume"
    ),
    Justified(
        "AwsSolutions-EKS1",
        HyperPodEks,
        "Cluster/Resource",
        "`eks.endpoint_access` is set by the config; an endpoint that is open to any IP address is finding HP212",
    ),
)
"""The accepted findings of a platform; a test checks that every row is used."""
