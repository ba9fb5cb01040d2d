"""Cost of configs: exact sums for known prices, "unknown" for others, and no omitted items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.cost import Estimate, Line, estimate
from hyperpod_constructs.core.spec import Platform

ROOT = Path(__file__).parent.parent


def platform(**overrides: Any) -> Platform:
    values: dict[str, Any] = {
        "name": "research",
        "region": "us-east-1",
        "network": {"availability_zone_ids": ["use1-az1", "use1-az6"]},
        "cluster": {"instance_groups": [{"name": "workers", "instance_type": "ml.g5.8xlarge", "count": 4}]},
    }
    return Platform.model_validate({**values, **overrides})


def line(found: Estimate, start: str) -> Line:
    (cost_line,) = [item for item in found.lines if item.what.startswith(start)]
    return cost_line


def test_known_prices_add_up() -> None:
    found = estimate(platform())
    assert line(found, "group workers").usd_per_hour == pytest.approx(4 * 3.06)
    assert line(found, "NAT gateways").usd_per_hour == 0.045
    assert line(found, "public IPv4 addresses").usd_per_hour == 0.005
    assert line(found, "control plane").usd_per_hour == 0.10
    assert found.usd_per_hour == pytest.approx(4 * 3.06 + 0.045 + 0.005 + 0.10)
    assert found.usd_per_month == pytest.approx(found.usd_per_hour * 730)
    assert found.unknown == ()


def test_every_number_has_a_source() -> None:
    for item in estimate(platform()).lines:
        assert item.source or item.note, item.what
    assert "2026-09-15" in line(estimate(platform()), "group workers").source


def test_unknown_values_are_not_guessed() -> None:
    found = estimate(platform(region="eu-west-1", network={"availability_zone_ids": ["euw1-az1", "euw1-az2"]}))
    workers = line(found, "group workers")
    assert workers.usd_per_hour is None
    assert workers.usd_per_month is None
    assert workers.note == (
        "unknown: the catalog has no list price for ml.g5.8xlarge in eu-west-1; the EC2 price on 2025-11-30 "
        "was 2.73 USD per hour per instance; HyperPod's price differs"
    )
    assert workers.ec2_usd_per_hour == pytest.approx(4 * 2.7327)
    assert found.ec2_usd_per_hour == workers.ec2_usd_per_hour
    assert found.usd_per_hour == pytest.approx(0.1 + 0.005), "not part of the sum"
    assert workers in found.unknown
    assert line(found, "control plane").usd_per_hour == 0.10, "one price for every region"


def test_the_users_prices_take_precedence() -> None:
    found = estimate(platform(), own_prices={"ml.g5.8xlarge": 2.0, "nat_gateway": 0.5})
    assert line(found, "group workers").usd_per_hour == 8.0
    assert line(found, "NAT gateways").usd_per_hour == 0.5
    assert line(found, "group workers").source == "your own price"


@pytest.mark.parametrize(
    ("nat", "gateways"), [("single", 1), ("per-zone", 2), ("none", 0)], ids=["single", "per-zone", "none"]
)
def test_nat_gateways(nat: str, gateways: int) -> None:
    network = {"availability_zone_ids": ["use1-az1", "use1-az6"], "nat": nat}
    lines = [item for item in estimate(platform(network=network)).lines if item.what.startswith("NAT gateways")]
    assert [item.count for item in lines] == ([gateways] if gateways else [])


def test_a_closed_network_pays_for_endpoints_in_each_zone() -> None:
    network = {"availability_zone_ids": ["use1-az1", "use1-az6"], "mode": "closed"}
    endpoints = line(estimate(platform(network=network)), "interface endpoints")
    assert endpoints.count >= 20
    assert endpoints.count % 2 == 0
    assert endpoints.usd_per_hour == pytest.approx(0.01 * endpoints.count)
    assert endpoints.by_default


def test_file_systems_by_size_and_throughput() -> None:
    storage = {
        "lustre": [
            {"name": "data", "size_gib": 4800, "throughput": 125},
            {"name": "fast", "size_gib": 1200, "throughput": 1000},
            {"name": "old", "existing_id": "fs-0123456789abcdef0"},
        ],
        "buckets": [{"name": "datasets"}],
    }
    found = estimate(platform(storage=storage))
    assert line(found, "file system data").usd_per_month == pytest.approx(4800 * 0.145)
    assert line(found, "file system fast").usd_per_hour is None
    assert not [item for item in found.lines if item.what.startswith("file system old")]
    assert line(found, "bucket datasets").is_known, "usage-based is a valid result"


def test_expensive_defaults_are_never_silent() -> None:
    by_default = {item.what for item in estimate(platform()).lines if item.by_default}
    assert {"NAT gateways: 1", "control plane, standard support"} <= by_default
    written = {"availability_zone_ids": ["use1-az1", "use1-az6"], "nat": "single"}
    assert not line(estimate(platform(network=written)), "NAT gateways").by_default


def test_extended_support_costs_more() -> None:
    old = next(
        name for name in catalog.kubernetes_versions() if str(catalog.kubernetes_version(name).status()) == "extended"
    )
    found = estimate(platform(eks={"kubernetes_version": old}))
    assert line(found, "control plane, extended").usd_per_hour == 0.60


def test_existing_resources_add_no_cost() -> None:
    existing = {
        "existing": {"vpc_id": "vpc-1", "node_subnets": [{"subnet_id": "subnet-1", "availability_zone_id": "use1-az1"}]}
    }
    found = estimate(platform(network=existing, eks={"existing": {"cluster_name": "mine"}}))
    assert {item.part for item in found.lines} == {"cluster", "addons"}


@pytest.mark.parametrize(
    ("group", "usd", "note"),
    [
        ({"capacity": "spot"}, None, "unknown: Spot prices vary"),
        (
            {"instance_type": None, "instance_types": ["ml.g5.8xlarge", "ml.g5.4xlarge"]},
            None,
            "unknown: available capacity",
        ),
        (
            {"training_plan_arn": "arn:aws:sagemaker:us-east-1:111122223333:training-plan/large-models-tuning"},
            0.0,
            "included in its training plan",
        ),
        ({"count": 0}, 0.0, ""),
    ],
)
def test_groups_of_other_kinds(group: dict[str, Any], usd: float | None, note: str) -> None:
    base = {"name": "workers", "instance_type": "ml.g5.8xlarge", "count": 4}
    found = line(estimate(platform(cluster={"instance_groups": [base | group]})), "group workers")
    assert found.usd_per_hour == usd
    assert found.note.startswith(note)


def test_observability_with_managed_grafana() -> None:
    settings = {"grafana": {"kind": "managed"}, "alarms": {"emails": ["ops@example.com"]}}
    found = estimate(platform(addons={"observability": settings}))
    assert line(found, "Managed Grafana").usd_per_month == pytest.approx(9.0)
    assert line(found, "add-on observability").note.startswith("usage-based")
    assert line(found, "KMS key of the notification topic").usd_per_hour is None


@given(st.integers(0, 6758), st.floats(0, 1e4))
def test_the_sum_is_linear_in_the_count(count: int, price: float) -> None:
    cluster = {"instance_groups": [{"name": "workers", "instance_type": "ml.p5.48xlarge", "count": count}]}
    found = estimate(platform(cluster=cluster), own_prices={"ml.p5.48xlarge": price})
    other_lines = estimate(platform(cluster={"instance_groups": []}))
    assert found.usd_per_hour == pytest.approx(other_lines.usd_per_hour + count * price)


def test_endpoints_of_an_existing_network_and_flow_logs_are_counted() -> None:
    subnets = [{"subnet_id": f"subnet-0123456789abcdef{n}", "availability_zone_id": f"use1-az{n}"} for n in (1, 2)]
    existing = {"vpc_id": "vpc-0123456789abcdef0", "node_subnets": subnets}
    found = estimate(platform(network={"existing": existing, "interface_endpoints": ["ecr.api", "logs", "s3"]}))
    assert line(found, "interface endpoints: 2 in 2 zones").usd_per_hour == pytest.approx(4 * 0.01)
    zones = {"availability_zone_ids": ["use1-az1", "use1-az6"]}
    assert line(estimate(platform(network={**zones, "flow_logs": True})), "VPC flow logs").is_known


def test_prices_of_ec2_are_of_accelerated_hyperpod_types() -> None:
    prices = catalog.load("ec2_prices")["prices"]
    assert len(prices) > 40
    for name, by_region in prices.items():
        kind = catalog.find_instance_type(name)
        assert kind is not None
        assert every(catalog.region(region).hyperpod and usd > 0 for region, usd in by_region.items())


# ---- the table of prices ----


def test_every_price_is_dated_and_sourced() -> None:
    for key, price in catalog.prices().items():
        assert price.usd > 0, key
        assert price.source, key
        item, _, region = key.partition("/")
        assert price.item == item
        assert region == "*" or catalog.find_region(region) is not None
        if item.startswith("instance:"):
            assert catalog.find_instance_type(item.removeprefix("instance:")) is not None


# ---- the command ----


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["explain", "cost", *arguments])


def test_the_command_prints_a_table() -> None:
    result = run(str(ROOT / "hyperpod.yaml"))
    assert result.exit_code == 0, result.output
    assert "group workers: 2 x ml.trn1.32xlarge" in result.output
    assert "unknown" in result.output
    assert "total of known prices" in result.output
    columns = {line.index("0.00 ") for line in result.output.splitlines() if line.lstrip().startswith("add-on")}
    assert len(columns) == 1
    assert "set your own prices with --price" in result.output
    assert (
        "EC2 price of such instances: 43.00 USD per hour, 31,390.00 per month; HyperPod prices differ" in result.output
    )


def test_the_command_accepts_prices_and_prints_json() -> None:
    result = run(str(ROOT / "hyperpod.yaml"), "--json", "--price", "ml.trn1.32xlarge=20", "--price", "ml.m5.4xlarge=1")
    content = json.loads(result.output)
    assert content["complete"] is True
    assert content["usd_per_hour"] == pytest.approx(2 * 20 + 2 * 1 + 0.15)


@pytest.mark.parametrize("price", ["ml.p5.48xlarge", "ml.p5.48xlarge=much", "=3", "a=-1", "a=inf", "a=nan"])
def test_the_command_rejects_what_is_not_a_price(price: str) -> None:
    result = run(str(ROOT / "hyperpod.yaml"), "--price", price)
    assert result.exit_code == 2
    assert "is not ITEM=USD" in result.output


def test_the_command_reports_errors_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "hyperpod.yaml").write_text("name: 1\n")
    result = run(str(tmp_path / "hyperpod.yaml"))
    assert result.exit_code == 1
