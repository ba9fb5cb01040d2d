"""Node classes and NodePools of the managed Karpenter: one per group, limited, and never evicting a running job."""

from __future__ import annotations

from pathlib import Path

import yaml
from aws_cdk import Stack
from platform_parts import SYSTEM, make_cluster, synthesize

from hyperpod_constructs.constructs.training_job import TrainingJob
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.jobs import Job
from hyperpod_constructs.core.node_pools import API_GROUP, limits, node_classes, node_pools, not_disrupted
from hyperpod_constructs.core.spec import Autoscaling, Cluster, InstanceGroup, Taint

EXAMPLE = Path(__file__).parents[2] / "examples" / "karpenter-spot.yaml"
BURST = InstanceGroup(name="burst", instance_types=("ml.g5.8xlarge", "ml.g6.8xlarge"), count=0, max_count=8)
CLUSTER = Cluster(instance_groups=(SYSTEM, BURST), autoscaling=Autoscaling(groups=("burst",)), counts="autoscaler")
TRAIN = Job(name="train", image="train:1", instance_type="ml.g5.8xlarge", nodes=2, command=("python", "train.py"))


def test_the_example_has_a_pool_for_each_group():
    platform = load(EXAMPLE).platform
    assert platform is not None
    classes, pools = node_classes(platform.cluster), node_pools(platform.cluster)
    names = ["hyperpod-spot", "hyperpod-on-demand"]
    assert [class_["metadata"]["name"] for class_ in classes] == [pool["metadata"]["name"] for pool in pools] == names
    assert [class_["spec"]["instanceGroups"] for class_ in classes] == [["spot"], ["on-demand"]]
    assert yaml.safe_load(yaml.safe_dump(pools[0]["spec"])) == {
        "template": {
            "spec": {
                "nodeClassRef": {
                    "group": "karpenter.sagemaker.amazonaws.com",
                    "kind": "HyperpodNodeClass",
                    "name": "hyperpod-spot",
                },
                "expireAfter": "Never",
                "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists"}],
                "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}],
            }
        },
        "limits": {"cpu": "512", "nvidia.com/gpu": "16"},
        "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
    }


def test_groups_can_share_the_pool_of_version_0_1_0():
    """Karpenter drains the nodes of a NodePool that is deleted, and replaces those whose template changes."""
    other = InstanceGroup(
        name="other", instance_type="ml.g5.8xlarge", count=0, max_count=2, taints=(Taint(key="a", effect="NoSchedule"),)
    )
    scaling = Autoscaling(groups=("burst", "other"), pools="shared")
    shared = CLUSTER.model_copy(update={"instance_groups": (SYSTEM, BURST, other), "autoscaling": scaling})
    (node_class,), (pool,) = node_classes(shared), node_pools(shared)
    assert node_class["metadata"] == pool["metadata"] == {"name": "hyperpod"}
    assert node_class["spec"] == {"instanceGroups": ["burst", "other"]}
    assert pool["spec"]["template"] == {
        "spec": {
            "nodeClassRef": {"group": API_GROUP, "kind": "HyperpodNodeClass", "name": "hyperpod"},
            "expireAfter": "Never",
            "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists"}],
        }
    }
    assert pool["spec"]["limits"] == {"cpu": "320", "nvidia.com/gpu": "10"}
    unlimited = other.model_copy(update={"max_count": None})
    shared = shared.model_copy(update={"instance_groups": (SYSTEM, BURST, unlimited)})
    assert "limits" not in node_pools(shared)[0]["spec"]


def test_consolidation_is_a_setting():
    scaling = Autoscaling(groups=("burst",), consolidation="underutilized", consolidate_after_minutes=60)
    (pool,) = node_pools(CLUSTER.model_copy(update={"autoscaling": scaling}))
    assert pool["spec"]["disruption"] == {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "consolidateAfter": "60m",
    }


def test_labels_and_taints_of_a_group_are_known_to_karpenter():
    group = BURST.model_copy(
        update={"labels": {"team": "vision"}, "taints": (Taint(key="dedicated", effect="NoSchedule"),)}
    )
    (pool,) = node_pools(CLUSTER.model_copy(update={"instance_groups": (SYSTEM, group)}))
    assert pool["spec"]["template"]["metadata"] == {"labels": {"team": "vision"}}
    assert pool["spec"]["template"]["spec"]["taints"] == [{"key": "dedicated", "effect": "NoSchedule"}]


def test_limits_are_those_of_the_largest_type():
    flexible = BURST.model_copy(update={"instance_types": ("ml.g5.8xlarge", "ml.g5.48xlarge"), "max_count": 2})
    assert limits(flexible) == {"cpu": 384, "nvidia.com/gpu": 16}
    assert limits(BURST.model_copy(update={"max_count": None})) == {}


def test_pods_of_jobs_are_not_evicted_from_a_cluster_that_karpenter_fills():
    training_jobs: list[TrainingJob] = []

    def build(stack: Stack) -> None:
        cluster = make_cluster(stack, CLUSTER)
        training_jobs.append(TrainingJob(stack, "Train", cluster=cluster, job=TRAIN))

    synthesize(build)
    (replica,) = training_jobs[0].manifest["spec"]["replicaSpecs"]
    assert replica["template"]["metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}


def test_a_job_keeps_its_own_setting_and_jobs_of_other_clusters_do_not_change():
    annotated = TRAIN.model_copy(update={"annotations": {"karpenter.sh/do-not-disrupt": "false"}})
    assert not_disrupted(annotated, CLUSTER) == annotated
    assert not_disrupted(TRAIN, Cluster(instance_groups=(SYSTEM,))) is TRAIN
