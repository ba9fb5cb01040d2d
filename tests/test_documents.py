"""Strict YAML: values, positions, and files that could crash or block the parser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proving import every

from hyperpod_constructs.core.documents import DEEPEST, LARGEST_FILE, Mark, parse, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", "yes"),
        ("a: off", "off"),
        ("a: true", True),
        ("a: 012", 12),
        ("a: 0o14", 12),
        ("a: 0x1F", 31),
        ("a: 1.30", 1.3),
        ("a: '1.30'", "1.30"),
        ("a: !!str 1.30", "1.30"),
        ("a: 1_000", "1_000"),
        ("a: 12:30:45", "12:30:45"),
        ("a: 2026-11-23", "2026-11-23"),
        ("a: ~", None),
        ("a:", None),
        ("a: .inf", float("inf")),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    document = parse(text)
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)
    assert document.findings == []


def test_places_of_keys_and_values() -> None:
    document = parse("a:\n  - b: 1\n    c: {d: x}\n")
    assert document.marks["a[0].b"] == Mark(2, 8)
    assert document.keys["a[0].c"] == Mark(3, 5)
    assert document.marks["a[0].c.d"] == Mark(3, 12)
    assert document.mark("a[0].c.d.e.f") == Mark(3, 12)


def test_aliases_and_merge_keys() -> None:
    document = parse("base: &b {x: 1, y: 2}\nother: *b\nmore: {<<: *b, y: 3}\n")
    assert document.value == {"base": {"x": 1, "y": 2}, "other": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "rule", "word", "place"),
    [
        ("a: [1", "HP001", "YAML", (2, 1)),
        ("a: 1\n\tb: 2", "HP001", "YAML", (2, 1)),
        ("a: \x07", "HP001", "YAML", (None, None)),
        ("a: 1\nb: 2\na: 3", "HP005", "duplicate key 'a', first defined on line 1", (3, 1)),
        ("a: !env X", "HP006", "!env", (1, 4)),
        ("a: !!python/object:os.system x", "HP006", "!!python", (1, 4)),
        ("[a]: 1", "HP006", "key must be plain text", (1, 1)),
        ("a: *b", "HP006", "*b", (1, 4)),
        ("a: &a [*a]", "HP006", "*a", (1, 8)),
        ("a: 1\n---\nb: 1", "HP006", "more than one", (2, 1)),
        ("a: " + "[" * (DEEPEST + 1), "HP004", "deeper", (1, DEEPEST + 3)),
    ],
)
def test_rejected_requests(text: str, rule: str, word: str, place: tuple[int | None, int | None]) -> None:
    [finding] = parse(text).findings
    assert finding.rule == rule
    assert word in finding.message
    assert (finding.line, finding.column) == place


def test_an_alias_bomb_is_rejected_at_once() -> None:
    text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
    text += "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    [finding] = parse(text).findings
    assert finding.rule == "HP004"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary, huge, latin = tmp_path / "binary", tmp_path / "huge", tmp_path / "latin"
    binary.write_bytes(b"a: \0")
    huge.write_bytes(b"# " + b"x" * LARGEST_FILE)
    latin.write_bytes("a: ü".encode("latin-1"))
    found = {path.name: read(path).findings[0] for path in (binary, huge, latin, tmp_path / "missing", tmp_path)}
    assert [found[name].rule for name in ("binary", "huge", "latin", "missing", tmp_path.name)] == [
        *("HP003", "HP004", "HP003", "HP002", "HP002")
    ]
    assert every(finding.file is not None for finding in found.values())


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a: 1")
    path.chmod(0)
    assert "Permission denied" in read(path).findings[0].message


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read(path).value == {"a": 1}


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    parse(text)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#,?% \n\t1.~<", max_size=60))
def test_no_text_of_yaml_characters_raises(text: str) -> None:
    document = parse(text)
    assert document.value is None or not any(f.rule == "HP001" for f in document.findings)
