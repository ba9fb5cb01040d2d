"""`hyperpod explain cost`: the cost of a config at list prices, "unknown" for unknown prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .live import emit, output_option

if TYPE_CHECKING:
    from ..core.cost import Estimate


@click.command(short_help="The cost of a config at list prices.")
@click.argument("config", default="hyperpod.yaml", type=click.Path(path_type=Path))
@click.option(
    "--price",
    "own",
    multiple=True,
    metavar="ITEM=USD",
    help="Your own price per hour, such as ml.p5.48xlarge=40.5 or nat_gateway=0.05. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, hidden=True, help="Same as -o json.")
@output_option
@click.option("--sources", is_flag=True, help="Show the source of each price.")
def explain_cost(config: Path, own: tuple[str, ...], as_json: bool, output: str, sources: bool) -> None:
    """Print the cost of CONFIG per hour and per month, with every group at its full count at all times.

    Prices are list prices in USD before tax and discounts, from a dated table in the catalog. Prices that it does not
    contain are shown as unknown; for accelerated instances, EC2's price is shown as an estimate and is not included in
    the total.
    """
    from ..core.config import load
    from ..core.cost import estimate

    loaded = load(config)
    if loaded.platform is None:
        for finding in loaded.findings:
            click.echo(str(finding), err=True)
        raise click.exceptions.Exit(1)
    found = estimate(loaded.platform, own_prices=dict(map(_price, own)))
    emit(_data(found), "json" if as_json else output, lambda: as_text(found, sources=sources))


def as_text(estimate: Estimate, *, sources: bool = False) -> str:
    """A table for a terminal."""
    from ..core.catalog import HOURS_PER_MONTH

    total = "total of known prices"
    width = 2 + max(len(total), *(len(line.what) for line in estimate.lines))
    lines = [f"{'':<10}{'':<{width}}{'USD/hour':>12}{'USD/month':>14}"]
    part = ""
    for line in estimate.lines:
        shown = line.part if line.part != part else ""
        part = line.part
        numbers = f"{_usd(line.usd_per_hour):>12}{_usd(line.usd_per_month):>14}"
        if line.usd_per_hour is None:
            word = "usage-based" if line.is_known else "unknown"
            numbers = f"{word:>12}{word:>14}"
        mark = "  (by default)" if line.by_default else ""
        lines.append(f"{shown:<10}{line.what:<{width}}{numbers}{mark}")
        if sources and (line.source or line.note):
            lines.append(f"{'':<12}{line.source or line.note}")
    lines.append(f"{'':<10}{total:<{width}}{_usd(estimate.usd_per_hour):>12}{_usd(estimate.usd_per_month):>14}")
    if estimate.unknown:
        lines += ["", f"not included in the total, because the price is unknown ({len(estimate.unknown)}):"]
        lines += [f"  {line.what}: {line.note.removeprefix('unknown: ')}" for line in estimate.unknown]
        if estimate.ec2_usd_per_hour:
            month = _usd(estimate.ec2_usd_per_hour * HOURS_PER_MONTH)
            price = f"{_usd(estimate.ec2_usd_per_hour)} USD per hour, {month} per month"
            lines.append(f"  EC2 price of such instances: {price}; HyperPod prices differ")
        lines.append("  set your own prices with --price ITEM=USD")
    return "\n".join(lines)


def _data(estimate: Estimate) -> dict[str, Any]:
    """Plain data; amounts rounded to a hundredth of a cent."""
    return {
        "usd_per_hour": _rounded(estimate.usd_per_hour),
        "usd_per_month": _rounded(estimate.usd_per_month),
        "complete": not estimate.unknown,
        "ec2_usd_per_hour_of_unknown_instances": _rounded(estimate.ec2_usd_per_hour),
        "lines": [
            {
                "part": line.part,
                "what": line.what,
                "count": line.count,
                "usd_per_hour": _rounded(line.usd_per_hour),
                "usd_per_month": _rounded(line.usd_per_month),
                "ec2_usd_per_hour": _rounded(line.ec2_usd_per_hour),
                "note": line.note,
                "source": line.source,
                "by_default": line.by_default,
            }
            for line in estimate.lines
        ],
    }


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 4)


def _usd(value: float | None) -> str:
    return "" if value is None else f"{value:,.3f}" if 0 < value < 1 else f"{value:,.2f}"


def _price(text: str) -> tuple[str, float]:
    item, _, usd = text.rpartition("=")
    try:
        value = float(usd)
    except ValueError:
        value = -1.0
    if not item or not 0 <= value < float("inf"):
        raise click.BadParameter(f"{text!r} is not ITEM=USD, such as ml.p5.48xlarge=40.5", param_hint="--price")
    return item, value
