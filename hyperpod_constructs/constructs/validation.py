"""Runs the checks in a CDK app: errors fail the synthesis, warnings become annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import jsii
from aws_cdk import Acknowledgment, Annotations, CfnResource, Stack, Stage, Validations
from constructs import Construct, IConstruct, IValidation

from ..core.checks import Context, Problem, acknowledged, ensure, find
from ..core.checks.arns import findings_about_arns
from ..core.facts import use_also
from ..core.findings import Finding, InvalidSpec, Severity, errors
from ..core.spec.base import is_token
from .parts import Parts

if TYPE_CHECKING:
    from ..core.spec import Acknowledgement, Platform

CHECKED = "hyperpod-constructs:checked"
"""Node context that marks a platform that was checked as a whole: its parts are not checked again."""


_PARTS: WeakKeyDictionary[IConstruct, list[tuple[str, Parts]]] = WeakKeyDictionary()
"""For each app, the parts of every EKS cluster with its environment (account and region)."""

_NAMES: WeakKeyDictionary[IConstruct, dict[tuple[str, str, str], IConstruct]] = WeakKeyDictionary()
"""For each app, the first construct of every environment, kind of cluster and physical name."""


@jsii.implements(IValidation)
class _Checks:
    """Collects findings when the tree is complete: errors fail the synthesis, warnings become annotations."""

    def __init__(self, construct: Construct, findings: Callable[[], Iterable[Finding]]) -> None:
        self._construct, self._findings = construct, findings

    def validate(self) -> list[str]:
        """Returns the errors; CDK calls this at synthesis."""
        found = list(self._findings())
        annotations = Annotations.of(self._construct)
        for finding in found:
            if finding.severity is Severity.WARNING and not finding.acknowledged:
                text = f"{finding.path}: {finding.message}. {finding.consequence} Fix: {finding.cure}"
                annotations.add_warning_v2(f"hyperpod-constructs:{finding.rule}", text)
        return [str(finding) for finding in errors(found)]


def validate_with(construct: Construct, findings: Callable[[], Iterable[Finding]]) -> None:
    """Checks a construct at synthesis, unless it is part of a platform, which was checked as a whole."""
    if not construct.node.try_get_context(CHECKED):
        construct.node.add_validation(_Checks(construct, findings))


def check_parts(construct: Construct, parts: Parts) -> None:
    """Checks everything on the EKS cluster of a construct at synthesis."""
    stack = Stack.of(construct)
    app = _PARTS.setdefault(construct.node.root, [])
    app.append((stack.environment, parts))

    def findings() -> list[Finding]:
        account = None if is_token(stack.account) else stack.account
        later = app[next(index for index, (_, other) in enumerate(app) if other is parts) + 1 :]
        others = [
            other for environment, other in later if environment == stack.environment and other.is_on_same_eks(parts)
        ]
        return parts.findings(region=region_of(construct), account=account, others=others)

    validate_with(construct, findings)


def ensure_unique(
    construct: Construct, kind: str, name: str | None, acknowledge: Sequence[Acknowledgement] = ()
) -> None:
    """Reports a cluster name that another construct of the app has in the same account and region.

    If account or region is known only at deploy time, the finding is a warning, because the stacks may differ in them.
    """
    if name is None or is_token(name):
        return
    stack = Stack.of(construct)
    names = _NAMES.setdefault(construct.node.root, {})
    first = names.setdefault((stack.environment, kind, name), construct)
    rule = find("HP027")
    if first is construct or rule is None:
        return
    certain = Stack.of(first) is stack or not any(map(is_token, (stack.account, stack.region)))
    message = f"{first.node.path} already has the {kind} {name!r}, in the same account and region"
    severity = Severity.ERROR if certain else Severity.WARNING
    finding = rule.finding(Problem(construct.node.path, message, severity=severity))
    construct.node.add_validation(_Checks(construct, lambda: acknowledged([finding], tuple(acknowledge), stale=False)))


def ensure_arns(construct: Construct, **parts: Any) -> None:
    """Rejects invalid ARNs before CDK parses them, because its error names neither the argument nor a rule.

    Raises:
        InvalidSpec: a part has an invalid ARN; `parts` are parts of a `Context`.
    """
    if not Context(**parts).arns:
        return
    stack = Stack.of(construct)
    found = errors(findings_about_arns(Context(region=stack.region, account=stack.account, **parts)))
    if found:
        raise InvalidSpec(found)


def ensure_platform(platform: Platform) -> None:
    """Rejects a platform with errors. The facts in the platform are used from then on.

    Raises:
        InvalidSpec: the platform has errors.
    """
    use_also(platform.facts)
    ensure(Context.of(platform))


def ensure_place(platform: Platform, scopes: Iterable[IConstruct]) -> None:
    """Rejects a platform whose region or account differs from that of a stack or stage that contains it.

    Raises:
        InvalidSpec: a stack or stage differs.
    """
    rule = find("HP035")
    assert rule is not None
    problems: dict[str, Problem] = {}
    for scope in scopes:
        holder = _holder(scope)
        for part in ("region", "account"):
            expected = getattr(platform, part)
            if not expected or is_token(expected):
                continue
            actual = getattr(holder, part)
            if actual and not is_token(actual) and expected != actual:
                kind = "stage" if Stage.is_stage(holder) else "stack"
                name = holder.node.path or "the app"
                problems.setdefault(part, Problem(part, f"is {expected}, but the {kind} {name} is in {actual}"))
    if problems:
        raise InvalidSpec([rule.finding(problem) for problem in problems.values()])


def _holder(scope: IConstruct) -> Stack | Stage:
    """Returns the nearest stack or stage that contains a scope, or the scope itself."""
    if isinstance(scope, Stack | Stage):  # without a call to Node.js
        return scope
    containers: list[Any] = [parent for parent in scope.node.scopes if Stack.is_stack(parent) or Stage.is_stage(parent)]
    return cast(Stack | Stage, containers[-1])


def accept_newer_properties(resource: CfnResource) -> None:
    """Allows properties of a resource that CDK's validator does not know; all others are still validated."""
    Validations.of(resource).acknowledge(
        Acknowledgment(
            id="CloudFormation-Validate::F3002",
            reason="CloudFormation's schema has properties that the one which comes with CDK does not have yet",
        )
    )


def region_of(construct: Construct) -> str | None:
    """Returns the region of a construct's stack, None if it is known only at deploy time."""
    region = Stack.of(construct).region
    return None if is_token(region) else region
