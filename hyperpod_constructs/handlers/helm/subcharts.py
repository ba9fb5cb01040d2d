"""The remote sub-charts of a chart: determines the enabled ones, and downloads the missing ones.

`helm dependency build` downloads all of them, including disabled ones, and packages local sub-charts in addition to
their folders. Therefore each sub-chart is pulled separately, in exactly the pinned version, and only if it is enabled.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..shared.digests import digest_key
from ..shared.merge import merge_patch
from .errors import ChartError
from .folder import top_folder

ReadYaml = Callable[[Sequence[Path]], Sequence[dict[str, Any]]]
"""Reads YAML files with one mapping each; the result for a missing file is an empty mapping."""

Pull = Callable[["Dependency", Path], None]
"""Pulls a sub-chart's package into a folder; raises ChartError."""

_EXACT = re.compile(r"^v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$")


@dataclass(frozen=True)
class Dependency:
    """A remote sub-chart of a chart."""

    name: str
    version: str
    repository: str


def resolve(
    chart: Path,
    values: Mapping[str, Any],
    *,
    read_yaml: ReadYaml,
    pull: Pull,
    digests: Mapping[str, str],
    allow_unpinned: bool = False,
    prune: bool = True,
) -> list[Dependency]:
    """Completes a chart's folder, in place: it then contains the sub-charts that the values enable.

    Args:
        chart: the folder; its sub-charts that are folders are completed too.
        values: the values of the release, which override those of the chart.
        read_yaml: reads the charts' metadata and values.
        pull: pulls a package.
        digests: maps `name version` of a sub-chart to the digest (`sha256:`) of its package.
        allow_unpinned: whether a sub-chart without a digest is accepted.
        prune: whether disabled, missing sub-charts are removed from the chart's dependencies, because helm rejects a
            chart with a missing dependency.

    Returns:
        The sub-charts that were pulled.

    Raises:
        ChartError: a sub-chart is not available, is not pinned, or differs from its digest.
    """
    metadata, lock, defaults = read_yaml([chart / "Chart.yaml", chart / "Chart.lock", chart / "values.yaml"])
    merged = merge_patch(defaults, values)  # as helm merges values
    folders, packages = _present(chart, read_yaml)
    locked = {entry["name"]: entry["version"] for entry in lock.get("dependencies") or []}
    pulled: list[Dependency] = []
    kept = []
    for entry in metadata.get("dependencies") or []:
        name, repository = entry["name"], entry.get("repository") or ""
        enabled = is_enabled(entry, merged)
        present = name in folders or name in packages
        if enabled and not present:
            _check_repository(name, repository)
            dependency = Dependency(name, str(locked.get(name, entry["version"])), repository)
            _download(dependency, chart / "charts", pull, digests, allow_unpinned)
            pulled.append(dependency)
        if enabled and name in folders:
            below = merged.get(entry.get("alias") or name)
            inner = {**below} if isinstance(below, Mapping) else {}
            if isinstance(merged.get("global"), Mapping):
                inner["global"] = merge_patch(inner.get("global") or {}, merged["global"])
            pulled += resolve(
                folders[name],
                inner,
                read_yaml=read_yaml,
                pull=pull,
                digests=digests,
                allow_unpinned=allow_unpinned,
                prune=prune,
            )
        if enabled or present:
            kept.append(entry)
    if prune and len(kept) != len(metadata.get("dependencies") or []):
        (chart / "Chart.yaml").write_text(json.dumps({**metadata, "dependencies": kept}))  # JSON is valid YAML
    return pulled


def drop_duplicates(chart: Path, *, read_yaml: ReadYaml) -> list[str]:
    """Removes packed sub-charts next to the folder of the same chart, because helm would use both; returns their names."""
    folders, packages = _present(chart, read_yaml)
    dropped = []
    for name in sorted(set(folders) & set(packages)):
        for package in packages[name]:
            package.unlink()
            dropped.append(package.name)
    for folder in folders.values():
        dropped += drop_duplicates(folder, read_yaml=read_yaml)
    return dropped


def is_enabled(entry: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a dependency of Chart.yaml is enabled, by its first condition that has a value, otherwise by its tags.

    >>> is_enabled({"condition": "a.on,b.on"}, {"b": {"on": False}})
    False
    >>> is_enabled({"tags": ["extra"]}, {})
    True
    """
    for path in str(entry.get("condition") or "").strip().split(","):
        found: Any = values
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, bool):
            return found
    tags = values.get("tags")
    switches = [tags[tag] for tag in entry.get("tags") or [] if isinstance(tags, Mapping) and tag in tags]
    return True in switches or False not in switches


def _present(chart: Path, read_yaml: ReadYaml) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Returns the sub-charts in charts/ by the name of the chart: folders, and packages."""
    below = chart / "charts"
    folders = sorted(path for path in below.glob("*") if (path / "Chart.yaml").is_file())
    names = [str(meta.get("name", "")) for meta in read_yaml([folder / "Chart.yaml" for folder in folders])]
    packages: dict[str, list[Path]] = {}
    for package in sorted(below.glob("*.tgz")):
        packages.setdefault(top_folder(package), []).append(package)
    return dict(zip(names, folders, strict=True)), packages


def _check_repository(name: str, repository: str) -> None:
    scheme, _, rest = repository.partition("://")
    if scheme == "http" and not is_loopback(repository):
        raise ChartError(
            f"sub-chart {name!r} is downloaded over plain http, from {repository}, where it can be modified "
            "in transit; use a vendored chart folder, or a chart with an https or oci repository"
        )
    if scheme not in ("https", "http", "oci") or not rest:
        raise ChartError(f"sub-chart {name!r} is enabled, but is neither in charts/ nor in a remote repository")


def is_loopback(url: str) -> bool:
    """Whether a URL is on this host, where plain http is safe."""
    return (urlsplit(url).hostname or "") in {"127.0.0.1", "localhost", "::1"}


def _download(
    dependency: Dependency, charts: Path, pull: Pull, digests: Mapping[str, str], allow_unpinned: bool
) -> None:
    what = f"sub-chart {dependency.name} {dependency.version} of {dependency.repository}"
    if not _EXACT.match(dependency.version):
        raise ChartError(
            f"{what}: its version is not exact, and the chart has no Chart.lock; use a vendored chart folder"
        )
    key = digest_key(dependency.name, dependency.version)
    wanted = digests.get(key)
    if wanted is None and not allow_unpinned:
        raise ChartError(
            f"{what} has no digest, so its repository can serve content that was not reviewed; set the "
            f"digest of {dependency.name}-{dependency.version}.tgz as {key!r} in subchart_digests, use a "
            "vendored chart folder, or set allow_unpinned_subcharts to accept it without a digest"
        )
    charts.mkdir(exist_ok=True)
    before = set(charts.glob("*.tgz"))
    pull(dependency, charts)
    new = sorted(set(charts.glob("*.tgz")) - before)
    if len(new) != 1:
        raise ChartError(f"{what}: the pull downloaded {len(new)} packages, expected 1")
    actual = "sha256:" + hashlib.sha256(new[0].read_bytes()).hexdigest()
    if wanted is not None and actual != wanted:
        raise ChartError(f"{what} differs from its digest: its digest is {actual}, expected {wanted}")


def walk(chart: Path) -> Iterator[Path]:
    """Yields a chart's folder and those of its sub-charts that are folders."""
    yield chart
    for path in sorted((chart / "charts").glob("*")):
        if (path / "Chart.yaml").is_file():
            yield from walk(path)
