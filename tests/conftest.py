"""Shared set-up and the synthesized configs that many tests look at.

It runs before anything imports aws_cdk: Node comes from our own requirements, and CDK's validator is off (it is 70 % of the
time of a synth; tests/test_gate.py switches it on). There is one jsii process; each config is synthesized once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from assembly import ROOT, Assembly, read_assembly
from hypothesis import HealthCheck, settings

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.packaged_node import use_packaged_node

os.environ["CDK_VALIDATION"] = "false"
os.environ.pop("CDK_CONTEXT_JSON", None)
use_packaged_node()
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no timed tests
settings.load_profile("busy")
tempfile.gettempdir()  # stays what it is in this process: pytest keeps the folders of its last runs
# where an app without `outdir` puts its cloud assembly
os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="hyperpod-tests-")
collect_ignore_glob = ["**/conftest.py"]  # doctests are not looked for in them: several folders at once would clash


def pytest_unconfigure() -> None:
    """Remove what Node.js and other processes left in their temporary folder."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def assemble(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | Path], Assembly]:
    """Synthesize a config file (path from the root), once a session."""
    from hyperpod_constructs.core.config import load

    done: dict[Path, Assembly] = {}

    def assemble_(config: str | Path) -> Assembly:
        path = ROOT / config
        if path not in done:
            loaded = load(path)
            assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
            folder = tmp_path_factory.mktemp("assembly") / "cdk.out"
            build([loaded.platform], context=cdk_context(), outdir=str(folder)).synth()
            done[path] = read_assembly(folder)
        return done[path]

    return assemble_


@pytest.fixture(scope="session")
def default(assemble: Callable[[str], Assembly]) -> Assembly:
    """The shipped hyperpod.yaml."""
    return assemble("hyperpod.yaml")
