"""The help of live commands imports neither boto3 nor the Kubernetes client."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hyperpod_constructs.cli import COMMANDS
from hyperpod_constructs.cli.jobs import COMMANDS as JOBS

LIVE = ["preflight", "versions", "addons", "upgrade-plan", "clusters", "context", "stacks", "nodes", "software"]
SUB = {
    "clusters": ["list", "describe", "nodes"],
    "context": ["set", "show"],
    "stacks": ["list", "describe", "delete"],
    "nodes": ["reboot", "replace"],
    "software": ["update"],
}
HEAVY = {"boto3", "botocore", "kubernetes", "aws_cdk", "jsii", "cdk8s", "constructs", "urllib3", "rich"}

CODE = """
import json, sys
from click.testing import CliRunner
from hyperpod_constructs.cli import main
results = {}
for arguments in json.loads(sys.argv[1]):
    result = CliRunner().invoke(main, [*arguments, "--help"])
    results[" ".join(arguments)] = result.exit_code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"results": results, "loaded": loaded}))
"""


def test_help_imports_neither_boto3_nor_kubernetes():
    commands = [
        [],
        *([name] for name in LIVE),
        *([name, subscription] for name, subs in SUB.items() for subscription in subs),
    ]
    commands += [["jobs"], *(["jobs", name] for name in JOBS)]
    completed = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    user_message = json.loads(completed.stdout)
    assert set(user_message["results"].values()) == {0}, user_message["results"]
    assert not HEAVY & set(user_message["loaded"])


@pytest.mark.parametrize("arguments", [["versions"], ["addons"], ["upgrade-plan", "hyperpod.yaml", "--to", "1.35"]])
def test_answers_of_the_catalog_require_no_client(arguments):
    code = f"import sys; from hyperpod_constructs.cli import main; main({arguments!r}, standalone_mode=False)"
    user_message = f"print(sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    script = f"try:\n  {code}\nexcept SystemExit: pass\n{user_message}"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert completed.stderr.strip().splitlines()[-1] == "[]"


def test_every_live_command_is_listed():
    assert set(LIVE) <= set(COMMANDS)
