"""What the roles of a cluster may do, who assumes them, and the labels that nodes and jobs carry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up


@dataclass(frozen=True, slots=True)
class Role:
    """One IAM role of the platform.

    Attributes:
        name: our key for it, such as "execution".
        title: as a person says it.
        principals: services that assume it.
        service_account: "namespace:name" of the service account that assumes it by OIDC, or None.
        managed_policies: names of AWS managed policies.
        actions: what needs them, to IAM actions. "network" and the like are for every cluster of that role; others
            only for the feature they are named after.
        name_prefix: what the role's name must start with, or "".
        uncertain: field name to what its sources disagree about.
    """

    name: str
    title: str
    principals: tuple[str, ...]
    service_account: str | None
    managed_policies: tuple[str, ...]
    actions: Mapping[str, tuple[str, ...]] = field(hash=False)
    name_prefix: str
    uncertain: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Label:
    """A label, annotation, taint or tag that HyperPod or an add-on sets or reads.

    Attributes:
        name: our key for it, such as "node_health_status".
        key: the key itself.
        kind: what carries it: "node label", "job annotation", "subnet tag" and the like.
        values: its known values; empty when they are free.
        source: where it is from.
        note: what else to know.
        uncertain: field name to what is not sure.
    """

    name: str
    key: str
    kind: str
    values: tuple[str, ...]
    source: str
    note: str
    uncertain: Mapping[str, str] = field(hash=False)


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
    """The role of this name.

    Raises:
        UnknownName: there is none.
    """
    return look_up("role", name, roles())


@follows_facts
@cache
def labels() -> Mapping[str, Label]:
    """Every label by our name for it."""
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
    """The label of this name.

    Raises:
        UnknownName: there is none.

    >>> label("queue_name").key
    'kueue.x-k8s.io/queue-name'
    """
    return look_up("label", name, labels())
