"""Access: access entries of the EKS cluster, RBAC permissions, and all IAM statements as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import load
from ..plural import count
from . import rights
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .subject import Subject
from .words import Words, as_list, conditions, principal, statements

_HEAD = ("Principal", "Effect", "Actions", "Resources", "Conditions")


def section(subject: Subject, words: Words | None) -> Section:
    """Returns the section; without templates, only the access that the config sets."""
    if words is None:
        blocks: list[Block] = [
            *table("Access that the config sets", ("Principal", "Access"), list(_configured(subject))),
            Paragraph(
                "IAM statements and the access entries of this library's functions are in the templates. "
                f"{subject.left_out}"
            ),
        ]
        return Section("access", "Access", tuple(blocks))
    rows = list(_policies(words))
    blocks = [
        *table(
            "Access entries: permissions in Kubernetes",
            ("Principal", "Permissions", "Scope", "Kubernetes groups"),
            list(_entries(words)),
            empty="The templates have no access entries.",
        ),
        *table(
            "Pods with an AWS role (EKS Pod Identity)", ("Service account", "Namespace", "Role"), list(_pods(words))
        ),
        *table(
            "Permissions in Kubernetes that these stacks grant (RBAC)",
            rights.HEAD,
            list(rights.rows(words)),
            folded=True,
        ),
        *table(
            "IAM roles: trusted principals and managed policies",
            ("Role", "Trusted principals", "Conditions", "Managed policies"),
            list(_roles(words)),
            folded=True,
        ),
        *table("IAM statements of roles", _HEAD, rows, folded=True),
        *table("Policies of buckets, keys and topics", _HEAD, list(_resource_policies(words)), folded=True),
        Paragraph(f"{count(len(rows), 'statement')} of roles. Names in angle brackets are resources in these stacks."),
    ]
    return Section("access", "Access", tuple(blocks))


def _configured(subject: Subject) -> Iterator[tuple[Content, ...]]:
    platform = subject.platform
    for admin in platform.eks.admins:
        yield code(admin), "administers Kubernetes (cluster-admin access entry)"
    for access in platform.eks.access:
        where = f" in {', '.join(access.namespaces)}" if access.namespaces else " in all namespaces"
        yield code(access.principal), f"{access.policy}{where}"
    for team in platform.governance.teams if platform.governance else ():
        for member in team.members:
            yield code(member), f"runs jobs in {team.namespace}"
        for viewer in team.viewers:
            yield code(viewer), f"read access to {team.namespace}"


def _entries(words: Words) -> Iterator[tuple[Content, ...]]:
    for stack, _, entry in words.all("AWS::EKS::AccessEntry"):
        policies = as_list(entry.get("AccessPolicies"))
        names = [words.text(stack, policy.get("PolicyArn")).rpartition("/")[2] for policy in policies]
        scopes = dict.fromkeys(_scope(policy.get("AccessScope") or {}) for policy in policies)
        groups = ", ".join(as_list(entry.get("KubernetesGroups")))
        known_policies = load("iam")["access_policies"]
        yield (
            code(words.text(stack, entry.get("PrincipalArn"))),
            ", ".join(f"{known_policies.get(name, 'see the policy of this name')} ({name})" for name in names)
            or "permissions of its Kubernetes groups",
            ", ".join(scopes),
            groups,
        )


def _scope(scope: Mapping[str, Any]) -> str:
    names = as_list(scope.get("Namespaces"))
    return f"namespace {', '.join(map(str, names))}" if names else "the whole cluster"


def _pods(words: Words) -> Iterator[tuple[Content, ...]]:
    for stack, _, association in words.all("AWS::EKS::PodIdentityAssociation"):
        account = words.text(stack, association.get("ServiceAccount"))
        yield (
            code(account),
            code(words.text(stack, association.get("Namespace"))),
            code(words.text(stack, association.get("RoleArn"))),
        )


def _roles(words: Words) -> Iterator[tuple[Content, ...]]:
    for stack, name, role in words.all("AWS::IAM::Role"):
        trust = statements(role.get("AssumeRolePolicyDocument"))
        who = "; ".join(dict.fromkeys(principal(words, stack, statement.get("Principal")) for statement in trust))
        when = "; ".join(filter(None, dict.fromkeys(conditions(words, stack, statement) for statement in trust)))
        managed = [
            words.text(stack, policy_arn).rpartition(":policy/")[2]
            for policy_arn in as_list(role.get("ManagedPolicyArns"))
        ]
        yield code(words.name(stack, name)), who, when, ", ".join(managed) or "none"


def _policies(words: Words) -> Iterator[tuple[Content, ...]]:
    """Yields the IAM statements of roles, in inline policies and in attached policies of these stacks."""
    for stack, name, resource in words.all("AWS::IAM::Role"):
        for policy in as_list(resource.get("Policies")):
            for statement in statements(policy.get("PolicyDocument")):
                yield _row(words, stack, words.name(stack, name), statement)
    for stack, name, resource in words.all("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        roles = [words.text(stack, role).strip("<>") for role in as_list(resource.get("Roles"))]
        for statement in statements(resource.get("PolicyDocument")):
            yield _row(words, stack, ", ".join(roles) or words.name(stack, name), statement)


def _resource_policies(words: Words) -> Iterator[tuple[Content, ...]]:
    kinds = {
        "AWS::S3::BucketPolicy": "PolicyDocument",
        "AWS::SQS::QueuePolicy": "PolicyDocument",
        "AWS::SNS::TopicPolicy": "PolicyDocument",
        "AWS::KMS::Key": "KeyPolicy",
        "AWS::EC2::VPCEndpoint": "PolicyDocument",
    }
    for kind, key in kinds.items():
        for stack, name, resource in words.all(kind):
            for statement in statements(resource.get(key)):
                who = principal(words, stack, statement.get("Principal")) or words.name(stack, name)
                yield _row(words, stack, who, statement)


def _row(words: Words, stack: str, who: str, statement: Mapping[str, Any]) -> tuple[Content, ...]:
    deny = statement.get("Effect") == "Deny"
    actions = as_list(statement.get("Action")) or [
        f"all except {action}" for action in as_list(statement.get("NotAction"))
    ]
    shown = [words.text(stack, resource) for resource in as_list(statement.get("Resource"))] or [
        f"all except {words.text(stack, resource)}" for resource in as_list(statement.get("NotResource"))
    ]
    return (
        code(who),
        Cell("Deny", "bad") if deny else Cell("Allow", "warn" if "*" in shown else "note"),
        ", ".join(words.text(stack, action) for action in actions),
        "all resources (*)" if shown == ["*"] else ", ".join(shown),
        conditions(words, stack, statement),
    )
