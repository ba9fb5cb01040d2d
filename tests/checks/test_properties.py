"""Any change of a config: checking it raises no exception, and if there are errors, no template is written.

250 mutations by default, 2,000 with HYPERPOD_ALL=1; HYPERPOD_EXAMPLES=20000 for more.
"""

from __future__ import annotations

import copy
import json
import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_configs import BASE, dumped, load_text, merged
from sweep import ALL

from hyperpod_constructs.assembly import synth
from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.network_plan import demands, plan, replacement_nodes, usable
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Network

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("HYPERPOD_EXAMPLES", "2000" if ALL else "250"))
TOKEN = "${Token[TOKEN.42]}"
ZONES = ["usw2-az1", "usw2-az2", "usw2-az3", "usw2-az4", "usw2-az5", "usw2-az6"]

RICH: dict[str, Any] = merged(
    BASE,
    {
        "account": "111122223333",
        "tags": {"team": "vision"},
        "network": {
            "vpc_cidr": "10.192.0.0/16",
            "node_cidrs": ["10.1.0.0/16", "10.2.0.0/16"],
            "interface_endpoints": ["eks"],
        },
        "eks": {"service_cidr": "172.20.0.0/16", "access": [{"principal": "arn:aws:iam::111122223333:role/B"}]},
        "dependencies": {"gpu_operator": True, "values": {"mlflow": {"enabled": False}}},
        "cluster": {
            "instance_groups": [
                {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
                {
                    "name": "gpu",
                    "instance_type": "ml.p5.48xlarge",
                    "count": 4,
                    "min_count": 1,
                    "max_count": 8,
                    "availability_zone_id": "usw2-az1",
                    "deep_health_checks": ["InstanceStress"],
                    "labels": {"nvidia.com/mig.config": "all-1g.10gb"},
                    "volume": {"size_gib": 500},
                    "lustre": {"dns_name": "fs-0123456789abcdef0.fsx.aws", "mount_name": "abc"},
                    "auto_patch": {"deployment": {"maximum_batch_size": {"count": 1}, "alarms": ["a"]}},
                    "lifecycle": {"source": "s3://sagemaker-x/y"},
                    "image_id": "default",
                    "capacity": "spot",
                },
                {"name": "flexible", "instance_types": ["ml.g5.8xlarge", "ml.g6.8xlarge"], "count": 0},
            ],
            "restricted_instance_groups": [{"name": "rig", "instance_type": "ml.p5.48xlarge", "count": 1}],
            "autoscaling": {"groups": ["flexible"]},
            "tiered_storage": {"memory_percent": 20},
            "tags": {"a": "b"},
        },
        "addons": {
            "training_operator": {"version": "v1.3.0-eksbuild.1"},
            "task_governance": {},
            "inference_operator": {},
            "observability": {"grafana": {"kind": "managed"}, "alarms": {"emails": ["a@example.com"]}},
            "mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::bucket"]},
            "fsx_csi": {},
            "spaces": {},
        },
        "governance": {
            "scheduler": {"priority_classes": [{"name": "high", "weight": 90}]},
            "teams": [
                {
                    "name": "vision",
                    "priority": "high",
                    "borrow_limit": 50,
                    "members": ["arn:aws:iam::111122223333:role/C"],
                    "quota": [{"instance_type": "ml.p5.48xlarge", "accelerators": 8, "vcpu": 1.5, "memory_gib": 3}],
                }
            ],
        },
        "storage": {
            "lustre": [{"name": "data", "data_repositories": [{"bucket": "inputs"}], "namespaces": ["default"]}],
            "buckets": [{"name": "inputs", "removal": "destroy"}],
        },
        "jobs": [{"name": "train", "image": "registry/train:v1", "instance_type": "ml.p5.48xlarge", "nodes": 2}],
        "acknowledge": [{"rule": "HP212", "reason": "a lab"}],
    },
)

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.sampled_from(
        ["", "x", TOKEN, f"a-{TOKEN}", "10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/99", "ml.p5.48xlarge", "ml.c6g.medium"]
    ),
    st.sampled_from(
        ["usw2-az1", "us-west-2a", "1.36", "1.99999", "v1.0.0", "arn:aws:iam::1:role/", "é" * 200, "a" * 3000]
    ),
    st.text(max_size=12),
    st.lists(st.one_of(st.text(max_size=4), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=4), st.integers()), max_size=3),
)


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path of a config."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in paths(value, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A rich valid config after one to four random edits."""
    config: dict[str, Any] = copy.deepcopy(RICH)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(paths(config)[1:]))
        container: Any = config
        for part in path[:-1]:
            container = container[part]
        edit = draw(st.sampled_from(["replace", "replace", "delete", "repeat", "rename"]))
        if edit == "delete":
            del container[path[-1]]
        elif edit == "repeat" and isinstance(container, list):
            container.extend(copy.deepcopy(container[path[-1]]) for _ in range(draw(st.sampled_from([1, 30, 120]))))
        elif edit == "rename" and isinstance(container, dict):
            container[draw(st.text(min_size=1, max_size=8))] = container.pop(path[-1])
        else:
            container[path[-1]] = draw(values)
        if not config:
            return config
        if len(paths(config)) == 1:
            break
    return config


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=mutated())
def test_no_mutation_raises_or_gives_a_template(config: dict[str, Any]) -> None:
    loaded = load_text(json.dumps(config))  # JSON is valid YAML, and faster to write
    assert loaded.platform is not None or errors(loaded.findings)
    assert loaded.ok == (loaded.platform is not None and not errors(loaded.findings))
    assert [finding for finding in loaded.findings if not (finding.message and finding.rule)] == []


def test_the_rich_config_is_a_fair_beginning() -> None:
    loaded = load_text(dumped(RICH))
    assert loaded.platform is not None


def test_errors_never_reach_the_synthesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("a config with errors was synthesized")

    monkeypatch.setattr(synth, "build", build)
    wrong = tmp_path / "hyperpod.yaml"
    monkeypatch.setenv("HYPERPOD_CONFIG", str(wrong))
    monkeypatch.setenv("HYPERPOD_OUT", str(tmp_path / "out"))
    for edit in ({"region": "us-wset-2"}, {"network": {"availability_zone_ids": ["usw2-az1"]}}, {"speed": 3}):
        wrong.write_text(dumped(merged(BASE, edit)))
        assert synth.main() == 1
        assert not (tmp_path / "out").exists()


cidrs = st.builds(
    lambda address, prefix: str(IPv4Network((address, prefix), strict=False)),
    st.one_of(
        st.integers(0x0A000000, 0x0AFFFFFF), st.integers(0xAC100000, 0xAC1FFFFF), st.integers(0xC0A80000, 0xC0A8FFFF)
    ),
    st.integers(16, 26),
)


@given(cidr=cidrs, zones=st.integers(2, 4), mode=st.sampled_from(["open", "closed"]))
def test_a_plan_has_disjoint_subnets_inside_its_blocks(cidr: str, zones: int, mode: str) -> None:
    network = Network(availability_zone_ids=ZONES[:zones], vpc_cidr=cidr, mode=mode)
    try:
        planned = plan(network)
    except ValueError:
        assert "HP104" in {finding.rule for finding in check(Context(network=network))}
        return
    blocks = [IPv4Network(subnet.cidr) for subnet in planned.subnets]
    vpc = [IPv4Network(cidr), *map(IPv4Network, planned.secondary_cidrs)]
    assert [block for block in blocks if not any(block.subnet_of(vpc_block) for vpc_block in vpc)] == []
    assert not any(a.overlaps(b) for i, a in enumerate(blocks) for b in blocks[:i])
    assert not any(a.overlaps(b) for i, a in enumerate(vpc) for b in vpc[:i])
    assert len(blocks) == zones * (3 if mode == "open" else 2)
    rejecting = {"HP101", "HP103", "HP104", "HP106", "HP107"}
    assert not rejecting & {finding.rule for finding in check(Context(network=network))}


@given(cidr=cidrs, zones=st.integers(2, 3))
def test_another_zone_does_not_move_the_subnets_of_a_large_network(cidr: str, zones: int) -> None:
    if IPv4Network(cidr).prefixlen > 20:
        return
    fewer = plan(Network(availability_zone_ids=ZONES[:zones], vpc_cidr=cidr)).subnets
    larger = plan(Network(availability_zone_ids=ZONES[: zones + 1], vpc_cidr=cidr)).subnets
    assert set(fewer) < set(larger)


@given(prefix=st.integers(0, 32))
def test_usable_addresses(prefix: int) -> None:
    assert usable(f"10.0.0.0/{prefix}") == max(0, 2 ** (32 - prefix) - 5)


@given(count=st.integers(0, 6758), added=st.integers(0, 100))
def test_demand_grows_with_the_count(count: int, added: int) -> None:
    def addresses(nodes: int, **group: Any) -> int:
        cluster = Cluster(
            instance_groups=[InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=nodes, **group)]
        )
        return sum(demand.addresses for demand in demands(cluster, "usw2-az1")["usw2-az1"])

    assert addresses(count) <= addresses(count + added)
    assert addresses(count) == (count + (1 if count else 0)) * 81
    assert addresses(count, network_interface="efa-only") <= addresses(count)
    assert addresses(count, max_count=count + added) == addresses(count + added)


@given(count=st.integers(1, 1000), percent=st.integers(1, 100))
def test_a_surge_is_a_part_of_the_group(count: int, percent: int) -> None:
    rollout = {"deployment": {"maximum_batch_size": {"percent": percent}}}
    group = InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=count, auto_patch=rollout)
    assert 1 <= replacement_nodes(group) <= count
