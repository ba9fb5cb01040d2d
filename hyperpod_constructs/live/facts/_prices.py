"""List prices of HyperPod's instances, from the AWS price list. Only `refresh` imports this module."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from hyperpod_constructs.core.catalog._clock import today
from hyperpod_constructs.live.facts._derived import Contents

PRICES_REGION = "us-east-1"
"""Region of the requests: only a few regions provide the price list, each for all regions."""
CALLS = ("pricing:GetProducts",)
"""IAM actions that the caller requires."""

FILTERS = ({"Type": "TERM_MATCH", "Field": "component", "Value": "Cluster"},)
"""Common attributes of HyperPod's products: the offer file of AmazonSageMaker gives them `component` Cluster and an
`instanceType` such as ml.g5.8xlarge-Cluster, as two public programs read it (2026-09-16). Reserved capacity has
it too, with usage types of `ReservedCluster`, which `_USAGE` excludes. No request of this project has confirmed
it.
"""
_USAGE = re.compile(r"(?:[A-Z0-9]+-)?Cluster:(ml\.[a-z0-9.-]+)")
"""Usage types of HyperPod nodes, such as `USW2-Cluster:ml.p4d.24xlarge`."""


def ask(contents: Contents, session: Any) -> list[str]:
    """Writes the on-demand prices of HyperPod's instances to `prices.json`, for the catalog's types and regions.

    Returns:
        Remarks on the responses, one sentence each.
    """
    client = session.client("pricing", region_name=PRICES_REGION)
    types, regions = contents["instance_types"]["instance_types"], contents["regions"]["regions"]
    pages = client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=list(FILTERS))
    found = 0
    for page in pages:
        for text in page["PriceList"]:
            for name, region, entry in _prices(json.loads(text)):
                if name in types and regions.get(region, {}).get("hyperpod"):
                    key = f"instance:{name}/{region}"
                    known = contents["prices"]["prices"].get(key)
                    if known is None or known["usd"] != entry["usd"]:
                        contents["prices"]["prices"][key] = entry
                    found += 1
    return [] if found else ["prices.json: the price list has no usage type of HyperPod nodes (Cluster:ml...)"]


def _prices(product: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    attributes = product["product"]["attributes"]
    usage = _USAGE.fullmatch(attributes.get("usagetype", ""))
    if usage is None:
        return
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = float(dimension["pricePerUnit"].get("USD", 0))
            if usd > 0 and dimension["unit"] in ("Hrs", "Hours", "hour"):
                since = date.fromisoformat(term["effectiveDate"][:10])
                source = f"AWS Price List, usage type {attributes['usagetype']}, effective since {since}"
                entry = {"usd": usd, "per": "hour", "date": today().isoformat(), "source": source}
                yield usage[1], attributes["regionCode"], entry


__all__ = ["CALLS", "PRICES_REGION", "ask"]
