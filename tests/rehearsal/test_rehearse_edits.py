"""Edits of every example: ordinary edits in sequence, single edits and their reversal, names, and the released version.

A subset always runs, and every example with `HYPERPOD_REHEARSE=all`.
"""

from __future__ import annotations

import copy
import re

import pytest
from named_edits import EDITS, NotApplicable, start
from ordinary_edits import RECORDED, RELEASED, content, ordinary
from proving import every
from rehearsal_platforms import ALL, EXAMPLES, HOLDS, Invalid, Platforms, deleted
from sweep import sample

from hyperpod_constructs.assembly.graph import Stack
from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal
from hyperpod_constructs.assembly.rehearsal.hyperpod import CLUSTER
from hyperpod_constructs.core.findings import errors

ENTRY = ": arn:aws:iam::111122223333:role/PlatformAdmin|my-eks"
STACKS = ["Network", "Eks", "HyperPod", "Addons", "Jobs"]
slow = pytest.mark.slow

NOT_POSSIBLE = {
    "examples/existing-vpc-and-eks.yaml": {
        "Kubernetes version raised": "the EKS cluster is somebody else's",
        "zone added": "the network is somebody else's",
    }
}
"""Example to the edits that it does not allow: why, or the rule that refuses them before anything is deployed."""


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["hyperpod.yaml"])
def test_ordinary_edits_one_after_the_other(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    edited = start(content(config))
    rehearsal = Rehearsal()
    rehearsal.deploy(platforms.of(edited))
    assert errors(rehearsal.findings) == []
    deployed: list[str] = []
    rejected: dict[str, str] = {}
    for name, edit in EDITS.items():
        before = copy.deepcopy(edited)
        try:
            edit(edited)
            folder = platforms.of(edited)
        except (Invalid, NotApplicable, LookupError) as error:
            rejected[name] = ", ".join(error.rules) if isinstance(error, Invalid) else str(error)
            edited = before
            continue
        outcomes = rehearsal.deploy(folder)
        assert [outcome for outcome in outcomes if not outcome.ok] == [], name
        assert any(outcome.status == "UPDATE_COMPLETE" for outcome in outcomes), f"{name}: nothing was updated"
        assert [str(finding) for finding in errors(rehearsal.findings)] == [], name
        rehearsal.settle()
        deployed.append(name)
    own_network = "existing" not in edited["network"]
    blocked_by = r"still used by FileSystem fs-\w+ \(" if own_network and "file system removed" in deployed else ""
    deleted(rehearsal, config, HOLDS.get(config, blocked_by))
    with capsys.disabled():
        print(
            f"\n{config}: {len(deployed)} edits of {len(EDITS)}, {len(rehearsal.steps)} operations; not possible: {rejected}"
        )
    assert len(deployed) >= 12
    assert rejected == NOT_POSSIBLE.get(config, {})


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["hyperpod.yaml"])
def test_another_name_of_the_platform_is_another_platform(config: str, platforms: Platforms):
    edited = content(config)
    rehearsal = Rehearsal()
    rehearsal.deploy(platforms.of(edited))
    rehearsal.settle()
    before = sorted(rehearsal.stacks())
    outcomes = rehearsal.deploy(platforms.of({**edited, "name": f"{edited['name'][:8]}-two"}))
    rejected = [outcome for outcome in outcomes if not outcome.ok]
    if "existing" in edited["eks"]:  # on the same EKS cluster both would own the administrators' access entries
        assert [re.sub(r".*\)", "", outcome.reason.partition(" already exists")[0]) for outcome in rejected] == [ENTRY]
        return
    assert rejected == []
    findings = [(finding.rule, finding.path) for finding in errors(rehearsal.findings)]
    assert sorted(findings) == [("HP971", name) for name in before], (
        "the former platform remains deployed, which is reported"
    )


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["hyperpod.yaml"])
def test_a_changed_cluster_name_is_rejected_before_anything_is_replaced(config: str, platforms: Platforms):
    edited = content(config)
    rehearsal = Rehearsal()
    rehearsal.deploy(platforms.of(edited))
    rehearsal.settle()
    (cluster,) = (resource for site in rehearsal.sites.values() for resource in site.resources.account.of_kind(CLUSTER))
    outcomes = rehearsal.deploy(platforms.of({**edited, "cluster": {**edited["cluster"], "cluster_name": "another"}}))
    (failed,) = (outcome for outcome in outcomes if not outcome.ok)
    assert (failed.stack.rpartition("-")[2], failed.status) == ("HyperPod", "UPDATE_ROLLBACK_COMPLETE")
    assert "HyperPodGuard" in failed.reason
    assert [finding.rule for finding in errors(rehearsal.findings)] == ["HPR01"]
    assert [resource for site in rehearsal.sites.values() for resource in site.resources.account.of_kind(CLUSTER)] == [
        cluster
    ]
    assert every(outcome.ok for outcome in rehearsal.deploy(platforms.of(edited))), (
        "the former config can be deployed again"
    )


@slow
@pytest.mark.parametrize("config", EXAMPLES if ALL else ["examples/lustre.yaml"])
def test_ordinary_edits_and_back(config: str, platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    base = content(config)
    deployed, edit_names = platforms.of(base), []
    for name, edited in sample(list(ordinary(base)), 2, everything=ALL):
        try:
            after = platforms.of(edited)
        except Invalid:
            continue  # a combination that the checks reject before the deployment
        rehearsal = Rehearsal()
        for app in (deployed, after) if name == "zone added" else (deployed, after, deployed):
            outcomes = rehearsal.deploy(app)
            assert [outcome for outcome in outcomes if not outcome.ok] == [], name
            rehearsal.settle()
        assert [str(finding) for finding in errors(rehearsal.findings)] == [], name
        edit_names.append(name)
    with capsys.disabled():
        print(f"\n{config}: {len(edit_names)} edits and back: {', '.join(edit_names)}")
    assert len(edit_names) >= 5


UPGRADED = [name for name in EXAMPLES if name in RECORDED] if ALL else ["hyperpod.yaml"]


def released(config: str) -> Rehearsal:
    """The recorded templates of the released version, deployed."""
    order = sorted(RECORDED[config], key=lambda name: STACKS.index(name.rpartition("-")[2]))
    environment = f"aws://unknown-account/{content(config, RELEASED)['region']}"
    rehearsal = Rehearsal()
    outcomes = rehearsal.deploy(
        [
            Stack(name, RECORDED[config][name], environment=environment, depends_on=tuple(order[:index]))
            for index, name in enumerate(order)
        ]
    )
    assert every(outcome.ok for outcome in outcomes)
    rehearsal.settle()
    return rehearsal


def scripts(rehearsal: Rehearsal) -> set[str]:
    """The lifecycle scripts that nodes can read."""
    objects = [site.resources.account.objects for site in rehearsal.sites.values()]
    return {f"{name}/{key}" for item in objects for name, keys in item.items() for key in keys if "lifecycle/" in key}


@slow
@pytest.mark.parametrize("config", UPGRADED)
def test_the_released_version_is_upgraded(config: str, platforms: Platforms):
    rehearsal = released(config)
    before = scripts(rehearsal)
    assert [item for item in rehearsal.deploy(platforms.of(content(config, RELEASED))) if not item.ok] == []
    assert [str(finding) for finding in errors(rehearsal.findings)] == []
    # the function that replaces CDK's upload copies new scripts, and the scripts of running nodes remain
    assert scripts(rehearsal) >= before
    new = {
        key.rpartition("lifecycle/")[2][:16] for key in scripts(rehearsal) - before
    }  # one folder for each set of scripts
    assert len(new) in ((1, 2) if before else (0,))


@slow
@pytest.mark.parametrize("config", UPGRADED)
def test_an_upgrade_that_is_rolled_back_keeps_the_scripts_of_running_nodes(config: str, platforms: Platforms):
    rehearsal = released(config)
    before = scripts(rehearsal)
    rehearsal.faults_left.append(Fault("HyperPodED6AB1C4", action="update"))
    folder = platforms.of(content(config, RELEASED))
    assert [item.status for item in rehearsal.deploy(folder) if not item.ok] == ["UPDATE_ROLLBACK_COMPLETE"]
    assert scripts(rehearsal) >= before
    assert [item for item in rehearsal.deploy(folder) if not item.ok] == [], (
        "the second attempt of the upgrade succeeds"
    )
    assert scripts(rehearsal) >= before
