"""The checks inside somebody's CDK app: errors fail the synth with the same message, warnings are annotations."""

from __future__ import annotations

from collections.abc import Callable

import jsii
from aws_cdk import Acknowledgment, Annotations, CfnResource, Stack, Token, Validations
from constructs import Construct, IValidation

from ..core.checks import Context, check, error_texts
from ..core.findings import Severity

CHECKED = "hyperpod-constructs:checked"
"""Node context that says: a whole platform above was checked as one, its parts need not be checked again."""


@jsii.implements(IValidation)
class _Checks:
    def __init__(self, context: Callable[[], Context]) -> None:
        self._context = context

    def validate(self) -> list[str]:
        """Error texts, asked for by CDK when the app is synthesized."""
        return error_texts(self._context())


def validate_with(construct: Construct, context: Callable[[], Context]) -> None:
    """Check what a construct knows when the app is synthesized, unless a platform above it was checked as a whole.

    `context` is called again at synth time, when groups may have been added. Warnings are told at once.
    """
    if construct.node.try_get_context(CHECKED):
        return
    construct.node.add_validation(_Checks(context))
    annotations = Annotations.of(construct)
    for finding in check(context()):
        if finding.severity is Severity.WARNING:
            text = f"{finding.path}: {finding.message}. {finding.consequence} Cure: {finding.cure}"
            annotations.add_warning_v2(f"hyperpod-constructs:{finding.rule}", text)


def accept_newer_properties(resource: CfnResource) -> None:
    """Let a resource have properties that CDK's validator does not know; it goes on looking at all the others."""
    Validations.of(resource).acknowledge(
        Acknowledgment(
            id="CloudFormation-Validate::F3002",
            reason="CloudFormation's schema has properties that the one which comes with CDK does not have yet",
        )
    )


def region_of(construct: Construct) -> str | None:
    """The region of a construct's stack, None where it is only known at deploy time."""
    region = Stack.of(construct).region
    return None if Token.is_unresolved(region) else region
