"""Merge patches: RFC 7386, and merging by name for lists of named items."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperpod_constructs.handlers.shared.merge import merge_patch

_by_name = partial(merge_patch, by_name=True)

RFC_7386: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""Original, patch and result of appendix A of RFC 7386."""


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7386)
@pytest.mark.parametrize("by_name", [False, True])
def test_the_examples_of_rfc_7386(original: Any, patch: Any, result: Any, by_name: bool) -> None:
    before = copy.deepcopy((original, patch))
    assert merge_patch(original, patch, by_name=by_name) == result
    assert (original, patch) == before


def test_named_items_merge_by_name_only_on_request() -> None:
    containers = {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}
    patch = {"containers": ({"name": "a", "tty": True}, {"name": "c", "args": None})}
    assert _by_name(containers, patch) == {
        "containers": [{"name": "a", "image": "1", "tty": True}, {"name": "b"}, {"name": "c"}]
    }
    assert merge_patch(containers, patch) == {"containers": [{"name": "a", "tty": True}, {"name": "c", "args": None}]}


_NAMES = st.sampled_from("abc")
_LEAVES = st.integers() | st.text(max_size=3) | st.booleans()
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.dictionaries(_NAMES, inner, max_size=3)
        | st.lists(
            st.builds(lambda name, value: {"name": name, "value": value}, _NAMES, inner), max_size=3, unique_by=str
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_no_change_is_the_original_and_every_change_holds(base: dict[str, Any]) -> None:
    assert _by_name(base, {}) == base
    assert _by_name({}, base) == base
    assert _by_name(base, dict.fromkeys(base)) == {}
    once = _by_name(base, {"a": {"b": 1}})
    assert once["a"]["b"] == 1
    assert _by_name(once, {"a": {"b": 1}}) == once


def test_unnamed_lists_are_replaced() -> None:
    assert _by_name({"a": [{"key": "x"}]}, {"a": [{"key": "y"}]}) == {"a": [{"key": "y"}]}
    assert _by_name({"a": 1}, {"a": {"b": {"c": None, "d": 2}}}) == {"a": {"b": {"d": 2}}}
