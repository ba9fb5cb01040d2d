"""HP02x: the platform as a whole: its name, region, account and tags."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from ..catalog import Region, allowed, find_region, limit, load, matches, regions, suggest
from ..findings import Severity
from ..spec.base import is_token
from ..spec.platform import Logs
from .context import Context, as_text, skipped
from .registry import Problem, rule

_LONGEST_STACK_SUFFIX = len("-Jobs-99")


@rule(
    "HP020",
    title="The platform's name is a valid prefix of stack names.",
    severity=Severity.ERROR,
    why="CloudFormation rejects the stack names.",
    cure="Use letters, digits and single hyphens, beginning with a letter.",
    source="CloudFormation: stack names match [a-zA-Z][-a-zA-Z0-9]*, 128 characters",
    wrong='name: "my_platform!"\n',
    right="name: my-platform\n",
)
def platform_name(name: str, ctx: Context) -> Iterator[Problem]:
    name = ctx.name or ""
    if is_token(name):
        yield skipped("name")
    elif not matches("platform_name", name):
        yield Problem("name", f"invalid characters in the platform name {as_text(name)}")
    elif len(name) > limit("stack_name_length").value - _LONGEST_STACK_SUFFIX:
        maximum = limit("stack_name_length").value - _LONGEST_STACK_SUFFIX
        yield Problem(
            "name",
            f"{len(name)} characters; with the suffixes of stack names the limit is {maximum}",
            f"Use {maximum} characters at most.",
        )


@rule(
    "HP021",
    title="The region is an AWS region.",
    severity=Severity.ERROR,
    why="Nothing can be deployed there.",
    cure="Specify a region such as us-west-2.",
    source="region list of the catalog",
    wrong="region: us-wset-2\n",
    right="region: us-west-2\n",
)
def known_region(region: str) -> Iterator[Problem]:
    name = region or ""
    if find_region(name) is None:
        near = suggest(name, regions())
        yield Problem("region", f"{as_text(name)} is not an AWS region", f"Did you mean {near!r}?" if near else None)


@rule(
    "HP022",
    title="HyperPod is available in the region.",
    severity=Severity.ERROR,
    why="The cluster's resource type does not exist in the region.",
    cure="Use a region with HyperPod.",
    source="documentation page sagemaker-hyperpod; CloudFormation's resource types by region (2026-10-20)",
    wrong="region: eu-west-3\nnetwork: {availability_zone_ids: [euw3-az1, euw3-az2]}\n",
    right="region: eu-west-1\nnetwork: {availability_zone_ids: [euw1-az1, euw1-az2]}\n",
)
def region_has_hyperpod(region_facts: Region) -> Iterator[Problem]:
    region = region_facts
    if not region.hyperpod:
        offered = ", ".join(
            name for name, facts in regions().items() if facts.hyperpod and "hyperpod" not in facts.uncertain
        )
        yield Problem("region", f"HyperPod is not available in {region.name}", f"Use one of {offered}.")
    elif "hyperpod" in region.uncertain:
        text = f"HyperPod may not be available in {region.name}. {region.uncertain['hyperpod'].rstrip('.')}"
        cure = "Check the list of regions in the HyperPod documentation."
        yield Problem("region", text, cure, "CreateCluster may fail.", Severity.NOTE)


@rule(
    "HP023",
    title="The account id has 12 digits.",
    severity=Severity.ERROR,
    why="The account does not exist.",
    cure="Use 12 digits in quotes.",
    source="AWS account ids",
    wrong='account: "1234"\n',
    right='account: "111122223333"\n',
)
def account_id(account: str) -> Iterator[Problem]:
    if not matches("account_id", account or ""):
        yield Problem("account", f"{as_text(account)} is not a 12-digit account id")


@rule(
    "HP024",
    title="Tags are within AWS's limits.",
    severity=Severity.ERROR,
    why="AWS rejects the tags.",
    cure="Shorten, rename or remove tags. Keys and values can have letters, digits, spaces and _ . : / = + - "
    "@. Keys must not begin with `aws:`, and must differ in more than case.",
    source="service model of sagemaker: Tag (patterns and lengths of TagKey and TagValue); EC2 and S3: 50 tags a resource; "
    "IAM: tag keys are compared without regard to case",
    wrong='tags: {"aws:team": vision}\n',
    right="tags: {team: vision}\n",
)
def tag_limits(ctx: Context) -> Iterator[Problem]:
    tags, cluster_tags = ctx.tags or {}, ctx.cluster.tags if ctx.cluster is not None else {}
    added = load("limits")["added_tags"]
    room = limit("tags").value - len(added)
    for path, own_tags, all_tags in (("tags", tags, tags), ("cluster.tags", cluster_tags, {**tags, **cluster_tags})):
        if own_tags and len(all_tags) > room:
            yield Problem(
                path,
                f"{len(all_tags)} tags; the limit is {room}, because {len(added)} more are added to some resources",
                f"Use {room} tags at most.",
            )
        yield from _tags(path, own_tags)
    yield from _differ_in_case(tags, cluster_tags, added)


def _tags(path: str, tags: Mapping[str, str]) -> Iterator[Problem]:
    from ..documents import join

    key_length, value_length = limit("tag_key_length"), limit("tag_value_length")
    for key, value in tags.items():
        place = join(path, key)
        if not is_token(key) and key.lower().startswith("aws:"):
            message = f"the tag key {as_text(key)} begins with `aws:`, which is reserved"
            yield Problem(place, message, "Use a key without the prefix `aws:`.")
        if not is_token(key) and not key_length.allows(len(key)):
            message = f"the tag key has {len(key)} characters; 1 to {key_length.value} are allowed"
            yield Problem(place, message, f"Use a key of 1 to {key_length.value} characters.")
        if not is_token(value) and not value_length.allows(len(value)):
            message = f"the tag value has {len(value)} characters; the limit is {value_length.value}"
            yield Problem(place, message, f"Use {value_length.value} characters at most.")
        for what, text in (("key", key), ("value", value)):
            refused = "".join(dict.fromkeys(c for c in text if not _allowed(c)))
            if refused and not is_token(text):
                message = f"the tag {what} {as_text(text)} has characters that AWS rejects: {refused!r}"
                yield Problem(place, message, "Use letters, digits, spaces and _ . : / = + - @.")


def _allowed(character: str) -> bool:
    """Whether a tag can contain a character: letters, separators, numbers and `_.:/=+-@` in the service's pattern."""
    return character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN"


def _differ_in_case(
    tags: Mapping[str, str], cluster_tags: Mapping[str, str], added: Sequence[str]
) -> Iterator[Problem]:
    from ..documents import join

    seen = {key.lower(): key for key in added}
    for path, own_tags in (("tags", tags), ("cluster.tags", cluster_tags)):
        for key in own_tags:
            other = seen.setdefault(key.lower(), key)
            if other != key and not is_token(key):
                ours = " (added automatically)" if other in added else ""
                why = "Tag keys in IAM are case-insensitive, so IAM rejects every role."
                message = f"the tag keys {as_text(key)} and {as_text(other)}{ours} differ only in case"
                cure = "Rename or remove the tag." if ours else "Remove one of the two."
                yield Problem(join(path, key), message, cure, why)


@rule(
    "HP029",
    title="The config of a new platform uses the current defaults.",
    severity=Severity.NOTE,
    why="With the defaults of version 0.1.0, CloudFormation names both clusters, all instance groups share one execution "
    "role, every node may use every bucket, groups that Karpenter scales share one NodePool, and a closed network "
    "allows images of any account.",
    cure="New platform: add `defaults: 2`. Deployed platform: do not add it, because these settings cannot be "
    "changed on existing clusters, and acknowledge this finding.",
    source="documentation page sagemaker-hyperpod-eks-operate-cli-command-update-cluster (what UpdateCluster can change); "
    "create-only properties in the CloudFormation schemas of AWS::EKS::Cluster and AWS::SageMaker::Cluster",
    wrong="defaults: 1\n",
    right="defaults: 2\n",
)
def current_defaults(defaults: int) -> Iterator[Problem]:
    if defaults == 1:
        yield Problem("defaults", "1 or not set: settings without a value have the defaults of version 0.1.0")


@rule(
    "HP028",
    title="Log settings are valid in CloudWatch Logs.",
    severity=Severity.ERROR,
    why="CloudWatch Logs rejects the retention, and the first log group fails.",
    cure="Use one of the listed numbers of days, or `unset`.",
    source="CloudFormation schema of AWS::Logs::LogGroup: RetentionInDays",
    wrong="logs: {retention_days: 100}\n",
    right="logs: {retention_days: 120}\n",
)
def log_settings(logs: Logs) -> Iterator[Problem]:
    days, values = logs.retention_days, allowed("log_retention_days")
    if days != "unset" and days not in values:
        yield Problem(
            "logs.retention_days", f"{days} is not a valid retention; use {', '.join(map(str, values))} or unset"
        )
