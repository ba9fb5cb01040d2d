"""Objects as data: references, order and identity, without requests."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.redaction import redact
from .errors import HandlerError

_FIRST = {"Namespace": 0, "CustomResourceDefinition": 1}


@dataclass(frozen=True)
class ObjectRef:
    """The reference of an object; ``namespace`` is empty for the default namespace and for cluster-wide kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> ObjectRef:
        """Returns the reference of a whole object, or of an entry of the property ``Objects``. Raises ``HandlerError``."""
        metadata = item.get("metadata") if isinstance(item.get("metadata"), Mapping) else item
        named = (item.get("apiVersion"), item.get("kind"), metadata.get("name") if metadata else None)
        if not all(isinstance(part, str) and part for part in named):
            raise HandlerError(f"an object requires apiVersion, kind and metadata.name, got {named}")
        namespace = str((metadata or {}).get("namespace") or "")
        return cls(str(named[0]), str(named[1]), "" if namespace == "default" else namespace, str(named[2]))

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identity: the same object in any version of its API."""
        return self.group, self.kind, self.namespace, self.name

    @property
    def id(self) -> str:
        """Identity as text, without the API version.

        >>> ObjectRef("batch/v1", "Job", "team", "train").id
        'Job.batch/team/train'
        """
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return "/".join(filter(None, (kind, self.namespace, self.name)))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def parse(text: str | bytes) -> list[dict[str, Any]]:
    """Returns the objects of a manifest, in the order in which they are applied. Raises ``HandlerError``."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise HandlerError(f"the manifest is not JSON: {error}") from None
    objects = list(flat(content if isinstance(content, list) else [content]))
    check(objects)
    return in_order(objects)


def check(objects: Iterable[Mapping[str, Any]]) -> list[ObjectRef]:
    """Returns the references of objects; raises ``HandlerError`` for none, a missing name, or a duplicate."""
    refs: dict[tuple[str, str, str, str], ObjectRef] = {}
    for ref in map(ObjectRef.of, objects):
        if ref.key in refs:
            raise HandlerError(f"{ref} is in the manifest twice")
        refs[ref.key] = ref
    if not refs:
        raise HandlerError("the manifest contains no object")
    return list(refs.values())


def flat(items: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yields objects, and the objects in a ``List``."""
    for item in items:
        if not isinstance(item, dict):
            raise HandlerError(f"a manifest must be a list of objects, found a {type(item).__name__}")
        if item.get("kind") == "List" and isinstance(item.get("items"), list):
            yield from flat(item["items"])
        else:
            yield item


def in_order(objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorts objects: namespaces, then CRDs, then the others in the given order. The deletion order is the reverse."""
    return sorted(objects, key=lambda item: _FIRST.get(item["kind"], 2))


def physical_id(cluster_name: str, logical_id: str, refs: Sequence[ObjectRef]) -> str:
    """Returns the identity of a resource: one object by its name, a group by its logical id and the names of its objects.

    A different set of names is a replacement, so objects that were removed from a group are deleted after the update.
    """
    if len(refs) == 1:
        return f"{cluster_name}/{refs[0].id}"
    digest = hashlib.sha256("\n".join(sorted(ref.id for ref in refs)).encode()).hexdigest()[:8]
    return f"{legacy_group_id(cluster_name, logical_id)}/{digest}"


def legacy_group_id(cluster_name: str, logical_id: str) -> str:
    """Returns the physical id of any group in the former version."""
    return f"{cluster_name}/group/{logical_id}"


def with_data(item: dict[str, Any]) -> dict[str, Any]:
    """Converts a Secret's ``stringData`` to ``data``. The API server does the same, but never removes a key.

    >>> with_data({"kind": "Secret", "stringData": {"a": "1"}})
    {'kind': 'Secret', 'data': {'a': 'MQ=='}}
    """
    plain = item.get("stringData")
    if item.get("kind") != "Secret" or not isinstance(plain, Mapping):
        return item
    packed = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    rest = {key: value for key, value in item.items() if key != "stringData"}
    return {**rest, "data": {**(item.get("data") or {}), **packed}}


def without_secrets(message: str, item: Mapping[str, Any]) -> str:
    """Returns ``message`` without the values of a Secret, which an API server may quote when it rejects the object."""
    if item.get("kind") != "Secret":
        return message
    values = []
    for field in ("data", "stringData"):
        found = item.get(field)
        values += [str(value) for value in (found.values() if isinstance(found, Mapping) else [found]) if value]
    for value in list(values):
        try:
            values.append(base64.b64decode(value, validate=True).decode())
        except ValueError:
            continue
    return redact(message, values)
