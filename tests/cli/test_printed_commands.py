"""Printed commands: every value is quoted for the shell."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.changes.deployments import deployment
from hyperpod_constructs.core.jobs.foreign import foreign

PACKAGE = Path(__file__).parents[2] / "hyperpod_constructs"
COMMAND = re.compile(r"(?:^|[`\n;:(]|&& )\s*(?:hyperpod|kubectl|aws|npx|cdk|helm|docker|python3?|pip) [a-z\x00-]")
"""Where a command begins in a text; a value in the text is a zero byte here."""
QUOTED = re.compile(r"(?:shlex\.)?(?:quote|join)\(|quoted$|name$|file$|mapping$|stacks$")
"""Values that are quoted in place, or have the name of what was quoted on a line before."""
SAFE = {
    "verb": "a word of the source",
    "direction": "a word of the source",
    "other": "a format of the source",
    "wanted": "a number",
    "source_format": "a format of the source",
    "first": "a rule id",
    "number": "an account id, or a version of the source",
    "GRAFANA_NAMESPACE": "a constant",
    "PACKAGE": "a constant",
    "known['helm']": "a version of the catalog",
    "facts.name": "a name of the catalog",
    "kubernetes": "a version of the catalog",
    "code": "a code of the catalog or of Service Quotas",
    "quota.service": "a name of the catalog",
    "region": "a region that answered",
    "aws.region": "a region that answered",
    "Stack.of(self).region": "a region of CDK",
    "self.cluster_name": "EKS's names have no character that a shell reads (HP210)",
    "found['name']": "told, not run",
    "new['current-context']": "told, not run",
}
"""Values that need no quotes, and why."""


def command_values(node: ast.JoinedStr) -> Iterator[ast.expr]:
    """The values inside the commands of a text."""
    text, values = "", []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            values.append((len(text), part.value))
            text += "\0"
        elif isinstance(part, ast.Constant):
            text += str(part.value)
    for found in COMMAND.finditer(text):
        end = text.find("`" if found[0].lstrip().startswith("`") else "\n", found.end())
        yield from (value for position, value in values if found.start() <= position < (end if end >= 0 else len(text)))


def all_values() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                for value in command_values(node):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", ast.unparse(value)


def test_every_value_in_a_command_is_quoted_or_needs_no_quotes() -> None:
    found = list(all_values())
    print(f"{len(found)} values in printed commands")
    assert len(found) > 40
    assert [item for item in found if not QUOTED.match(item[1]) and item[1] not in SAFE] == []
    assert SAFE.keys() <= {value for _, value in found}, "an entry is stale"


@pytest.mark.parametrize("text", ["f'run `hyperpod jobs render {path}`'", "f'kubectl delete pod {pod}'"])
def test_a_value_without_quotes_is_found(text: str) -> None:
    (node,) = [item for item in ast.walk(ast.parse(text)) if isinstance(item, ast.JoinedStr)]
    (value,) = command_values(node)
    assert not QUOTED.match(ast.unparse(value))


NASTY = "a b$(touch x).yaml"


def test_names_of_files_arrive_as_one_word(tmp_path: Path) -> None:
    manifest = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": "a"}, "spec": {}}
    finding = foreign(manifest, file=NASTY)
    assert finding is not None
    (command,) = re.findall(r"`(hyperpod jobs import .*?)`", finding.cure)
    assert shlex.split(command)[-1] == NASTY
    result = CliRunner().invoke(main, ["jobs", "init", str(tmp_path / NASTY)])
    assert result.exit_code == 0, result.output
    assert shlex.split(result.output.partition("next: ")[2])[-1] == str(tmp_path / NASTY)


def test_names_of_stacks_arrive_as_one_word() -> None:
    template = {"Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {}}}}
    (edit,) = deployment({NASTY: template}, {}).edits
    (command,) = re.findall(r"`(.*)`", edit.advice)
    assert shlex.split(command)[-1] == NASTY


def test_the_name_of_a_config_arrives_as_one_word(tmp_path: Path) -> None:
    config = {
        "name": "research",
        "region": "us-west-2",
        "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
        "cluster": {},
        "dependencies": {"chart": {"path": "my charts"}},
    }
    (tmp_path / NASTY).write_text(yaml.safe_dump(config))
    result = CliRunner().invoke(main, ["validate", str(tmp_path / NASTY), "-o", "json"])
    (command,) = re.findall(r"`(hyperpod chart vendor .*?)`", result.output)
    arguments = shlex.split(command)
    assert arguments[:4] == ["hyperpod", "chart", "vendor", "--config"]
    assert arguments[4].endswith(NASTY)
    assert arguments[5] == "my charts" or arguments[5].endswith("/my charts")
