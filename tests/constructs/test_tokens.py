"""CloudFormation parameters: accepted where CloudFormation supports them, rejected by path if synthesis needs the value."""

from __future__ import annotations

import pytest
from assembly import UNCOPIED
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_ssm as ssm
from platform_parts import SYSTEM, ZONES, make_cluster, synthesize

from hyperpod_constructs import Cluster, Eks, HyperPodNetwork, InstanceGroup, Job, Network, QuotaResource, Volume
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.core.checks import Context, check

pytestmark = pytest.mark.slow


def number(stack, name: str = "Number"):
    return CfnParameter(stack, name, type="Number").value_as_number


def group(**values) -> InstanceGroup:
    return InstanceGroup(**{"name": "gpu", "instance_type": "ml.p5.48xlarge", "count": 2, **values})


def groups_of(build):
    return synthesize(build).only("AWS::SageMaker::Cluster")["InstanceGroups"]


def test_counts_are_parameters():
    def build(stack):
        counts = {name: number(stack, name) for name in ("Count", "Min")}
        gpu = group(count=counts["Count"], min_count=counts["Min"])
        make_cluster(stack, Cluster(instance_groups=(SYSTEM, gpu)))

    found = groups_of(build)[1]
    assert (found["InstanceCount"], found["MinInstanceCount"]) == ({"Ref": "Count"}, {"Ref": "Min"})


def test_the_gate_waits_for_the_parameter_of_the_system_group():
    def build(stack):
        make_cluster(stack, Cluster(instance_groups=(SYSTEM.model_copy(update={}), group())))
        stack.node.find_child("HyperPod").add_instance_group(
            InstanceGroup(name="big", instance_type="ml.m5.8xlarge", count=number(stack))
        )

    synthesized = synthesize(build)
    assert synthesized.only("AWS::SageMaker::Cluster")["InstanceGroups"][2]["InstanceCount"] == {"Ref": "Number"}

    def single_group(stack):
        system = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=number(stack))
        make_cluster(stack, Cluster(instance_groups=(system,)))

    waits = synthesize(single_group).of("Custom::HyperPodKubernetesWait")
    (condition,) = (wait["Condition"] for name, wait in waits.items() if "NodesReady" in name)
    assert condition["Count"] == {"Ref": "Number"}


def test_the_size_of_a_volume_is_a_parameter():
    def build(stack):
        make_cluster(stack, Cluster(instance_groups=(SYSTEM, group(volume=Volume(size_gib=number(stack))))))

    (volume,) = groups_of(build)[1]["InstanceStorageConfigs"]
    assert volume["EbsVolumeConfig"]["VolumeSizeInGB"] == {"Ref": "Number"}


def test_rules_report_only_what_is_true_for_every_count():
    token = -1.8881545897087626e289
    certain = group(instance_type="ml.p5.48xlage", count=token)
    found = check(Context(cluster=Cluster(instance_groups=(SYSTEM, certain))))
    assert "HP301" in {finding.rule for finding in found}
    quota = QuotaResource(instance_type="ml.p5.48xlarge", count=4)
    from hyperpod_constructs import Governance, Team

    governance = Governance(teams=(Team(name="vision", quota=[quota]),))
    context = Context(cluster=Cluster(instance_groups=(SYSTEM, group(count=1))), governance=governance)
    unknown = Context(cluster=Cluster(instance_groups=(SYSTEM, group(count=token))), governance=governance)
    only = {f.rule for f in check(context)} - {f.rule for f in check(unknown)}
    assert only, "a quota above the capacity is reported if the capacity is known"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda n: Job(name="x", image="a/b:1", instance_type="ml.p5.48xlarge", nodes=n, command=["a"]), "Job: nodes"),
        (lambda n: QuotaResource(instance_type="ml.p5.48xlarge", count=n), "QuotaResource: count"),
        (lambda n: Cluster(nodes_ready_minutes=n), "Cluster: nodes_ready_minutes"),
    ],
)
def test_a_number_that_synthesis_needs_is_reported(make, name: str):
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S")
    with pytest.raises(ValueError) as error:
        make(number(stack))
    assert str(error.value) == (
        f"{name} is a CDK token, which is known only at deploy time, but synthesis requires the value: specify a literal "
        "number"
    )


def test_a_token_for_the_version_is_a_finding():
    app = App(context=cdk_context() | UNCOPIED)
    stack = Stack(app, "Test", env=Environment(account="222233334444", region="us-west-2"))
    version = ssm.StringParameter.value_for_string_parameter(stack, "/platform/version")
    make_cluster(stack, eks=Eks(kubernetes_version=version))
    with pytest.raises(RuntimeError) as error:
        app.synth()
    assert (
        "error HP201 eks.kubernetes_version: the value is a CDK token, known only at deploy time, but synthesis selects "
        "add-on versions by it"
    ) in str(error.value)


def test_a_token_for_a_range_is_reported():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S")
    cidr = CfnParameter(stack, "Cidr").value_as_string
    for network, path in (
        (Network(availability_zone_ids=ZONES, vpc_cidr=cidr), "network.vpc_cidr"),
        (Network(availability_zone_ids=ZONES, node_cidrs=(cidr, "10.2.0.0/16")), "network.node_cidrs"),
    ):
        with pytest.raises(ValueError) as error:
            HyperPodNetwork(stack, path, network=network)
        assert str(error.value) == (
            f"S/{path}: {path} is a CDK token, which is known only at deploy time, but synthesis requires the value, "
            "because subnets are allocated from it; specify a literal value"
        )


def test_zones_are_parameters():
    ids = []

    def build(stack):
        for index in range(len(ids)):
            _ = CfnParameter(stack, f"Unrelated{index}").value_as_string
        zones = [CfnParameter(stack, name).value_as_string for name in ("First", "Second")]
        HyperPodNetwork(stack, "Network", zones=zones)

    for _ in range(2):
        subnets = synthesize(build).of("AWS::EC2::Subnet")
        assert {str(subnet["AvailabilityZoneId"]) for subnet in subnets.values()} == {
            "{'Ref': 'First'}",
            "{'Ref': 'Second'}",
        }
        ids.append(sorted(subnets))
    assert ids[0] == ids[1]
