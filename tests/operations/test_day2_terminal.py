"""Strings from a cluster or from AWS cannot control the terminal, and printed commands can be pasted."""

from __future__ import annotations

import re
import shlex

import pytest
from accounts import NOW
from day2 import job, pod

from hyperpod_constructs.core.findings import Finding, Severity
from hyperpod_constructs.core.rendering import text
from hyperpod_constructs.core.terminal import paragraph, readable

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[1;31mred\x1b[0m\x9b31m\u202eevil\r"
_OWN = re.compile(r"\x1b\[(3[0-9]|0)m")


def has_no_escapes(output: str) -> bool:
    """Whether a terminal only shows the text, in the colors of the command."""
    text = _OWN.sub("", output).replace("\n", "").replace("\t", "")
    return text.isprintable()


def test_the_check_can_fail():
    assert not has_no_escapes(ESCAPES)
    assert has_no_escapes("\x1b[32mRunning\x1b[0m\n")


@pytest.mark.parametrize("text", [readable(ESCAPES), paragraph(ESCAPES), readable("a\nb")])
def test_text_is_readable(text):
    assert has_no_escapes(text)
    assert "\n" not in text


def test_printable_characters_are_kept():
    assert readable("größer, 日本語, ~/[a]") == "größer, 日本語, ~/[a]"


def test_findings_are_readable():
    finding = Finding(rule="HP301", severity=Severity.ERROR, path="a", message=ESCAPES, cure=ESCAPES)
    assert has_no_escapes(text([finding]))


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "list"),
        ("jobs", "describe", "llama"),
        ("jobs", "pods", "llama"),
        ("jobs", "logs", "llama"),
        ("jobs", "logs", "llama", "--all"),
        ("jobs", "wait", "llama"),
    ],
)
def test_strings_of_the_cluster(api, run, command):
    created = job(api, state="Failed")
    created["status"]["conditions"][-1] |= {"message": ESCAPES, "reason": ESCAPES}
    created["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = ESCAPES
    api.store.put(created)
    status = {"containerStatuses": [{"ready": False, "restartCount": 1, "state": {"waiting": {"reason": ESCAPES}}}]}
    pod(api, "llama-0", {"HPJob": "llama"}, **status)
    pod(api, "llama-1", {"HPJob": "llama"}, **status)
    api.store.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "e", "namespace": "team"},
            "involvedObject": {"name": "llama"},
            "type": "Warning",
            "reason": ESCAPES,
            "message": ESCAPES,
        }
    )
    api.logs |= dict.fromkeys((("team", "llama-0"), ("team", "llama-1")), f"{ESCAPES}\n")
    result = run(*command, "--namespace", "team")
    assert has_no_escapes(result.output), repr(result.output)
    assert "owned" in result.output


def test_strings_of_aws(aws, run):
    aws.on(
        "cloudformation",
        "DescribeStacks",
        lambda item: {
            "Stacks": [
                {
                    "StackName": "research-Eks",
                    "StackStatus": "CREATE_FAILED",
                    "StackStatusReason": ESCAPES,
                    "CreationTime": NOW,
                    "Outputs": [{"OutputKey": "Evil", "OutputValue": ESCAPES}],
                    "Tags": [{"Key": "hyperpod-constructs:platform", "Value": "research"}],
                }
            ]
        },
    )
    failed = {
        "LogicalResourceId": "Bad",
        "PhysicalResourceId": ESCAPES,
        "ResourceType": "A::B::C",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": ESCAPES,
        "LastUpdatedTimestamp": NOW,
    }
    aws.on("cloudformation", "ListStackResources", lambda item: {"StackResourceSummaries": [failed]})
    result = run("stacks", "describe", "research-Eks")
    assert "owned" in result.output
    assert has_no_escapes(result.output), repr(result.output)


def test_printed_commands_quote_their_arguments(api, run):
    name = "my job; rm -rf ~"
    job(api, name=name, state="Failed")
    result = run("jobs", "wait", name, "--namespace", "team")
    command = result.output.rpartition("fix: ")[2].strip()
    assert shlex.split(command) == ["hyperpod", "jobs", "logs", name]
