"""Shared set-up, and the synthesized configs that many tests use.

It runs before anything imports aws_cdk: Node comes from our own requirements, and CDK's validator is off (it is 70 % of the
time of a synth; tests/test_gate.py switches it on). There is one jsii process; each config is synthesized once.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path

import botocore.hooks
import botocore.loaders
import jsii
import pytest
from assemblies import assembly_in, assembly_of, platform_of, synthesized, templates
from assembly import Assembly, read_assembly
from hypothesis import HealthCheck, settings
from sweep import ALL

from hyperpod_constructs.assembly import synth
from hyperpod_constructs.cli import diff, rehearse, report
from hyperpod_constructs.core.packaged_node import use_packaged_node

os.environ["CDK_VALIDATION"] = "false"
os.environ.pop("CDK_CONTEXT_JSON", None)
use_packaged_node()
os.environ["JSII_RUNTIME"] = str(Path(__file__).parent / "support" / "jsii_runtime.js")
os.environ["NODE_OPTIONS"] += " --preserve-symlinks"  # as the jsii runtime of Python does
os.environ["JSII_PROGRAM"] = str(Path(jsii.__file__).parent / "_embedded" / "jsii" / "lib__program.js")
if ALL:
    synth.skip_argument_checks = wraps(synth.skip_argument_checks)(lambda: None)
else:  # mypy checks arguments of CDK's constructs; at run time this takes a tenth of the time of tests of constructs
    synth.skip_argument_checks()
# no timed tests, and half of the usual number of examples
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100 if ALL else 50
)
settings.load_profile("busy")
# the models of AWS services are parsed once in a process, not once for each session
botocore.loaders.create_loader = cache(botocore.loaders.create_loader)
botocore.hooks.accepts_kwargs = cache(botocore.hooks.accepts_kwargs)
tempfile.gettempdir()  # stays what it is in this process: pytest keeps the folders of its last runs
# where an app without `outdir` puts its cloud assembly
os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="hyperpod-tests-")
# commands that read templates take those that this process has synthesized already
diff.synthesized = templates
rehearse._assembly = assembly_of
report._synthesized = assembly_in
collect_ignore_glob = ["**/conftest.py"]  # doctests are not looked for in them: several folders at once would clash


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """If only quick tests are selected, files that are marked as slow are not imported, unless they are arguments."""
    if config.option.markexpr != "not slow" or not collection_path.match("test_*.py"):
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_finish() -> None:
    """Modules and tests exist until the end, so the garbage collector does not have to check them repeatedly."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_unconfigure() -> None:
    """Removes the files that Node.js and other processes left in the temporary folder."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def assemble() -> Callable[[str | Path], Assembly]:
    """Synthesizes a config file (path from the root) once; only the shipped one with copies of its assets."""

    @cache
    def assemble_(config: str | Path) -> Assembly:
        return read_assembly(synthesized(platform_of(Path(config)), assets=config == "hyperpod.yaml")[1])

    return assemble_


@pytest.fixture(scope="session")
def default(assemble: Callable[[str], Assembly]) -> Assembly:
    """The shipped hyperpod.yaml."""
    return assemble("hyperpod.yaml")
