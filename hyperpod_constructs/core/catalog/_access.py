"""The IAM roles of a cluster with permissions and trusted principals, and the labels of nodes and jobs."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up


class Role(NamedTuple):
    """One IAM role of the platform.

    Attributes:
        name: key of the role, such as "execution".
        title: display name.
        principals: services that assume it.
        service_account: "namespace:name" of the service account that assumes it by OIDC, or None.
        managed_policies: names of AWS managed policies.
        actions: feature to the IAM actions that it requires. "network" and similar features apply to every cluster; the
            others apply only if the feature of the name is in use.
        name_prefix: required prefix of the role's name, or "".
        uncertain: field name to what its sources disagree about.
    """

    name: str
    title: str
    principals: tuple[str, ...]
    service_account: str | None
    managed_policies: tuple[str, ...]
    actions: Mapping[str, tuple[str, ...]]
    name_prefix: str
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)


class Label(NamedTuple):
    """A label, annotation, taint or tag that HyperPod or an add-on sets or reads.

    Attributes:
        name: key of the entry, such as "node_health_status".
        key: the label's key.
        kind: type of object: "node label", "job annotation", "subnet tag" and others.
        values: known values; empty if any value is valid.
        source: source of the fact.
        note: additional information.
        uncertain: field name to what is uncertain.
    """

    name: str
    key: str
    kind: str
    values: tuple[str, ...]
    source: str
    note: str
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)


@follows_facts
@cache
def roles() -> Mapping[str, Role]:
    """Every role by name."""
    return MappingProxyType(
        {
            name: Role(
                name=name,
                title=entry["title"],
                principals=tuple(entry["principals"]),
                service_account=entry.get("service_account"),
                managed_policies=tuple(entry.get("managed_policies", ())),
                actions=MappingProxyType(
                    {group: tuple(actions) for group, actions in entry.get("actions", {}).items()}
                ),
                name_prefix=entry.get("name_prefix", ""),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for name, entry in load("iam")["roles"].items()
        }
    )


def role(name: str) -> Role:
    """Returns the role of this name.

    Raises:
        UnknownName: there is no such role.
    """
    return look_up("role", name, roles())


@follows_facts
@cache
def labels() -> Mapping[str, Label]:
    """Every label by its name in the catalog."""
    return MappingProxyType(
        {
            name: Label(
                name=name,
                key=entry["key"],
                kind=entry["kind"],
                values=tuple(entry.get("values", ())),
                source=entry["source"],
                note=entry.get("note", ""),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for name, entry in load("labels")["labels"].items()
        }
    )


def label(name: str) -> Label:
    """Returns the label of this name.

    Raises:
        UnknownName: there is no such label.

    >>> label("queue_name").key
    'kueue.x-k8s.io/queue-name'
    """
    return look_up("label", name, labels())
