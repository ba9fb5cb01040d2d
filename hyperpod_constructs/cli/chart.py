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
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Config whose settings select the sub-charts."
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

    Without --from, the pinned commit is downloaded and verified. With --config, its switches and its image_registry
    apply.
    """
    from ..core.chart import pinned_chart
    from ..handlers.helm.errors import ChartError
    from ..live import vendoring

    values, registry, digests = _values(config) if config else (None, None, None)
    with tempfile.TemporaryDirectory() as work:
        try:
            folder = source or vendoring.fetch(pinned_chart(), Path(work) / "chart")
            made = vendoring.vendor(
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
        lines = [f"{made.folder}: {count(made.files, 'file')}, {made.digest}"]
        if made.subcharts:
            lines.append(f"sub-charts: {', '.join(made.subcharts)}")
        for name, found in sorted(made.unpinned.items()):
            lines.append(
                f"{name} has no known digest; the digest of the package is {found}: compare it with the publisher's"
            )
        if made.left_out:
            lines.append(f"omitted (also present as folders): {', '.join(made.left_out)}")
        named = f"dependencies: {{chart: {{path: {json.dumps(str(destination))}}}}}"
        return "\n".join([*lines, f"set it in the config: {named}"])

    emit(made, output, text)


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
