"""Runs all rules, returns all findings at once, and applies the acknowledgements of the config."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..documents import within
from ..findings import Finding, InvalidSpec, Severity, errors, ordered
from ..spec.base import DeployTimeNumber, SpecModel, is_token
from .context import Context
from .registry import Problem, active, find, nearest

if TYPE_CHECKING:
    from ..spec.platform import Acknowledgement


def check(context: Context) -> list[Finding]:
    """Returns every finding about a context, errors first.

    >>> from hyperpod_constructs.core.spec import Cluster, InstanceGroup
    >>> group = InstanceGroup(name="w", instance_type="ml.p5.48xlage", count=2)
    >>> next(f for f in check(Context(cluster=Cluster(instance_groups=[group]))) if f.rule == "HP301").cure
    "Did you mean 'ml.p5.48xlarge'?"
    """
    found = _found_in(context)
    cluster, storage = with_maximum(context.cluster), with_maximum(context.storage)
    if cluster is not context.cluster or storage is not context.storage:
        # numbers that are known only at deploy time: a finding for both the minimum and the maximum is certain
        largest = replace(context, cluster=cluster, storage=storage)
        also = {(finding.rule, finding.path) for finding in _found_in(largest)}
        found = [finding for finding in found if (finding.rule, finding.path) in also]
    return acknowledged(found, context.acknowledge, stale=context.whole)


def _found_in(context: Context) -> list[Finding]:
    """Returns each finding once, before acknowledgements are applied."""
    found: dict[tuple[str, str, str], Finding] = {}
    for rule in active():
        if rule.applies_to(context):
            for problem in rule.problems(context):
                finding = rule.finding(problem)
                found.setdefault((finding.rule, finding.path, finding.message), finding)
    return list(found.values())


def with_maximum(value: Any) -> Any:
    """Returns a part with the maximum of each number that is known only at deploy time; itself if there are none.

    >>> from hyperpod_constructs.core.spec import Cluster, InstanceGroup
    >>> group = InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=-1.8e289)
    >>> with_maximum(Cluster(instance_groups=[group])).instance_groups[0].count
    1000
    """
    if isinstance(value, DeployTimeNumber):
        return value.maximum
    if isinstance(value, tuple):
        items = tuple(map(with_maximum, value))
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, SpecModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {name: new for name, old in fields.items() if (new := with_maximum(old)) is not old}
        return value.model_copy(update=changed) if changed else value
    return value


def error_texts(context: Context) -> list[str]:
    """Returns the errors as texts, for `node.add_validation` of a construct."""
    return [str(finding) for finding in errors(check(context))]


def ensure(context: Context) -> list[Finding]:
    """Returns all findings if there is no error among them.

    Raises:
        InvalidSpec: there are errors; its text lists the findings.
    """
    findings = check(context)
    if errors(findings):
        raise InvalidSpec(findings)
    return findings


def acknowledged(
    findings: Iterable[Finding], acknowledgements: tuple[Acknowledgement, ...], *, stale: bool
) -> list[Finding]:
    """Returns the findings, with the reasons of acknowledged ones, and the findings about acknowledgements.

    With `stale`, an acknowledgement without a finding is reported.
    """
    done, extra = list(findings), []
    for index, accepted in enumerate(acknowledgements):
        path = f"acknowledge[{index}]"
        rule = find(accepted.rule)
        if rule is None:
            if not is_token(accepted.rule):
                extra.append(_about(accepted, f"{path}.rule"))
            continue
        matched = refused = False
        for place, finding in enumerate(done):
            if finding.rule != accepted.rule or not within(finding.path, accepted.path):
                continue
            matched = True
            if finding.severity is Severity.ERROR and rule.is_certain:
                refused = True
            else:
                done[place] = replace(finding, acknowledged=accepted.reason)
        if refused:
            extra.append(
                _found("HP031", path, f"{accepted.rule} is an error that AWS rejects; it cannot be acknowledged")
            )
        elif stale and not matched and not accepted.rule.startswith("HP9"):
            where = f" at {accepted.path!r}" if accepted.path else ""
            extra.append(_found("HP032", path, f"unused acknowledgement: {accepted.rule} is not reported{where}"))
    return ordered([*done, *extra])


def _about(accepted: Acknowledgement, path: str) -> Finding:
    near = nearest(accepted.rule)
    cure = f"Did you mean {near}?" if near else "Use an id that `hyperpod explain` lists."
    return replace(_found("HP030", path, f"unknown rule id {accepted.rule!r}"), cure=cure)


def _found(id: str, path: str, message: str) -> Finding:
    rule = find(id)
    if rule is None:
        raise LookupError(f"rule {id} is not registered")
    return rule.finding(Problem(path, message))
