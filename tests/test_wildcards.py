"""Every IAM statement with `*` in every example is listed in a table with its reason; an unlisted statement fails.

The oracle is the AWS service authorization reference, as included in cfn-lint: an action on the resource `*` either has no
resource type there, or is listed here with the reason why it is not restricted to one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from assemblies import platform_of, synthesized
from assembly import ROOT
from proving import every

from hyperpod_constructs.assembly.justified import JUSTIFIED
from hyperpod_constructs.assembly.wildcards import Wildcard, normalized, reasons, wildcards
from hyperpod_constructs.constructs.addons.load_balancer_policy import UNRESTRICTED

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "iam.md"

HELD_OTHERWISE: Mapping[str, str] = {
    "ec2:AssignPrivateIpAddresses": "the Lambda documentation requires it on any resource for functions in a VPC",
    "ec2:CreateNetworkInterface": "the Lambda documentation requires it on any resource for functions in a VPC",
    "ec2:DeleteNetworkInterface": "the Lambda documentation requires it on any resource for functions in a VPC",
    "ec2:UnassignPrivateIpAddresses": "the Lambda documentation requires it on any resource for functions in a VPC",
    "cloudwatch:DescribeAlarms": "users choose the alarms, in the config or in Grafana; read only",
    "cloudwatch:DescribeAlarmHistory": "users choose the alarms; read only",
    "cloudwatch:GetInsightRuleReport": "users choose the rules; read only",
    "cloudwatch:GetMetricData": "users choose the metrics, in Grafana or in a scaler; read only",
    "cloudwatch:ListMetrics": "lists metrics without their values",
    "logs:GetLogRecord": "requires an id that only the caller who started the query has; read only",
    "logs:GetQueryResults": "requires an id that only the caller who started the query has; read only",
}
"""Actions on the resource `*` for which AWS defines a resource type, and why they are not restricted to one. The actions
of the load balancer controller are those of its own policy, and are recognized by the class that creates them."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Wildcard]:
    folder = tmp_path_factory.mktemp("wildcards") / "examples"
    shutil.copytree(ROOT / "examples", folder)
    shutil.copyfile(ROOT / "hyperpod.yaml", folder / "hyperpod.yaml")
    shutil.copytree(ROOT / "jobs", folder / "jobs", dirs_exist_ok=True)
    chart = folder / "vendor" / "hyperpod-chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
    statements, regions = [], set()
    for config in sorted(folder.glob("*.yaml")):
        platform = platform_of(config)
        statements += list(wildcards(synthesized(platform)[0]))
        regions.add(platform.region)
    return normalized(statements, regions)


@cache
def resource_types(action: str) -> tuple[str, ...]:
    """Resource types that AWS's service authorization reference has for an action."""
    import cfnlint

    file = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    service, _, name = action.partition(":")
    known: dict[str, Any] = _reference(file)[service]["Actions"]
    return tuple(known[name.lower()].get("Resources", ()))


@cache
def _reference(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def test_the_reference_tells_actions_with_a_resource_from_those_without() -> None:
    assert resource_types("ecr:GetAuthorizationToken") == ()
    assert resource_types("ec2:DeleteNetworkInterface") == ("network-interface",)


def test_every_statement_has_a_reason(found: list[Wildcard]) -> None:
    assert [item for item in found if not reasons(item)] == []


def test_statements_on_any_resource_are_required_or_explained(found: list[Wildcard]) -> None:
    unexplained = [
        (item.made_by, action)
        for item in found
        if "*" in item.resources
        for action in item.actions
        if resource_types(action) and action not in HELD_OTHERWISE
        if not (item.made_by == "InferenceOperatorAccess" and action in UNRESTRICTED)
    ]
    assert unexplained == []


def test_no_explanation_is_left_over(found: list[Wildcard]) -> None:
    used = {action for item in found if "*" in item.resources for action in item.actions if resource_types(action)}
    assert [action for action in HELD_OTHERWISE if action not in used] == []


def test_a_new_statement_is_not_in_the_table(found: list[Wildcard]) -> None:
    new = Wildcard("ExecutionRoles", ("iam:PassRole",), ("*",), ())
    assert new not in found
    assert reasons(new) == []
    assert resource_types("iam:PassRole") == ("role",)


def test_the_page_has_the_table(found: list[Wildcard]) -> None:
    text = page(found)
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "HYPERPOD_WRITE_DOCS=1 pytest tests/test_wildcards.py; then read the diff"


def page(found: list[Wildcard]) -> str:
    lines = [
        "# IAM statements with `*`",
        "",
        "This page lists every IAM statement of `hyperpod.yaml` and of all examples that contains `*` in an action or",
        "a resource. It is generated, and CI fails if a statement is not listed. *No resource type* means that the AWS",
        "service authorization reference (as in cfn-lint) defines no resource type for the action, so `*` is its only",
        "resource. The reasons are those with which findings of cdk-nag are accepted",
        "(`hyperpod_constructs/assembly/justified.py`).",
        "",
        "| created by | actions | resources | condition keys | reason |",
        "|---|---|---|---|---|",
    ]
    for item in found:
        anywhere = [action for action in item.actions if "*" not in action and "*" in item.resources]
        free = [action for action in anywhere if not resource_types(action)]
        actions = ", ".join(f"`{action}`" for action in item.actions)
        note = f" No resource type: all but {_but(item, free)}." if free and len(free) < len(item.actions) else ""
        note = " No resource type." if free and len(free) == len(item.actions) else note
        cells = [
            f"`{item.made_by}`",
            actions,
            ", ".join(f"`{resource}`" for resource in item.resources if "*" in resource) or "one resource",
            ", ".join(f"`{key}`" for key in item.condition) or "",
            "; ".join(reasons(item)) + "." + note,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _but(wildcard: Wildcard, free: list[str]) -> str:
    other_actions = [action for action in wildcard.actions if action not in free]
    return ", ".join(
        f"`{action}` ({HELD_OTHERWISE[action]})" if action in HELD_OTHERWISE else f"`{action}`"
        for action in other_actions
    )


def test_every_accepted_finding_on_any_resource_names_its_actions() -> None:
    assert every(item.actions for item in JUSTIFIED if item.finding == r"Resource::\*")
