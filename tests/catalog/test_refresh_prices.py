"""`hyperpod catalog refresh --prices`, against answers that botocore checks with its model of the price list."""

from __future__ import annotations

import copy
import json
from typing import Any

import boto3
from botocore.stub import Stubber
from proving import every

from hyperpod_constructs.core import catalog
from hyperpod_constructs.live.facts import _prices
from hyperpod_constructs.live.facts.refresh import load_all, refresh


def product(usage: str, region: str, usd: str, unit: str = "Hrs") -> str:
    """A product as in the price list: a string of JSON."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    term = {"effectiveDate": "2026-11-01T00:00:00Z", "priceDimensions": {"a": dimension}}
    attributes = {"usagetype": usage, "regionCode": region}
    return json.dumps({"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": term}}})


class Session:
    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, service: str, region_name: str) -> Any:
        assert (service, region_name) == ("pricing", _prices.PRICES_REGION)
        return self._client


def session_with(*pages: list[str]) -> Session:
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(client)
    for number, page in enumerate(pages):
        next_page = {"NextToken": str(number)} if number + 1 < len(pages) else {}
        request = {"ServiceCode": "AmazonSageMaker", "Filters": list(_prices.FILTERS)}
        request |= {"NextToken": str(number - 1)} if number else {}
        stub.add_response("get_products", {"FormatVersion": "aws_v1", "PriceList": page, **next_page}, request)
    stub.activate()
    return Session(client)


def test_prices_of_known_types_and_regions_are_taken() -> None:
    contents = copy.deepcopy(load_all())
    session = session_with(
        [
            product("USW2-Cluster:ml.p5.48xlarge", "us-west-2", "60.5"),
            product("USW2-Train:ml.p5.48xlarge", "us-west-2", "99"),
            product("USW2-ReservedCluster:ml.p5.48xlarge", "us-west-2", "98"),
            product("USW2-Cluster:ml.p99.48xlarge", "us-west-2", "1"),
        ],
        [
            product("Cluster:ml.m5.4xlarge", "us-east-1", "1.1"),
            product("EUW3-Cluster:ml.m5.4xlarge", "eu-west-3", "1.2"),
            product("USE1-Cluster:ml.g5.8xlarge", "us-east-1", "3.06"),
            product("USE2-Cluster:ml.g5.8xlarge", "us-east-2", "5", unit="GB"),
        ],
    )
    assert _prices.ask(contents, session) == []
    found = contents["prices"]["prices"]
    before = load_all()["prices"]["prices"]
    assert {key for key in found if found[key] != before.get(key)} == {
        "instance:ml.p5.48xlarge/us-west-2",
        "instance:ml.m5.4xlarge/us-east-1",
    }
    assert found["instance:ml.p5.48xlarge/us-west-2"] == {
        "usd": 60.5,
        "per": "hour",
        "date": catalog.today().isoformat(),
        "source": "AWS Price List, usage type USW2-Cluster:ml.p5.48xlarge, effective since 2026-11-01",
    }


def test_a_refresh_with_prices_tells_what_differs() -> None:
    session = session_with([product("USW2-Cluster:ml.p5.48xlarge", "us-west-2", "60.5")])
    paths = [difference.path for difference in refresh(prices_from=session).differences if difference.file == "prices"]
    assert paths
    assert every(path.startswith("prices.instance:ml.p5.48xlarge/us-west-2") for path in paths)


def test_an_empty_answer_is_reported() -> None:
    (remark,) = _prices.ask(copy.deepcopy(load_all()), session_with([]))
    assert remark == "prices.json: the price list has no usage type of HyperPod nodes (Cluster:ml...)"
