"""The checks inside somebody's CDK app: errors fail the synth with the same message, warnings are annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jsii
from aws_cdk import Acknowledgment, Annotations, CfnResource, Stack, Token, Validations
from constructs import Construct, IValidation

from ..core.findings import Finding, Severity, errors
from .parts import Parts

CHECKED = "hyperpod-constructs:checked"
"""Node context that says: a whole platform above was checked as one, its parts need not be checked again."""


@jsii.implements(IValidation)
class _Checks:
    """Asks for findings when the tree is complete: errors fail the synth, warnings become annotations."""

    def __init__(self, construct: Construct, findings: Callable[[], Iterable[Finding]]) -> None:
        self._construct, self._findings = construct, findings

    def validate(self) -> list[str]:
        """Error texts, asked for by CDK when the app is synthesized."""
        if self._construct.node.try_get_context(CHECKED):
            return []
        found = list(self._findings())
        annotations = Annotations.of(self._construct)
        for finding in found:
            if finding.severity is Severity.WARNING and not finding.acknowledged:
                text = f"{finding.path}: {finding.message}. {finding.consequence} Fix: {finding.cure}"
                annotations.add_warning_v2(f"hyperpod-constructs:{finding.rule}", text)
        return [str(finding) for finding in errors(found)]


def validate_with(construct: Construct, findings: Callable[[], Iterable[Finding]]) -> None:
    """Check a construct when the app is synthesized, unless a platform above it was checked as a whole."""
    construct.node.add_validation(_Checks(construct, findings))


def check_parts(construct: Construct, parts: Parts) -> None:
    """Check all that stands on the EKS cluster of a construct when the app is synthesized."""
    stack = Stack.of(construct)

    def findings() -> list[Finding]:
        account = None if Token.is_unresolved(stack.account) else stack.account
        return parts.findings(region=region_of(construct), account=account)

    validate_with(construct, findings)


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
