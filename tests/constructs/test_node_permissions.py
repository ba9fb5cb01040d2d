"""Permissions of execution roles for the network of nodes and for restricted groups."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import Stack
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize

from hyperpod_constructs.core.spec import Cluster, RestrictedInstanceGroup

RESTRICTED = RestrictedInstanceGroup(
    name="nova",
    instance_type="ml.p5.48xlarge",
    count=2,
    lustre_size_gib=1200,
    lustre_throughput=125,
    input_bucket_arns=("arn:aws:s3:::inputs",),
    output_bucket_arns=("arn:aws:s3:::outputs",),
    reward_functions=True,
    gated_recipes=True,
)


def synthesized(cluster: Cluster) -> Synthesized:
    def build(stack: Stack) -> None:
        make_cluster(stack, cluster)

    return synthesize(build)


@pytest.fixture(scope="module")
def ordinary() -> Synthesized:
    return synthesized(Cluster(instance_groups=(SYSTEM,)))


@pytest.fixture(scope="module")
def restricted() -> Synthesized:
    return synthesized(
        Cluster(instance_groups=(SYSTEM,), restricted_instance_groups=(RESTRICTED,), execution_roles="per-group")
    )


def resources(found: Synthesized, action: str) -> list[Any]:
    return [statement["Resource"] for statement in found.allows("ExecutionRoles", action)]


def test_interfaces_are_detached_from_instances_of_any_account(ordinary: Synthesized):
    instances, interfaces = map(json.dumps, resources(ordinary, "ec2:DetachNetworkInterface"))
    assert ":ec2:*:*:instance/*" in instances
    assert ":network-interface/*" in interfaces
    attach = resources(ordinary, "ec2:AttachNetworkInterface")
    assert attach
    assert "*" not in attach


def test_the_network_plugin_attaches_interfaces_through_the_service(ordinary: Synthesized):
    """Amazon VPC CNI after v1.23.1: pull request 3874."""
    (clusters,) = resources(ordinary, "sagemaker:AttachClusterNodeNetworkInterface")
    assert json.dumps(clusters).endswith(':cluster/*"]]}')
    assert resources(ordinary, "sts:GetCallerIdentity") == ["*"]


def test_a_restricted_group_deletes_old_checkpoints_and_reads_its_inputs(restricted: Synthesized):
    assert resources(restricted, "s3:DeleteObject") == ["arn:aws:s3:::outputs/*"]
    assert "arn:aws:s3:::inputs/*" in json.dumps(resources(restricted, "s3:GetObject"))
    assert resources(restricted, "s3:ListBucket") == [["arn:aws:s3:::inputs", "arn:aws:s3:::outputs"]]


def test_reward_functions_and_their_queues_contain_the_word(restricted: Synthesized):
    (function,) = resources(restricted, "lambda:InvokeFunction")
    assert json.dumps(function).endswith(':function:*SageMaker*"]]}')
    for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"):
        (queue,) = resources(restricted, action)
        assert json.dumps(queue).endswith(':*SageMaker*"]]}')


def test_gated_recipes_are_read_from_the_access_points_of_the_service(restricted: Synthesized):
    recipes = json.dumps(resources(restricted, "s3:GetObject"))
    assert ":s3:*:334772094012:accesspoint/advanced-model-customization-recipes-*/*" in recipes
    assert ":s3:::advanced-model-customization-recipes*/*" in recipes
