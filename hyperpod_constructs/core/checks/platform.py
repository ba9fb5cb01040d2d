"""HP02x: the platform as a whole: its name, region, account and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..catalog import Region, find_region, limit, regions, suggest
from ..findings import Severity
from ..spec.base import is_token
from .context import Context, as_text, skipped
from .registry import Problem, rule

_STACK_NAME_LENGTH = 128
_LONGEST_STACK_SUFFIX = len("-Jobs-99")


@rule(
    "HP020",
    title="The platform's name can be the beginning of stack names.",
    severity=Severity.ERROR,
    why="CloudFormation refuses the stack names made from it.",
    cure="Use letters, digits and hyphens, beginning with a letter.",
    source="CloudFormation: stack names match [a-zA-Z][-a-zA-Z0-9]*, 128 characters",
    wrong='name: "my_platform!"\n',
    right="name: my-platform\n",
)
def platform_name(name: str, ctx: Context) -> Iterator[Problem]:
    name = ctx.name or ""
    if is_token(name):
        yield skipped("name")
    elif not re.fullmatch(r"[a-zA-Z](-?[a-zA-Z0-9])*", name):
        yield Problem(
            "name", f"{as_text(name)} is not made of letters, digits and single hyphens, beginning with a letter"
        )
    elif len(name) > _STACK_NAME_LENGTH - _LONGEST_STACK_SUFFIX:
        most = _STACK_NAME_LENGTH - _LONGEST_STACK_SUFFIX
        yield Problem(
            "name", f"has {len(name)} characters; with what follows in stack names, {most} fit", "Shorten it."
        )


@rule(
    "HP021",
    title="The region is one of AWS.",
    severity=Severity.ERROR,
    why="Nothing can be deployed there.",
    cure="Name a region such as us-west-2.",
    source="region list of the catalog",
    wrong="region: us-wset-2\n",
    right="region: us-west-2\n",
)
def known_region(region: str) -> Iterator[Problem]:
    name = region or ""
    if find_region(name) is None:
        near = suggest(name, regions())
        yield Problem("region", f"{as_text(name)} is no region of AWS", f"did you mean {near!r}?" if near else None)


@rule(
    "HP022",
    title="HyperPod is in the region.",
    severity=Severity.ERROR,
    why="The cluster's resource type does not exist there.",
    cure="Choose a region that has HyperPod.",
    source="documentation page sagemaker-hyperpod; CloudFormation's resource types by region (2026-10-20)",
    wrong="region: eu-west-3\nnetwork: {availability_zone_ids: [euw3-az1, euw3-az2]}\n",
    right="region: eu-west-1\nnetwork: {availability_zone_ids: [euw1-az1, euw1-az2]}\n",
)
def region_has_hyperpod(region_facts: Region) -> Iterator[Problem]:
    region = region_facts
    if not region.hyperpod:
        offered = ", ".join(name for name, each in regions().items() if each.hyperpod)
        yield Problem("region", f"HyperPod is not in {region.name}", f"Choose one of {offered}.")
    elif "hyperpod" in region.uncertain:
        text = f"{region.name} is not certain to have HyperPod: {region.uncertain['hyperpod']}"
        yield Problem("region", text, "Look it up in the documentation.", severity=Severity.NOTE)


@rule(
    "HP023",
    title="The account id has 12 digits.",
    severity=Severity.ERROR,
    why="There is no such account.",
    cure="Write the 12 digits in quotes.",
    source="AWS account ids",
    wrong='account: "1234"\n',
    right='account: "111122223333"\n',
)
def account_id(account: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[0-9]{12}", account or ""):
        yield Problem("account", f"{as_text(account)} is not made of 12 digits")


@rule(
    "HP024",
    title="Tags keep AWS's limits.",
    severity=Severity.ERROR,
    why="AWS refuses the tags.",
    cure="Shorten or remove tags; keys must not begin with `aws:`.",
    source="service model of sagemaker: Tag; at most 50 tags, keys of 1-128 and values of 0-256 characters",
    wrong='tags: {"aws:team": vision}\n',
    right="tags: {team: vision}\n",
)
def tag_limits(ctx: Context) -> Iterator[Problem]:
    yield from _tags("tags", ctx.tags or {})
    if ctx.cluster is not None:
        yield from _tags("cluster.tags", ctx.cluster.tags)


def _tags(path: str, tags: Mapping[str, str]) -> Iterator[Problem]:
    from ..documents import join

    most, key_length, value_length = limit("tags"), limit("tag_key_length"), limit("tag_value_length")
    if not most.allows(len(tags)):
        yield Problem(path, f"has {len(tags)} tags, {most.value} at most")
    for key, value in tags.items():
        place = join(path, key)
        if is_token(key) or is_token(value):
            continue
        if key.lower().startswith("aws:"):
            yield Problem(place, f"the tag key {as_text(key)} begins with `aws:`, which is AWS's own")
        if not key_length.allows(len(key)):
            yield Problem(place, f"the tag key has {len(key)} characters, 1 to {key_length.value} are allowed")
        if not value_length.allows(len(value)):
            yield Problem(place, f"the tag value has {len(value)} characters, {value_length.value} at most")
