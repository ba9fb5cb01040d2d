"""Every example: created in random legal orders, edited, failed at each resource, deleted. Nothing is left behind unsaid.

A subset runs always. With `HYPERPOD_REHEARSE=all` all of it runs: 20 orders, 12 edits, and each resource of each example.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from named_edits import EDITS, NotThere, start
from ordinary_edits import RECORDED, RELEASED, content, ordinary
from rehearsal_platforms import EXAMPLES, Invalid, Platforms

from hyperpod_constructs.assembly.graph import Stack, load
from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal, Timing
from hyperpod_constructs.assembly.rehearsal.chains import imposed_chain, minutes
from hyperpod_constructs.assembly.rehearsal.drills import drill, fail_each
from hyperpod_constructs.core.findings import errors

ALL = os.environ.get("HYPERPOD_REHEARSE") == "all"
ORDERS = 20 if ALL else 3
EACH = 1 if ALL else 25
"""Of how many resources one is failed."""
PROTECTED = "examples/training-plan-custom-ami.yaml"
HOLDS = {
    "examples/lustre.yaml": r"still used by FileSystem fs-\w+ \(fed-HyperPod.StorageLustredata",
    PROTECTED: "has deletion protection",
}
"""Examples whose deletion stops on purpose: at data that is kept, and at a protected cluster."""
QUICK = ["hyperpod.yaml", "examples/teams.yaml", "examples/restricted-groups.yaml"]

STACKS = ["Network", "Eks", "HyperPod", "Addons", "Jobs"]
slow = pytest.mark.slow


def deleted(rehearsal: Rehearsal, config: str, holds: str = "") -> None:
    """Delete everything: nothing may be left that no deletion policy keeps. `holds` is why the deletion stops on purpose."""
    holds = holds or HOLDS.get(config, "")
    refused = [outcome for outcome in rehearsal.destroy() if not outcome.ok]
    if holds:
        assert len(refused) == 1
        assert re.search(holds, refused[0].reason)
    else:
        assert refused == []
        assert list(rehearsal.stacks()) == []
    assert [one for one in rehearsal.left() if one.why == "left behind"] == []


@slow
@pytest.mark.parametrize("config", EXAMPLES)
def test_orders(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder, counts = platforms(config), 0
    for seed in range(ORDERS):
        rehearsal = Rehearsal(Timing(seed))
        outcomes = rehearsal.deploy(folder)
        assert [outcome for outcome in outcomes if not outcome.ok] == [], f"seed {seed}"
        assert [str(finding) for finding in rehearsal.findings] == [], f"seed {seed}"
        rehearsal.settle()
        deleted(rehearsal, config)
        counts += len(rehearsal.steps)
    with capsys.disabled():
        print(f"\n{config}: {ORDERS} orders, {counts} operations")


@slow
@pytest.mark.parametrize("config", EXAMPLES)
def test_each_resource_fails(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder, counts, resources = platforms(config), 0, 0
    stacks = list(load(folder))
    like = Rehearsal()
    like.publish(folder)
    for index, (fault, how) in enumerate(faults(stacks)):
        resources += 1
        if index % EACH:
            continue
        rehearsal = like.another()
        result = drill(stacks, Fault(fault, how=how), rehearsal)
        assert result.failed is not None, fault
        if result.failed.status == "ROLLBACK_FAILED":  # a protected cluster cannot be rolled back: that is told
            assert config == PROTECTED
            assert any("has deletion protection" in finding.message for finding in rehearsal.findings)
            counts += 1
            continue
        assert result.failed.status == "ROLLBACK_COMPLETE", (fault, result.failed)
        assert result.todo
        assert result.left_behind == [], fault
        assert [outcome for outcome in result.again if not outcome.ok] == [], fault
        rehearsal.settle()
        deleted(rehearsal, config)
        counts += 1
    with capsys.disabled():
        print(f"\n{config}: {counts} of {resources} faults, each rolled back, tried again and deleted")


def faults(stacks: list[Any]) -> Iterator[tuple[str, str]]:
    """Each resource that is made and then reported as failed; each custom resource whose answer is lost, too."""
    for stack in stacks:
        for name, body in stack.resources.items():
            yield f"{stack.deployed_name}.{name}", "fails"
            if body["Type"].startswith("Custom::"):
                yield f"{stack.deployed_name}.{name}", "lost"


@pytest.mark.parametrize("config", QUICK)
def test_created_and_deleted(config: str, platforms: Platforms):
    rehearsal = Rehearsal()
    assert [outcome for outcome in rehearsal.deploy(platforms(config)) if not outcome.ok] == []
    rehearsal.settle()
    assert rehearsal.findings == []
    assert rehearsal.paying()
    deleted(rehearsal, config)
    assert rehearsal.paying() == []


def test_one_resource_fails_and_the_next_deployment_goes_through(platforms: Platforms):
    folder = platforms("hyperpod.yaml")
    stacks = list(load(folder))
    rehearsal = Rehearsal()
    rehearsal.publish(folder)
    result = drill(stacks, Fault("HyperPodNodesReady345B42B8"), rehearsal)
    assert result.failed is not None
    assert result.failed.status == "ROLLBACK_COMPLETE"
    assert "1 AWS::EKS::Cluster" in result.paying
    assert not any("ml." in one for one in result.paying)
    assert result.todo == "deploy again: the CDK CLI deletes the rolled-back stack first"
    assert (result.ok, result.left) == (True, ())


def test_nodes_that_never_come_fail_with_their_reason(platforms: Platforms):
    rehearsal = Rehearsal(Timing(no_nodes=["system"]))
    outcomes = rehearsal.deploy(platforms("hyperpod.yaml"))
    assert [outcome.stack for outcome in outcomes if not outcome.ok] == ["research-HyperPod"]
    assert "0 of 2 nodes" in outcomes[-1].reason
    assert "system : Failure: there is no capacity (injected)" in outcomes[-1].reason
    assert rehearsal.world.now < 80 * 60


def test_a_slow_webhook_is_waited_for(platforms: Platforms):
    rehearsal = Rehearsal(Timing(slow={"addon_ready": 10.0}))
    assert all(outcome.ok for outcome in rehearsal.deploy(platforms("hyperpod.yaml")))
    assert errors(rehearsal.findings) == []


def test_the_critical_path_is_near_what_aws_imposes(platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder = platforms("hyperpod.yaml")
    rehearsal = Rehearsal()
    rehearsal.deploy(folder)
    whole, imposed = rehearsal.world.now / 60, minutes(imposed_chain(folder, rehearsal.steps))
    with capsys.disabled():
        print(
            f"\nshipped platform: {whole:.1f} minutes, of which AWS imposes {imposed:.1f} ({whole / imposed:.2f} times)"
        )
    assert whole <= 1.15 * imposed


# Edits


NOT_POSSIBLE: dict[str, dict[str, str]] = {}
"""Example to the edits that it does not allow: why, or the rule that refuses them before anything is deployed."""


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["hyperpod.yaml"])
def test_ordinary_edits_one_after_the_other(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    edited = start(platforms.content(config))
    rehearsal = Rehearsal()
    rehearsal.deploy(platforms.of(edited))
    assert errors(rehearsal.findings) == []
    done: list[str] = []
    refused: dict[str, str] = {}
    for name, edit in EDITS.items():
        before = copy.deepcopy(edited)
        try:
            edit(edited)
            folder = platforms.of(edited)
        except (Invalid, NotThere, LookupError) as error:
            refused[name] = ", ".join(error.rules) if isinstance(error, Invalid) else str(error)
            edited = before
            continue
        outcomes = rehearsal.deploy(folder)
        assert [outcome for outcome in outcomes if not outcome.ok] == [], name
        assert any(outcome.status == "UPDATE_COMPLETE" for outcome in outcomes), f"{name}: nothing was updated"
        assert [str(finding) for finding in errors(rehearsal.findings)] == [], name
        rehearsal.settle()
        done.append(name)
    kept = r"still used by FileSystem fs-\w+ \(" if "file system removed" in done else ""
    deleted(rehearsal, config, HOLDS.get(config, kept))
    with capsys.disabled():
        print(
            f"\n{config}: {len(done)} edits of {len(EDITS)}, {len(rehearsal.steps)} operations; not possible: {refused}"
        )
    assert len(done) >= 12
    assert refused == NOT_POSSIBLE.get(config, {})


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["examples/teams.yaml", "examples/lustre.yaml"])
def test_ordinary_edits_and_back(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    base = content(config)
    deployed, tried = platforms.of(base), []
    for what, edited in ordinary(base):
        try:
            after = platforms.of(edited)
        except Invalid:
            continue  # a combination that the checks refuse before anything is deployed
        rehearsal = Rehearsal()
        for app in (deployed, after) if what == "zone added" else (deployed, after, deployed):
            outcomes = rehearsal.deploy(app)
            assert [outcome for outcome in outcomes if not outcome.ok] == [], what
            rehearsal.settle()
        assert [str(finding) for finding in errors(rehearsal.findings)] == [], what
        tried.append(what)
    with capsys.disabled():
        print(f"\n{config}: {len(tried)} edits and back: {', '.join(tried)}")
    assert len(tried) >= 5


@slow
@pytest.mark.parametrize("config", [name for name in EXAMPLES if name in RECORDED] if ALL else ["hyperpod.yaml"])
def test_the_released_version_is_upgraded(config: str, platforms: Platforms):
    base = content(config, RELEASED)
    order = sorted(RECORDED[config], key=lambda name: STACKS.index(name.rpartition("-")[2]))
    old = [Stack(name, RECORDED[config][name], depends_on=tuple(order[:index])) for index, name in enumerate(order)]
    rehearsal = Rehearsal()
    assert all(outcome.ok for outcome in rehearsal.deploy(old))
    rehearsal.settle()
    assert [outcome for outcome in rehearsal.deploy(platforms.of(base)) if not outcome.ok] == []
    assert [str(finding) for finding in errors(rehearsal.findings)] == []


def test_fail_each_takes_every_resource(platforms: Platforms):
    stacks = [stack for stack in load(platforms("hyperpod.yaml")) if stack.deployed_name == "research-Network"]
    results = [result for result, _ in fail_each(stacks, Rehearsal())]
    assert len(results) == len(stacks[0].resources)
    assert all(result.ok for result in results)
