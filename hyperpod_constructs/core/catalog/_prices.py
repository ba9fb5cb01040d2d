"""List prices, each with date and source. A price without a source is unknown; it is not estimated."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load

HOURS_PER_MONTH = 730
"""Hours per month in the AWS Pricing Calculator."""


class Price(NamedTuple):
    """One list price in USD, before tax and discounts.

    Attributes:
        item: such as "instance:ml.g5.8xlarge" or "nat_gateway".
        usd: the price.
        per: "hour", "month" or "GB-month".
        date: date on which it was read.
        source: source of the price.
        uncertain: field name to what is uncertain about it.
    """

    item: str
    usd: float
    per: Literal["hour", "month", "GB-month"]
    date: date
    source: str
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.item)

    @property
    def usd_per_hour(self) -> float:
        """The price per hour, of one unit or one GB."""
        return self.usd if self.per == "hour" else self.usd / HOURS_PER_MONTH


@follows_facts
@cache
def prices() -> Mapping[str, Price]:
    """Every known price by item and region, such as "nat_gateway/us-west-2"; `*` is every region."""
    return MappingProxyType(
        {
            key: Price(
                item=key.partition("/")[0],
                usd=entry["usd"],
                per=entry["per"],
                date=date.fromisoformat(entry["date"]),
                source=entry["source"],
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for key, entry in load("prices")["prices"].items()
        }
    )


def find_price(item: str, region: str | None) -> Price | None:
    """Returns the list price of an item in a region, or None if unknown.

    >>> find_price("eks:standard", "eu-west-1").usd, find_price("nat_gateway", "eu-west-1") is None
    (0.1, True)
    """
    return prices().get(f"{item}/{region}") or prices().get(f"{item}/*")


def ec2_price(instance_type: str, region: str | None) -> float | None:
    """The EC2 On-Demand price per hour of the instance: an estimate if the HyperPod price is unknown.

    >>> ec2_price("ml.p5.48xlarge", "us-west-2"), ec2_price("ml.m5.4xlarge", "us-west-2") is None
    (55.04, True)
    """
    found: float | None = load("ec2_prices")["prices"].get(instance_type, {}).get(region)
    return found
