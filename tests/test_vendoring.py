"""Vendored copies of the dependency chart."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from hyperpod_constructs.core.chart import pinned_chart
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.folder import content_digest
from hyperpod_constructs.live.vendoring import Vendored, fetch, vendor


def package(name: str, version: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        content = json.dumps({"apiVersion": "v2", "name": name, "version": version}).encode()
        member = tarfile.TarInfo(f"{name}/Chart.yaml")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A chart like the real one: remote sub-charts under conditions, and an agent both as folder and as package."""
    folder = tmp_path / "upstream"
    files: dict[str, str | bytes] = {
        "Chart.yaml": """
            {apiVersion: v2, name: parent, version: 0.1.0, dependencies: [
              {name: agent, version: 0.1.0, repository: "file://charts/agent", condition: agent.enabled},
              {name: paint, version: 1.2.0, repository: "https://example.com", condition: paint.enabled},
              {name: varnish, version: 3.0.0, repository: "https://example.com", condition: varnish.enabled}]}""",
        "values.yaml": "paint: {enabled: true}\nvarnish: {enabled: false}\n",
        "charts/agent/Chart.yaml": "apiVersion: v2\nname: agent\nversion: 0.1.0\n",
        "charts/agent-0.1.0.tgz": package("agent", "0.1.0"),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "paint-v1.2.0.tgz").write_bytes(package("paint", "v1.2.0"))
    (folder / "varnish-3.0.0.tgz").write_bytes(package("varnish", "3.0.0"))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_vendoring(upstream: Path, packages: Path, tmp_path: Path) -> None:
    before = content_digest(upstream)
    vendored = vendor(upstream, tmp_path / "made", packages=packages)
    assert names(tmp_path / "made") == [
        "Chart.yaml",
        "charts/agent/Chart.yaml",
        "charts/paint-v1.2.0.tgz",
        "values.yaml",
    ]
    assert vendored == Vendored(
        folder=tmp_path / "made",
        digest=content_digest(tmp_path / "made"),
        files=4,
        subcharts=("paint 1.2.0",),
        left_out=("agent-0.1.0.tgz",),
        unpinned={"paint 1.2.0": "sha256:" + hashlib.sha256((packages / "paint-v1.2.0.tgz").read_bytes()).hexdigest()},
    )
    assert content_digest(upstream) == before
    assert (tmp_path / "made" / "Chart.yaml").read_bytes() == (upstream / "Chart.yaml").read_bytes()


def test_vendoring_includes_what_the_values_enable(upstream: Path, packages: Path, tmp_path: Path) -> None:
    values = {"paint": {"enabled": False}, "varnish": {"enabled": True}}
    assert vendor(upstream, tmp_path / "made", values=values, packages=packages).subcharts == ("varnish 3.0.0",)


def test_vendoring_twice_gives_the_same_digest(upstream: Path, packages: Path, tmp_path: Path) -> None:
    first, second = (vendor(upstream, tmp_path / name, packages=packages) for name in ("a", "b"))
    assert first.digest == second.digest
    assert vendor(first.folder, tmp_path / "c").digest == first.digest


def test_a_missing_package_is_named_and_nothing_is_left(upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"paint 1\.2\.0 of https://example\.com is missing: add paint-1\.2\.0\.tgz"):
        vendor(upstream, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_package_with_another_digest(upstream: Path, packages: Path, tmp_path: Path) -> None:
    """A sub-chart whose digest the catalog knows."""
    text = (upstream / "Chart.yaml").read_text()
    (upstream / "Chart.yaml").write_text(
        text.replace("name: paint, version: 1.2.0", "name: nvidia-device-plugin, version: 0.16.1")
    )
    wrong = package("nvidia-device-plugin", "0.16.1")
    (packages / "nvidia-device-plugin-0.16.1.tgz").write_bytes(wrong)
    with pytest.raises(
        ChartError, match=f"its digest is sha256:{hashlib.sha256(wrong).hexdigest()}, expected sha256:a77b4e"
    ):
        vendor(upstream, tmp_path / "made", packages=packages)
    assert not (tmp_path / "made").exists()


def test_an_existing_folder_is_not_touched(upstream: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").write_text("x")
    for act in (
        lambda: vendor(upstream, tmp_path / "made"),
        lambda: fetch(pinned_chart(), tmp_path / "made"),
    ):
        with pytest.raises(ChartError, match="already exists; use a new folder"):
            act()
    assert names(tmp_path / "made") == ["mine"]


def test_a_link_in_the_chart_is_rejected(upstream: Path, tmp_path: Path) -> None:
    (upstream / "link").symlink_to("/etc/passwd")
    with pytest.raises(ChartError, match="'link', which is a link"):
        vendor(upstream, tmp_path / "made")


@pytest.mark.parametrize("content", ["a: [1", "- a\n"])
def test_values_that_are_no_yaml_mapping(upstream: Path, tmp_path: Path, content: str) -> None:
    (upstream / "values.yaml").write_text(content)
    with pytest.raises(ChartError, match=r"values\.yaml is not (valid|a) YAML"):
        vendor(upstream, tmp_path / "made")
