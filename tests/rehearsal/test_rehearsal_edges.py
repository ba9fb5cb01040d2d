"""Removing any dependency of the shipped platform makes a rehearsal fail, except those that are listed with a reason.

All of them with `HYPERPOD_ALL=1`; otherwise the first and then each sixth with the same reason and types of resources.
Each edge is cut alone. The resource that is no longer waited for then starts only when nothing else is left, and in a second
rehearsal the one that no longer waits is the last (which is the other way round on deletion).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from proving import every
from rehearsal_platforms import Platforms
from sweep import sample

from hyperpod_constructs.assembly.graph import Edge, Graph, Stack, load, without_edge
from hyperpod_constructs.assembly.graph._references import references
from hyperpod_constructs.assembly.rehearsal import Rehearsal, Timing
from hyperpod_constructs.core.findings import errors

EC2, IAM, LAMBDA = "AWS::EC2::", "AWS::IAM::", "AWS::Lambda::"
GUARD, WAIT = "Custom::HyperPodClusterGuard", "Custom::HyperPodKubernetesWait"
HARMLESS = {
    ("AWS::EKS::Cluster", "AWS::SSM::Parameter"): "CDK's own barrier for kubectl, which nothing waits for",
    (
        f"{IAM}Policy",
        f"{LAMBDA}Function",
    ): "nobody invokes the function before the stack is complete, or the policy's own users wait",
    (f"{IAM}Policy", "AWS::StepFunctions::StateMachine"): "nobody starts it before the stack is complete",
    (f"{LAMBDA}Function", f"{LAMBDA}Function"): "a variable of CDK's framework that this function of it does not read",
    ("AWS::S3::Bucket", f"{LAMBDA}Function"): "the function's description",
    (WAIT, "AWS::EKS::Addon"): "CoreDNS before cert-manager, whose pods would try again",
    (WAIT, WAIT): "several waits for one add-on, each of which holds by itself",
    (
        f"{EC2}VPC",
        f"{IAM}Policy",
    ): "a condition on what nodes do to interfaces that they have, which the model does not ask for",
    ("Custom::HyperPodKubernetesObjects", "AWS::SageMaker::Cluster"): "rights of patching, which nodes ask for later",
    ("AWS::CloudFormation::WaitConditionHandle", "Custom::HyperPodKubernetesObjects"): "the stacks' order carries it",
}
"""Types of the two resources to why the platform works without the edge."""


def touched(stacks: tuple[Stack, ...]) -> list[Stack]:
    """The app after an edit that the cluster guard compares."""
    found = []
    for stack in stacks:
        resources = {
            name: _with_text(body) if body["Type"] == GUARD else body for name, body in stack.resources.items()
        }
        found.append(Stack(**{**vars_of(stack), "template": {**stack.template, "Resources": resources}}))
    return found


def _with_text(body: Any) -> Any:
    return {**body, "Properties": {**body["Properties"], "Edit": "1"}}


def vars_of(stack: Stack) -> dict[str, Any]:
    return {name: getattr(stack, name) for name in stack.__dataclass_fields__}


def noticed(stacks: tuple[Stack, ...], late_resources: list[str], folder: Path) -> bool:
    rehearsal = Rehearsal(Timing(late=late_resources, slow={"addon_ready": 8.0}))
    rehearsal.publish(folder)
    for app in (list(stacks), touched(stacks)):
        if not all(outcome.ok for outcome in rehearsal.deploy(app)):
            return True
        rehearsal.settle()
    well = all(outcome.ok for outcome in rehearsal.destroy())
    return not well or bool(
        errors(rehearsal.findings) or [item for item in rehearsal.left() if item.why == "left behind"]
    )


def path_of(graph: Graph, id: str) -> str:
    resource = graph.resources[id]
    return f"{resource.stack.deployed_name}.{resource.logical_id}"


def kinds(graph: Graph, edge: Edge) -> tuple[str, str]:
    return tuple(graph.resources[id].type if id in graph.resources else id for id in (edge.first, edge.then))


@pytest.mark.slow
def test_every_edge_of_the_shipped_platform_is_needed(platforms: Platforms, capsys: pytest.CaptureFixture[str]):
    folder = platforms("hyperpod.yaml")
    stacks = load(folder)
    graph = Graph(stacks)
    for late_resources in ([], ["nothing"]):
        assert not noticed(stacks, late_resources, folder), "the complete app does not pass"
    counts: Counter[str] = Counter()
    unexplained, explained = [], set()
    edges = [edge for edge in graph.edges() if not edge.inherent]
    for edge in sample(edges, 6, kind=lambda edge: (edge.reason, kinds(graph, edge))):
        cut = without_edge(stacks, edge)
        if edge.reason in ("DependsOn", "stack dependency") and Graph(cut).before(edge.first, edge.then):
            counts["held by other edges too"] += 1
            continue
        ends = [path_of(graph, id) for id in (edge.first, edge.then) if id in graph.resources]
        if any(noticed(cut, [late_resources], folder) for late_resources in ends or ["nothing"]):
            counts[f"noticed ({edge.reason})"] += 1
        elif kinds(graph, edge) in HARMLESS:
            counts["harmless"] += 1
            explained.add(kinds(graph, edge))
        else:
            unexplained.append(f"{edge.reason}: {edge.first} -> {edge.then}")
    with capsys.disabled():
        print(f"\nedges of the shipped platform: {dict(counts)}")
    assert not unexplained, "\n".join(unexplained)
    kinds_of_edges = {edge.reason for edge in edges}
    assert kinds_of_edges == {"Ref", "Fn::GetAtt", "DependsOn", "Fn::ImportValue", "stack dependency"}
    assert every(counts[f"noticed ({reason})"] for reason in kinds_of_edges)
    assert explained == set(HARMLESS), "an explanation that no edge requires"
    assert counts["harmless"] < sum(count for outcome, count in counts.items() if outcome.startswith("noticed")) / 4


@pytest.mark.slow
def test_an_export_that_depends_on_its_use_blocks_the_next_edit(platforms: Platforms):
    before, after = (
        load(platforms.edited("examples/lustre.yaml", edit)) for edit in ({}, {"storage": None, "jobs": None})
    )
    rehearsal = Rehearsal()
    assert every(outcome.ok for outcome in rehearsal.deploy(by_use(before)))
    outcomes = rehearsal.deploy(by_use(after))
    assert any("cannot be deleted as it is in use by" in outcome.reason for outcome in outcomes)
    rehearsal = Rehearsal()  # with the exports of the app
    for app in (before, after):
        assert every(outcome.ok for outcome in rehearsal.deploy(list(app)))


def by_use(stacks: tuple[Stack, ...]) -> list[Stack]:
    """The stacks with only the exports that other stacks use, as with CDK's strong references."""
    names = {
        (stack.deployed_name, key): (output.get("Export") or {}).get("Name") or f"{stack.deployed_name}:{key}"
        for stack in stacks
        for key, output in (stack.template.get("Outputs") or {}).items()
    }

    def strong(value: Any) -> Any:
        if isinstance(value, list):
            return [strong(item) for item in value]
        if not isinstance(value, dict):
            return value
        weak = value.get("Fn::GetStackOutput")
        if weak:
            return {"Fn::ImportValue": names[weak["StackName"], weak["OutputName"]]}
        return {key: strong(item) for key, item in value.items()}

    resources = {stack.name: strong(stack.resources) for stack in stacks}
    used = {ref.target for every in resources.values() for ref in references(every) if ref.kind == "Fn::ImportValue"}
    found = []
    for stack in stacks:
        outputs = {
            key: {"Value": output["Value"], "Export": {"Name": names[stack.deployed_name, key]}}
            for key, output in (stack.template.get("Outputs") or {}).items()
            if names[stack.deployed_name, key] in used
        }
        template = {**stack.template, "Resources": resources[stack.name], "Outputs": outputs}
        found.append(Stack(**{**vars_of(stack), "template": template}))
    return found
