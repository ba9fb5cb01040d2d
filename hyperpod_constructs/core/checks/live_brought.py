"""HP93x to HP95x: what a config brings (network, EKS cluster, roles, keys, images), as the live account has it."""

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
    title="Brought VPCs, subnets and security groups exist",
    why="The deployment fails.",
    cure="correct the id, the region or the profile",
    source="ec2:DescribeVpcs, DescribeSubnets, DescribeSecurityGroups",
)
_error(
    "HP931",
    title="Brought subnets and groups are where the config says",
    why="Nodes land in another zone than their capacity, or in a network without a way to the cluster.",
    cure="correct the config",
    source=_PREREQUISITES,
)
_error(
    "HP932",
    title="Brought subnets have enough free addresses",
    why="Nodes fail to start when the subnet is full; a subnet cannot be resized.",
    cure="use a larger subnet, or fewer nodes",
    source=_PREREQUISITES,
)
_error(
    "HP933",
    title="Brought node subnets are private and have a way out or to S3",
    why="HyperPod rejects public subnets; without a way to S3 and ECR nodes fail their bootstrap.",
    cure="use private subnets with a NAT gateway, or endpoints",
    source=_EKS,
)
_error(
    "HP934",
    title="A network without a way out has the endpoints that nodes need",
    why="Nodes cannot pull images, join the cluster or reach the service.",
    cure="add the endpoints to network.interface_endpoints",
    source="Terraform modules of awslabs/awsome-distributed-training, vpc_endpoints",
)
_error(
    "HP935",
    title="Brought node security groups admit all traffic from and to themselves",
    why="EFA health checks fail, and nodes do not reach each other.",
    cure="add explicit rules for all traffic with the group itself, in and out",
    source=_PREREQUISITES,
)
_error(
    "HP936",
    title="Brought VPCs have DNS resolution and host names",
    why="Nodes cannot register with EKS, and private endpoints are not found.",
    cure="aws ec2 modify-vpc-attribute --enable-dns-support / --enable-dns-hostnames",
    source="EKS user guide, page network-reqs",
)

# EKS

_error(
    "HP940",
    title="The brought EKS cluster exists and is active",
    why="The deployment fails.",
    cure="correct the name, the region or the profile",
    source="eks:DescribeCluster",
)
_error(
    "HP941",
    title="The brought EKS cluster authenticates by access entries",
    why="HyperPod and our handlers cannot be let in.",
    cure="switch it to API_AND_CONFIG_MAP",
    source=_EKS,
)
_error(
    "HP942",
    title="The brought EKS cluster has a version that HyperPod supports",
    why="HyperPod has no AMI for it.",
    cure="use another cluster, or upgrade it",
    source=_EKS,
)
_error(
    "HP943",
    title="The private endpoint of the brought EKS cluster is on",
    why="Nodes reach the API only through the internet, or not at all.",
    cure="switch it on",
    source=_EKS,
)
_error(
    "HP944",
    title="The brought EKS cluster is in the network of the nodes",
    why="HyperPod rejects a cluster whose subnets are in another VPC.",
    cure="bring the VPC of the EKS cluster",
    source="documentation page sagemaker-hyperpod-eks-operate-cli-command-create-cluster",
)
_error(
    "HP945",
    title="Add-ons of the brought EKS cluster do not collide with ours",
    why="CreateAddon rejects an add-on that is there; one that is too old or broken does not work.",
    cure="leave the add-on out of the config, or remove it from the cluster first",
    source="eks:ListAddons, DescribeAddon",
)
_error(
    "HP946",
    title="Principals have no access entry in the brought EKS cluster yet",
    why="CreateAccessEntry rejects a second one for the same principal.",
    cure="remove it from the config, or delete the entry first",
    source="eks:ListAccessEntries",
)
_error(
    "HP947",
    title="No other Kueue runs where task governance is installed",
    why="Task governance brings Kueue itself; the two fight and the installation fails.",
    cure="remove the other Kueue, or leave task governance out",
    source="documentation page sagemaker-hyperpod-eks-operate-console-ui-governance-setup-task-governance",
)
_error(
    "HP948",
    title="No other HyperPod cluster uses the EKS cluster",
    why="An EKS cluster takes one HyperPod cluster.",
    cure="use another EKS cluster",
    source="documentation page sagemaker-hyperpod-eks",
)

# Roles, buckets, keys, images, file systems

_error(
    "HP950",
    title="Brought roles and principals exist",
    why="IAM and EKS reject what does not exist.",
    cure="correct the ARN, or create the role or user",
    source="iam:GetRole, GetUser",
)
_error(
    "HP951",
    title="Brought roles can be assumed by the service that needs them",
    why="The service cannot assume the role; nodes or pods get no credentials.",
    cure="add the service to the role's trust policy",
    source=_IAM,
)
_error(
    "HP952",
    title="Brought execution roles may read the lifecycle scripts",
    why="Nodes fail in their bootstrap.",
    cure="allow s3:GetObject and s3:ListBucket on the bucket",
    source=_IAM,
)
_error(
    "HP953",
    title="Brought buckets exist in the platform's region",
    why="Nodes cannot fetch their scripts.",
    cure="correct the name, or create the bucket in the region",
    source="s3:HeadBucket",
)
_error(
    "HP954",
    title="Brought KMS keys exist, are enabled, and can be used",
    why="Volumes cannot be created or attached; nodes fail.",
    cure="name a symmetric, enabled key of this account and region",
    source="documentation page smcluster-cmk",
)
_error(
    "HP955",
    title="Custom images exist and fit their groups",
    why="Nodes cannot be started from it.",
    cure="name an AMI of this account in this region",
    source="ec2:DescribeImages",
)
_error(
    "HP959",
    title="Brought file systems and workspaces exist and are ready",
    why="What uses it fails.",
    cure="correct the id, the region or the profile",
    source="fsx:DescribeFileSystems; aps:DescribeWorkspace",
)
