"""Every command with invalid arguments: an error message and a documented exit code, never a traceback.

No command accesses the network: no credentials, no region and no kubeconfig are set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner, Result
from proving import every
from sweep import sample

from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.explain import TOPICS
from hyperpod_constructs.handlers.helm.errors import ChartError

CODES = {0, 1, 2, 3}
"""Exit codes that commands document; 70 is a bug."""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is not a group, with its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, (*path, name))


COMMANDS = dict(leaves(main))
FILES = {
    "nowhere": None,
    "empty.yaml": b"",
    "binary.yaml": bytes(range(256)),
    "list.yaml": b"- 1\n- 2\n",
    "deep.yaml": b"[" * 5000,
    "deep.json": b"[" * 200_000,
    "null.json": b"null",
    "odd.json": b'{"Resources": {"A": 1, "B": {"Type": 2, "Properties": []}, "C": null}}',
    "odd.template.json": b'{"Resources": {"A": {"Type": "AWS::SageMaker::Cluster", "Properties": {"VpcConfig": 1}}}}',
    "kubeconfig": b"contexts: [1, {name: a}, {name: b, context: 3}]\nclusters: {}\nusers: x\ncurrent-context: [a]\n",
    "job.yaml": b"name: train\nimage: registry/t:v1\ninstance_type: ml.p5.48xlarge\nnodes: 2\n",
    "Chart.yaml": b"name: [",
}
WORDS = [
    "",
    " ",
    "-",
    "..",
    "\u202e\u0000x".replace("\u0000", ""),
    "a" * 5000,
    "*",
    "$(id)",
    "-1",
    "1e999",
    "nan",
    "abc",
    "1.99",
]


def unreachable(*_: object) -> None:
    raise ChartError("the archive cannot be downloaded: no network")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("AWS_", "KUBE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no" / name))
    monkeypatch.setattr("hyperpod_constructs.live.vendoring.fetch", unreachable)
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    return tmp_path


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, input="n\n")


def odd_arguments(command: click.Command) -> Iterator[list[str]]:
    """Odd argument lists for a command: values in place of its arguments, and for each of its options."""
    names = [*FILES, "folder", "loop", *WORDS]
    if any(param.name == "profile" for param in command.params):
        names = ["", "loop", "a" * 5000, "$(id)", "-1"]  # each creates a client, which is slow
    needed = [param for param in command.params if isinstance(param, click.Argument)]
    for value in names:
        yield ["--", *[value] * max(len(needed), 1)]
    for option in (param for param in command.params if isinstance(param, click.Option) and not param.is_flag):
        for value in ("", "abc", "-1", "nan", "loop"):
            yield [
                f"{option.opts[-1]}={value}" if option.opts[-1].startswith("--") else option.opts[0],
                *(["a"] * len(needed)),
            ]


def check(result: Result, arguments: list[str]) -> None:
    command_line = " ".join(arguments)[:200]
    assert result.exception is None or isinstance(result.exception, SystemExit), f"{command_line}: {result.exception!r}"
    assert result.exit_code in CODES, f"{command_line}: exit code {result.exit_code}: {result.output[-300:]}"
    assert "Traceback" not in result.output
    assert "in hyperpod-constructs" not in result.stderr, f"{command_line}: {result.stderr}"
    assert result.exit_code == 0 or result.output.strip(), f"{command_line}: fails without a message"
    assert "\x1b" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("command_line", COMMANDS, ids=" ".join)
def test_odd_arguments_are_answered_in_words(command_line: tuple[str, ...], place: Path) -> None:
    for arguments in sample(list(odd_arguments(COMMANDS[command_line])), 3):
        if command_line == ("jobs", "wait") or "--wait" in arguments:
            continue
        check(ran(*command_line, *arguments), [*command_line, *arguments])


def test_the_number_of_examples_is_sufficient() -> None:
    count = sum(1 for command in COMMANDS.values() for _ in odd_arguments(command))
    print(f"{count} odd argument lists for {len(COMMANDS)} commands")
    assert count >= 200


@pytest.mark.parametrize("command_line", [*COMMANDS, *(("explain", topic) for topic in TOPICS)], ids=" ".join)
def test_every_command_has_help_with_both_spellings(command_line: tuple[str, ...]) -> None:
    long, short = ran(*command_line, "--help"), ran(*command_line, "-h")
    assert (long.exit_code, short.exit_code) == (0, 0)
    assert long.output == short.output
    assert long.output.startswith("Usage: ")
    assert max(map(len, long.output.splitlines())) <= 80


@pytest.mark.parametrize(
    "command_line",
    [command_line for command_line, command in COMMANDS.items() if "profile" in {p.name for p in command.params}],
)
def test_without_a_region_or_credentials_the_fix_is_stated(command_line: tuple[str, ...], place: Path) -> None:
    command = COMMANDS[command_line]
    needed = ["a" for param in command.params if isinstance(param, click.Argument) and param.required]
    flags = {option for param in command.params for option in param.opts} & {"--live", "--yes", "--cluster-name"}
    arguments = [
        *needed,
        *sorted(flags - {"--cluster-name"}),
        *(["--cluster-name=a"] if "--cluster-name" in flags else []),
    ]
    arguments += ["--to", "1.36"] if command_line == ("upgrade-plan",) else []
    result = ran(*command_line, *arguments)
    check(result, [*command_line, *arguments])
    if command_line in {("preflight",), ("upgrade-plan",), ("catalog", "refresh"), ("jobs", "submit"), ("adopt",)}:
        return  # they require a file first, or report this in another way
    assert result.exit_code == 2
    assert "no region" in result.stderr
    assert "AWS_REGION" in result.stderr


def test_the_region_of_the_environment_counts_as_in_the_aws_cli(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    from hyperpod_constructs.live.operations.aws import session

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert session().region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert session().region_name == "us-west-2"
    assert session(region="us-east-1").region_name == "us-east-1"
    assert "no credentials" in ran("clusters", "list").stderr


def test_a_bug_is_reported_without_a_traceback(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("hyperpod_constructs.core.config.load_all", broken)
    result = ran("validate", "a.yaml")
    assert result.exit_code == 70
    assert result.stderr.startswith("Error: unexpected KeyError in hyperpod-constructs ")
    monkeypatch.setenv("HYPERPOD_DEBUG", "1")
    assert isinstance(ran("validate", "a.yaml").exception, KeyError)


def test_no_color_counts_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    coloured = CliRunner().invoke(main, ["versions"], color=True).output
    assert "\x1b[" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(main, ["versions"], color=True).output


ACTIONS = {
    *(
        "init",
        "synth",
        "jobs init",
        "jobs import",
        "jobs logs",
        "jobs wait",
        "jobs suspend",
        "jobs resume",
        "jobs delete",
    ),
    *("context set", "stacks delete", "software update", "explain", "schema", "jobs render", "report"),
    *("import cluster-stack", "import stack", "import tfvars", "import live"),
}
"""Commands that do something instead of answering, write or print files; `explain` passes -o on."""
OFFLINE = [
    ["validate", "empty.yaml"],
    ["validate", "hyperpod.yaml"],
    ["show", "hyperpod.yaml"],
    ["explain"],
    ["explain", "HP301"],
    ["explain", "cost", "hyperpod.yaml"],
    ["explain", "job", "job.yaml"],
    ["diff", "--configs-only", "hyperpod.yaml", "hyperpod.yaml"],
    ["versions"],
    ["addons"],
    ["upgrade-plan", "hyperpod.yaml", "--to", "1.36"],
    *(["catalog", "list", kind] for kind in ("instance-type", "region", "kubernetes", "addon", "endpoint")),
    *(["catalog", "show", "instance-type", "ml.p5.48xlarge"], ["catalog", "show", "region", "us-west-2"]),
    *(["catalog", "show", "kubernetes", "1.35"], ["catalog", "show", "addon", "coredns"]),
    *(["catalog", "show", "endpoint", "ecr.api"],),
    ["chart", "digest", "folder"],
    ["mirror", "hyperpod.yaml", "--registry", "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"],
    ["mirror", "--check", "assembly"],
    ["jobs", "diff", "manifest.yaml", "job.yaml"],
]


def test_every_command_that_answers_has_the_four_formats() -> None:
    for command_line, command in COMMANDS.items():
        if " ".join(command_line) not in ACTIONS:
            (option,) = [param for param in command.params if "-o" in param.opts]
            assert isinstance(option.type, click.Choice)
            assert set(option.type.choices) >= {"text", "json", "yaml", "markdown"}, command_line


@pytest.mark.slow
@pytest.mark.parametrize("command_line", OFFLINE, ids=" ".join)
def test_an_answer_is_the_same_in_each_format(command_line: list[str], place: Path) -> None:
    (place / "hyperpod.yaml").write_text((ROOT / "hyperpod.yaml").read_text().replace("jobs/neuron-hello", "job"))
    (place / "job.yaml").write_text((ROOT / "jobs" / "neuron-hello.yaml").read_text())
    (place / "manifest.yaml").write_text(ran("jobs", "render", "job.yaml").stdout)
    (place / "folder" / "Chart.yaml").write_text("name: chart\n")
    (place / "assembly").mkdir()
    (place / "assembly" / "A.template.json").write_text("{}")
    results = {form: ran(*command_line, "-o", form) for form in ("text", "json", "yaml", "markdown")}
    assert len({result.exit_code for result in results.values()}) == 1, {f: r.output for f, r in results.items()}
    assert yaml.safe_load(results["yaml"].stdout) == json.loads(results["json"].stdout)
    if command_line[:2] != ["jobs", "diff"]:  # no differences
        assert every(result.stdout.strip() for result in results.values())


def test_findings_before_a_plan_have_the_requested_format(place: Path) -> None:
    result = ran("upgrade-plan", "list.yaml", "--to", "1.35", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"][0]["rule"] == "HP012"


def test_a_file_of_another_type_is_reported_with_its_type(place: Path) -> None:
    (finding,) = json.loads(ran("validate", "job.yaml", "-o", "json").stdout)["findings"]
    assert finding["message"] == "is a job, not a platform config"
    assert finding["cure"].startswith("Validate it with `hyperpod jobs render job.yaml`")


def test_unknown_keys_are_bounded_and_linear(place: Path) -> None:
    """The operations are counted, not timed: each unknown key is compared with known keys once, and 100 are reported."""
    (place / "many.yaml").write_text("".join(f"k{number}: v\n" for number in range(20_000)))
    findings = json.loads(ran("validate", "many.yaml", "-o", "json").stdout)["findings"]
    user_message = [finding for finding in findings if finding["rule"] == "HP010"]
    assert 90 <= len(user_message) <= 100
    assert findings[0]["message"] == "19,904 additional structural errors are not listed"
