"""Platforms in stacks and stages: one account and region, and one platform in several stages of an account."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack, Stage, cx_api
from proving import every

from hyperpod_constructs import (
    Eks,
    ExistingEks,
    ExistingNetwork,
    HyperPodPlatform,
    InstanceGroup,
    Network,
    NodeSubnet,
    Platform,
    platform_stacks,
)
from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.findings import InvalidSpec
from hyperpod_constructs.core.spec import Cluster

pytestmark = pytest.mark.slow

HERE = Environment(account="222233334444", region="us-west-2")


def platform(**values: Any) -> Platform:
    sections: dict[str, Any] = {
        "name": "research",
        "region": "us-west-2",
        "account": "222233334444",
        "network": Network(availability_zone_ids=["usw2-az1", "usw2-az2"]),
        "eks": Eks(admins=["arn:aws:iam::222233334444:role/Admin"]),
        "cluster": Cluster(instance_groups=[InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=3)]),
        **values,
    }
    return Platform(**sections)


def in_stack(env: Environment) -> Callable[[], object]:
    return lambda: HyperPodPlatform(
        Stack(App(context=UNCOPIED, analytics_reporting=False), "S", env=env), "P", platform=platform()
    )


def in_stage(env: Environment) -> Callable[[], object]:
    return lambda: platform_stacks(Stage(App(context=UNCOPIED, analytics_reporting=False), "Prod", env=env), platform())


@pytest.mark.parametrize(
    ("make", "messages"),
    [
        (
            in_stack(Environment(account="222233334444", region="us-east-1")),
            ["region: is us-west-2, but the stack S is in us-east-1"],
        ),
        (
            in_stack(Environment(account="555566667777", region="us-west-2")),
            ["account: is 222233334444, but the stack S is in 555566667777"],
        ),
        (
            in_stage(Environment(account="555566667777", region="us-east-1")),
            [
                "account: is 222233334444, but the stage Prod is in 555566667777",
                "region: is us-west-2, but the stage Prod is in us-east-1",
            ],
        ),
        (in_stage(Environment(region="us-east-2")), ["region: is us-west-2, but the stage Prod is in us-east-2"]),
    ],
)
def test_a_region_or_account_other_than_the_stacks_is_rejected(make: Callable[[], object], messages: list[str]) -> None:
    with pytest.raises(InvalidSpec) as error:
        make()
    assert [f"{finding.path}: {finding.message}" for finding in error.value.findings] == messages
    assert {finding.rule for finding in error.value.findings} == {"HP035"}
    assert every(finding.cure and finding.consequence for finding in error.value.findings)


@pytest.mark.parametrize("env", [None, HERE, Environment(region="us-west-2")])
def test_an_environment_that_is_the_same_or_not_known_is_taken(env: Environment) -> None:
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "S", env=env)
    HyperPodPlatform(stack, "P", platform=platform(account=None if env is None else "222233334444"))


def names(assembly: cx_api.CloudAssembly) -> dict[str, list[str]]:
    return {
        stack.stack_name: [
            resource["Properties"][key]
            for resource in stack.template["Resources"].values()
            for kind, key in (("AWS::EKS::Cluster", "Name"), ("AWS::SageMaker::Cluster", "ClusterName"))
            if resource["Type"] == kind
        ]
        for stack in assembly.stacks_recursively
    }


def test_dev_and_prod_live_in_one_account() -> None:
    app = App(context=cdk_context() | UNCOPIED)
    for stage in ("Dev", "Prod"):
        platform_stacks(Stage(app, stage, env=HERE), platform())
    found = names(app.synth())
    assert set(found) == {
        f"{stage}-research-{stack}"
        for stage in ("Dev", "Prod")
        for stack in ("Network", "Eks", "HyperPod", "Addons", "Jobs")
    }
    assert found["Dev-research-Eks"] == ["Dev-research"]
    assert found["Prod-research-HyperPod"] == ["Prod-research"]


EXISTING_NETWORK = ExistingNetwork(
    vpc_id="vpc-0123456789abcdef0",
    node_subnets=(NodeSubnet(subnet_id="subnet-0123456789abcdef0", availability_zone_id="usw2-az1"),),
)
HYPERPOD = "Dev/HyperPod/HyperPod already has the HyperPod cluster 'hp', in the same account and region"
EKS = "Dev/Eks/Eks already has the EKS cluster 'mine', in the same account and region"


@pytest.mark.parametrize(
    ("parts", "messages"),
    [
        ({"cluster": {"cluster_name": "hp"}}, [HYPERPOD]),
        ({"eks": {"cluster_name": "mine"}}, [EKS]),
        ({"cluster": {"cluster_name": "hp"}, "eks": {"cluster_name": "mine"}}, [HYPERPOD, EKS]),
        (
            {
                "network": {"availability_zone_ids": (), "existing": EXISTING_NETWORK},
                "eks": {
                    "admins": (),
                    "existing": ExistingEks(cluster_name="mine", security_group_id="sg-0123456789abcdef0"),
                },
            },
            [EKS],
        ),
    ],
)
def test_two_stages_cannot_share_a_cluster_name_in_one_account_and_region(
    parts: dict[str, dict[str, Any]], messages: list[str]
) -> None:
    base = platform()
    sections = {key: getattr(base, key).model_copy(update=values) for key, values in parts.items()}
    app = App(context=cdk_context() | UNCOPIED)
    for stage in ("Dev", "Prod"):
        platform_stacks(Stage(app, stage, env=HERE), base.model_copy(update=sections))
    with pytest.raises(RuntimeError) as error:
        app.synth()
    found = re.findall(r"error HP027 (Prod\S+): (.*)", str(error.value))
    assert sorted(message for _, message in found) == sorted(messages)


def test_the_same_cluster_name_in_another_region_is_taken() -> None:
    app = App(context=cdk_context() | UNCOPIED)
    first_region = {"cluster": platform().cluster.model_copy(update={"cluster_name": "hp"})}
    platform_stacks(Stage(app, "Dev", env=HERE), platform(**first_region))
    other_region = {"region": "us-east-1", "network": Network(availability_zone_ids=["use1-az4", "use1-az6"])}
    east = Stage(app, "East", env=Environment(account="222233334444", region="us-east-1"))
    platform_stacks(east, platform(**first_region, **other_region))
    assert app.synth().stacks_recursively


def test_a_name_that_contains_the_stage_and_an_explicit_name_do_not_change() -> None:
    app = App(context=cdk_context() | UNCOPIED)
    platform_stacks(Stage(app, "prod", env=HERE), platform(name="prod-research"))
    platform_stacks(Stage(app, "Other", env=HERE), platform(), name="mine")
    stacks = [stack.node.id for stage in app.node.children for stack in stage.node.children]
    assert len(stacks) == 10
    found = [stack.stack_name for stack in app.node.find_all() if isinstance(stack, Stack)]
    assert [name for name in found if name.endswith("Eks")] == ["prod-research-Eks", "mine-Eks"]


def test_names_outside_of_a_stage_and_of_several_configs_do_not_change(tmp_path: Path) -> None:
    app = App(context=cdk_context() | UNCOPIED)
    platform_stacks(app, platform())
    assert [stack.stack_name for stack in app.node.children if isinstance(stack, Stack)][:2] == [
        "research-Network",
        "research-Eks",
    ]
    several = build([platform(), platform(name="other")], context=cdk_context(), outdir=str(tmp_path), validate=False)
    found = [stack.stack_name for stack in several.node.find_all() if isinstance(stack, Stack)]
    assert [name for name in found if name.endswith("Eks")] == ["research-Eks", "other-Eks"]


def test_a_stage_whose_name_makes_the_platforms_too_long_is_a_finding() -> None:
    stage = Stage(App(context=UNCOPIED, analytics_reporting=False), "A" * 120, env=HERE)
    with pytest.raises(InvalidSpec, match="name: "):
        platform_stacks(stage, platform())
