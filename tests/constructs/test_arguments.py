"""An error about an invalid type or value contains the argument, and is raised before any resource is created."""

from __future__ import annotations

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from platform_parts import SYSTEM, ZONES, make_cluster

from hyperpod_constructs import (
    Bucket,
    Cluster,
    ClusterSchedulerConfig,
    CoreDns,
    CoreDnsAddon,
    Eks,
    HelmRelease,
    HyperPodBucket,
    HyperPodCluster,
    HyperPodEks,
    HyperPodGovernance,
    HyperPodNetwork,
    HyperPodTeam,
    InstanceGroup,
    Job,
    KubernetesObjects,
    KubernetesWait,
    Network,
    QuotaResource,
    Team,
    TrainingJob,
    TrainingOperatorAddon,
    crd_established,
)

TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.m5.4xlarge", count=1)])
JOB = Job(name="x", image="registry/a:1", instance_type="ml.m5.4xlarge", nodes=1, command=["a"])


@pytest.fixture(scope="module")
def existing_cluster() -> HyperPodCluster:
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S", env=Environment(region="us-west-2"))
    return make_cluster(stack, Cluster(instance_groups=(SYSTEM,)))


def cluster(scope, **arguments):
    options = {"vpc": network(scope), "eks_cluster": "mine", "instance_groups": [SYSTEM], **arguments}
    return HyperPodCluster(scope, "H", **options)


def network(scope):
    found = scope.node.try_find_child("N")
    return found or HyperPodNetwork(scope, "N", network=Network(availability_zone_ids=ZONES))


WRONG = {
    "a VPC by its id": (
        lambda s, c: cluster(s, vpc="vpc-0123456789abcdef0", eks_cluster=c.eks_cluster),
        "S/H: vpc must be aws_ec2.IVpc or HyperPodNetwork, got 'vpc-0123456789abcdef0'",
    ),
    "an EKS cluster by its name": (
        lambda s, c: cluster(s),
        "S/H: eks_cluster must be HyperPodEks or ImportedEks or CdkEksCluster or EksClusterAttributes, got 'mine'",
    ),
    "a group as a mapping": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, instance_groups=[SYSTEM, {"name": "a"}]),
        "S/H: instance_groups[1] must be InstanceGroup, got an object of type dict: write InstanceGroup(...)",
    ),
    "a group that is not in a list": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, instance_groups=SYSTEM),
        "S/H: instance_groups must be a sequence of InstanceGroup, got an object of type InstanceGroup: "
        "write [InstanceGroup(...)]",
    ),
    "a spec as a mapping": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, cluster={"instance_groups": []}),
        "S/H: cluster must be Cluster, got an object of type dict: write Cluster(...)",
    ),
    "subnets in a list": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, node_subnets=["subnet-0123456789abcdef0"]),
        "S/H: node_subnets must be a mapping to aws_ec2.ISubnet, got an object of type list",
    ),
    "a subnet by its id": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, node_subnets={"usw2-az1": "subnet-0123456789abcdef0"}),
        "S/H: node_subnets['usw2-az1'] must be aws_ec2.ISubnet, got 'subnet-0123456789abcdef0'",
    ),
    "a role by its ARN": (
        lambda s, c: cluster(s, eks_cluster=c.eks_cluster, execution_role="arn:aws:iam::111122223333:role/a"),
        "S/H: execution_role must be aws_iam.IRole, got 'arn:aws:iam::111122223333:role/a'",
    ),
    "another construct": (
        lambda s, c: HyperPodEks(s, "E", network=ec2.Vpc(s, "V")),
        "S/E: network must be HyperPodNetwork, got an object of type Vpc",
    ),
    "a network as a mapping": (
        lambda s, c: HyperPodNetwork(s, "N2", network={"availability_zone_ids": []}),
        "S/N2: network must be Network, got an object of type dict: write Network(...)",
    ),
    "a job as a mapping": (
        lambda s, c: TrainingJob(s, "J", cluster=c, job={"name": "x"}),
        "S/J: job must be Job, got an object of type dict: write Job(...)",
    ),
    "settings of another add-on": (
        lambda s, c: TrainingOperatorAddon(s, "O", cluster=c, settings=CoreDns()),
        "S/O: settings must be TrainingOperator, got an object of type CoreDns",
    ),
    "a cluster by its name": (
        lambda s, c: CoreDnsAddon(s, "D", cluster="research"),
        "S/D: cluster must be IHyperPodCluster, got 'research'",
    ),
    "an EKS cluster in place of the HyperPod cluster": (
        lambda s, c: HyperPodTeam(s, "T", cluster=c.eks_cluster, team=TEAM),
        "S/T: cluster must be IHyperPodCluster, got an object of type HyperPodEks",
    ),
    "minutes as a number": (
        lambda s, c: TrainingJob(s, "J", cluster=c, job=JOB, wait_for="start", wait_timeout=30),
        "S/J: wait_timeout must be Duration, got 30",
    ),
    "a condition that is a text": (
        lambda s, c: KubernetesWait(s, "W", kubernetes=c.kubernetes, condition="ready", timeout=Duration.minutes(1)),
        "S/W: condition must be WaitCondition or Callable, got 'ready'",
    ),
    "teams in place of the governance": (
        lambda s, c: HyperPodGovernance(s, "G", cluster=c, governance=[TEAM]),
        "S/G: governance must be Governance, got an object of type list",
    ),
    "a bucket's name": (
        lambda s, c: HyperPodBucket(s, "B", bucket="data"),
        "S/B: bucket must be Bucket, got 'data'",
    ),
    "a number as a switch": (
        lambda s, c: HyperPodBucket(s, "B", bucket=Bucket(name="data"), allow_data_loss=1),
        "S/B: allow_data_loss must be bool, got 1",
    ),
    "a chart by its name": (
        lambda s, c: HelmRelease(s, "H", kubernetes=c.kubernetes, chart="repo/chart", release="a", namespace="b"),
        "S/H: chart must be GitChart or FolderChart or OciChart, got 'repo/chart'",
    ),
    "one object in place of a list": (
        lambda s, c: KubernetesObjects(s, "K", kubernetes=c.kubernetes, objects={"kind": "Job"}),
        "S/K: objects must be a sequence of a mapping or ChartLike or Callable, got an object of type dict",
    ),
    "a target that is a text": (
        lambda s, c: c.on_state_change("Failed", target="function"),
        "S/HyperPod: target must be aws_events.IRuleTarget, got 'function'",
    ),
    "a group to add": (
        lambda s, c: c.add_instance_group({"name": "a"}),
        "S/HyperPod: group must be InstanceGroup, got an object of type dict: write InstanceGroup(...)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_type_is_reported_with_the_argument(existing_cluster: HyperPodCluster, case: str):
    build, message = WRONG[case]
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S", env=Environment(region="us-west-2"))
    before = len(stack.node.children)
    with pytest.raises(TypeError) as error:
        build(stack, existing_cluster)
    assert str(error.value) == message
    assert {child.node.id for child in stack.node.children[before:]} <= {"N", "V"}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda s, c: TrainingJob(s, "J", cluster=c, job=JOB, wait_for="finish"),
            "S/J: wait_for must be 'start' or 'completion', got 'finish'",
        ),
        (
            lambda s, c: HyperPodTeam(s, "T", cluster=c, team=TEAM, through="cloudformation"),
            "S/T: through must be 'auto' or 'native' or 'handler', got 'cloudformation'",
        ),
        (
            lambda s, c: ClusterSchedulerConfig(s, "C", cluster=c, through="Native"),
            "S/C: through must be 'auto' or 'native' or 'handler', got 'Native'",
        ),
    ],
)
def test_a_text_that_is_not_an_allowed_value_is_rejected(existing_cluster: HyperPodCluster, build, message: str):
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S", env=Environment(region="us-west-2"))
    with pytest.raises(ValueError) as error:
        build(stack, existing_cluster)
    assert str(error.value) == message


def test_imported_resources_of_cdk_fit_its_interfaces():
    stack = Stack(
        App(context=UNCOPIED, analytics_reporting=False),
        "S",
        env=Environment(account="111122223333", region="us-west-2"),
    )
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "V",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-west-2a", "us-west-2b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )
    cluster = HyperPodCluster(
        stack,
        "H",
        vpc=vpc,
        eks_cluster=HyperPodEks(stack, "E", network=network(stack), eks=Eks()),
        node_subnets=dict(zip(ZONES, vpc.private_subnets, strict=True)),
        security_group=ec2.SecurityGroup.from_security_group_id(stack, "G", "sg-0123456789abcdef0"),
        execution_role=iam.Role.from_role_arn(stack, "R", "arn:aws:iam::111122223333:role/nodes"),
        instance_groups=(SYSTEM, InstanceGroup(name="gpu", instance_type="ml.g5.8xlarge", count=1)),
    )
    CoreDnsAddon(stack, "D", cluster=cluster)
    KubernetesWait(
        stack,
        "W",
        kubernetes=cluster.kubernetes,
        condition=crd_established("jobs.example.com"),
        timeout=Duration.minutes(1),
    )
    assert cluster.execution_role.role_arn == "arn:aws:iam::111122223333:role/nodes"
