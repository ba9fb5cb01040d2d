"""Differences between two configs, and the effect of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..documents import join
from ..spec.addons import Addons
from ..spec.base import Change, SpecModel, change_of
from ..spec.platform import Platform
from . import consequences
from .edit import Edit, difference, edit, ordered, text
from .effective import effective

_IDENTITY: Mapping[str, Callable[[Any], str]] = {
    "jobs": lambda job: f"{job.kind}/{job.effective_namespace}/{job.name}",
    "taints": lambda taint: f"{taint.key}:{taint.effect}",
    "access": lambda access: f"{access.principal} {access.policy}",
    "data_repositories": lambda rule: rule.path,
    "acknowledge": lambda acknowledgement: f"{acknowledgement.rule} {acknowledgement.path}".strip(),
}
"""Identity of the members of a list, by the name of the field. Other members are identified by their name."""
_UNORDERED = frozenset(
    ("admins", "public_access_cidrs", "logs", "interface_endpoints", "namespaces", "members", "viewers", "bucket_arns")
) | {"input_bucket_arns", "output_bucket_arns", "deep_health_checks", "vpc_cidrs", "alarms", "emails"}
"""Lists of strings whose order has no effect."""


def edits(old: Platform, new: Platform) -> list[Edit]:
    """Returns the differences between two platforms, most disruptive first.

    >>> from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Network
    >>> def platform(**group):
    ...     cluster = Cluster(instance_groups=[InstanceGroup(name="w", instance_type="ml.p5.48xlarge", **group)])
    ...     return Platform(name="a", region="us-west-2", network=Network(), cluster=cluster)
    >>> print(edits(platform(count=4), platform(count=2))[0])
    drains: cluster.instance_groups[0].count: 4 becomes 2
      impact: nodes or pods are restarted, drained or removed; running work is interrupted
      advice: remove specific nodes with BatchDeleteClusterNodes: UpdateCluster chooses the nodes that it removes
    """
    before, after = effective(old), effective(new)
    versions = consequences.Versions(before, after)
    found = [*Walk(versions).compared("", before, after), *consequences.followed_jobs(versions)]
    return ordered([*found, *consequences.of_platforms(before, after)])


class Walk:
    """Compares two models of one kind, field by field."""

    def __init__(self, versions: consequences.Versions) -> None:
        self._both = versions

    def compared(self, path: str, old: SpecModel, new: SpecModel) -> Iterator[Edit]:
        """Returns the edits between two models at a config path."""
        gone = _addons_gone(old, new)
        yield from (consequences.addon_removed(self._both, join(path, name), item) for name, item in gone.items())
        for name, info in type(new).model_fields.items():
            before, after = getattr(old, name), getattr(new, name)
            if before != after and name not in gone:
                yield from self._field(join(path, name), name, change_of(info) or Change.IN_PLACE, before, after)

    def _field(self, path: str, name: str, change: Change, before: Any, after: Any) -> Iterator[Edit]:
        special = consequences.special(self._both, path, before, after)
        if special is not None:
            yield from special
        elif isinstance(before, SpecModel) and isinstance(after, SpecModel) and type(before) is type(after):
            yield from self.compared(path, before, after)
        elif (identity := _identity(name, before, after)) is not None:
            yield from self._members(path, change, before, after, identity)
        elif name in _UNORDERED and isinstance(before, tuple) and isinstance(after, tuple):
            if set(before) != set(after):
                yield edit(path, change, before, after, _set_difference(before, after))
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            for key in dict.fromkeys([*before, *after]):
                if before.get(key) != after.get(key):
                    yield edit(join(path, str(key)), change, before.get(key), after.get(key))
        else:
            yield edit(path, change, before, after, difference(before, after))

    def _members(
        self, path: str, change: Change, before: Sequence[Any], after: Sequence[Any], identity: Callable[[Any], str]
    ) -> Iterator[Edit]:
        old = {identity(item): (index, item) for index, item in enumerate(before)}
        new = {identity(item): (index, item) for index, item in enumerate(after)}
        for name, (index, item) in new.items():
            place = join(path, index)
            if name not in old:
                yield from consequences.added(self._both, place, item, name)
            elif item != old[name][1]:
                yield from self._field(place, "", change, old[name][1], item)
        for name, (index, item) in old.items():
            if name not in new:
                yield from consequences.removed(self._both, join(path, index), item, name)


def _addons_gone(old: SpecModel, new: SpecModel) -> Mapping[str, SpecModel]:
    """Returns the add-ons that are uninstalled: those that are removed or disabled, and their unused prerequisites."""
    if not isinstance(old, Addons) or not isinstance(new, Addons):
        return {}
    installed = new.effective()
    return {name: addon for name, addon in old.effective().items() if name not in installed}


def _identity(name: str, before: Any, after: Any) -> Callable[[Any], str] | None:
    """Returns the function that identifies the members of two lists; None if they are not lists of models."""
    if not isinstance(before, tuple) or not isinstance(after, tuple):
        return None
    members = [*before, *after]
    if not all(isinstance(member, SpecModel) for member in members):
        return None
    if name in _IDENTITY:
        return _IDENTITY[name]
    return (lambda member: str(member.name)) if all(hasattr(member, "name") for member in members) else None


def _set_difference(before: Sequence[str], after: Sequence[str]) -> str:
    """Formats added and removed members.

    >>> _set_difference(("a", "b"), ("b", "c"))
    '"c" is added; "a" is removed'
    """
    added = [f"{text(item)} is added" for item in after if item not in before]
    gone = [f"{text(item)} is removed" for item in before if item not in after]
    return "; ".join([*added, *gone])
