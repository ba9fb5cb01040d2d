"""The format of accepted cdk-nag findings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from constructs import Construct

from ..core import catalog

IAM5 = "AwsSolutions-IAM5"


@dataclass(frozen=True)
class Justified:
    """Findings that are accepted.

    Attributes:
        rule: such as `AwsSolutions-IAM5`.
        made_by: class of the construct that creates the resource.
        below: path of the resource below that construct, a regular expression that matches all of it.
        reason: why the finding is accepted.
        finding: the detail of the finding, a regular expression that matches all of it; empty if the rule has no detail.
        actions: the actions that statements on the resource `*` may have; required for that finding.
        sibling: the resource is created next to the construct, under an id that begins with the construct's.
    """

    rule: str
    made_by: type[Construct]
    below: str
    reason: str
    finding: str = ""
    actions: frozenset[str] = frozenset()
    sibling: bool = False
    used: set[str] = field(default_factory=set, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Rejects a row that accepts every statement on `*`.

        Raises:
            ValueError: the finding can be the resource `*`, and no actions are specified.
        """
        if self.rule == IAM5 and re.fullmatch(self.finding, "Resource::*") and not self.actions:
            raise ValueError(
                f"{self.made_by.__name__}/{self.below}: list the actions that are accepted on any resource"
            )


def actions_of(role: str, *groups: str) -> frozenset[str]:
    """The actions of action groups of a role in the catalog."""
    fact = catalog.role(role).actions
    return frozenset(action for group in groups for action in fact[group])


def describing() -> frozenset[str]:
    """Returns the read-only actions of an execution role that do not support resource-level permissions."""
    looked_up = {action for action in catalog.role("execution").actions["network"] if action.startswith("ec2:Describe")}
    others = actions_of("execution", "network_identity", "fsx", "rolling_update_alarms")
    return frozenset({*looked_up, *others, "ecr:GetAuthorizationToken"})
