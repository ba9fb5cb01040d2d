"""`hyperpod explain`: rules, a job's resource amounts, the cost of a config."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .live import emit, output_option

if TYPE_CHECKING:
    from ..core.checks.registry import Rule

TOPICS = {"job": "explain_job", "cost": "explain_cost"}
"""Topic to the module with a click command of the same name."""


@click.command(
    short_help="Print a rule, a job's numbers or the cost.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("topic", required=False, metavar="[RULE|job|cost]")
@click.argument("rest", nargs=-1, metavar="[FILE]...", type=click.UNPROCESSED)
@click.pass_context
def explain(ctx: click.Context, topic: str | None, rest: tuple[str, ...]) -> None:
    """Explain a rule by its ID (`hyperpod explain HP304`); without arguments, list all rules.

    `hyperpod explain job FILE...` prints every number of a job with its derivation, `hyperpod explain cost [CONFIG]`
    the cost of a config. Each supports -o text|json|yaml|markdown.
    """
    if topic in TOPICS:
        command: click.Command = getattr(import_module(f"{__package__}.{TOPICS[topic]}"), TOPICS[topic])
        command.main(list(rest), prog_name=f"{ctx.command_path} {topic}", help_option_names=["-h", "--help"])
    else:
        words = [*([topic] if topic is not None else []), *rest]
        _rule.main(words, prog_name=ctx.command_path, help_option_names=["-h", "--help"])


@click.command()
@click.argument("rule", required=False)
@output_option
def _rule(rule: str | None, output: str) -> None:
    """Prints one rule, or all of them."""
    from ..core.checks import rules

    if rule is None:
        listed = [{key: _data(each)[key] for key in ("id", "severity", "area", "title")} for each in rules()]
        emit(listed, output, listing)
    else:
        found = named(rule)
        emit(_data(found), output, lambda: rule_text(found))


def _data(rule: Rule) -> dict[str, Any]:
    """A rule as data; `page` is its page in the reference."""
    from ..core.rendering import rule_page

    shown = ("id", "severity", "area", "title", "why", "cure", "source", "wrong", "right")
    return {**{name: getattr(rule, name) for name in shown}, "certain": rule.is_certain, "page": rule_page(rule.id)}


def listing() -> str:
    """All rules, one per line, by area."""
    from ..core.checks import AREAS, rules

    lines: list[str] = []
    for start, area in AREAS.items():
        of_area = [rule for rule in rules() if rule.id.startswith(start)]
        if of_area:
            lines += ["", f"{area}", *(f"  {rule.id}  {rule.severity!s:8} {rule.title}" for rule in of_area)]
    return "\n".join(lines[1:])


def named(id: str) -> Rule:
    """The rule with an ID, case-insensitive.

    Raises:
        click.UsageError: no rule has this ID.
    """
    from ..core.checks import find

    rule = find(id.upper())
    if rule is None:
        from ..core.checks.registry import nearest

        near = nearest(id)
        hint = f"did you mean {near}?" if near else "`hyperpod explain` lists all rules"
        raise click.UsageError(f"{id!r} is not a rule id, `job` or `cost`; {hint}")
    return rule


def rule_text(rule: Rule) -> str:
    """Formats one rule for a terminal."""
    from ..core.rendering import rule_page

    lines = [f"{rule.id} ({rule.severity}, {rule.area})", rule.title, "", f"Impact: {rule.why}", f"Fix:    {rule.cure}"]
    lines += [f"Source: {rule.source}", f"Page:   {rule_page(rule.id)}"]
    if rule.severity == "error":
        accepted = "cannot be acknowledged" if rule.is_certain else "can be acknowledged with a reason"
        lines += [f"It {accepted}."]
    for title, example in (("Wrong:", rule.wrong), ("Right:", rule.right)):
        if example:
            lines += ["", title, *(f"  {line}" for line in example.splitlines())]
    return "\n".join(lines)
