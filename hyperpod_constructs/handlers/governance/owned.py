"""Owners of a quota or a scheduler config, and the content that each of them specifies, in its tags.

=============================================  =====================================================================
tag                                            content
=============================================  =====================================================================
``hyperpod-constructs:owner-DIGEST``           one owner, see ``shared.ownership``
``hyperpod-constructs:existed``                the resource existed before its first owner
``hyperpod-constructs:wants-DIGEST-N``         part N of the content of an owner, while there are several owners
``hyperpod-constructs:before-N``               part N of the content before the first owner
``hyperpod-constructs:owner``                  the single owner of the former version: a hash of stack and logical id
=============================================  =====================================================================
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..shared.ownership import EXISTED, TAG_NAMESPACE, Owner, existed, owners

LEGACY_TAG = f"{TAG_NAMESPACE}owner"
EXISTED_TAG = f"{TAG_NAMESPACE}{EXISTED}"

_CHUNK = 240
"""Characters per tag value; AWS allows at most 256."""
_MAX_CHUNKS = 8

Content = Mapping[str, Any]


class TooLarge(Exception):
    """The content to store does not fit into tags."""


@dataclass(frozen=True)
class Wants:
    """The content that an owner specifies; the most recent one has the highest number."""

    order: int
    content: Content


def legacy_digest(stack_id: str, logical_id: str) -> str:
    """The mark of a resource in the former version."""
    return hashlib.sha256(f"{stack_id} {logical_id}".encode()).hexdigest()


def marks(tags: Mapping[str, str], own_record: str) -> frozenset[Owner]:
    """Returns all owners; ``own_record`` is the former version's mark of this resource."""
    found = set(owners(tags))
    if LEGACY_TAG in tags and tags[LEGACY_TAG] != own_record:
        found.add(Owner("another resource", tags[LEGACY_TAG][:16], legacy=True))
    return frozenset(found)


def joining(
    tags: Mapping[str, str], me: Owner, others: Iterable[Owner], now: Content, wanted: Content
) -> dict[str, str]:
    """Returns the tags to add when an owner is added, or when one of several changes its content."""
    added = {me.tag_key: me.value}
    all_wanted = [wants(tags, other) for other in others]
    for other, known in zip(others, all_wanted, strict=True):
        if known is None:
            added |= _parts(f"wants-{other.digest}", [1, now])
    if existed(tags) or not all_wanted:
        added[EXISTED_TAG] = "true"
        if before(tags) is None:
            added |= _parts("before", now)
    order = 1 + max((known.order for known in all_wanted if known), default=1)
    return added | _parts(f"wants-{me.digest}", [order, wanted])


def leaving(tags: Mapping[str, str], me: Owner, others: Iterable[Owner]) -> tuple[list[str], Content | None]:
    """Returns the tags to remove when an owner is removed, and the content to restore (``None``: unchanged)."""
    others = list(others)
    gone = [key for key in tags if key == me.tag_key or key.startswith(f"{TAG_NAMESPACE}wants-{me.digest}-")]
    if not others:
        gone += [key for key in tags if key == EXISTED_TAG or key.startswith(f"{TAG_NAMESPACE}before-")]
    own_record = wants(tags, me)
    rest = [known for known in (wants(tags, other) for other in others) if known]
    if own_record is None or any(known.order > own_record.order for known in rest):
        return gone, None
    latest = max(rest, key=lambda known: known.order, default=None)
    return gone, latest.content if latest else before(tags)


def wants(tags: Mapping[str, str], me: Owner) -> Wants | None:
    """Returns the content that an owner specifies, if it is stored."""
    found = _joined(tags, f"wants-{me.digest}")
    return Wants(found[0], found[1]) if found else None


def before(tags: Mapping[str, str]) -> Content | None:
    """Returns the content before the first owner, if it is stored."""
    found: Content | None = _joined(tags, "before")
    return found


def same(wanted: Any, live: Any) -> bool:
    """Whether the live content includes all specified values; the service adds defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(same(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(same, wanted, live))
    return bool(wanted == live)


def _parts(name: str, content: Any) -> dict[str, str]:
    text = base64.b64encode(gzip.compress(json.dumps(content, sort_keys=True).encode(), mtime=0)).decode()
    parts = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    if len(parts) > _MAX_CHUNKS:
        raise TooLarge
    # the last part ends the text, so that remaining parts of a previous, longer text are not read
    return {f"{TAG_NAMESPACE}{name}-{n}": part for n, part in enumerate([*parts, "."])}


def _joined(tags: Mapping[str, str], name: str) -> Any:
    text = ""
    for n in range(_MAX_CHUNKS + 1):
        part = tags.get(f"{TAG_NAMESPACE}{name}-{n}")
        if part is None or part == ".":
            break
        text += part
    try:
        return json.loads(gzip.decompress(base64.b64decode(text)))
    except (ValueError, OSError, EOFError):
        return None
