"""`hyperpod chart`: the dependency chart with its sub-charts as a folder, and the digest of a folder."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import click

from ..core.plural import count
from .live import emit, output_option


@click.group()
def chart() -> None:
    """Vendor the dependency chart for a closed network, and print the digest of a chart."""


@chart.command()
@click.argument("destination", type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Config whose enabled components select the sub-charts.",
)
@click.option(
    "--from", "source", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Local chart folder."
)
@click.option(
    "--packages", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder with packaged sub-charts."
)
@click.option("--helm", help="The helm binary, to pull sub-charts that are not in --packages.")
@output_option
def vendor(
    destination: Path, config: Path | None, source: Path | None, packages: Path | None, helm: str | None, output: str
) -> None:
    """Copy the dependency chart with the enabled sub-charts to DESTINATION, a new folder.

    Without --from, the pinned commit is downloaded and verified. With --config, the components and the image_registry
    of the config are used.
    """
    from ..core.chart import pinned_chart
    from ..handlers.helm.errors import ChartError
    from ..live import vendoring

    values, registry, digests = _values(config) if config else (None, None, None)
    with tempfile.TemporaryDirectory() as work:
        try:
            folder = source or vendoring.fetch(pinned_chart(), Path(work) / "chart")
            vendored = vendoring.vendor(
                folder,
                destination,
                values=values,
                packages=packages,
                helm=helm,
                image_registry=registry,
                digests=digests,
            )
        except ChartError as error:
            raise click.ClickException(str(error)) from error

    def text() -> str:
        lines = [f"{vendored.folder}: {count(vendored.files, 'file')}, {vendored.digest}"]
        if vendored.subcharts:
            lines.append(f"sub-charts: {', '.join(vendored.subcharts)}")
        for name, found in sorted(vendored.unpinned.items()):
            lines.append(
                f"{name} has no known digest; the digest of the package is {found}: compare it with the publisher's"
            )
        if vendored.left_out:
            lines.append(f"omitted (also present as folders): {', '.join(vendored.left_out)}")
        named = f"dependencies: {{chart: {{path: {json.dumps(str(destination))}}}}}"
        return "\n".join([*lines, f"set it in the config: {named}"])

    emit(vendored, output, text)


@chart.command()
@click.argument("folder", type=click.Path(path_type=Path))
@output_option
def digest(folder: Path, output: str) -> None:
    """Print the content digest of a chart's FOLDER, as in `dependencies.chart.digest`."""
    from ..handlers.helm.errors import ChartError
    from ..handlers.helm.folder import content_digest

    try:
        found = content_digest(folder)
    except ChartError as error:
        raise click.ClickException(str(error)) from error
    emit({"folder": str(folder), "digest": found}, output, lambda: found)


def _values(config: Path) -> tuple[dict[str, Any], str | None, dict[str, str]]:
    from ..core.chart import chart_values, subchart_digests
    from ..core.config import load

    platform = load(config).platform
    if platform is None:
        command = shlex.join(["hyperpod", "validate", str(config)])
        raise click.ClickException(f"{config} is not a valid config; run `{command}` for details")
    types = {name for group in platform.cluster.groups for name in group.types}
    values = chart_values(
        platform.dependencies,
        region=platform.region,
        instance_types=types,
        restricted_nodes=bool(platform.cluster.restricted_instance_groups),
    )
    return values, platform.dependencies.image_registry, subchart_digests(platform.dependencies)
