"""The nodes-ready wait uses all groups of the cluster, regardless of when they were added."""

from __future__ import annotations

import json

import pytest
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize

from hyperpod_constructs import (
    Cluster,
    CoreDnsAddon,
    Eks,
    ExistingEks,
    ExistingNetwork,
    InstanceGroup,
    Network,
    NodeSubnet,
    RestrictedInstanceGroup,
)
from hyperpod_constructs.core.spec.cluster import Autoscaling

pytestmark = pytest.mark.slow

GPU = InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=2, availability_zone_id="usw2-az1")
BIG = InstanceGroup(name="big", instance_type="ml.m5.8xlarge", count=5)
TAINTED = InstanceGroup(
    name="tainted", instance_type="ml.g5.8xlarge", count=2, taints=({"key": "a", "effect": "NoSchedule"},)
)
EXISTING_NETWORK = Network(
    existing=ExistingNetwork(
        vpc_id="vpc-0123456789abcdef0",
        node_subnets=(NodeSubnet(subnet_id="subnet-0123456789abcdef0", availability_zone_id="usw2-az1"),),
    )
)


def waits(synthesized: Synthesized) -> list[dict[str, object]]:
    return [
        w["Condition"] for name, w in synthesized.of("Custom::HyperPodKubernetesWait").items() if "NodesReady" in name
    ]


def depends(synthesized: Synthesized, text: str) -> list[str]:
    """The dependencies of the add-on's resource."""
    resources = synthesized.template["Resources"]
    return next(r["DependsOn"] for n, r in resources.items() if text in n and r["Type"] == "AWS::EKS::Addon")


def test_groups_that_are_added_later_make_the_gate():
    def build(stack):
        cluster = make_cluster(stack, Cluster())
        CoreDnsAddon(stack, "Dns", cluster=cluster)  # before a group exists
        for group in (GPU, SYSTEM):
            cluster.add_instance_group(group)

    synthesized = synthesize(build)
    (condition,) = waits(synthesized)
    assert condition["LabelSelector"] == "node.kubernetes.io/instance-type in (ml.m5.4xlarge)"
    assert condition["Count"] == 2
    assert any("NodesReady" in name for name in depends(synthesized, "Dns"))


def test_a_better_group_that_is_added_later_is_the_one_waited_for():
    def build(stack):
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,)))
        cluster.add_instance_group(BIG)

    (condition,) = waits(synthesize(build))
    assert (condition["Count"], condition["LabelSelector"]) == (
        5,
        "node.kubernetes.io/instance-type in (ml.m5.8xlarge)",
    )


def test_without_a_group_to_wait_for_the_cluster_is_created_first():
    def build(stack):
        existing_eks = Eks(existing=ExistingEks(cluster_name="mine", security_group_id="sg-0123456789abcdef0"))
        cluster = make_cluster(stack, Cluster(instance_groups=(TAINTED,)), eks=existing_eks, network=EXISTING_NETWORK)
        CoreDnsAddon(stack, "Dns", cluster=cluster)

    synthesized = synthesize(build)
    assert waits(synthesized) == []
    (cluster,) = synthesized.of("AWS::SageMaker::Cluster")
    assert cluster in depends(synthesized, "Dns")


def test_dns_servers_with_restricted_nodes_count_the_final_nodes():
    restricted = RestrictedInstanceGroup(name="rig", instance_type="ml.p5.48xlarge", count=1)

    def build(stack):
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,), restricted_instance_groups=(restricted,)))
        CoreDnsAddon(stack, "Dns", cluster=cluster)
        cluster.add_instance_group(BIG)

    synthesized = synthesize(build)
    (servers,) = [
        w["Condition"]
        for w in synthesized.of("Custom::HyperPodKubernetesWait").values()
        if "node-coredns" in json.dumps(w)
    ]
    assert servers["MinimumReady"] == 5


def test_groups_for_karpenter_that_are_added_later_get_node_pools():
    def build(stack):
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,), autoscaling=Autoscaling()))
        for name in ("first", "second"):
            cluster.add_instance_group(InstanceGroup(name=name, instance_type="ml.g5.8xlarge", count=0, max_count=8))

    synthesized = synthesize(build)
    manifests = [
        json.loads(properties["Manifest"])[0]
        for name, properties in synthesized.of("Custom::HyperPodKubernetesObjects").items()
        if "NodePool" in name
    ]
    pools = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    assert pools == {
        (kind, name) for kind in ("HyperpodNodeClass", "NodePool") for name in ("hyperpod-first", "hyperpod-second")
    }
