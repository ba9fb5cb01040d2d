"""Every IAM statement of an app with `*` in an action or a resource, with its construct and reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Stack, custom_resources
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from .justified import JUSTIFIED
from .nag import as_list, statements_of


@dataclass(frozen=True, order=True)
class Wildcard:
    """One statement, equal for all apps that contain it.

    Attributes:
        made_by: class of the construct that creates it.
        actions: its actions.
        resources: its resources, without names and ids of single resources.
        condition: keys of its condition.
    """

    made_by: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: tuple[str, ...]


def wildcards(scope: IConstruct) -> Iterator[Wildcard]:
    """Returns the Allow statements with `*` of every role and policy in a construct tree."""
    for construct in scope.node.find_all():
        if isinstance(construct, iam.CfnPolicy | iam.CfnManagedPolicy | iam.CfnRole):
            maker = _maker(construct)
            for statement in statements_of(construct):
                actions = tuple(sorted(as_list(statement["Action"])))
                resources = tuple(sorted({_text(resource) for resource in as_list(statement["Resource"])}))
                if statement["Effect"] == "Allow" and "*" in "".join((*actions, *resources)):
                    keys = sorted(key for test in statement.get("Condition", {}).values() for key in test)
                    yield Wildcard(maker, actions, resources, tuple(keys))


def _maker(construct: IConstruct) -> str:
    for scope in reversed(construct.node.scopes):
        if isinstance(scope, custom_resources.Provider | custom_resources.AwsCustomResource):
            return type(scope).__name__
        if type(scope).__module__.startswith("hyperpod_constructs."):
            return type(scope).__name__
        siblings = [justified for justified in JUSTIFIED if justified.sibling]
        for row in siblings:
            for child in scope.node.children:
                if isinstance(child, row.made_by) and construct.node.path.startswith(child.node.path):
                    return row.made_by.__name__
    return next(
        (scope.node.id.rstrip("0123456789ABCDEF") for scope in construct.node.scopes if "Custom::" in scope.node.id),
        "Stack",
    )


def _text(resource: Any) -> str:
    """Returns a resource as text: references as the kind of their target, without ids."""
    if isinstance(resource, str):
        return re.sub(r"(?<=arn:aws:s3:::)[\w-]+", "BUCKET", resource)
    if isinstance(resource, Mapping):
        (function, value), *_ = resource.items()
        if function == "Fn::Join":
            return re.sub(r"(?<=:s3:::)[\w-]+", "BUCKET", "".join(map(_text, value[1])))
        if function == "Ref":
            return {"AWS::AccountId": "ACCOUNT", "AWS::Partition": "aws", "AWS::Region": "REGION"}.get(value, "ID")
        return "ARN" if "Arn" in json.dumps(value) else "ID"
    return str(resource)


def normalized(found: Iterable[Wildcard], regions: Iterable[str]) -> list[Wildcard]:
    """Returns the statements without duplicates and without the regions of the apps."""
    pattern = re.compile("|".join(map(re.escape, sorted(regions))))
    return sorted(
        {
            Wildcard(
                wildcard.made_by,
                wildcard.actions,
                tuple(sorted({pattern.sub("REGION", resource) for resource in wildcard.resources})),
                wildcard.condition,
            )
            for wildcard in found
        }
    )


def reasons(wildcard: Wildcard) -> list[str]:
    """Returns the reasons of the accepted findings of cdk-nag that the statement causes."""
    texts = [f"Action::{action}" for action in wildcard.actions if "*" in action]
    texts += [f"Resource::{resource}" for resource in wildcard.resources if "*" in resource]
    found: dict[str, None] = {}
    for text in texts:
        for row in JUSTIFIED:
            same = row.made_by.__name__ == wildcard.made_by or (
                row.made_by is Stack and wildcard.made_by.startswith(("Custom::", "Stack"))
            )
            if same and row.rule == "AwsSolutions-IAM5" and _fits(row.finding, text):
                if text == "Resource::*" and not set(wildcard.actions) <= row.actions:
                    continue
                found[row.reason] = None
                break
        else:
            return []
    return list(found)


def _fits(pattern: str, text: str) -> bool:
    """Whether a row's pattern matches a resource in the format of `Wildcard`."""
    as_nag = (
        text.replace("ACCOUNT", "<AWS::AccountId>")
        .replace("REGION", "us-east-1")
        .replace("Resource::ARN", "Resource::<A.Arn>")
    )
    return any(re.fullmatch(pattern, finding_id) for finding_id in (as_nag, as_nag.replace("ID", "<Id>")))
