"""HP033 and HP034: facts in the config that override the catalog."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import stated
from ..facts import notes, problems_of
from ..findings import Severity
from ..spec.facts import Facts
from .context import Context
from .registry import Problem, rule

_NEW = """\
facts: {instance_types: {ml.p9.48xlarge: {note: preview, like: ml.p5.48xlarge}}}
cluster:
  instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, {name: gpu, instance_type: %s, count: 1}]
"""


@rule(
    "HP033",
    title="Facts come from the catalog, not from the config.",
    severity=Severity.WARNING,
    why="Rules and numbers use values of the config, which are not verified with AWS.",
    cure="Remove the fact from the config when the catalog has it; until then acknowledge the finding.",
    source="`facts` in the config, or use_facts() in an app",
    wrong=_NEW % "ml.p9.48xlarge",
    right=_NEW % "ml.p5.48xlarge",
)
def stated_facts(ctx: Context) -> Iterator[Problem]:
    known = notes()
    types, regions = known["instance_types"], known["regions"]
    for path, group in ctx.groups:
        listed = getattr(group, "instance_types", ()) if group.instance_type is None else ()
        for index, name in enumerate(group.types):
            if name in types:
                place = f"{path}.instance_types[{index}]" if listed else f"{path}.instance_type"
                yield Problem(place, f"{name} is defined by the config, not by the catalog (note: {types[name]})")
    if ctx.region in regions:
        yield Problem(
            "region", f"{ctx.region} is defined by the config, not by the catalog (note: {regions[ctx.region]})"
        )
    for file, content in stated().items():
        if "date" in content:
            yield Problem("facts.folder", f"facts of {content['date']} are used over those shipped: {file}.json")


@rule(
    "HP034",
    title="Facts in the config are complete.",
    severity=Severity.ERROR,
    why="Incomplete facts are not used, so nothing that depends on them can be checked or calculated.",
    cure="Specify the missing fields, or `like` with a known instance type.",
    source="`facts` in the config",
    wrong="facts: {instance_types: {ml.p9.48xlarge: {note: preview, vcpu: 192}}}\n",
    right="facts: {instance_types: {ml.p9.48xlarge: {note: preview, vcpu: 192, memory_gib: 2048}}}\n",
)
def usable_facts(facts: Facts) -> Iterator[Problem]:
    yield from problems_of(facts)
