"""Dashboards and data sources with their owners: what is written, deleted and reverted."""

from __future__ import annotations

from typing import Any

import pytest
from grafana_http import EXISTED, ME, OTHER, Http

from hyperpod_constructs.handlers.grafana.api import Api
from hyperpod_constructs.handlers.grafana.things import Thing, Things

Json = dict[str, Any]


def board(uid: str = "b", *tags: str, **overrides: Any) -> Json:
    return {"uid": uid, "title": "T", "tags": list(tags), **overrides}


def source(uid: str = "s", *marks: str, **overrides: Any) -> Json:
    return {"uid": uid, "name": "S", "jsonData": {"a": 1, "hyperpodConstructsOwners": list(marks)}, **overrides}


def test_marks_of_a_dashboard_are_tags() -> None:
    thing = Thing("board", "b", board("b", "team", ME.tag_key, EXISTED))
    assert (thing.marks, thing.owners, thing.existed) == (["team", ME.tag_key, EXISTED], {ME}, True)
    assert thing.marked([OTHER.tag_key]) == board("b", "team", OTHER.tag_key)
    assert (Thing("board", "b", None).marks, Thing("board", "b", {"tags": None}).existed) == ([], False)


def test_marks_of_a_data_source_are_a_setting() -> None:
    thing = Thing("source", "s", source("s", "odd", ME.tag_key))
    assert (thing.marks, thing.owners, thing.existed) == (["odd", ME.tag_key], {ME}, False)
    assert thing.marked([OTHER.tag_key]) == source("s", "odd", OTHER.tag_key)
    assert Thing("source", "s", {"jsonData": None}).marked(["x"]) == {"jsonData": {"hyperpodConstructsOwners": ["x"]}}


@pytest.fixture
def things(api: Api) -> Things:
    return Things(api, ME)


def test_objects_by_their_uid(things: Things, http: Http) -> None:
    http.on("GET /api/dashboards/uid/a%2Fb", {"dashboard": board(), "meta": {"folderUid": "f"}})
    http.on("GET /api/dashboards/uid/odd", ["x"]).on(
        "GET /api/dashboards/uid/bare", {"dashboard": board(), "meta": None}
    )
    http.on("GET /api/datasources/uid/s%2Ft", source()).on("GET /api/datasources/uid/odd", ["x"])
    assert things.board("a/b") == Thing("board", "a/b", board(), "f")
    assert things.board("bare") == Thing("board", "bare", board(), "")
    assert things.source("s/t") == Thing("source", "s/t", source())
    for missing in ("odd", "none"):
        assert (things.board(missing).content, things.source(missing).content) == (None, None)


def test_everything_with_our_mark(things: Things, http: Http) -> None:
    http.on(f"GET /api/search?type=dash-db&tag=hyperpod-constructs%3Aowner-{ME.digest}", [{"uid": "b"}, {"uid": "c"}])
    http.on("GET /api/dashboards/uid/b", {"dashboard": board("b", ME.tag_key)})
    http.on("GET /api/dashboards/uid/c", {"dashboard": board("c", OTHER.tag_key)})
    http.on("GET /api/datasources", [source("s", ME.tag_key), source("t"), {"name": "without a uid"}])
    assert [thing.uid for thing in things.own_objects()] == ["b", "s"]


def sources(http: Http, *found: Json, name: str = "s") -> None:
    http.on("GET /api/datasources", list(found))
    for source in found:
        if source["uid"] == name:
            http.on(f"GET /api/datasources/uid/{name}", source)


SOURCE = {"uid": "s", "name": "S", "isDefault": True}


@pytest.mark.parametrize(
    ("found", "suffix", "name", "default"),
    [
        ([], "", "S", True),
        ([{"uid": "x", "name": "X"}], "", "S", True),
        ([{"uid": "x", "name": "X", "isDefault": True}], "", "S", False),
        ([{"uid": "x", "name": "S"}], "f00d", "S (f00d)", True),
        ([{"uid": "x", "name": "S"}], "", "S (s)", True),
        ([{"uid": "s", "name": "S", "isDefault": True}], "", "S", True),
        ([{"uid": "s", "name": "S"}], "", "S", False),
    ],
)
def test_a_data_source_is_written(
    things: Things, http: Http, found: list[Json], suffix: str, name: str, default: bool
) -> None:
    sources(http, *found)
    things.put_source(SOURCE, suffix)
    method, path, body = http.sent[-1]
    exists = any(source["uid"] == "s" for source in found)
    assert (method, path) == (("PUT", "/api/datasources/uid/s") if exists else ("POST", "/api/datasources"))
    assert body == {
        "uid": "s", "name": name, "isDefault": default, "jsonData": {"hyperpodConstructsOwners": [ME.tag_key]}
    }  # fmt: skip
    assert [thing.uid for thing in things.done] == ["s"]


def test_a_data_source_of_two(things: Things, http: Http) -> None:
    sources(http, source("s", OTHER.tag_key, EXISTED, version=3))
    things.put_source({"uid": "s", "name": "S", "jsonData": {"b": 2}}, "")
    assert http.sent[-1][2] == {
        "uid": "s", "name": "S", "version": 3,
        "jsonData": {"b": 2, "hyperpodConstructsOwners": sorted([EXISTED, ME.tag_key, OTHER.tag_key])},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("same", "suffix", "title"),
    [
        ([], "", "T"),
        ([{"uid": "b", "title": "T"}, {"uid": "x", "title": "T more"}], "", "T"),
        ([{"uid": "x", "title": "T"}], "", "T (b)"),
        ([{"uid": "x", "title": "T"}], "f00d", "T (f00d)"),
    ],
)
def test_a_dashboard_is_written(things: Things, http: Http, same: list[Json], suffix: str, title: str) -> None:
    http.on("GET /api/search?type=dash-db&query=T", same)
    things.put_board(board("b", "hyperpod"), suffix)
    written = {**board("b", "hyperpod", ME.tag_key), "title": title, "id": None}
    assert http.sent[-1] == (
        "POST", "/api/dashboards/db", {"dashboard": written, "overwrite": True, "message": "hyperpod-constructs"}
    )  # fmt: skip
    assert [thing.uid for thing in things.done] == ["b"]


def test_a_dashboard_stays_in_its_folder(things: Things, http: Http) -> None:
    http.on("GET /api/dashboards/uid/b", {"dashboard": board("b", OTHER.tag_key), "meta": {"folderUid": "f"}})
    things.put_board(board("b"), "")
    body = http.sent[-1][2]
    assert body is not None
    assert (body["folderUid"], body["dashboard"]["tags"]) == ("f", sorted([ME.tag_key, OTHER.tag_key]))


def changes(http: Http) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in http.sent if method != "GET"]


@pytest.mark.parametrize(
    ("thing", "former", "expected"),
    [
        (Thing("board", "b", None), True, []),
        (Thing("board", "b", board()), False, []),
        (Thing("board", "b", board("b", OTHER.tag_key)), True, []),
        (Thing("board", "a/b", board("a/b", ME.tag_key)), False, [("DELETE", "/api/dashboards/uid/a%2Fb")]),
        (Thing("source", "a/s", source("a/s", ME.tag_key)), False, [("DELETE", "/api/datasources/uid/a%2Fs")]),
        (Thing("board", "b", board()), True, [("DELETE", "/api/dashboards/uid/b")]),
        (Thing("board", "b", board("b", ME.tag_key, OTHER.tag_key)), False, [("POST", "/api/dashboards/db")]),
        (Thing("board", "b", board("b", ME.tag_key, EXISTED)), False, [("POST", "/api/dashboards/db")]),
        (Thing("source", "s", source("s", ME.tag_key, OTHER.tag_key)), False, [("POST", "/api/datasources")]),
    ],
)
def test_objects_that_are_no_longer_required(
    things: Things, http: Http, thing: Thing, former: bool, expected: list[tuple[str, str]]
) -> None:
    http.on("DELETE /api/dashboards/uid/b", (404, b"gone meanwhile"))
    things.disown(thing, former=former)
    assert changes(http) == expected


def test_only_our_mark_is_removed(things: Things, http: Http) -> None:
    things.disown(Thing("board", "b", board("b", "team", ME.tag_key, EXISTED, OTHER.tag_key)))
    body = http.sent[-1][2]
    assert body is not None
    assert sorted(body["dashboard"]["tags"]) == sorted(["team", OTHER.tag_key, EXISTED])


def test_what_an_event_did_is_undone_backwards(things: Things, http: Http) -> None:
    http.on("GET /api/dashboards/uid/new", {"dashboard": board("new", ME.tag_key)})
    http.on("GET /api/datasources/uid/fresh", source("fresh", ME.tag_key))
    things.done = [
        Thing("source", "fresh", None), Thing("source", "theirs", source("theirs")), Thing("board", "new", None),
        Thing("board", "theirs", board("theirs"), "f"), Thing("board", "ours", board("ours", ME.tag_key)),
    ]  # fmt: skip
    things.undo()
    assert changes(http) == [
        ("POST", "/api/dashboards/db"), ("DELETE", "/api/dashboards/uid/new"), ("POST", "/api/datasources"),
        ("DELETE", "/api/datasources/uid/fresh"),
    ]  # fmt: skip
    assert things.done == []
