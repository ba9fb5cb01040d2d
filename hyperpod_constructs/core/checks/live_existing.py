"""HP93x to HP95x: existing resources in a config (network, EKS cluster, roles, keys, images) in the account."""

from functools import partial

from ..findings import Severity
from .registry import describe

_error = partial(describe, severity=Severity.ERROR, certain=False)

_PREREQUISITES = "documentation page sagemaker-hyperpod-prerequisites"
_EKS = "documentation page sagemaker-hyperpod-eks-prerequisites"
_IAM = "documentation page sagemaker-hyperpod-prerequisites-iam"

# Network

_error(
    "HP930",
    title="Existing VPCs, subnets and security groups exist in the account.",
    why="The deployment fails.",
    cure="Correct the id, the region or the profile.",
    source="ec2:DescribeVpcs, DescribeSubnets, DescribeSecurityGroups",
)
_error(
    "HP931",
    title="Existing subnets and security groups are where the config says.",
    why="Nodes are in another zone than their capacity, or in a network without a route to the cluster.",
    cure="Correct the config.",
    source=_PREREQUISITES,
)
_error(
    "HP932",
    title="Existing subnets have enough free IP addresses.",
    why="Nodes fail to start when the subnet is full; a subnet cannot be resized.",
    cure="Use a larger subnet, or fewer nodes.",
    source=_PREREQUISITES,
)
_error(
    "HP933",
    title="Existing node subnets are private and have a route to the internet or to S3.",
    why="HyperPod rejects public subnets; without a route to S3 and ECR the bootstrap of nodes fails.",
    cure="Use private subnets with a NAT gateway, or endpoints.",
    source=_EKS,
)
_error(
    "HP934",
    title="A network without a route to the internet has the endpoints that nodes require.",
    why="Nodes cannot pull images, join the cluster or reach the service.",
    cure="Add the endpoints to network.interface_endpoints.",
    source="Terraform modules of awslabs/awsome-distributed-training, vpc_endpoints",
)
_error(
    "HP935",
    title="Existing node security groups allow all traffic from and to themselves.",
    why="EFA health checks fail, and nodes do not reach each other.",
    cure="Add explicit ingress and egress rules for all traffic with the group itself.",
    source=_PREREQUISITES,
)
_error(
    "HP936",
    title="Existing VPCs have DNS resolution and DNS host names enabled.",
    why="Nodes cannot register with EKS, and private endpoints are not resolved.",
    cure="Run `aws ec2 modify-vpc-attribute` with --enable-dns-support or --enable-dns-hostnames.",
    source="EKS user guide, page network-reqs",
)

# EKS

_error(
    "HP940",
    title="The existing EKS cluster is active.",
    why="The deployment fails.",
    cure="Correct the name, the region or the profile.",
    source="eks:DescribeCluster",
)
_error(
    "HP941",
    title="The existing EKS cluster authenticates with access entries.",
    why="Access entries for HyperPod and for the deployment's functions cannot be created.",
    cure="Change it to API_AND_CONFIG_MAP.",
    source=_EKS,
)
_error(
    "HP942",
    title="The existing EKS cluster has a version that HyperPod supports.",
    why="HyperPod has no AMI for it.",
    cure="Use another cluster, or upgrade it.",
    source=_EKS,
)
_error(
    "HP943",
    title="The private endpoint of the existing EKS cluster is enabled.",
    why="Nodes reach the API only through the internet, or cannot reach it.",
    cure="Enable it.",
    source=_EKS,
)
_error(
    "HP944",
    title="The existing EKS cluster is in the network of the nodes.",
    why="HyperPod rejects a cluster whose subnets are in another VPC.",
    cure="Use the VPC of the EKS cluster.",
    source="documentation page sagemaker-hyperpod-eks-operate-cli-command-create-cluster",
)
_error(
    "HP945",
    title="Add-ons of the existing EKS cluster do not conflict with those of the config.",
    why="CreateAddon rejects an add-on that is installed; one that is too old or degraded does not work.",
    cure="Remove the add-on from the config, or from the cluster.",
    source="eks:ListAddons, DescribeAddon",
)
_error(
    "HP946",
    title="Principals have no access entry in the existing EKS cluster.",
    why="CreateAccessEntry rejects a second one for the same principal.",
    cure="Remove it from the config, or delete the entry first.",
    source="eks:ListAccessEntries",
)
_error(
    "HP947",
    title="No other Kueue runs where task governance is installed.",
    why="Task governance includes Kueue; the two conflict and the installation fails.",
    cure="Remove the other Kueue, or task governance.",
    source="documentation page sagemaker-hyperpod-eks-operate-console-ui-governance-setup-task-governance",
)
_error(
    "HP948",
    title="No other HyperPod cluster uses the EKS cluster.",
    why="An EKS cluster supports one HyperPod cluster.",
    cure="Use another EKS cluster.",
    source="documentation page sagemaker-hyperpod-eks",
)

# Roles, buckets, keys, images, file systems

_error(
    "HP950",
    title="Existing roles and principals exist in the account.",
    why="IAM and EKS reject principals that do not exist.",
    cure="Correct the ARN, or create the role or user.",
    source="iam:GetRole, GetUser",
)
_error(
    "HP951",
    title="Existing roles can be assumed by the service that uses them.",
    why="The service cannot assume the role; nodes or pods get no credentials.",
    cure="Add the service to the role's trust policy.",
    source=_IAM,
)
_error(
    "HP952",
    title="Existing execution roles can read the lifecycle scripts.",
    why="The bootstrap of nodes fails.",
    cure="Allow s3:GetObject and s3:ListBucket on the bucket.",
    source=_IAM,
)
_error(
    "HP953",
    title="Existing buckets are in the platform's region.",
    why="Nodes cannot fetch their scripts.",
    cure="Correct the name, or create the bucket in the region.",
    source="s3:HeadBucket",
)
_error(
    "HP954",
    title="Existing KMS keys are enabled and can be used.",
    why="Volumes cannot be created or attached; nodes fail.",
    cure="Specify a symmetric, enabled key in this account and region.",
    source="documentation page smcluster-cmk",
)
_error(
    "HP955",
    title="Custom images exist and fit their groups.",
    why="Nodes cannot be started from it.",
    cure="Specify an AMI of this account in this region.",
    source="ec2:DescribeImages",
)
_error(
    "HP959",
    title="Existing file systems and workspaces are available.",
    why="Resources that use them fail.",
    cure="Correct the id, the region or the profile.",
    source="fsx:DescribeFileSystems; aps:DescribeWorkspace",
)
