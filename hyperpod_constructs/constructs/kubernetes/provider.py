"""The functions that apply, wait for and delete Kubernetes objects, with their access to one EKS cluster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from aws_cdk import Aws, Duration, Stack, custom_resources
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, DependencyGroup

from ...handlers.kubernetes.timing import POLL_SECONDS
from ..arguments import checked
from ..functions import FUNCTION_MINUTES, function_logs, function_role, handler_function, waiting_provider
from ..log_groups import DEFAULT_RETENTION
from ..parts import Parts
from ..trust import keep_internal
from ..validation import check_parts

VPC_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""Permissions that Lambda requires of the role of a function in a VPC."""


class KubernetesProvider(Construct):
    """The functions of `KubernetesObjects`, `KubernetesWait` and `HelmRelease` for one EKS cluster, in any stack.

    The functions require only the cluster's name and an access entry, so the cluster may be created elsewhere. With a VPC,
    they run in it, for clusters without a public endpoint; they then reach the APIs of STS, EKS, S3, SageMaker and
    CloudWatch Logs through NAT or endpoints. CDK's framework functions only call these functions and stay outside of the
    VPC.

    Args:
        cluster_name: name of the EKS cluster.
        cluster_arn: ARN of the EKS cluster. If it is built from a known name instead of read from the cluster, the
            functions are created in parallel with the cluster.
        vpc: VPC of the functions. Default: no VPC; the functions use the cluster's public endpoint.
        vpc_subnets: subnets of the functions. Default: the private subnets of the VPC.
        security_groups: security groups that the cluster must allow on port 443. Default: a new one, see `connections`.
        create_access_entry: create access entries: cluster-admin for the functions that apply, a read-only policy for
            those that wait. False if they are created elsewhere, for `role` and `wait_role`.
        permissions_boundary: permissions boundary of all roles created here. Default: none.
        log_retention: retention of the logs. Default: three months.
    """

    cluster_name: str
    cluster_arn: str
    role: iam.Role
    """Role of the functions that apply; the Helm provider shares it."""
    function_placement: dict[str, Any]
    """Keyword arguments for another function in the same subnets; empty outside of a VPC."""
    connections: ec2.Connections
    """Security groups of the functions, which the cluster must allow."""
    parts: Parts
    """The components that the app creates on the EKS cluster, which are checked at synthesis."""
    before_clusters: DependencyGroup
    """Dependencies of HyperPod clusters on the EKS cluster, such as the dependency chart."""
    before_jobs: DependencyGroup
    """Dependencies of jobs on the EKS cluster in addition to its operators and queues: objects of `Manifests`."""
    service_token: str
    """Service token of `Custom::HyperPodKubernetesObjects`."""
    reachable: DependencyGroup
    """Access of the functions to the Kubernetes API, such as security group rules; their resources depend on it."""
    ready: DependencyGroup
    """The access entry and the role with its policies: manifests depend on it."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_name: str,
        cluster_arn: str,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        create_access_entry: bool = True,
        permissions_boundary: iam.IManagedPolicy | None = None,
        log_retention: logs.RetentionDays = DEFAULT_RETENTION,
    ) -> None:
        super().__init__(scope, id)
        if vpc is None and (vpc_subnets is not None or security_groups):
            raise ValueError("vpc_subnets and security_groups of a KubernetesProvider require its vpc")
        self.cluster_name = cluster_name
        self.cluster_arn = cluster_arn
        self.parts = Parts()
        check_parts(self, self.parts)
        self._log_retention = log_retention
        self._place(vpc, vpc_subnets, security_groups)
        self._in_vpc, self._create_access_entry = vpc is not None, create_access_entry
        self.role = self._create_role("Role", "Functions that call the Kubernetes API of the EKS cluster")
        self._framework_logs = function_logs(self, "FrameworkLogs", log_retention)
        keep_internal(self)
        self.reachable = DependencyGroup()
        self.before_clusters = DependencyGroup()
        self.before_jobs = DependencyGroup()
        self.ready = DependencyGroup(self.role, self.reachable)
        if create_access_entry:
            self.ready.add(self._access_entry("AccessEntry", self.role, "AmazonEKSClusterAdminPolicy"))
        self.service_token = custom_resources.Provider(
            self,
            "Apply",
            on_event_handler=self._function(
                "Applier", "apply.on_event", "Applies and deletes Kubernetes objects", FUNCTION_MINUTES, memory=512
            ),
            log_group=self._framework_logs,
        ).service_token
        if permissions_boundary is not None:
            iam.PermissionsBoundary.of(self).apply(permissions_boundary)

    @cached_property
    def wait_role(self) -> iam.Role:
        """Role of the functions that wait, with read-only access to the cluster. Created on first use."""
        return self._create_role("WaitRole", "Functions that wait for resources in the EKS cluster")

    @cached_property
    def wait_ready(self) -> DependencyGroup:
        """The access entry and the role of the functions that wait: waits depend on it."""
        group = DependencyGroup(self.wait_role, self.reachable)
        if self._create_access_entry:
            # AmazonEKSViewPolicy does not include nodes, CustomResourceDefinitions and custom kinds
            entry = self._access_entry("WaitAccessEntry", self.wait_role, "AmazonEKSAdminViewPolicy")
            group.add(entry)
            self.ready.add(entry)  # all access entries exist before anything is applied, and until all of it is deleted
        return group

    @cached_property
    def wait_service_token(self) -> str:
        """Service token of `Custom::HyperPodKubernetesWait`; its functions are created on first use."""
        stack = Stack.of(self)
        reasons = ("DescribeCluster", "DescribeClusterNode", "ListClusterEvents", "ListClusterNodes")
        # Any HyperPod cluster: it depends on this stack, which therefore cannot refer to it.
        clusters = stack.format_arn(service="sagemaker", resource="cluster", resource_name="*")
        addons = stack.format_arn(service="eks", resource="addon", resource_name=f"{self.cluster_name}/*")
        if ":cluster/" in self.cluster_arn:  # without a reference to the cluster, for which the functions would wait
            addons = f"{self.cluster_arn.replace(':cluster/', ':addon/')}/*"
        self.wait_role.add_to_policy(
            iam.PolicyStatement(actions=[f"sagemaker:{action}" for action in reasons], resources=[clusters])
        )
        self.wait_role.add_to_policy(iam.PolicyStatement(actions=["eks:DescribeAddon"], resources=[addons]))
        return waiting_provider(
            self,
            "Wait",
            on_event_handler=self._function(
                "WaitStarter", "wait.on_event", "Starts a wait for Kubernetes resources", 1, role=self.wait_role
            ),
            is_complete_handler=self._function(
                "Waiter", "wait.is_complete", "Checks whether Kubernetes resources are ready", 3, role=self.wait_role
            ),
            query_interval=Duration.seconds(POLL_SECONDS),
            total_timeout=Duration.hours(1),
            log_group=self._framework_logs,
        ).service_token

    def _place(
        self,
        vpc: ec2.IVpc | None,
        vpc_subnets: ec2.SubnetSelection | None,
        security_groups: Sequence[ec2.ISecurityGroup] | None,
    ) -> None:
        groups = list(security_groups or ())
        if vpc is None:
            self.function_placement = {}
        else:
            if not groups:
                description = "Functions that talk to the EKS API server"  # a change replaces the group
                groups = [ec2.SecurityGroup(self, "SecurityGroup", vpc=vpc, description=description)]
            subnets = vpc_subnets or ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
            self.function_placement = {"vpc": vpc, "vpc_subnets": subnets, "security_groups": groups}
        self.connections = ec2.Connections(security_groups=groups)

    def _create_role(self, id: str, description: str) -> iam.Role:
        role = function_role(self, id, description)
        role.add_to_policy(iam.PolicyStatement(actions=["eks:DescribeCluster"], resources=[self.cluster_arn]))
        if self._in_vpc:
            # Lambda requires these actions for functions in a VPC; they do not support narrower resources.
            role.add_to_policy(iam.PolicyStatement(actions=list(VPC_ACTIONS), resources=["*"]))
        return role

    def _access_entry(self, id: str, role: iam.Role, policy: str) -> eks.CfnAccessEntry:
        arn = f"arn:{Aws.PARTITION}:eks::aws:cluster-access-policy/{policy}"
        return eks.CfnAccessEntry(
            self,
            id,
            cluster_name=self.cluster_name,
            principal_arn=role.role_arn,
            access_policies=[{"policyArn": arn, "accessScope": {"type": "cluster"}}],
        )

    def _function(
        self,
        id: str,
        handler: str,
        description: str,
        minutes: int,
        *,
        memory: int = 256,
        role: iam.Role | None = None,
    ) -> lambda_.Function:
        return handler_function(
            self,
            id,
            f"kubernetes.{handler}",
            description=description,
            role=role or self.role,
            log_group=function_logs(self, f"{id}Logs", self._log_retention),
            timeout=Duration.minutes(minutes),
            memory_size=memory,
            **self.function_placement,
        )
