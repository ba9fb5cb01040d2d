"""Owners of a quota, and the content of each owner, in the tags of the quota."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

from hyperpod_constructs.handlers.governance.owned import (
    LEGACY_TAG,
    TooLarge,
    Wants,
    before,
    legacy_digest,
    marks,
    same,
    tags_to_add,
    tags_to_remove,
    wants,
)
from hyperpod_constructs.handlers.shared.ownership import Owner

Json = dict[str, Any]
A, B, C = (Owner(f"Platform/{letter.upper()}", letter * 16) for letter in "abc")


def stored(name: str, content: Any) -> dict[str, str]:
    text = base64.b64encode(gzip.compress(json.dumps(content, sort_keys=True).encode(), mtime=0)).decode()
    parts = [text[start : start + 240] for start in range(0, len(text), 240)]
    return {f"hyperpod-constructs:{name}-{n}": part for n, part in enumerate([*parts, "."])}


def record(owner: Owner, order: int, content: Json) -> dict[str, str]:
    return stored(f"wants-{owner.digest}", [order, content])


EXISTED = {"hyperpod-constructs:existed": "true"}
ONE, TWO, THREE = {"Count": 1}, {"Count": 2}, {"Count": 3}


def test_owners_in_tags() -> None:
    tags = {A.tag_key: A.value, "cost": "a"}
    assert marks(tags, "mine") == {A}
    assert marks({**tags, LEGACY_TAG: "mine"}, "mine") == {A}
    (found,) = marks({LEGACY_TAG: "f" * 64}, "mine")
    assert (found.name, found.digest, found.legacy) == ("another resource", "f" * 16, True)
    assert legacy_digest("s", "l") == hashlib.sha256(b"s l").hexdigest()


def test_joining_what_existed() -> None:
    assert tags_to_add({}, A, [], ONE, TWO) == {
        A.tag_key: A.value,
        **EXISTED,
        **stored("before", ONE),
        **record(A, 2, TWO),
    }
    existing_tags = {**EXISTED, **stored("before", ONE)}
    assert tags_to_add(existing_tags, A, [], TWO, THREE) == {A.tag_key: A.value, **EXISTED, **record(A, 2, THREE)}


def test_the_same_content_is_stored_as_the_same_text() -> None:
    assert tags_to_add({}, A, [], ONE, {"b": 1, "a": 2}) == tags_to_add({}, A, [], ONE, {"a": 2, "b": 1})


def test_joining_another_owner() -> None:
    assert tags_to_add({}, B, [A], ONE, TWO) == {B.tag_key: B.value, **record(A, 1, ONE), **record(B, 2, TWO)}
    known = record(A, 7, ONE)
    assert tags_to_add(known, B, [A], ONE, TWO) == {B.tag_key: B.value, **record(B, 8, TWO)}
    assert tags_to_add({**known, **EXISTED}, B, [A], ONE, TWO) == {
        B.tag_key: B.value, **EXISTED, **stored("before", ONE), **record(B, 8, TWO)
    }  # fmt: skip
    assert tags_to_add({**record(A, 7, ONE), **record(C, 9, ONE)}, B, [A, C], ONE, TWO)[
        f"hyperpod-constructs:wants-{B.digest}-0"
    ] == next(iter(record(B, 10, TWO).values()))


MARKS = {owner.tag_key: owner.value for owner in (A, B, C)}


@pytest.mark.parametrize(
    ("tags", "others", "removed_tags", "content"),
    [
        ({"cost": "a", A.tag_key: "x"}, [], {A.tag_key: "x"}, None),
        (
            {**MARKS, **record(A, 2, TWO), **record(B, 1, ONE)},
            [B],
            {A.tag_key: "", **record(A, 2, TWO)},
            ONE,
        ),
        ({**MARKS, **record(A, 2, TWO), **record(B, 3, ONE)}, [B], {A.tag_key: "", **record(A, 2, TWO)}, None),
        (
            {**MARKS, **record(A, 5, TWO), **record(B, 3, ONE), **record(C, 4, THREE)},
            [B, C],
            {A.tag_key: "", **record(A, 5, TWO)},
            THREE,
        ),
        ({**MARKS, **record(A, 2, TWO)}, [B], {A.tag_key: "", **record(A, 2, TWO)}, None),
        ({**MARKS, **record(A, 1, TWO), **record(B, 1, ONE)}, [B], {A.tag_key: "", **record(A, 1, TWO)}, ONE),
        (
            {A.tag_key: "", **EXISTED, **stored("before", ONE), **record(A, 2, TWO)},
            [],
            {A.tag_key: "", **record(A, 2, TWO), **EXISTED, **stored("before", ONE)},
            ONE,
        ),
        (
            {**MARKS, **EXISTED, **stored("before", ONE), **record(A, 2, TWO)},
            [B],
            {A.tag_key: "", **record(A, 2, TWO)},
            ONE,
        ),
    ],
)
def test_leaving(tags: dict[str, str], others: list[Owner], removed_tags: Json, content: Json | None) -> None:
    removed, restored = tags_to_remove(tags, A, iter(others))
    assert (sorted(removed), restored) == (sorted(removed_tags), content)


def test_long_content_is_stored_in_parts() -> None:
    text = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(20))
    long, short = {"Description": text}, {"Description": "short"}
    tags = tags_to_add({}, A, [], short, long)
    parts = [value for key, value in tags.items() if key.startswith(f"hyperpod-constructs:wants-{A.digest}-")]
    assert [len(part) for part in parts[:-2]] == [240] * (len(parts) - 2)
    assert len(parts) > 3
    assert parts[-1] == "."
    assert wants(tags, A) == Wants(2, long)
    assert before(tags) == short
    shorter = {**tags, **record(A, 3, short)}
    assert wants(shorter, A) == Wants(3, short), "the end of the longer text is not read"
    assert wants({key: value for key, value in tags.items() if not key.endswith("-1")}, A) is None
    assert (wants({}, A), before({})) == (None, None)


@pytest.mark.parametrize(("characters", "fits"), [(1920, True), (1924, False)])
def test_content_fits_into_eight_tags(monkeypatch: pytest.MonkeyPatch, characters: int, fits: bool) -> None:
    data = bytes(characters // 4 * 3)
    monkeypatch.setattr(gzip, "compress", lambda *_, **__: data)
    if fits:
        assert len(tags_to_add({}, A, [B], ONE, TWO)) == 1 + 9 + 9
    else:
        with pytest.raises(TooLarge):
            tags_to_add({}, A, [B], ONE, TWO)


def test_content_in_eight_tags_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = base64.b64encode(bytes(1440)).decode()
    tags = {f"hyperpod-constructs:before-{n}": text[n * 240 : n * 240 + 240] for n in range(8)}
    tags["hyperpod-constructs:before-8"] = "."
    read: list[bytes] = []
    monkeypatch.setattr(gzip, "decompress", lambda data: read.append(data) or b"{}")
    assert before(tags) == {}
    assert read == [bytes(1440)]


@pytest.mark.parametrize(
    ("desired", "found", "expected"),
    [
        ({"a": 1}, {"a": 1, "default": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": 1}, [1], False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ([1, 2], [1, 3], False),
        ([1], [1, 2], False),
        ([], "", False),
        ("a", "a", True),
        (1, 1.0, True),
    ],
)
def test_the_same_content(desired: Any, found: Any, expected: bool) -> None:
    assert same(desired, found) is expected
