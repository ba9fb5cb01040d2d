"""Address arithmetic: the plan of a network, and the addresses that groups use."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from hyperpod_constructs.core.network_plan import (
    control_plane_zones,
    default_zone,
    demands,
    ip_range,
    least_addresses,
    nat_gateways,
    node_addresses,
    node_ranges,
    plan,
    public_prefix,
    replacement_nodes,
    usable,
    zones_of,
)
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Network, RestrictedInstanceGroup

ZONES = ("usw2-az1", "usw2-az2", "usw2-az3")


def network(**fields: Any) -> Network:
    return Network.model_validate({"availability_zone_ids": ZONES[:2], **fields})


def existing(**fields: Any) -> Network:
    subnets = [
        {"subnet_id": f"subnet-0123456789abcdef{index}", "availability_zone_id": zone, "cidr": cidr}
        for index, (zone, cidr) in enumerate([(ZONES[0], "10.0.0.0/20"), (ZONES[1], None), (ZONES[0], "10.0.16.9/20")])
    ]
    return Network.model_validate({"existing": {"vpc_id": "vpc-0123456789abcdef0", "node_subnets": subnets}, **fields})


def group(**fields: Any) -> InstanceGroup:
    return InstanceGroup.model_validate({"name": "w", "count": 10, "instance_type": "ml.p5.48xlarge", **fields})


def subnets(network: Network) -> list[tuple[str, str, str, bool]]:
    return [
        (subnet.kind, subnet.availability_zone_id, subnet.cidr, subnet.secondary) for subnet in plan(network).subnets
    ]


def test_a_closed_network_has_no_public_subnets() -> None:
    assert {kind for kind, *_ in subnets(network(mode="closed"))} == {"control-plane", "node"}


def test_node_ranges_in_the_primary_range_are_not_secondary() -> None:
    spec = network(node_cidrs=["10.192.128.0/18", "100.64.0.0/16"])
    assert [subnet for subnet in subnets(spec) if subnet[0] == "node"] == [
        ("node", ZONES[0], "10.192.128.0/18", False),
        ("node", ZONES[1], "100.64.0.0/16", True),
    ]
    assert plan(spec).secondary_cidrs == ("100.64.0.0/16",)


def test_a_small_primary_range_has_smaller_public_subnets() -> None:
    assert [subnet[2] for subnet in subnets(network(vpc_cidr="10.192.0.0/26"))][:4] == [
        *("10.192.0.0/28", "10.192.0.16/28"),
        *("10.192.0.32/28", "10.192.0.48/28"),
    ]
    assert public_prefix(IPv4Network("10.0.0.0/27"), 2, public=False) == 24 + 3
    with pytest.raises(ValueError, match=r"10\.192\.0\.0/27 is too small for the subnets of 2 zones$"):
        plan(network(vpc_cidr="10.192.0.0/27"))


def test_a_network_that_exists_has_the_node_subnets_whose_range_it_names() -> None:
    assert subnets(existing()) == [
        ("node", ZONES[0], "10.0.0.0/20", False),
        ("node", ZONES[0], "10.0.16.0/20", False),
    ]
    assert plan(existing()).secondary_cidrs == ()
    assert zones_of(existing()) == ZONES[:2]
    assert default_zone(existing()) == ZONES[0]


def test_node_cidrs_do_not_overlap_the_primary_cidr_and_those_of_eks() -> None:
    assert list(map(str, node_ranges(network(vpc_cidr="10.1.0.0/16")))) == ["10.2.0.0/16", "10.3.0.0/16"]
    # 10.100.0.0/16 is one of the two CIDRs from which EKS chooses service addresses
    many = Network(availability_zone_ids=[f"z{number}" for number in range(100)])
    assert "10.100.0.0/16" not in map(str, node_ranges(many))
    assert [str(block) for block in node_ranges(many)][98:] == ["10.99.0.0/16", "10.101.0.0/16"]


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/", "10.0.0.0/255.0.0.0", "10.0.0/16"])
def test_a_text_that_is_not_a_cidr(text: str) -> None:
    with pytest.raises(ValueError) as error:
        ip_range(text)
    message = (
        "Expected 4 octets in '10.0.0'" if text == "10.0.0/16" else f"{text!r} is not an IPv4 CIDR, such as 10.0.0.0/16"
    )
    assert str(error.value) == message


def test_fewer_node_ranges_than_zones() -> None:
    """A rule reports the missing CIDRs; the plan contains the subnets that have one."""
    short = plan(network(node_cidrs=["10.8.0.0/16"]))
    assert [(subnet.availability_zone_id, subnet.cidr, subnet.secondary) for subnet in short.of_kind("node")] == [
        (ZONES[0], "10.8.0.0/16", True)
    ]
    assert (len(short.of_kind("public")), short.secondary_cidrs) == (2, ("10.8.0.0/16",))


def test_a_network_without_zones() -> None:
    assert (default_zone(Network()), zones_of(Network()), plan(Network()).subnets) == (None, (), ())


def test_restricted_groups_have_all_interfaces_and_no_rolling_update() -> None:
    restricted = RestrictedInstanceGroup(name="r", instance_type="ml.p5.48xlarge", count=2)
    assert (node_addresses(restricted), least_addresses(restricted), replacement_nodes(restricted)) == (81, 32, 1)


@pytest.mark.parametrize(
    ("cidr", "zones", "public", "prefix"),
    [
        ("10.0.0.0/16", 3, True, 24),
        ("10.0.0.0/22", 3, True, 24),
        ("10.0.0.0/22", 4, True, 25),
        ("10.0.0.0/24", 16, False, 24),
        ("10.0.0.0/24", 17, False, None),
        ("10.0.0.0/25", 2, True, 27),
        ("10.0.0.0/25", 5, True, None),  # they would fit as /29, which AWS does not support
        ("10.0.0.0/26", 2, True, 28),
        ("10.0.0.0/28", 1, False, 28),
        ("10.0.0.0/28", 1, True, None),
    ],
)
def test_the_size_of_public_subnets(cidr: str, zones: int, public: bool, prefix: int | None) -> None:
    assert public_prefix(IPv4Network(cidr), zones, public=public) == prefix


def test_public_subnets_follow_those_of_the_control_plane() -> None:
    assert [
        (kind, cidr) for kind, _, cidr, _ in subnets(network(vpc_cidr="10.192.0.0/22", availability_zone_ids=ZONES))
    ][:6] == [
        *(("control-plane", f"10.192.0.{16 * index}/28") for index in range(3)),
        *(("public", f"10.192.{index}.0/24") for index in (1, 2, 3)),
    ]


def test_zones_of_the_control_plane() -> None:
    assert control_plane_zones(network(availability_zone_ids=ZONES)) == ZONES[:2]
    planned = network(availability_zone_ids=ZONES, control_plane_zone_ids=[ZONES[2], ZONES[0]])
    assert control_plane_zones(planned) == (ZONES[0], ZONES[2]), "in the order of the network"


def test_the_subnets_of_a_zone() -> None:
    network_plan = plan(network())
    found = network_plan.node_subnet(ZONES[1])
    assert found is not None
    assert (found.cidr, found.usable) == ("10.2.0.0/16", 65531)
    assert network_plan.node_subnet("usw2-az4") is None
    assert usable("10.0.0.0/30") == 0


# Addresses that groups use

FLEXIBLE: dict[str, Any] = {"instance_type": None, "instance_types": ["ml.p5.48xlarge", "ml.g5.2xlarge"]}


def test_a_flexible_group_counts_with_its_largest_type_at_most_and_its_smallest_at_least() -> None:
    small = group(instance_type="ml.g5.2xlarge")
    assert (node_addresses(small), least_addresses(small)) == (15, 1)
    assert (node_addresses(group()), least_addresses(group())) == (81, 32)
    assert (node_addresses(group(**FLEXIBLE)), least_addresses(group(**FLEXIBLE))) == (81, 1)


def test_a_type_that_is_not_known_has_no_count() -> None:
    unknown = group(instance_type="ml.x9.large")
    assert (node_addresses(unknown), least_addresses(unknown)) == (None, 1)
    assert demands(Cluster(instance_groups=[unknown]), ZONES[0]) == {}


def rollout(**size: int) -> dict[str, Any]:
    return {"deployment": {"maximum_batch_size": size}}


@pytest.mark.parametrize(
    ("fields", "nodes"),
    [
        ({}, 1),
        ({"auto_patch": {}}, 1),
        ({"auto_patch": {"deployment": {}}}, 1),
        ({"auto_patch": rollout(count=3)}, 3),
        ({"auto_patch": rollout(count=30)}, 10),
        ({"auto_patch": rollout(percent=25)}, 3),
        ({"auto_patch": rollout(percent=1)}, 1),
        ({"auto_patch": rollout(percent=100)}, 10),
        ({"scheduled_update": {"schedule": "cron(0 3 ? * SUN *)", **rollout(percent=50)}}, 5),
        (
            {
                "scheduled_update": {"schedule": "cron(0 3 ? * SUN *)", **rollout(count=2)},
                "auto_patch": rollout(percent=40),
            },
            4,
        ),
        ({"count": 2, "max_count": 20, "auto_patch": rollout(percent=50)}, 10),
        ({"count": 1000, "auto_patch": rollout(percent=100)}, 1000),
        ({"count": 0}, 0),
    ],
    ids=str,
)
def test_nodes_that_are_replaced_at_a_time(fields: dict[str, Any], nodes: int) -> None:
    assert replacement_nodes(group(**fields)) == nodes


def test_addresses_that_groups_use_in_each_zone() -> None:
    groups = [
        group(name="a", instance_type="ml.g5.2xlarge", count=2),
        group(name="b", instance_type="ml.g5.2xlarge", count=3, availability_zone_id=ZONES[1]),
        group(name="c", subnet_ids=["subnet-0123456789abcdef0"]),
    ]
    found = demands(Cluster(instance_groups=groups), ZONES[0])
    taken = {
        zone: [(item.group, item.nodes, item.each, item.addresses) for item in all_] for zone, all_ in found.items()
    }
    assert taken == {ZONES[0]: [("a", 3, 15, 45)], ZONES[1]: [("b", 4, 15, 60)]}
    assert demands(Cluster(instance_groups=groups[:1]), None) == {}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (network(nat="single"), 1),
        (network(nat="per-zone"), 2),
        (network(nat="none"), 0),
        (network(mode="closed"), 0),
        (existing(), 0),
    ],
)
def test_nat_gateways(spec: Network, count: int) -> None:
    assert nat_gateways(spec) == count
