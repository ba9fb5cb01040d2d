"""Rules contain no numbers and no patterns of names: these are in the catalog, with a source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from proving import every

from hyperpod_constructs.core import checks, spec
from hyperpod_constructs.core.catalog import limit, limits, source_of
from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.spec.base import SpecModel
from hyperpod_constructs.core.spec.jobs_pod import Port

FOLDER = Path(checks.__file__).parent
NO_RULES = {"__init__", "context", "engine", "registry", "job_rule"}
RULES = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in NO_RULES]
ARITHMETIC = {-1, 0, 1, 2, 100, 1024}
"""Counting, percent, and MiB of a GiB."""


def code_of(path: Path) -> list[ast.AST]:
    """The nodes of a module, except the texts and examples in its decorators, and indexes (`found[3]`)."""
    tree = ast.parse(path.read_text())
    left_out = {
        id(inner)
        for node in ast.walk(tree)
        for part in (
            node.decorator_list
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [node.slice]
            if isinstance(node, ast.Subscript)
            else []
        )
        for inner in ast.walk(part)
    }
    return [node for node in ast.walk(tree) if id(node) not in left_out]


def numbers_of(path: Path) -> set[float]:
    """Numbers in functions, and named numbers."""
    code = code_of(path)
    functions = [node for node in code if isinstance(node, ast.FunctionDef)]
    constants = [node.value for node in code if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)]
    code_ids = {id(node) for node in code}
    return {
        inner.value
        for place in (*functions, *constants)
        for inner in ast.walk(place)
        if id(inner) in code_ids and isinstance(inner, ast.Constant) and type(inner.value) in (int, float)
    }


def patterns_of(path: Path) -> list[str]:
    """Calls that compare a complete string with a literal pattern."""
    calls = [node for node in code_of(path) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    complete = [call for call in calls if ast.unparse(call.func) in ("re.fullmatch", "re.compile")]
    written = [call for call in complete if isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)]
    return [ast.unparse(call) for call in written if not {"pattern", "BUCKET_NAME", "escape"} & _names(call.args[0])]


def _names(node: ast.AST) -> set[str]:
    found = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return found | {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_contain_no_number(path: Path) -> None:
    assert numbers_of(path) <= ARITHMETIC


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_contain_no_complete_pattern(path: Path) -> None:
    """A search for a part of a string is not a limit."""
    assert patterns_of(path) == []


def test_the_walk_finds_numbers_and_patterns(tmp_path: Path) -> None:
    file = tmp_path / "rules.py"
    file.write_text(
        "import re\n_MOST = 63\n@rule(least=7)\n"
        "def it(x):\n    return x[5] and re.fullmatch('a+', str(41)) and re.search('b', x)\n"
    )
    assert numbers_of(file) == {41, 63}
    assert patterns_of(file) == ["re.fullmatch('a+', str(41))"]


BOUNDS: list[tuple[type[SpecModel], str, str]] = [
    (spec.SharedEnvironment, "lustre_size_gib", "rig_fsx_size_gib"),
    (spec.SharedEnvironment, "lustre_throughput", "rig_fsx_throughput"),
    (spec.RestrictedInstanceGroup, "lustre_size_gib", "rig_fsx_size_gib"),
    (spec.RestrictedInstanceGroup, "lustre_throughput", "rig_fsx_throughput"),
    (spec.TieredStorage, "memory_percent", "tiered_storage_memory_percentage"),
    (spec.PriorityClass, "weight", "priority_weight"),
    (spec.Scheduler, "priority_classes", "priority_classes"),
    (spec.Scheduler, "description", "governance_description_length"),
    (spec.Team, "description", "governance_description_length"),
    (spec.Team, "quota", "compute_quota_resources"),
    (spec.Team, "borrow_limits", "absolute_borrow_limits"),
    (spec.Team, "borrow_limit", "borrow_limit"),
    (spec.Team, "fair_share_weight", "fair_share_weight"),
    (spec.QuotaResource, "count", "compute_quota_count"),
    (spec.Lifecycle, "script", "lifecycle_script_name_length"),
    (spec.Volume, "size_gib", "ebs_volume_size_gb"),
    (spec.Deployment, "wait_seconds", "rolling_update_wait_seconds"),
    (spec.Deployment, "alarms", "rollback_alarms"),
    (Port, "port", "port"),
]


@pytest.mark.parametrize(("model", "field", "name"), BOUNDS, ids=lambda bound: getattr(bound, "__name__", bound))
def test_the_bounds_of_a_field_are_those_of_the_catalog(model: type[SpecModel], field: str, name: str) -> None:
    bounds = {
        key: getattr(item, key)
        for item in model.model_fields[field].metadata
        for key in ("ge", "le", "max_length", "min_length")
        if hasattr(item, key)
    }
    known = limit(name)
    assert bounds.get("le", bounds.get("max_length")) == known.value
    assert bounds.get("ge", bounds.get("min_length", known.minimum)) == known.minimum


def test_every_number_and_pattern_that_a_rule_names_has_a_source() -> None:
    documented = {
        call.args[0].value
        for path in RULES
        for call in code_of(path)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("limit", "pattern", "matches", "allowed")
        and isinstance(call.args[0], ast.Constant)
    }
    sections = {name: section for section in ("limits", "patterns", "allowed") for name in load("limits")[section]}
    assert len(documented) > 40
    assert every(source_of(sections[str(name)], str(name)) for name in documented)
    assert every(known.source for known in limits().values())
