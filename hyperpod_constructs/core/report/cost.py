"""Cost by part of the platform, and the cost before and after a change."""

from __future__ import annotations

from ..catalog import HOURS_PER_MONTH
from ..cost import Estimate, estimate
from ..plural import count
from .deployed_cost import deployed_estimate
from .model import Block, Cell, Content, Section, table
from .subject import Subject


def section(subject: Subject) -> Section:
    """Returns the cost by part and by item."""
    found = estimate(subject.platform, own_prices=subject.own_prices)
    head = ("Part", "Item", "USD per hour", "USD per month", "Note")
    rows: list[tuple[Content, ...]] = []
    for line in found.lines:
        word = "usage-based" if line.is_known else "unknown"
        by_default = "default; " if line.by_default else ""
        rows.append(
            (
                line.part,
                line.what,
                *((usd(line.usd_per_hour), usd(line.usd_per_month)) if line.usd_per_hour is not None else (word, word)),
                f"{by_default}{line.note or line.source}".removesuffix("; "),
            )
        )
    parts = [(part, usd(hour), usd(hour * HOURS_PER_MONTH), note) for part, (hour, note) in _by_part(found).items()]
    parts.append(("total", usd(found.usd_per_hour), usd(found.usd_per_month), _missing(found)))
    blocks: list[Block] = [
        *table(
            "Cost by part: list prices in USD, all groups at their full count at all times",
            ("Part", "USD per hour", "USD per month", "Note"),
            parts,
            numbers=[1, 2],
        ),
        *table("Cost by item", head, rows, numbers=[2, 3], folded=True),
    ]
    return Section("cost", "Cost", tuple(blocks))


def before_and_after(subject: Subject) -> tuple[Block, ...]:
    """Returns the cost by part before and after a change; with --deployed, from the templates."""
    known = subject.before
    if known is None:
        return ()
    if known.platform is not None:
        old, new = (estimate(priced, own_prices=subject.own_prices) for priced in (known.platform, subject.platform))
    elif known.stacks and subject.stacks:
        old, new = (deployed_estimate(stacks, subject.platform.region) for stacks in (known.stacks, subject.stacks))
    else:
        return ()
    before, after = _by_part(old), _by_part(new)
    rows: list[tuple[Content, ...]] = []
    for part in dict.fromkeys([*before, *after]):
        (cost, unknown), (new_cost, new_unknown) = before.get(part, (0.0, "")), after.get(part, (0.0, ""))
        note = "; ".join(filter(None, (unknown and f"before: {unknown}", new_unknown and f"after: {new_unknown}")))
        rows.append((part, usd(cost), usd(new_cost), _difference(cost, new_cost), note))
    total = (old.usd_per_hour, new.usd_per_hour)
    rows.append(
        (
            "total",
            usd(total[0]),
            usd(total[1]),
            _difference(*total),
            f"per month: {usd(total[0] * HOURS_PER_MONTH)} before, {usd(total[1] * HOURS_PER_MONTH)} after",
        )
    )
    if old.ec2_usd_per_hour or new.ec2_usd_per_hour:
        ec2 = (old.ec2_usd_per_hour, new.ec2_usd_per_hour)
        note = "not in the total: HyperPod prices differ from EC2 prices"
        rows.append(("EC2 price of these instances", *map(usd, ec2), _difference(*ec2), note))
    head = ("Part", "Before", "After", "Difference", "Note")
    return table("Known cost before and after, in USD per hour", head, rows, numbers=[1, 2, 3])


def _by_part(found: Estimate) -> dict[str, tuple[float, str]]:
    """Returns the known cost per hour and the number of unknown prices, by part."""
    parts: dict[str, tuple[float, str]] = {}
    for part in dict.fromkeys(line.part for line in found.lines):
        lines = [line for line in found.lines if line.part == part]
        unknown, usage_based = (
            sum(line.usd_per_hour is None and line.is_known is known for line in lines) for known in (False, True)
        )
        notes = [f"{count(unknown, 'price')} unknown"] if unknown else []
        notes += [f"{usage_based} usage-based"] if usage_based else []
        parts[part] = sum(line.usd_per_hour or 0.0 for line in lines), ", ".join(notes)
    return parts


def _missing(found: Estimate) -> str:
    if not found.unknown:
        return "complete except for usage-based costs"
    ec2 = f"; EC2 price of these instances: {usd(found.ec2_usd_per_hour)} per hour" if found.ec2_usd_per_hour else ""
    return f"without {count(len(found.unknown), 'item')} of unknown price{ec2}"


def _difference(before: float, after: float) -> Content:
    if abs(after - before) < 0.0005:
        return "0.00"
    return Cell(f"{after - before:+,.2f}", "warn" if after > before else "good")


def usd(value: float | None) -> str:
    """Formats an amount with two decimal places, below 1 with three.

    >>> usd(1234.5), usd(0.045), usd(None)
    ('1,234.50', '0.045', '')
    """
    return "" if value is None else f"{value:,.3f}" if 0 < value < 1 else f"{value:,.2f}"
