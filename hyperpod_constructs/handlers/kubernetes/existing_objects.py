"""Objects of other owners that are not adopted: a modified copy of an object, and individual fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..shared.merge import merge_patch
from ..shared.ownership import Claim, Owner
from .errors import ApiError
from .group import ObjectGroup
from .objects import ObjectRef
from .release import Wanted, release_all


def copied(original: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the object ``changes`` with the ``spec`` of ``original``, into which the changes are merged.

    >>> copied({"spec": {"a": 1, "b": 2}}, {"kind": "DaemonSet", "spec": {"b": None, "c": 3}})
    {'kind': 'DaemonSet', 'spec': {'a': 1, 'c': 3}}
    """
    return {**changes, "spec": merge_patch(original.get("spec"), changes.get("spec") or {}, by_name=True)}


class ExistingObjectFields(ObjectGroup):
    """Fields of objects of other owners: set by server-side apply, and restored instead of deleted."""

    always_recorded = True

    def release(
        self, refs: Iterable[ObjectRef], own_owners: Collection[Owner], *, retain: bool = False, wait: bool = True
    ) -> None:
        """Restores the fields to their previous values, or removes them."""
        if not retain:
            release_all(self._client, self._discovery, list(refs), Wanted(frozenset(own_owners), fields=True))

    def _claim(self, ref: ObjectRef, current: Mapping[str, Any] | None) -> Claim:
        if current is None:
            raise ApiError(404, "NotFound", "the object does not exist, so its fields cannot be set")
        managers = {str(entry.get("manager")) for entry in current["metadata"].get("managedFields") or []}
        return Claim.OURS if self._me.manager in managers else Claim.SHARE

    def _marked(self, item: Mapping[str, Any], current: Mapping[str, Any] | None, found: Claim) -> dict[str, Any]:
        return dict(item)
