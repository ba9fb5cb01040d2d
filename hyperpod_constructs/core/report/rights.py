"""Permissions in Kubernetes that the stacks grant with RBAC: subjects and rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .model import Content, code
from .words import Words, as_list

HEAD = ("Subjects", "Scope", "Verbs", "Resources")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def rows(words: Words) -> Iterator[tuple[Content, ...]]:
    """Yields a row for each rule of each binding in the Kubernetes objects of the stacks."""
    objects = list(_objects(words))
    rules = {
        (item["kind"], _namespace(item), item["metadata"]["name"]): item.get("rules")
        for item in objects
        if "rules" in item
    }
    for item in objects:
        if item.get("kind") not in _BINDINGS:
            continue
        reference = item.get("roleRef") or {}
        namespace = _namespace(item) if item["kind"] == "RoleBinding" else ""
        who = ", ".join(
            f"{subject.get('kind', '').lower()} {subject.get('name')}" for subject in item.get("subjects") or ()
        )
        role_namespace = namespace if reference.get("kind") == "Role" else ""
        found = rules.get((str(reference.get("kind")), role_namespace, str(reference.get("name"))))
        scope = f"namespace {namespace}" if namespace else "the whole cluster"
        if found is None:
            yield code(who), scope, "see the role", f"{reference.get('kind')} {reference.get('name')}"
        for rule in found or ():
            yield code(who), scope, ", ".join(as_list(rule.get("verbs"))), _what(rule)


def _objects(words: Words) -> Iterator[Mapping[str, Any]]:
    for stack, _, properties in words.all("Custom::HyperPodKubernetesObjects"):
        try:
            found = json.loads(words.text(stack, properties.get("Manifest") or "[]"))
        except ValueError:  # an asset, or a value that is known only at deploy time
            continue
        yield from (item for item in as_list(found) if isinstance(item, Mapping) and "metadata" in item)


def _namespace(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("namespace", ""))


def _what(rule: Mapping[str, Any]) -> str:
    groups = [group for group in as_list(rule.get("apiGroups")) if group]
    names = as_list(rule.get("resourceNames"))
    text = ", ".join([*as_list(rule.get("resources")), *as_list(rule.get("nonResourceURLs"))])
    return text + (f" of {', '.join(groups)}" if groups else "") + (f" named {', '.join(names)}" if names else "")
