"""IAM and small services: permissions, roles with policies, buckets with objects."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .account import Account, AwsResource, Refused
from .resources import MODELS, Model, Request, Resources


def attached(account: Account, role: AwsResource) -> list[AwsResource]:
    """The `AWS::IAM::Policy` resources of a role."""
    return [policy for policy in account.of_kind("AWS::IAM::Policy") if role.id in policy.properties.get("Roles", ())]


def statements(account: Account, role: AwsResource) -> Iterator[Mapping[str, Any]]:
    """Returns the statements of a role's own policies; the content of managed policies is not modeled."""
    documents = [policy.properties["PolicyDocument"] for policy in attached(account, role)]
    documents += [policy["PolicyDocument"] for policy in role.properties.get("Policies") or ()]
    for document in documents:
        yield from _listed(document.get("Statement"))


def allowed(
    account: Account, role: str, action: str, resource: str, context: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether a role's policies allow an action; conditions on keys without a value hold, and external roles are allowed.

    The content of managed policies is not modeled: they allow no actions here; `has_managed` finds them by name.
    """
    own_role = account.find("AWS::IAM::Role", role)
    if own_role is None:
        return account.exists("AWS::IAM::Role", role)
    granted = False
    for statement in statements(account, own_role):
        fits = _matches(statement.get("Action"), action, fold=True) and _matches(statement.get("Resource"), resource)
        if fits and _holds(statement.get("Condition") or {}, context):
            if statement["Effect"] == "Deny" and "Condition" not in statement:
                return False
            granted = granted or statement["Effect"] == "Allow"
    return granted


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    return all(
        _matches(wanted, context[key])
        for operator, keys in conditions.items()
        if operator in ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
        for key, wanted in keys.items()
        if key in context
    )


def has_managed(account: Account, role: str, *names: str) -> bool:
    """Whether a role has any of these managed policies; true for an external role."""
    resource = account.find("AWS::IAM::Role", role)
    if resource is None:
        return account.exists("AWS::IAM::Role", role)
    arns = resource.properties.get("ManagedPolicyArns") or ()
    return any(arn.rpartition("/")[2] in names for arn in arns)


def trusts(account: Account, role: str, service: str, source: str = "") -> bool:
    """Whether a service can assume a role, on behalf of a source (an ARN); true for an external role."""
    resource = account.find("AWS::IAM::Role", role)
    if resource is None:
        return account.exists("AWS::IAM::Role", role)
    for statement in _listed(resource.properties["AssumeRolePolicyDocument"].get("Statement")):
        principal = statement.get("Principal")
        if isinstance(principal, Mapping) and service in _listed(principal.get("Service")):
            equals = (statement.get("Condition") or {}).get("ArnEquals") or {}
            wanted = _listed(equals.get("aws:SourceArn"))
            return not source or not wanted or source in wanted
    return False


def _matches(patterns: Any, value: str, fold: bool = False) -> bool:
    text = value.lower() if fold else value
    return any(
        fnmatch.fnmatchcase(text, (str(pattern).lower() if fold else str(pattern)).replace("[", "[[]"))
        for pattern in _listed(patterns)
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _before_role_deletion(services: Resources, resource: AwsResource) -> None:
    policies = attached(services.account, resource)
    if policies:
        raise Refused(
            f"Cannot delete entity, must delete policies first: {', '.join(policy.name for policy in policies)}"
        )


def _after_bucket_creation(services: Resources, resource: AwsResource, _: Any) -> None:
    services.account.objects[resource.id] = set()


def _before_bucket_deletion(services: Resources, resource: AwsResource) -> None:
    inside = services.account.objects.get(resource.id)
    if inside:
        raise Refused(f"The bucket you tried to delete is not empty: {sorted(inside)[0]} and {len(inside) - 1} more")


def _before_policy(_: Resources, request: Request) -> None:
    for statement in _listed(request.properties["PolicyDocument"].get("Statement")):
        for resource in _listed(statement.get("Resource")):
            if resource != "*" and not str(resource).startswith("arn:"):
                raise Refused(f'MalformedPolicyDocument: Resource {resource} must be in ARN format or "*".')


def _before_bucket_policy(_: Resources, request: Request) -> None:
    for statement in _listed(request.properties["PolicyDocument"].get("Statement")):
        principal = statement.get("Principal")
        for arn in _listed(principal.get("AWS") if isinstance(principal, Mapping) else principal):
            if arn != "*" and not str(arn).startswith("arn:") and not str(arn).isdigit():
                raise Refused(f"Invalid principal in policy: {arn}")


def bucket_lets(account: Account, bucket: str, role: str, action: str) -> bool:
    """Whether a bucket's own policy allows an action of a role."""
    for policy in account.of_kind("AWS::S3::BucketPolicy"):
        if policy.properties["Bucket"] != bucket:
            continue
        for statement in _listed(policy.properties["PolicyDocument"].get("Statement")):
            principal = statement.get("Principal")
            named = _listed(principal.get("AWS")) if isinstance(principal, Mapping) else []
            if (
                statement["Effect"] == "Allow"
                and role in named
                and _matches(statement.get("Action"), action, fold=True)
            ):
                return True
    return False


def _before_state_machine(_: Resources, request: Request) -> None:
    definition = request.properties.get("DefinitionString")
    for name, state in json.loads(definition)["States"].items() if isinstance(definition, str) else ():
        if "Resource" in state and not str(state["Resource"]).startswith("arn:"):
            raise Refused(f"Invalid State Machine Definition: the resource {state['Resource']} of {name} is not an ARN")


MODELS |= {
    "AWS::IAM::Policy": Model(before_create=_before_policy),
    "AWS::IAM::Role": Model(before_delete=_before_role_deletion),
    "AWS::S3::Bucket": Model(after_create=_after_bucket_creation, before_delete=_before_bucket_deletion),
    "AWS::S3::BucketPolicy": Model(before_create=_before_bucket_policy),
    "AWS::StepFunctions::StateMachine": Model(before_create=_before_state_machine),
}
