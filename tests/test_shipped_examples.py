"""Every example: described, without errors, synthesized, in order, and without findings of cdk-nag."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import assemblies
import pytest
from assembly import ROOT, Assembly, read_assembly
from aws_cdk import App
from proving import every, proved

from hyperpod_constructs.assembly.nag import JustifiedNag
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.deployer import actions_of, resource_types, unknown_types
from hyperpod_constructs.core.findings import Severity
from hyperpod_constructs.core.spec import Platform

pytestmark = pytest.mark.slow

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
MAX_RESOURCES = 500
MAX_BYTES = 1_000_000


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with a placeholder for the vendored chart of the closed network."""
    copied = tmp_path_factory.mktemp("examples") / "examples"
    shutil.copytree(ROOT / "examples", copied)
    chart = copied / "vendor" / "hyperpod-chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
    return copied


Synthesized = Callable[[Path], tuple[Assembly, App]]


@pytest.fixture
def synthesized(folder: Path) -> Synthesized:
    """The assembly and the app of an example."""

    def make(example: Path) -> tuple[Assembly, App]:
        app, out = assemblies.synthesized(platform(folder, example))
        return read_assembly(out), app

    return make


def platform(folder: Path, example: Path) -> Platform:
    loaded = load(folder / example.name)
    found = [
        str(finding)
        for finding in loaded.findings
        if finding.severity is not Severity.NOTE and not finding.acknowledged
    ]
    assert found == []
    assert loaded.platform is not None
    return loaded.platform


def test_the_examples_are_those_that_were_promised():
    assert {path.stem for path in EXAMPLES} >= {
        "quick-start",
        "gpu-multi-zone-efa",
        "trainium",
        "karpenter-spot",
        "training-plan-custom-ami",
        "restricted-groups",
        "closed-network",
        "existing-vpc-and-eks",
        "everything",
    }


@each_example
def test_it_states_its_purpose(example: Path):
    header = list(takewhile(lambda line: line.startswith("# "), example.read_text().splitlines()))
    assert 2 <= len(header) <= 3  # two lines, and a command if one must run first
    assert every(len(line) > 40 for line in header[:2])


@each_example
def test_it_has_no_errors_and_no_warnings(example: Path, folder: Path):
    platform(folder, example)


@each_example
def test_it_synthesizes_within_cloudformations_limits(example: Path, synthesized: Synthesized):
    assembly, _ = synthesized(example)
    for name, template in assembly.templates.items():
        assert 0 < len(template["Resources"]) <= MAX_RESOURCES, name
        assert (assembly.folder / f"{name}.template.json").stat().st_size < MAX_BYTES, name
        assert "${Token[" not in str(template), name


@each_example
def test_the_deployers_policies_know_its_resource_types(example: Path, synthesized: Synthesized):
    types = resource_types(synthesized(example)[0].folder)
    assert actions_of(types) >= {"lambda:InvokeFunction"}
    assert unknown_types(types) == set()


@each_example
def test_its_order_of_creation_and_deletion_holds(example: Path, synthesized: Synthesized):
    proved(synthesized(example)[0].folder)


@each_example
def test_cdk_nag_finds_nothing_that_is_not_explained(example: Path, synthesized: Synthesized):
    assert JustifiedNag(synthesized(example)[1]).findings() == []
