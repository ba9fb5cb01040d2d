"""Every command of the guide's CLI reference has an existing equivalent, and a test that runs it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hyperpod_constructs.cli import main

ROOT = Path(__file__).parents[2]
GUIDE = {
    "hyp list-cluster": "clusters list",
    "hyp set-cluster-context --cluster-name NAME": "context set",
    "hyp get-cluster-context": "context show",
    "hyp list cluster-stack": "stacks list",
    "hyp describe cluster-stack STACK_NAME": "stacks describe",
    "hyp delete cluster-stack STACK_NAME": "stacks delete",
    "hyp init hyp-pytorch-job": "jobs init",
    "hyp create hyp-pytorch-job [options]": "jobs submit",
    "hyp get jobs": "jobs list",
    "hyp logs JOB_NAME": "jobs logs",
    "hyp delete job JOB_NAME": "jobs delete",
    "kubectl apply -f pytorch-job.yaml": "jobs submit",
    "kubectl get pytorchjobs": "jobs list",
    "kubectl logs -f -l app=my-training": "jobs logs",
    "kubectl get nodes": "clusters nodes",
    "kubectl get pods -A": "jobs pods",
}
"""The CLI reference of the guide, in its order, and our equal."""

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/day-2.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "---" not in line
][1:]


def resolve(arguments: list[str]) -> click.Command:
    command: click.Command = main
    context = click.Context(main)
    for word in arguments:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, arguments
        command = found
    return command


def test_the_table_has_every_command_of_the_guide():
    by_guide = {row[0].strip("`"): row[1] for row in ROWS if row[0] != "-"}
    assert list(by_guide) == list(GUIDE)
    for official, equivalent in GUIDE.items():
        assert by_guide[official].startswith(f"`hyperpod {equivalent}"), official


@pytest.mark.parametrize("equivalent", [row[1] for row in ROWS])
def test_each_construct_in_the_table_exists_with_its_options(equivalent):
    line = re.match(r"`hyperpod ([^`]+)`", equivalent)
    assert line is not None
    arguments = line[1].split()
    command = resolve(arguments[:2])
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in arguments if word.startswith("--")} <= options


def test_each_equal_is_run_by_a_test():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    for command in sorted(set(GUIDE.values())):
        group, name = command.split()
        assert re.search(rf'"{group}",\s+"{name}"', tests) or re.search(rf'\[.*"{group}", "{name}"', tests), command
