"""Every example: created in random allowed orders, failed at each resource, deleted. All remaining resources are reported.

A subset always runs. With `HYPERPOD_REHEARSE=all` all of it runs: 20 orders and each fault of each example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from proving import every
from rehearsal_platforms import ALL, PLAYED, PROTECTED, Platforms, deleted

from hyperpod_constructs.assembly.graph import load
from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal, Timing
from hyperpod_constructs.assembly.rehearsal.chains import imposed_chain, minutes
from hyperpod_constructs.assembly.rehearsal.drills import drill, fail_each
from hyperpod_constructs.core.findings import errors

ORDERS = 20 if ALL else 3
EACH = 10
"""Of how many resources one fails in the subset."""
NOTES = {"examples/observability-self-hosted.yaml": ["HPR05"]}
"""Examples with something that is not modeled: a chart of the user's own."""
QUICK = ["hyperpod.yaml", "examples/teams.yaml", "examples/restricted-groups.yaml"]

slow = pytest.mark.slow


@slow
@pytest.mark.parametrize("config", PLAYED)
def test_orders(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder, counts = platforms(config), 0
    for seed in range(ORDERS):
        rehearsal = Rehearsal(Timing(seed))
        outcomes = rehearsal.deploy(folder)
        assert [outcome for outcome in outcomes if not outcome.ok] == [], f"seed {seed}"
        assert [finding.rule for finding in rehearsal.findings] == NOTES.get(config, []), f"seed {seed}"
        rehearsal.settle()
        deleted(rehearsal, config)
        counts += len(rehearsal.steps)
    with capsys.disabled():
        print(f"\n{config}: {ORDERS} orders, {counts} operations")


@slow
@pytest.mark.parametrize("config", PLAYED)
def test_each_resource_fails(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    """Each fault occurs in the deployment after the previous rollback; at the end, everything is deployed."""
    folder, counts = platforms(config), Counter[str]()
    stacks = list(load(folder))
    like = Rehearsal()
    like.publish(folder)
    rehearsal = like.another()
    every = list(faults(stacks))
    for fault in (
        every if ALL else [item for index, item in enumerate(every) if item.how != "fails" or index % EACH == 0]
    ):
        result = drill(stacks, fault, rehearsal, again=False)
        if result.failed is None:  # an empty stack waits for no other and was deployed with the first one
            result = drill(stacks, fault, like.another(), again=False)
        assert result.failed is not None, fault
        assert result.todo
        counts[fault.how] += 1
        if result.failed.status == "ROLLBACK_FAILED":  # a protected cluster cannot be rolled back, which is reported
            assert config == PROTECTED
            assert any("has deletion protection" in finding.message for finding in rehearsal.findings)
            rehearsal = like.another()
            continue
        ended = "INTERRUPTED" if fault.how == "interrupted" else "ROLLBACK_COMPLETE"
        assert result.failed.status == ended, (fault, result.failed)
        assert result.left_behind == [], fault
    assert [outcome for outcome in rehearsal.deploy(stacks) if not outcome.ok] == []
    rehearsal.settle()
    deleted(rehearsal, config)
    assert set(counts) == {"fails", "lost", "interrupted"}
    with capsys.disabled():
        print(
            f"\n{config}: {counts.total()} of {len(every)} faults, each tried again, deleted in the end: {dict(counts)}"
        )


def faults(stacks: list[Any]) -> Iterator[Fault]:
    """Each resource that is made and then reported as failed, each lost answer, and an interruption in each stack.

    CloudFormation goes on with an interrupted stack, so it does not matter at which of its resources the CDK CLI ends.
    """
    for stack in stacks:
        for name, body in stack.resources.items():
            kinds = ("fails", "lost") if body["Type"].startswith("Custom::") else ("fails",)
            yield from (Fault(f"{stack.deployed_name}.{name}", how=kind) for kind in kinds)
        yield Fault(f"{stack.deployed_name}.{next(iter(stack.resources))}", how="interrupted")


@pytest.mark.parametrize("config", QUICK)
def test_created_and_deleted(config: str, platforms: Platforms):
    rehearsal = Rehearsal()
    assert [outcome for outcome in rehearsal.deploy(platforms(config)) if not outcome.ok] == []
    rehearsal.settle()
    assert rehearsal.findings == []
    assert rehearsal.paying()
    deleted(rehearsal, config)
    assert rehearsal.paying() == []


def test_one_resource_fails_and_the_next_deployment_succeeds(platforms: Platforms):
    folder = platforms("hyperpod.yaml")
    stacks = list(load(folder))
    rehearsal = Rehearsal()
    rehearsal.publish(folder)
    result = drill(stacks, Fault("HyperPodNodesReady345B42B8"), rehearsal)
    assert result.failed is not None
    assert result.failed.status == "ROLLBACK_COMPLETE"
    assert "1 AWS::EKS::Cluster" in result.paying
    assert not any("ml." in item for item in result.paying)
    assert result.todo == "deploy again: the CDK CLI deletes the rolled-back stack first"
    assert (result.ok, result.left) == (True, ())


def test_nodes_that_do_not_join_are_reported_with_the_reason(platforms: Platforms):
    rehearsal = Rehearsal(Timing(no_nodes=["system"]))
    outcomes = rehearsal.deploy(platforms("hyperpod.yaml"))
    assert [outcome.stack for outcome in outcomes if not outcome.ok] == ["research-HyperPod"]
    assert "0 of 2 nodes" in outcomes[-1].reason
    assert "system: Failure: no capacity is available (injected)" in outcomes[-1].reason
    assert rehearsal.world.now < 80 * 60


def test_a_slow_webhook_is_waited_for(platforms: Platforms):
    rehearsal = Rehearsal(Timing(slow={"addon_ready": 10.0}))
    assert every(outcome.ok for outcome in rehearsal.deploy(platforms("hyperpod.yaml")))
    assert errors(rehearsal.findings) == []


def test_the_critical_path_is_near_what_aws_imposes(platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder = platforms("hyperpod.yaml")
    rehearsal = Rehearsal()
    rehearsal.deploy(folder)
    total, imposed = rehearsal.world.now / 60, minutes(imposed_chain(folder, rehearsal.steps))
    with capsys.disabled():
        print(
            f"\nshipped platform: {total:.1f} minutes, of which AWS imposes {imposed:.1f} ({total / imposed:.2f} times)"
        )
    assert total <= 1.15 * imposed


def test_fail_each_includes_every_resource(platforms: Platforms):
    stacks = [stack for stack in load(platforms("hyperpod.yaml")) if stack.deployed_name == "research-Network"]
    results = [result for result, _ in fail_each(stacks, Rehearsal())]
    assert len(results) == len(stacks[0].resources)
    assert every(result.ok for result in results)
