"""Shares in edge cases: no requests, `none`, other containers, types that are unknown or have no accelerators."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hyperpod_constructs.core.catalog import EFA_RESOURCE, instance_type
from hyperpod_constructs.core.jobs import Job, share
from hyperpod_constructs.core.jobs.resources import (
    _floor,
    has_all_accelerators,
    job_size,
    other_containers,
    uses_efa_preset,
)

P5, M5, LARGE, UNKNOWN = "ml.p5.48xlarge", "ml.m5.4xlarge", "ml.m5.large", "ml.x9.large"
GPU = "nvidia.com/gpu"


def job(**fields: Any) -> Job:
    return Job.model_validate({"name": "train", "image": "registry/train:v1", **fields})


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": "registry/c:v1", **fields}


ALL = {GPU: 8, EFA_RESOURCE: 32}


@pytest.mark.parametrize(
    ("fields", "requests", "limits", "per_node"),
    [
        ({}, {}, {}, None),
        (
            {"instance_type": P5, "nodes": 1, "vcpu": "none"},
            {"memory": "1890Gi", **ALL},
            {**ALL, "memory": "1890Gi"},
            1,
        ),
        ({"instance_type": P5, "nodes": 1, "memory_gib": "none"}, {"cpu": "179", **ALL}, ALL, 1),
        (
            {"instance_type": P5, "nodes": 1, "memory_limit_gib": "none"},
            {"cpu": "179", "memory": "1890Gi", **ALL},
            ALL,
            1,
        ),
        # only requested resources limit the pods of a node, including those of other containers
        ({"instance_type": M5, "vcpu": "none", "memory_gib": 2}, {"memory": "2Gi"}, {"memory": "2Gi"}, 25),
        ({"instance_type": M5, "vcpu": 1, "memory_gib": "none"}, {"cpu": "1"}, {}, 14),
        (
            {"instance_type": M5, "vcpu": 2, "memory_gib": 1, "sidecars": [container(vcpu=1, memory_gib=1)]},
            {"cpu": "2", "memory": "1Gi"},
            {"memory": "1Gi"},
            4,
        ),
        ({"instance_type": P5, "mig_profile": "mig-1g.10gb"}, {"cpu": "0", "memory": "0Gi"}, {"memory": "0Gi"}, None),
        # init containers that always restart run with the main container; others end before it starts
        (
            {"instance_type": M5, "init_containers": [container(vcpu=1, memory_gib=2, restart_always=True)]},
            {"cpu": "13", "memory": "49Gi"},
            {"memory": "49Gi"},
            1,
        ),
        (
            {"instance_type": M5, "init_containers": [container(vcpu=1, memory_gib=2)]},
            {"cpu": "14", "memory": "51Gi"},
            {"memory": "51Gi"},
            1,
        ),
        (
            {"instance_type": M5, "sidecars": [container(), container(name="d", vcpu=1, memory_gib=2)]},
            {"cpu": "13", "memory": "49Gi"},
            {"memory": "49Gi"},
            1,
        ),
        (  # exactly one vCPU remains, and a negative amount of memory
            {"instance_type": LARGE, "sidecars": [container(vcpu=0.45, memory_gib=20)]},
            {"cpu": "1", "memory": "0Gi"},
            {"memory": "0Gi"},
            0,
        ),
        # more than pods can use by the estimate, but less than a kubelet can offer
        ({"instance_type": P5, "vcpu": 185, "memory_gib": 1}, {"cpu": "185", "memory": "1Gi"}, {"memory": "1Gi"}, 1),
        (
            {"instance_type": LARGE, "accelerators": 1, "memory_gib": 3},
            {"cpu": "0.82", "memory": "3Gi"},
            {"memory": "3Gi"},
            1,
        ),
        ({"mig_profile": "mig-1g.10gb"}, {"nvidia.com/mig-1g.10gb": 0}, {"nvidia.com/mig-1g.10gb": 0}, None),
        (
            {"instance_type": "ml.p6e-gb200.36xlarge", "nodes": 1, "efa": 4},
            {"cpu": "134", "memory": "878Gi", GPU: 4, EFA_RESOURCE: 4},
            {GPU: 4, EFA_RESOURCE: 4, "memory": "878Gi"},
            1,
        ),
        (
            {"instance_type": "ml.g5.xlarge", "nodes": 1},
            {"cpu": "3", "memory": "11Gi", GPU: 1},
            {GPU: 1, "memory": "11Gi"},
            1,
        ),
        (
            {"instance_type": UNKNOWN, "accelerators": 2, "memory_gib": 3, "efa": 1},
            {"memory": "3Gi", EFA_RESOURCE: 1},
            {EFA_RESOURCE: 1},
            None,
        ),
    ],
    ids=str,
)
def test_a_share(
    fields: dict[str, Any], requests: dict[str, Any], limits: dict[str, Any], per_node: int | None
) -> None:
    training_job = job(**fields)
    found = share(training_job, training_job)
    assert (found.requests, found.limits, found.per_node) == (requests, limits, per_node)
    assert found.resources == {key: part for key, part in (("requests", requests), ("limits", limits)) if part}


def test_types_without_efa_say_nothing_about_it() -> None:
    for fields in ({"instance_type": "ml.g5.xlarge", "nodes": 1}, {"instance_type": LARGE, "vcpu": 1}):
        training_job = job(**fields)
        assert [step.name for step in share(training_job, training_job).steps if step.name == EFA_RESOURCE] == []


def test_what_the_other_containers_request() -> None:
    init = [container(vcpu=4, memory_gib=8), container(name="d", vcpu=0.5, memory_gib=1, restart_always=True)]
    training_job = job(sidecars=[container(vcpu=1.5), container(name="e", memory_gib=2)], init_containers=init)
    assert [float(amount) for amount in other_containers(training_job)] == [2.0, 3.0]
    assert [float(amount) for amount in other_containers(job())] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instance_type": P5, "nodes": 2, "efa_preset": True}, True),
        ({"instance_type": P5, "nodes": 2}, False),
        ({"instance_type": P5, "nodes": 1, "efa_preset": True}, False),
        ({"instance_type": P5, "nodes": 2, "efa_preset": True, "efa": 0}, False),
        ({"instance_type": "ml.g5.xlarge", "nodes": 2, "efa_preset": True}, False),
        ({"instance_type": UNKNOWN, "nodes": 2, "efa_preset": True}, True),
        ({"nodes": 2, "efa_preset": True, "efa": 1}, True),
    ],
    ids=str,
)
def test_the_efa_preset(fields: dict[str, Any], expected: bool) -> None:
    training_job = job(**fields)
    assert uses_efa_preset(training_job, training_job) is expected
    assert job_size(training_job) == fields["nodes"]
    assert share(training_job, training_job).requests.get("hugepages-2Mi") == ("5120Mi" if expected else None)


@pytest.mark.parametrize(
    ("accelerators", "name", "all_"),
    [
        (8, P5, True),
        (9, P5, True),
        (7, P5, False),
        (None, P5, False),
        (1, LARGE, False),
        (1, None, True),
        (None, None, False),
    ],
)
def test_all_accelerators_of_a_node(accelerators: int | None, name: str | None, all_: bool) -> None:
    training_job = job(accelerators=accelerators)
    assert has_all_accelerators(training_job, instance_type(name) if name else None) is all_


def test_a_type_whose_number_of_interfaces_is_unknown_requests_none():
    training_job = job(instance_type="ml.p6e-gb200.36xlarge", nodes=1)
    (step,) = (step for step in share(training_job, training_job).steps if step.name == EFA_RESOURCE)
    assert (step.value, step.how) == (
        "0",
        "ml.p6e-gb200.36xlarge supports EFA, but the number of interfaces is unknown; set `efa`",
    )


@pytest.mark.parametrize(("vcpu", "floor"), [("1.99", "1"), ("1", "1"), ("0.999", "0.99"), ("-1", "0")])
def test_shares_are_rounded_down_to_whole_units_from_one_on(vcpu: str, floor: str):
    assert _floor(Decimal(vcpu)) == Decimal(floor)
