"""Synthesizes config files to a cloud assembly. The checks run first, in pure Python; CDK starts only without errors.

A failed synthesis leaves no output, and does not change an earlier output.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..core.cdk_context import cdk_context as cdk_context
from ..core.config import Loaded, load_all
from ..core.findings import Severity, errors, summary
from ..core.packaged_node import use_packaged_node
from ..core.process import end, without_plugins

if TYPE_CHECKING:
    from aws_cdk import App

    from ..core.spec import Platform

DEFAULT_CONFIG = "hyperpod.yaml"
DEFAULT_OUTPUT = "cdk.out"


def run() -> NoReturn:
    """Synthesizes, and exits the process with the exit code of `main`."""
    gc.disable()  # garbage collection of aws_cdk's classes takes 5% of the time, and freeing them 10%
    without_plugins()
    with end():
        sys.exit(main())


def main(configs: Sequence[Path] = (), outdir: Path | None = None) -> int:
    """Synthesizes. Returns 0 on success, 1 if a config has errors, which are printed.

    Args:
        configs: the config files; default: from the CDK context or the environment, otherwise `hyperpod.yaml`.
        outdir: output folder of the templates; default: `HYPERPOD_OUT`, otherwise `cdk.out`. The CDK CLI sets its own.
    """
    context = cdk_context()
    everything = load_all(configs or [Path(path) for path in config_paths(context)])
    loaded, findings = everything.configs, everything.findings
    for finding in findings:
        if finding.severity is not Severity.NOTE:
            print(finding, file=sys.stderr)
    if errors(findings) or any(config.platform is None for config in loaded):
        print(f"hyperpod: {summary(findings)}; nothing was synthesized", file=sys.stderr)
        return 1
    platforms = [config.platform for config in loaded if config.platform is not None]
    use_packaged_node()
    if "CDK_OUTDIR" in os.environ:  # run by the CDK CLI, which has its own output folder and summary
        build(platforms, context=context, outdir=os.environ["CDK_OUTDIR"]).synth()
        return 0
    outdir = outdir or Path(os.environ.get("HYPERPOD_OUT", DEFAULT_OUTPUT))
    try:
        _synth_into(outdir, platforms, context)
    except OutputError as problem:
        cure = "specify another path in HYPERPOD_OUT"
        print(f"hyperpod: the output folder {outdir} {problem}: {cure}; nothing was synthesized", file=sys.stderr)
        return 1
    except RuntimeError as failure:  # errors that CDK reports: validation reports, sizes, cycles
        print(f"hyperpod: CDK rejected the app; nothing was synthesized\n{failure}", file=sys.stderr)
        return 1
    print(describe(outdir, loaded))
    return 0


def config_paths(context: Mapping[str, Any]) -> list[str]:
    """Returns the requested config files."""
    chosen = str(context.get("config") or os.environ.get("HYPERPOD_CONFIG") or DEFAULT_CONFIG)
    return [path.strip() for path in chosen.split(",") if path.strip()]


def build(platforms: Sequence[Platform], *, context: Mapping[str, Any], outdir: str, validate: bool = True) -> App:
    """Returns the app: the stacks of one platform, or a stage for each of several.

    `validate` enables CDK's CloudFormation validator, which takes most of the time of a synthesis.
    """
    skip_argument_checks()
    from aws_cdk import App, Environment, Stage

    from .stacks import platform_stacks

    app = App(
        context=dict(context),
        outdir=outdir,
        analytics_reporting=False,
        builtin_cloud_formation_validation=None if validate else False,
    )
    if len(platforms) == 1:
        platform_stacks(app, platforms[0], prefix=f"{platforms[0].name}-")
    else:
        for stage, platform in zip(stage_names(platforms), platforms, strict=True):
            environment = Environment(account=platform.account, region=platform.region)
            platform_stacks(Stage(app, stage, env=environment), platform, name=platform.name)
    return app


def skip_argument_checks() -> None:
    """Disables jsii's run-time checks of the types of arguments, as `python -O` does; they take 4% of the time.

    In this app, mypy checks the arguments: they are from our constructs and from validated specs. A user's app keeps the
    checks. A version of jsii without these variables checks as usual.
    """
    import jsii._type_checking

    jsii._type_checking._resolved_check = lambda **_: None
    jsii._type_checking._type_hints_cache = _NoHints()


class _NoHints(dict[Any, Any]):
    """Replaces both the cache of type hints and the hints of each function."""

    def get(self, stub: Any, default: Any = None) -> Any:
        return self

    def __missing__(self, argument: str) -> None:
        return None


def stage_names(platforms: Sequence[Platform]) -> list[str]:
    """Returns the stage of each of several platforms: its name, with region and account if another one has the same name.

    >>> from types import SimpleNamespace as P
    >>> stage_names([P(name="a", region="us-west-2"), P(name="a", region="us-east-1"), P(name="b", region="us-east-1")])
    ['a-us-west-2', 'a-us-east-1', 'b']
    """
    found = [platform.name for platform in platforms]
    for part in ("region", "account"):
        several = {name for name in found if found.count(name) > 1}
        found = [
            f"{name}-{getattr(platform, part)}" if name in several else name
            for name, platform in zip(found, platforms, strict=True)
        ]
    return found


def _synth_into(outdir: Path, platforms: Sequence[Platform], context: Mapping[str, Any]) -> None:
    outdir = outdir.resolve()  # jsii's process keeps the working directory in which it was started
    try:
        _ensure_replaceable(outdir)
        outdir.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{outdir.name}-", dir=outdir.parent))
    except OSError as failure:
        raise OutputError(f"cannot be written ({failure.strerror})") from failure
    try:
        build(platforms, context=context, outdir=str(scratch)).synth()
        shutil.rmtree(outdir, ignore_errors=True)
        scratch.rename(outdir)
        outdir.chmod(0o755)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class OutputError(Exception):
    """Raised for an output folder that cannot be used."""


def _ensure_replaceable(outdir: Path) -> None:
    """Rejects an output folder that contains other files: a synthesis replaces the whole folder."""
    names = sorted(path.name for path in outdir.iterdir()) if outdir.exists() else []
    # every cloud assembly has this file (an app has a folder of this name); a failed `cdk synth` leaves only assets
    if not (outdir / "cdk.out").is_file() and not all(name.startswith("asset.") for name in names):
        raise OutputError(f"contains {names[0]!r} and is not an output of CDK")


def describe(outdir: Path, loaded: Sequence[Loaded]) -> str:
    """Returns a summary of the output, on one screen."""
    lines = []
    total = 0
    for template in sorted(outdir.rglob("*.template.json")):
        resources = json.loads(template.read_text()).get("Resources", {})
        total += len(resources)
        kinds = Counter(r["Type"].split("::")[-1] for r in resources.values() if not r["Type"].startswith("AWS::CDK"))
        top = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
        lines.append(f"  {template.name.removesuffix('.template.json'):<28}{len(resources):>4} resources: {top}, ...")
    findings = [finding for config in loaded for finding in config.findings]
    platforms = [config.platform for config in loaded if config.platform is not None]
    names = ", ".join(platform.name for platform in platforms)
    stacks = "--all" if len(platforms) == 1 else shlex.join(f"{stage}/*" for stage in stage_names(platforms))
    return "\n".join(
        [
            f"{names}: {len(lines)} stacks, {total} resources in {outdir}/",
            *lines,
            f"findings: {summary(findings)}",
            f"next: hyperpod validate {shlex.join(str(config.path) for config in loaded)} (all findings)",
            *(f"      npx cdk {verb} --app {shlex.quote(str(outdir))} {stacks}" for verb in ("diff", "deploy")),
        ]
    )
