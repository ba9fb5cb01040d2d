"""Dashboards and data sources with their owners: what is written, deleted and reverted."""

from __future__ import annotations

from typing import Any

import pytest
from grafana_http import EXISTED, ME, OTHER, Http

from hyperpod_constructs.handlers.grafana.api import Api
from hyperpod_constructs.handlers.grafana.objects import GrafanaObject, WorkspaceObjects

Json = dict[str, Any]


def board(uid: str = "b", *tags: str, **overrides: Any) -> Json:
    return {"uid": uid, "title": "T", "tags": list(tags), **overrides}


def source(uid: str = "s", *marks: str, **overrides: Any) -> Json:
    return {"uid": uid, "name": "S", "jsonData": {"a": 1, "hyperpodConstructsOwners": list(marks)}, **overrides}


def test_marks_of_a_dashboard_are_tags() -> None:
    item = GrafanaObject("board", "b", board("b", "team", ME.tag_key, EXISTED))
    assert (item.marks, item.owners, item.existed) == (["team", ME.tag_key, EXISTED], {ME}, True)
    assert item.marked([OTHER.tag_key]) == board("b", "team", OTHER.tag_key)
    assert (GrafanaObject("board", "b", None).marks, GrafanaObject("board", "b", {"tags": None}).existed) == ([], False)


def test_marks_of_a_data_source_are_a_setting() -> None:
    item = GrafanaObject("source", "s", source("s", "odd", ME.tag_key))
    assert (item.marks, item.owners, item.existed) == (["odd", ME.tag_key], {ME}, False)
    assert item.marked([OTHER.tag_key]) == source("s", "odd", OTHER.tag_key)
    assert GrafanaObject("source", "s", {"jsonData": None}).marked(["x"]) == {
        "jsonData": {"hyperpodConstructsOwners": ["x"]}
    }


@pytest.fixture
def objects(api: Api) -> WorkspaceObjects:
    return WorkspaceObjects(api, ME)


def test_objects_by_their_uid(objects: WorkspaceObjects, http: Http) -> None:
    http.on("GET /api/dashboards/uid/a%2Fb", {"dashboard": board(), "meta": {"folderUid": "f"}})
    http.on("GET /api/dashboards/uid/odd", ["x"]).on(
        "GET /api/dashboards/uid/bare", {"dashboard": board(), "meta": None}
    )
    http.on("GET /api/datasources/uid/s%2Ft", source()).on("GET /api/datasources/uid/odd", ["x"])
    assert objects.board("a/b") == GrafanaObject("board", "a/b", board(), "f")
    assert objects.board("bare") == GrafanaObject("board", "bare", board(), "")
    assert objects.source("s/t") == GrafanaObject("source", "s/t", source())
    for missing in ("odd", "none"):
        assert (objects.board(missing).content, objects.source(missing).content) == (None, None)


def test_everything_with_our_mark(objects: WorkspaceObjects, http: Http) -> None:
    http.on(f"GET /api/search?type=dash-db&tag=hyperpod-constructs%3Aowner-{ME.digest}", [{"uid": "b"}, {"uid": "c"}])
    http.on("GET /api/dashboards/uid/b", {"dashboard": board("b", ME.tag_key)})
    http.on("GET /api/dashboards/uid/c", {"dashboard": board("c", OTHER.tag_key)})
    http.on("GET /api/datasources", [source("s", ME.tag_key), source("t"), {"name": "without a uid"}])
    assert [item.uid for item in objects.own_objects()] == ["b", "s"]


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
    objects: WorkspaceObjects, http: Http, found: list[Json], suffix: str, name: str, default: bool
) -> None:
    sources(http, *found)
    objects.put_source(SOURCE, suffix)
    method, path, body = http.sent[-1]
    exists = any(source["uid"] == "s" for source in found)
    assert (method, path) == (("PUT", "/api/datasources/uid/s") if exists else ("POST", "/api/datasources"))
    assert body == {
        "uid": "s", "name": name, "isDefault": default, "jsonData": {"hyperpodConstructsOwners": [ME.tag_key]}
    }  # fmt: skip
    assert [item.uid for item in objects.done] == ["s"]


def test_a_data_source_of_two(objects: WorkspaceObjects, http: Http) -> None:
    sources(http, source("s", OTHER.tag_key, EXISTED, version=3))
    objects.put_source({"uid": "s", "name": "S", "jsonData": {"b": 2}}, "")
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
def test_a_dashboard_is_written(
    objects: WorkspaceObjects, http: Http, same: list[Json], suffix: str, title: str
) -> None:
    http.on("GET /api/search?type=dash-db&query=T", same)
    objects.put_board(board("b", "hyperpod"), suffix)
    written = {**board("b", "hyperpod", ME.tag_key), "title": title, "id": None}
    assert http.sent[-1] == (
        "POST", "/api/dashboards/db", {"dashboard": written, "overwrite": True, "message": "hyperpod-constructs"}
    )  # fmt: skip
    assert [item.uid for item in objects.done] == ["b"]


def test_a_dashboard_stays_in_its_folder(objects: WorkspaceObjects, http: Http) -> None:
    http.on("GET /api/dashboards/uid/b", {"dashboard": board("b", OTHER.tag_key), "meta": {"folderUid": "f"}})
    objects.put_board(board("b"), "")
    body = http.sent[-1][2]
    assert body is not None
    assert (body["folderUid"], body["dashboard"]["tags"]) == ("f", sorted([ME.tag_key, OTHER.tag_key]))


def changes(http: Http) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in http.sent if method != "GET"]


@pytest.mark.parametrize(
    ("item", "former", "expected"),
    [
        (GrafanaObject("board", "b", None), True, []),
        (GrafanaObject("board", "b", board()), False, []),
        (GrafanaObject("board", "b", board("b", OTHER.tag_key)), True, []),
        (GrafanaObject("board", "a/b", board("a/b", ME.tag_key)), False, [("DELETE", "/api/dashboards/uid/a%2Fb")]),
        (GrafanaObject("source", "a/s", source("a/s", ME.tag_key)), False, [("DELETE", "/api/datasources/uid/a%2Fs")]),
        (GrafanaObject("board", "b", board()), True, [("DELETE", "/api/dashboards/uid/b")]),
        (GrafanaObject("board", "b", board("b", ME.tag_key, OTHER.tag_key)), False, [("POST", "/api/dashboards/db")]),
        (GrafanaObject("board", "b", board("b", ME.tag_key, EXISTED)), False, [("POST", "/api/dashboards/db")]),
        (GrafanaObject("source", "s", source("s", ME.tag_key, OTHER.tag_key)), False, [("POST", "/api/datasources")]),
    ],
)
def test_objects_that_are_no_longer_required(
    objects: WorkspaceObjects, http: Http, item: GrafanaObject, former: bool, expected: list[tuple[str, str]]
) -> None:
    http.on("DELETE /api/dashboards/uid/b", (404, b"gone meanwhile"))
    objects.disown(item, former=former)
    assert changes(http) == expected


def test_only_our_mark_is_removed(objects: WorkspaceObjects, http: Http) -> None:
    objects.disown(GrafanaObject("board", "b", board("b", "team", ME.tag_key, EXISTED, OTHER.tag_key)))
    body = http.sent[-1][2]
    assert body is not None
    assert sorted(body["dashboard"]["tags"]) == sorted(["team", OTHER.tag_key, EXISTED])


def test_the_changes_of_an_event_are_undone_in_reverse_order(objects: WorkspaceObjects, http: Http) -> None:
    http.on("GET /api/dashboards/uid/new", {"dashboard": board("new", ME.tag_key)})
    http.on("GET /api/datasources/uid/fresh", source("fresh", ME.tag_key))
    objects.done = [
        GrafanaObject("source", "fresh", None), GrafanaObject("source", "theirs", source("theirs")),
        GrafanaObject("board", "new", None),
        GrafanaObject("board", "theirs", board("theirs"), "f"), GrafanaObject("board", "ours", board("ours", ME.tag_key)),
    ]  # fmt: skip
    objects.undo()
    assert changes(http) == [
        ("POST", "/api/dashboards/db"), ("DELETE", "/api/dashboards/uid/new"), ("POST", "/api/datasources"),
        ("DELETE", "/api/datasources/uid/fresh"),
    ]  # fmt: skip
    assert objects.done == []
