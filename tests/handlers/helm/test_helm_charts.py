"""Charts and sub-charts without a network: commands and exact messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chart_files import package, sha256, tar, write
from helm_commands import Commands

from hyperpod_constructs.handlers.helm import source
from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.folder import files_of, top_folder, verify
from hyperpod_constructs.handlers.helm.source import obtain, pull_subchart
from hyperpod_constructs.handlers.helm.subcharts import (
    Dependency,
    drop_duplicates,
    is_enabled,
    is_loopback,
    resolve,
    walk,
)
from hyperpod_constructs.handlers.helm.yaml_by_helm import reader

Json = dict[str, Any]


# Charts.


def test_a_source_of_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"^unknown kind of chart source 'svn'$"):
        obtain({"Kind": "svn"}, tmp_path, Commands())  # type: ignore[arg-type]


def oci(reference: str = "oci://quay.io/a/colors", digest: str = f"sha256:{'0' * 64}") -> Json:
    return {"Kind": "oci", "Reference": reference, "Version": "1.0.0", "Digest": digest}


class Registry(Commands):
    """Pulls a packed chart into the destination."""

    def __init__(self, output: str, packed: bytes) -> None:
        super().__init__(output)
        self.packed = packed

    def run(self, arguments: Any) -> str:
        Path(arguments[arguments.index("--destination") + 1], "colors-1.0.0.tgz").write_bytes(self.packed)
        return super().run(arguments)


PACKED = tar([("colors/Chart.yaml", b"name: colors")])


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        ("oci://quay.io/a/colors", []),
        ("oci://127.0.0.1:5000/a/colors", ["--plain-http"]),
        ("oci://localhost/a", ["--plain-http"]),
    ],
)
def test_a_chart_of_an_oci_registry(tmp_path: Path, reference: str, options: list[str]) -> None:
    helm = Registry(f"Pulled: x\nDigest: sha256:{'0' * 64}\n", PACKED)
    folder = obtain(oci(reference), tmp_path, helm)  # type: ignore[arg-type]
    assert (folder / "Chart.yaml").read_text() == "name: colors"
    assert helm.commands == [
        ["pull", reference, "--version", "1.0.0", "--destination", str(tmp_path / "pulled"), *options]
    ]


@pytest.mark.parametrize(
    ("helm", "message"),
    [
        (Commands(HelmError("Error: no")), "oci://quay.io/a/colors 1.0.0 cannot be pulled: Error: no"),
        (
            Commands(f"Digest: sha256:{'1' * 64}"),
            f"oci://quay.io/a/colors 1.0.0 differs from the pinned digest: its digest is sha256:{'1' * 64}, expected "
            f"sha256:{'0' * 64}",
        ),
        (
            Commands("Pulled"),
            f"oci://quay.io/a/colors 1.0.0 differs from the pinned digest: its digest is unknown, expected "
            f"sha256:{'0' * 64}",
        ),
    ],
)
def test_a_chart_of_an_oci_registry_that_is_rejected(tmp_path: Path, helm: Any, message: str) -> None:
    with pytest.raises(ChartError) as failure:
        obtain(oci(), tmp_path, helm)
    assert str(failure.value) == message


def test_credentials_of_ecr_are_given_to_helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "registry_config", lambda reference, work: work / "registry.json")
    helm = Registry(f"Digest: sha256:{'0' * 64}", PACKED)
    obtain(oci(), tmp_path, helm)  # type: ignore[arg-type]
    assert helm.commands[0][-2:] == ["--registry-config", str(tmp_path / "registry.json")]


@pytest.mark.parametrize(
    ("repository", "source_arguments"),
    [
        ("https://charts.example.com", ["sub", "--repo", "https://charts.example.com"]),
        ("oci://quay.io/charts/", ["oci://quay.io/charts/sub"]),
        ("oci://localhost:5000", ["oci://localhost:5000/sub", "--plain-http"]),
        ("http://127.0.0.1", ["sub", "--repo", "http://127.0.0.1"]),
    ],
)
def test_a_subchart_is_pulled(repository: str, source_arguments: list[str]) -> None:
    helm, pauses = Commands(HelmError("a"), HelmError("b"), ""), list[float]()
    pull_subchart(Dependency("sub", "1.0.0", repository), Path("into"), helm, sleep=pauses.append)  # type: ignore[arg-type]
    assert helm.commands == [["pull", *source_arguments, "--version", "1.0.0", "--destination", "into"]] * 3
    assert pauses == [2, 4]


def test_a_subchart_that_cannot_be_pulled() -> None:
    helm = Commands(HelmError("a"), HelmError("b"), HelmError("c"))
    with pytest.raises(ChartError) as failure:
        pull_subchart(Dependency("sub", "1.0.0", "https://x"), Path("into"), helm, sleep=lambda _: None)  # type: ignore[arg-type]
    assert str(failure.value) == (
        "sub-chart sub 1.0.0 cannot be fetched from https://x: c. In a network without access to it, use a vendored chart "
        "folder"
    )


def test_a_folder_without_files(tmp_path: Path) -> None:
    message = f"no chart in {str(tmp_path)!r}: the folder does not exist or is empty"
    with pytest.raises(ChartError) as failure:
        files_of(tmp_path)
    assert str(failure.value) == message
    write(tmp_path, {"a": "1"})
    with pytest.raises(
        ChartError,
        match=r"^the chart's content differs from the pinned digest: its digest is sha256:[0-9a-f]{64}, expected x$",
    ):
        verify(tmp_path, "x")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(ChartError) as failure:
        files_of(tmp_path)
    assert (
        str(failure.value)
        == "the chart's folder contains 'link', which is a link or a device; only regular files are supported"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(tar([]), "x.tgz is not a packed chart: it is empty"), (b"no archive", "x.tgz is not a packed chart: ")],
)
def test_a_package_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(ChartError) as failure:
        top_folder(tmp_path / "x.tgz")
    assert str(failure.value).startswith(message)


# Sub-charts.


def read_json(paths: Any) -> list[Json]:
    return [json.loads(path.read_text()) if path.is_file() else {} for path in paths]


def parent(folder: Path, *dependencies: Json, **files: Json) -> Path:
    metadata = {"name": folder.name, "dependencies": list(dependencies)}
    return write(folder, {"Chart.yaml": json.dumps(metadata), **{f"{k}": json.dumps(v) for k, v in files.items()}})


def dependency(name: str = "sub", version: str = "1.0.0", **fields: Any) -> Json:
    return {"name": name, "version": version, "repository": "https://charts", **fields}


def resolved(folder: Path, values: Json | None = None, **options: Any) -> list[Dependency]:
    def pull(subchart: Dependency, destination: Path) -> None:
        (destination / f"{subchart.name}-{subchart.version}.tgz").write_bytes(b"packed")

    settings = {"digests": {}, "allow_unpinned": True, "pull": pull, **options}
    return resolve(folder, values or {}, read_yaml=read_json, **settings)


SUB = "sub-chart sub 1.0.0 of https://charts"

REJECTED: list[tuple[Json, Json, str]] = [
    (
        dependency(repository="http://charts"),
        {},
        "sub-chart 'sub' is downloaded over plain http, from http://charts, where it can be modified in transit; use a "
        "vendored chart folder, or a chart with an https or oci repository",
    ),
    *[
        (
            dependency(repository=repository),
            {},
            "sub-chart 'sub' is enabled, but is neither in charts/ nor in a remote repository",
        )
        for repository in ("file://../sub", "https://", None)
    ],
    (
        dependency(version="^1.0.0"),
        {},
        "sub-chart sub ^1.0.0 of https://charts: its version is not exact, and the chart has no Chart.lock; use a vendored "
        "chart folder",
    ),
    (
        dependency(),
        {"allow_unpinned": False},
        f"{SUB} has no digest, so its repository can serve content that was not reviewed; set the digest of sub-1.0.0.tgz "
        "as 'sub 1.0.0' in subchart_digests, use a vendored chart folder, or set allow_unpinned_subcharts to accept it "
        "without a digest",
    ),
    (dependency(), {"pull": lambda wanted, into: None}, f"{SUB}: the pull downloaded 0 packages, expected 1"),
    (
        dependency(),
        {"digests": {"sub 1.0.0": "sha256:0"}},
        f"{SUB} differs from its digest: its digest is {sha256(b'packed')}, expected sha256:0",
    ),
]


@pytest.mark.parametrize(("entry", "options", "message"), REJECTED)
def test_subcharts_that_are_rejected(tmp_path: Path, entry: Json, options: Json, message: str) -> None:
    with pytest.raises(ChartError) as failure:
        resolved(parent(tmp_path / "p", entry), **options)
    assert str(failure.value) == message


@pytest.mark.parametrize("repository", ["http://127.0.0.1", "http://localhost:1", "http://[::1]:1", "oci://quay.io/a"])
def test_repositories_that_are_accepted(tmp_path: Path, repository: str) -> None:
    assert resolved(parent(tmp_path / "p", dependency(repository=repository))) == [
        Dependency("sub", "1.0.0", repository)
    ]


def test_a_lock_and_a_digest(tmp_path: Path) -> None:
    locked = {"dependencies": [{"name": "sub", "version": "1.0.7"}]}
    folder = parent(tmp_path / "p", dependency(version="^1"), **{"Chart.lock": locked})
    pins = {"sub 1.0.7": sha256(b"packed")}
    assert resolved(folder, digests=pins, allow_unpinned=False) == [Dependency("sub", "1.0.7", "https://charts")]
    assert [file.name for file in (folder / "charts").iterdir()] == ["sub-1.0.7.tgz"]


@pytest.mark.parametrize("prune", [True, False])
def test_what_is_disabled_and_missing_leaves_the_list(tmp_path: Path, prune: bool) -> None:
    entries = [
        dependency("on"),
        dependency("off", condition="off.enabled"),
        dependency("kept", condition="off.enabled"),
    ]
    folder = parent(tmp_path / "p", *entries, **{"values.yaml": {"off": {"enabled": False}}})
    parent(folder / "charts" / "folder")
    (folder / "charts" / "folder" / "Chart.yaml").write_text('{"name": "kept"}')
    assert [subchart.name for subchart in resolved(folder, prune=prune)] == ["on"]
    remaining = [subchart["name"] for subchart in json.loads((folder / "Chart.yaml").read_text())["dependencies"]]
    assert remaining == (["on", "kept"] if prune else ["on", "off", "kept"])


@pytest.mark.parametrize(
    ("values", "pulled"),
    [
        ({}, ["deep"]),
        ({"inner": {"deep": {"on": False}}}, []),
        ({"inner": "odd"}, ["deep"]),
        ({"global": {"a": 1}, "inner": {"global": {"b": 2}}}, ["deep"]),
    ],
)
def test_subcharts_of_subcharts(tmp_path: Path, values: Json, pulled: list[str]) -> None:
    folder = parent(tmp_path / "p", dependency("inner"))
    parent(folder / "charts" / "inner", dependency("deep", condition="deep.on"))
    assert [subchart.name for subchart in resolved(folder, values)] == pulled


def test_values_of_an_alias_and_global_ones_reach_a_subchart(tmp_path: Path) -> None:
    folder = parent(tmp_path / "p", dependency("inner", alias="other"))
    parent(
        folder / "charts" / "inner", dependency("deep", condition="deep.on"), dependency("all", condition="global.on")
    )
    assert resolved(folder, {"other": {"deep": {"on": False}}, "global": {"on": False}}) == []


def test_packages_next_to_folders_are_dropped_at_any_depth(tmp_path: Path) -> None:
    folder = parent(tmp_path / "p")
    inner = parent(folder / "charts" / "inner")
    parent(inner / "charts" / "deep")
    for parent_folder, name in ((folder, "inner"), (folder, "other"), (inner, "deep")):
        (parent_folder / "charts" / f"{name}-1.tgz").write_bytes(package(parent(tmp_path / "source" / name), name))
    assert drop_duplicates(folder, read_yaml=read_json) == ["inner-1.tgz", "deep-1.tgz"]
    assert (folder / "charts" / "other-1.tgz").exists()
    assert [path.name for path in walk(folder)] == ["p", "inner", "deep"]


@pytest.mark.parametrize(
    ("entry", "values", "enabled"),
    [
        ({}, {}, True),
        ({"condition": "a.on"}, {"a": {"on": True}}, True),
        ({"condition": " a.on,b.on "}, {"a": {"on": False}, "b": {"on": True}}, False),
        ({"condition": "a.on,b.on"}, {"a": {"on": "text"}, "b": {"on": False}}, False),
        ({"condition": "a.on"}, {"a": "text"}, True),
        ({"condition": "a.on", "tags": ["t"]}, {"tags": {"t": False}}, False),
        ({"condition": "a.on", "tags": ["t"]}, {"a": {"on": True}, "tags": {"t": False}}, True),
        ({"tags": ["t", "u"]}, {"tags": {"t": False, "u": True}}, True),
        ({"tags": ["t", "u"]}, {"tags": {"t": False}}, False),
        ({"tags": ["t"]}, {"tags": "odd"}, True),
        ({"condition": None, "tags": None}, {"tags": {"t": False}}, True),
    ],
)
def test_whether_a_subchart_is_enabled(entry: Json, values: Json, enabled: bool) -> None:
    assert is_enabled(entry, values) is enabled


def test_addresses_on_this_machine() -> None:
    assert [is_loopback(url) for url in ("http://127.0.0.1:1/x", "oci://localhost", "http://[::1]", "https://x", "")] == [
        True, True, True, False, False
    ]  # fmt: skip


# YAML by helm.


def test_yaml_is_read_with_helm(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"Chart.yaml": "name: c", "values.yaml": "a: 1"})
    answer = json.dumps({"files/0": {"name": "c"}, "files/1": None})
    helm = Commands(f"---\n# Source\n{answer}\n")
    read = reader(folder, helm, tmp_path)  # type: ignore[arg-type]
    assert read([folder / "Chart.yaml", folder / "Chart.lock", folder / "values.yaml"]) == [{"name": "c"}, {}, {}]
    wrapper = tmp_path / "read-yaml"
    assert helm.commands == [["template", "read", str(wrapper)]]
    assert (wrapper / "files" / "0").read_text() == "name: c"
    assert json.loads((wrapper / "Chart.yaml").read_text()) == {
        "apiVersion": "v2",
        "name": "read-yaml",
        "version": "0.0.0",
    }
    (wrapper / "files" / "9").write_text("left over")
    reader(folder, Commands(answer), tmp_path)  # type: ignore[arg-type]
    assert not (wrapper / "files" / "9").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (HelmError("Error: no"), "the chart's metadata cannot be read: Error: no"),
        ('{"files/0": {"Error": "line 1"}}', "Chart.yaml is not a YAML mapping: line 1"),
    ],
)
def test_yaml_that_cannot_be_read(tmp_path: Path, answer: Any, message: str) -> None:
    folder = write(tmp_path / "c", {"Chart.yaml": "- a"})
    with pytest.raises(ChartError) as failure:
        reader(folder, Commands(answer), tmp_path)  # type: ignore[arg-type]
    assert str(failure.value) == message
