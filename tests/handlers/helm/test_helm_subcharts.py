"""Sub-charts: which are required, and pulling them from a local chart repository with the real helm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chart_files import Answer, chart, package, sha256, write

from hyperpod_constructs.handlers.helm.binary import Helm
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.source import pull_subchart
from hyperpod_constructs.handlers.helm.subcharts import Dependency, drop_duplicates, is_enabled, resolve
from hyperpod_constructs.handlers.helm.yaml_by_helm import reader
from hyperpod_constructs.handlers.shared.merge import merge_patch


def publish(web: Any, tmp_path: Path, name: str, version: str, *, as_version: str | None = None) -> bytes:
    """A packed chart in the repository at `web`."""
    folder = chart(tmp_path / "published" / f"{name}-{version}", name)
    metadata = {"apiVersion": "v2", "name": name, "version": as_version or version}
    write(folder, {"Chart.yaml": json.dumps(metadata)})
    packed = package(folder, name)
    file = f"/{name}-{version}.tgz"
    web.serve(file, packed)
    web.serve(
        "/index.yaml",
        json.dumps({"apiVersion": "v1", "entries": {name: [{**metadata, "urls": [web.url + file]}]}}).encode(),
    )
    return packed


def complete(
    folder: Path, helm: Helm, tmp_path: Path, values: dict[str, Any] | None = None, **digests: str
) -> list[str]:
    pulled = resolve(
        folder,
        values or {},
        read_yaml=reader(folder, helm, tmp_path / "work"),
        pull=lambda dependency, destination: pull_subchart(dependency, destination, helm, sleep=lambda _: None),
        digests={key.replace("_", " "): value for key, value in digests.items()},
        allow_unpinned=not digests,
    )
    return [f"{dependency.name} {dependency.version}" for dependency in pulled]


def rendered(folder: Path, helm: Helm, *arguments: str) -> str:
    return helm.run(["template", "r", str(folder), *arguments])


@pytest.fixture
def parent(web: Any, tmp_path: Path) -> Path:
    return chart(
        tmp_path / "parent",
        "parent",
        dependencies=[
            {"name": "paint", "version": "1.2.0", "repository": web.url, "condition": "paint.enabled"},
            {
                "name": "varnish",
                "version": "3.0.0",
                "repository": "https://nowhere.invalid",
                "condition": "varnish.enabled",
            },
        ],
        values_DOT_yaml="color: red\npaint: {enabled: true, name: painted}\nvarnish: {enabled: false}\n",
    )


def test_only_what_is_enabled_is_pulled(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    packed = publish(web, tmp_path, "paint", "1.2.0")
    assert complete(parent, helm, tmp_path, **{"paint_1.2.0": sha256(packed)}) == ["paint 1.2.0"]
    assert "name: painted" in rendered(parent, helm)


def test_values_switch_it_off(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    assert complete(parent, helm, tmp_path, {"paint": {"enabled": False}}) == []
    assert "painted" not in rendered(parent, helm)
    assert not web.requests


def test_a_subchart_that_is_vendored_is_not_pulled(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    write(parent, {"charts/paint-1.2.0.tgz": publish(web, tmp_path, "paint", "1.2.0")})
    assert complete(parent, helm, tmp_path) == []
    assert not web.requests
    assert "name: painted" in rendered(parent, helm)


def test_a_wrong_digest(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    packed = publish(web, tmp_path, "paint", "1.2.0")
    with pytest.raises(ChartError) as error:
        complete(parent, helm, tmp_path, **{"paint_1.2.0": "sha256:" + "0" * 64})
    assert f"its digest is {sha256(packed)}, expected sha256:000" in str(error.value)


def test_the_version_with_a_v_is_the_same_version(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    """As in the EFA plugin: Chart.yaml requires 0.5.20, the chart's version is v0.5.20."""
    packed = publish(web, tmp_path, "paint", "v1.2.0")
    assert complete(parent, helm, tmp_path, **{"paint_1.2.0": sha256(packed)}) == ["paint 1.2.0"]
    assert "name: painted" in rendered(parent, helm)


def test_a_version_that_is_not_published(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    publish(web, tmp_path, "paint", "1.3.0")
    with pytest.raises(ChartError, match=r'paint 1\.2\.0 cannot be fetched from http.*"paint".*not found'):
        complete(parent, helm, tmp_path)


def test_a_repository_that_fails_at_first(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    publish(web, tmp_path, "paint", "1.2.0")
    web.answers["/index.yaml"].insert(0, Answer(status=503))
    assert complete(parent, helm, tmp_path) == ["paint 1.2.0"]


def test_a_repository_out_of_reach(web: Any, helm: Helm, parent: Path, tmp_path: Path) -> None:
    web.serve("/index.yaml", Answer(status=503))
    with pytest.raises(ChartError, match=r"503 Service Unavailable.*use a vendored chart folder"):
        complete(parent, helm, tmp_path)
    assert web.times("/index.yaml") == 3


def test_a_version_range_is_not_a_pin(helm: Helm, tmp_path: Path) -> None:
    dependency = {"name": "paint", "version": "^1.2.0", "repository": "https://nowhere.invalid"}
    folder = chart(tmp_path / "parent", dependencies=[dependency])
    with pytest.raises(ChartError, match=r"paint \^1\.2\.0 .*its version is not exact"):
        complete(folder, helm, tmp_path)


def test_a_lock_pins_a_range(web: Any, helm: Helm, tmp_path: Path) -> None:
    publish(web, tmp_path, "paint", "1.2.7")
    dependency = {"name": "paint", "version": "^1.2.0", "repository": web.url}
    folder = chart(tmp_path / "parent", dependencies=[dependency])
    write(folder, {"Chart.lock": json.dumps({"dependencies": [{**dependency, "version": "1.2.7"}]})})
    assert complete(folder, helm, tmp_path) == ["paint 1.2.7"]


def test_a_local_subchart_that_is_missing(helm: Helm, tmp_path: Path) -> None:
    dependency = {"name": "paint", "version": "1.2.0", "repository": "file://charts/paint"}
    folder = chart(tmp_path / "parent", dependencies=[dependency])
    with pytest.raises(ChartError, match="'paint' is enabled, but is neither in charts/ nor"):
        complete(folder, helm, tmp_path)


@pytest.mark.parametrize("switched_on", [True, False])
def test_subcharts_of_local_subcharts(web: Any, helm: Helm, tmp_path: Path, switched_on: bool) -> None:
    """As in the GPU operator: a local chart of the same name, which has a conditional remote sub-chart."""
    publish(web, tmp_path, "paint", "1.2.0")
    remote = {"name": "paint", "version": "1.2.0", "repository": web.url, "condition": "paint.enabled"}
    local = {"name": "inner", "version": "1.0.0", "repository": "file://charts/x", "condition": "inner.enabled"}
    folder = chart(tmp_path / "parent", dependencies=[local])
    chart(folder / "charts" / "folder-of-another-name", "inner", dependencies=[remote])
    write(folder / "charts/folder-of-another-name", {"values.yaml": "color: x\npaint: {enabled: true}\n"})
    values = {"inner": {"enabled": switched_on}}
    assert complete(folder, helm, tmp_path, values) == (["paint 1.2.0"] if switched_on else [])


def test_a_package_is_omitted_if_a_folder_has_the_same_chart(helm: Helm, tmp_path: Path) -> None:
    """As in the health monitoring agent at the pinned commit, where the package differs from the folder."""
    folder = chart(tmp_path / "parent", dependencies=[{"name": "agent", "version": "1.0.0", "repository": "file://x"}])
    chart(folder / "charts" / "agent", "agent")
    stale = chart(tmp_path / "stale", "agent", templates__old_DOT_yaml="kind: ConfigMap\nmetadata: {name: stale}\n")
    write(folder, {"charts/agent-1.0.0.tgz": package(stale, "agent")})
    assert drop_duplicates(folder, read_yaml=reader(folder, helm, tmp_path / "work")) == ["agent-1.0.0.tgz"]
    assert complete(folder, helm, tmp_path) == []
    found = rendered(folder, helm)
    assert "stale" not in found
    assert found.count("name: agent") == 1


def test_metadata_that_is_not_yaml(helm: Helm, tmp_path: Path) -> None:
    folder = write(chart(tmp_path / "parent"), {"values.yaml": "a: [1"})
    with pytest.raises(ChartError, match=r"values\.yaml is not a YAML mapping: error converting YAML"):
        complete(folder, helm, tmp_path)


@pytest.mark.parametrize(
    ("entry", "values", "enabled"),
    [
        ({}, {}, True),
        ({"condition": "a.on"}, {}, True),
        ({"condition": "a.on"}, {"a": {"on": False}}, False),
        ({"condition": "a.on"}, {"a": {"on": "false"}}, True),
        ({"condition": " a.on,b.on "}, {"b": {"on": False}}, False),
        ({"condition": "a.on, b.on"}, {"b": {"on": False}}, True),
        ({"condition": "a.on,b.on"}, {"a": {"on": True}, "b": {"on": False}}, True),
        ({"tags": ["x"]}, {"tags": {"x": False}}, False),
        ({"tags": ["x", "y"]}, {"tags": {"x": False, "y": True}}, True),
        ({"tags": ["x"], "condition": "a.on"}, {"tags": {"x": False}, "a": {"on": True}}, True),
        ({"condition": "a.on"}, {"a": 1}, True),
    ],
)
def test_switches_are_read_as_helm_reads_them(
    helm: Helm, tmp_path: Path, entry: dict[str, Any], values: dict[str, Any], enabled: bool
) -> None:
    assert is_enabled(entry, values) is enabled
    folder = chart(
        tmp_path / "p", dependencies=[{"name": "sub", "version": "1.0.0", "repository": "file://s", **entry}]
    )
    chart(folder / "charts" / "sub", "sub")
    write(tmp_path, {"v.json": json.dumps(values)})
    assert ("name: sub" in rendered(folder, helm, f"--values={tmp_path / 'v.json'}")) is enabled


def test_values_are_merged_as_helm_merges_them(helm: Helm, tmp_path: Path) -> None:
    base = {"a": {"x": 1, "y": [1, 2], "z": {"k": "v"}}, "b": "s", "c": True}
    overlay = {"a": {"y": [3], "z": None, "n": {"m": 0}}, "b": {"now": "map"}}
    folder = chart(tmp_path / "p", templates__all_DOT_json='{"all": {{ .Values | toJson }} }')
    write(folder, {"values.yaml": json.dumps(base)})
    (folder / "templates/map.yaml").unlink()
    write(tmp_path, {"v.json": json.dumps(overlay)})
    output = rendered(folder, helm, f"--values={tmp_path / 'v.json'}")
    by_helm = json.loads(output[output.index("{") : output.rindex("}") + 1])["all"]
    by_helm.pop("global", None)
    assert merge_patch(base, overlay) == by_helm


def test_a_sub_chart_without_a_digest_is_rejected_before_it_is_pulled(parent: Path, helm: Helm, tmp_path: Path) -> None:
    def pull(dependency: Dependency, destination: Path) -> None:
        raise AssertionError("nothing is pulled")

    with pytest.raises(ChartError) as error:
        resolve(
            parent,
            {"paint": {"enabled": True}},
            read_yaml=reader(parent, helm, tmp_path / "work"),
            pull=pull,
            digests={"paint 1.1.0": "sha256:" + "ab" * 32},
        )
    assert str(error.value).partition(" has ")[2] == (
        "no digest, so its repository can serve content that was not reviewed; set the digest of paint-1.2.0.tgz as "
        "'paint 1.2.0' in subchart_digests, use a vendored chart folder, or set allow_unpinned_subcharts to accept it "
        "without a digest"
    )


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        (
            "http://charts.example.com",
            "is downloaded over plain http, from http://charts.example.com, where it can be modified",
        ),
        ("file://../other", "neither in charts/ nor in a remote repository"),
        ("https://", "neither in charts/ nor in a remote repository"),
    ],
)
def test_a_repository_that_cannot_be_trusted_is_rejected(
    helm: Helm, tmp_path: Path, repository: str, message: str
) -> None:
    folder = chart(tmp_path / "p", dependencies=[{"name": "paint", "version": "1.2.0", "repository": repository}])
    with pytest.raises(ChartError, match=message):
        complete(folder, helm, tmp_path)
