"""`hyperpod versions`, `hyperpod addons` and `hyperpod upgrade-plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from ..core.terminal import paragraph
from .faults import InvalidUsage
from .live import aws_options, emit, output_option, request_errors, table
from .validate import DEFAULT


def _eks(profile: str | None, region: str | None) -> Any:
    from ..live.operations.aws import client

    return client("eks", profile, region)


@click.command(short_help="List Kubernetes versions with their support dates.")
@click.option("--live", is_flag=True, help="Query EKS instead of the catalog.")
@click.option("--all", "everything", is_flag=True, help="Include versions out of support.")
@aws_options
@output_option
def versions(live: bool, everything: bool, profile: str | None, region: str | None, output: str) -> None:
    """List the Kubernetes versions on EKS with their support dates, and whether HyperPod documents them."""
    from ..live.upgrade.versions import calendar

    if live:
        from ..live.operations.versions import releases

        with request_errors():
            found = releases(_eks(profile, region))
    else:
        found = calendar()
    shown = [release for release in found if everything or release.status != "ended"]
    head = ["VERSION", "SUPPORT", "DAYS LEFT", "RELEASED", "STANDARD UNTIL", "EXTENDED UNTIL", "HYPERPOD"]
    rows = [
        [
            version.version,
            version.status,
            version.days_left,
            version.released,
            version.end_of_standard_support,
            version.end_of_extended_support,
            version.hyperpod,
        ]
        for version in shown
    ]
    emit([version.as_dict() for version in shown], output, lambda: table(head, rows))


@click.command(short_help="List the add-on versions for each Kubernetes version.")
@click.option("--live", is_flag=True, help="Query EKS instead of the catalog.")
@click.option(
    "--all", "everything", is_flag=True, help="Include all add-ons in the catalog, not only those of HyperPod."
)
@click.option(
    "--kubernetes", multiple=True, metavar="VERSION", help="Kubernetes version; repeatable. Default: those in support."
)
@aws_options
@output_option
def addons(
    live: bool, everything: bool, kubernetes: tuple[str, ...], profile: str | None, region: str | None, output: str
) -> None:
    """List the newest version of each HyperPod add-on for each Kubernetes version: `-` for none, `?` if unknown."""
    from ..core import catalog
    from ..live.upgrade.versions import calendar, matrix

    for version in kubernetes:
        _check_version(version, "--kubernetes")
    names = [name for name, addon in catalog.addons().items() if everything or addon.provider == "hyperpod"]
    wanted = kubernetes or tuple(release.version for release in reversed(calendar()) if release.status != "ended")
    if live:
        from ..live.operations.versions import supports

        with request_errors():
            found = supports(_eks(profile, region), names, wanted)
    else:
        found = matrix(names, wanted)
    rows = [[support.name, *(support.versions[version] for version in wanted)] for support in found]
    emit([support.as_dict() for support in found], output, lambda: table(["ADD-ON", *wanted], rows))


def _check_version(text: str, option: str) -> None:
    from ..core.catalog import minor

    try:
        minor(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a Kubernetes version such as 1.35", param_hint=option) from error


@click.command("upgrade-plan", short_help="Print the steps of a Kubernetes upgrade.")
@click.argument("config", default=DEFAULT, type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, metavar="VERSION", help="Target Kubernetes version.")
@click.option(
    "--from", "source", metavar="VERSION", help="Current version. Default: the config's, or the cluster's with --live."
)
@click.option(
    "--live", is_flag=True, help="Query EKS for the version, the calendar and the add-ons, instead of the catalog."
)
@aws_options
@output_option
def upgrade_plan(
    config: Path, target: str, source: str | None, live: bool, profile: str | None, region: str | None, output: str
) -> None:
    """Plan the upgrade of CONFIG (default: hyperpod.yaml) to a Kubernetes version, one minor version at a time.

    Each step has its gates, the changes and actions in order, and what can be reverted. Exit code 1 if a step is
    blocked.
    """
    from ..core.config import load
    from ..core.rendering import Format as FindingsFormat
    from ..core.rendering import render as render_findings
    from ..live.upgrade.plan import NoUpgradePath, plan
    from ..live.upgrade.text import render

    loaded = load(config)
    if loaded.platform is None:
        click.echo(render_findings(loaded.findings, cast(FindingsFormat, output)))
        raise SystemExit(1)
    platform, known = loaded.platform, dict[str, Any]()
    try:
        if live:
            with request_errors():
                known = _from_eks(platform, source, _eks(profile, region or platform.region))
        upgrade = plan(platform, target, config=str(config), **{"source": source, **known})
    except NoUpgradePath as error:
        raise InvalidUsage(paragraph(str(error))) from error
    emit(upgrade.as_dict(), output, lambda: paragraph(render(upgrade)))
    raise SystemExit(1 if upgrade.state == "blocked" else 0)


def _from_eks(platform: Any, source: str | None, eks: Any) -> dict[str, Any]:
    """Data from EKS: calendar, versions that add-ons support, and the cluster's version, add-ons and insights."""
    from ..core.spec.addons import ADDON_NAMES
    from ..live.operations.versions import insights, installed, releases, supports

    known: dict[str, Any] = {"releases": releases(eks), "facts": f"EKS in {eks.meta.region_name}, now"}
    names = [ADDON_NAMES[key] for key in platform.addons.effective() if key in ADDON_NAMES]
    name = platform.eks.existing.cluster_name if platform.eks.existing else platform.completed_eks.cluster_name
    if name:
        known |= {"installed": installed(eks, name), "insights": insights(eks, name)}
        names += [addon for addon in known["installed"] if addon not in names]
        known["source"] = source or eks.describe_cluster(name=name)["cluster"]["version"]
    return known | {"supports": supports(eks, names, [release.version for release in known["releases"]])}
