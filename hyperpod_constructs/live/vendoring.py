"""A vendored copy of the dependency chart: downloaded, verified, with the enabled remote sub-charts."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..core.catalog import mirror_images
from ..core.chart import subchart_digests
from ..core.spec.dependencies import GitChart
from ..handlers.helm.binary import Helm
from ..handlers.helm.errors import ChartError
from ..handlers.helm.folder import content_digest, files_of, verify
from ..handlers.helm.source import download, pull_subchart
from ..handlers.helm.subcharts import Dependency, drop_duplicates, resolve
from ..handlers.shared.digests import digest_key


@dataclass(frozen=True)
class Vendored:
    """A vendored chart: a folder that requires no downloads except container images.

    Attributes:
        folder: path of the folder.
        digest: its content digest.
        files: number of files.
        subcharts: the remote sub-charts that were added, as `name version`.
        left_out: packages that were skipped because the chart also has the sub-chart as a folder.
        unpinned: the digests of packages of sub-charts without a known digest, by `name version`.
    """

    folder: Path
    digest: str
    files: int
    subcharts: tuple[str, ...]
    left_out: tuple[str, ...]
    unpinned: Mapping[str, str]


def fetch(chart: GitChart, destination: Path) -> Path:
    """Downloads a pinned chart's folder, and verifies it.

    Raises:
        ChartError: the destination exists, or the chart cannot be downloaded or does not match its digest.
    """
    _refuse_existing(destination)
    try:
        download(chart.archive, chart.path, destination)
        verify(destination, chart.digest)
    except ChartError:
        shutil.rmtree(destination, ignore_errors=True)
        raise
    return destination


def vendor(
    chart: Path,
    destination: Path,
    *,
    values: Mapping[str, Any] | None = None,
    packages: Path | None = None,
    helm: str | None = None,
    image_registry: str | None = None,
    digests: Mapping[str, str] | None = None,
) -> Vendored:
    """Copies a chart's folder with the remote sub-charts that the values enable.

    Args:
        chart: a local folder, such as one in a checkout of the upstream repository.
        destination: a new folder.
        values: the release's values (`chart_values`); default: the chart's own.
        packages: a folder of packaged sub-charts (`NAME-VERSION.tgz`), which is searched first.
        helm: the helm binary, to pull sub-charts that are not in `packages`; without it nothing is downloaded.
        image_registry: registry of the images' copies; hard-coded image references in templates are replaced.
        digests: `name version` of sub-charts to the digests of their packages. Default: the catalog's digests. A
            sub-chart without a digest is accepted and reported; the digest of the vendored folder pins it.

    Raises:
        ChartError: the destination exists, the chart contains links, or a sub-chart is missing or does not match its digest.
    """
    _refuse_existing(destination)
    files = files_of(chart)
    known = subchart_digests() if digests is None else digests
    packages_of: dict[str, str] = {}

    def pull(dependency: Dependency, into: Path) -> None:
        before = set(into.glob("*.tgz"))
        _pull(dependency, into, packages, helm)
        for package in set(into.glob("*.tgz")) - before:
            key = digest_key(dependency.name, dependency.version)
            packages_of[key] = "sha256:" + hashlib.sha256(package.read_bytes()).hexdigest()

    try:
        for path, file in files:
            target = destination / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        left_out = drop_duplicates(destination, read_yaml=_read_yaml)
        added = resolve(
            destination,
            values or {},
            read_yaml=_read_yaml,
            pull=pull,
            digests=known,
            allow_unpinned=True,
            prune=False,
        )
        if image_registry:
            _replace_images(destination, image_registry)
    except ChartError:
        shutil.rmtree(destination, ignore_errors=True)
        raise
    return Vendored(
        folder=destination,
        digest=content_digest(destination),
        files=len(files_of(destination)),
        subcharts=tuple(f"{dependency.name} {dependency.version}" for dependency in added),
        left_out=tuple(left_out),
        unpinned={key: digest for key, digest in packages_of.items() if key not in known},
    )


def _replace_images(folder: Path, registry: str) -> None:
    for image in mirror_images().values():
        file = folder / image.template if image.template else None
        if file is None or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        if image.image not in text:
            raise ChartError(f"{image.template} of the chart does not contain {image.image}: unsupported chart version")
        copy = f"{registry}/{image.path}:{image.tag}"
        file.write_text(text.replace(image.image, copy), encoding="utf-8")


def _pull(dependency: Dependency, into: Path, packages: Path | None, helm: str | None) -> None:
    plain = dependency.version.removeprefix("v")
    for version in (plain, f"v{plain}"):
        package = packages / f"{dependency.name}-{version}.tgz" if packages else None
        if package is not None and package.is_file():
            shutil.copyfile(package, into / package.name)
            return
    if helm is None:
        raise ChartError(
            f"sub-chart {dependency.name} {dependency.version} of {dependency.repository} is missing: add "
            f"{dependency.name}-{plain}.tgz to the folder of packages, or specify a helm binary that can pull "
            "it"
        )
    with tempfile.TemporaryDirectory() as work:
        pull_subchart(dependency, into, Helm(Path(work), executable=helm))


def _read_yaml(paths: Sequence[Path]) -> list[dict[str, Any]]:
    read = []
    for path in paths:
        try:
            content = yaml.safe_load(path.read_bytes()) if path.is_file() else None
        except yaml.YAMLError as error:
            raise ChartError(f"{path} is not valid YAML: {error}") from error
        if content is not None and not isinstance(content, dict):
            raise ChartError(f"{path} is not a YAML mapping")
        read.append(content or {})
    return read


def _refuse_existing(destination: Path) -> None:
    if destination.exists():
        raise ChartError(f"{destination} already exists; use a new folder, or remove it first")
