"""The numbers: whole nodes as the official CLI computes them, shares that fit, and rejected requests."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_oracles import full_node_of_the_official_cli, number
from proving import every

from hyperpod_constructs.core.catalog import EFA_RESOURCE, instance_type, instance_types
from hyperpod_constructs.core.checks.jobs import check_job
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.jobs import Job, share
from hyperpod_constructs.core.jobs.devices import mig_per_node
from hyperpod_constructs.core.jobs.room import offered, usable

OFFICIAL = full_node_of_the_official_cli()
ALL = sorted(instance_types())
ACCELERATED = sorted(name for name, kind in instance_types().items() if kind.is_accelerated)
WITH_MIG = sorted(name for name, kind in instance_types().items() if kind.mig_profiles)


def job(**fields: object) -> Job:
    return Job(**{"name": "train", "image": "registry/train:v1", **fields})


def numbers(**fields: object):
    requested = job(**fields)
    return share(requested, requested)


def rejections(**fields: object) -> list[str]:
    return [f"{finding.rule} {finding.path}: {finding.message}" for finding in errors(check_job(job(**fields)))]


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_a_whole_node_is_what_the_official_cli_computes(name: str):
    assert numbers(instance_type=name, nodes=1).resources == OFFICIAL[name]


def test_the_other_types_follow_the_same_formula():
    others = set(ALL) - set(OFFICIAL)
    assert len(others) == 87
    for name in others:
        kind, requests = instance_type(name), numbers(instance_type=name, nodes=1).requests
        for key, field, capacity in (("cpu", "vcpu", kind.vcpu), ("memory", "memory_gib", kind.memory_gib)):
            exactly = float(usable(field, capacity))
            # rounded down to whole units, or to hundredths on types so small that less than one is left
            assert exactly - 1 < number(requests[key]) <= exactly, (name, key)
            assert number(requests[key]) > 0
        if kind.accelerator:
            assert requests[kind.accelerator.resource] == kind.accelerator.count
        if kind.accelerator and kind.efa_interfaces:
            assert requests[EFA_RESOURCE] == kind.efa_interfaces


@pytest.mark.parametrize(
    ("vcpu", "remaining"), [(1, "0.6"), (2, "1.45"), (3, "2.35"), (4, "3.25"), (8, "7.01"), (192, "179.97")]
)
def test_reserved_vcpu(vcpu: int, remaining: str):
    assert usable("vcpu", vcpu) == Decimal(remaining)


@pytest.mark.parametrize(("gib", "remaining"), [(2, "0.9"), (4, "2.3"), (8, "5.3"), (16, "11.7"), (128, "104.66")])
def test_reserved_memory(gib: int, remaining: str):
    assert usable("memory_gib", gib) == Decimal(remaining)


@given(st.sampled_from(ACCELERATED), st.data())
def test_parts_fit_the_node_as_often_as_its_accelerators_allow(name: str, data: st.DataObject):
    total = instance_type(name).accelerator.count
    requested = data.draw(st.integers(1, total))
    part = numbers(instance_type=name, accelerators=requested)
    assert part.per_node == total // requested
    assert rejections(instance_type=name, accelerators=requested) == []


@given(st.sampled_from(ACCELERATED), st.data())
def test_devices_requested_equal_their_limits(name: str, data: st.DataObject):
    requested = data.draw(st.none() | st.integers(1, instance_type(name).accelerator.count))
    part = numbers(instance_type=name, accelerators=requested, neuron_resource=data.draw(st.sampled_from(NEURON)))
    devices = {key for key in part.requests if "/" in key}
    assert devices
    assert every(part.requests[key] == part.limits[key] for key in devices)


NEURON = ["neurondevice", "neuron", "neuroncore"]


@given(
    st.sampled_from(ALL),
    st.floats(0.01, 300, allow_nan=False).map(lambda x: round(x, 2)),
    st.floats(0.01, 5000, allow_nan=False).map(lambda x: round(x, 2)),
)
def test_stated_values_are_used_or_rejected_never_changed(name: str, vcpu: float, memory: float):
    kind = instance_type(name)
    fits = vcpu <= offered("vcpu", kind) and memory <= offered("memory_gib", kind)
    problems = rejections(instance_type=name, vcpu=vcpu, memory_gib=memory)
    assert bool(problems) != fits
    part = numbers(instance_type=name, vcpu=vcpu, memory_gib=memory)
    assert (number(part.requests["cpu"]), number(part.requests["memory"])) == (vcpu, memory)
    assert part.limits["memory"] == part.requests["memory"]


@given(st.sampled_from(WITH_MIG), st.data())
def test_partitions_fit_the_node_and_no_more(name: str, data: st.DataObject):
    profile = data.draw(st.sampled_from(instance_type(name).mig_profiles))
    maximum = mig_per_node(profile, instance_type(name))
    count = data.draw(st.integers(1, maximum))
    part = numbers(instance_type=name, mig_profile=profile, mig_count=count)
    assert part.requests[f"nvidia.com/{profile}"] == part.limits[f"nvidia.com/{profile}"] == count
    assert "nvidia.com/gpu" not in part.limits
    assert part.per_node >= 1
    assert rejections(instance_type=name, mig_profile=profile, mig_count=count) == []
    (problem,) = rejections(instance_type=name, mig_profile=profile, mig_count=maximum + 1)
    assert f"{maximum + 1} partitions, but a node of {name} has at most {maximum}" in problem


P5 = {"instance_type": "ml.p5.48xlarge"}
G5 = {"instance_type": "ml.g5.8xlarge"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({**P5, "accelerators": 4}, {"cpu": "89", "memory": "945Gi", "nvidia.com/gpu": 4, EFA_RESOURCE: 16}),
        ({**P5, "accelerators": 1, "vcpu": 4, "efa": 0}, {"cpu": "4", "memory": "236Gi", "nvidia.com/gpu": 1}),
        ({**P5, "accelerators": 1, "efa": 3}, {"cpu": "22", "memory": "236Gi", "nvidia.com/gpu": 1, EFA_RESOURCE: 3}),
        ({"instance_type": "ml.g5.48xlarge", "accelerators": 4}, {"cpu": "89", "memory": "349Gi", "nvidia.com/gpu": 4}),
        ({"instance_type": "ml.c5.4xlarge", "vcpu": 4}, {"cpu": "4", "memory": "6Gi"}),
        ({"instance_type": "ml.m5.12xlarge", "memory_gib": 32}, {"cpu": "8", "memory": "32Gi"}),
        ({**P5, "nodes": 1, "efa": 0}, {"cpu": "179", "memory": "1890Gi", "nvidia.com/gpu": 8}),
        ({"vcpu": 0.5, "memory_gib": 1.5}, {"cpu": "0.5", "memory": "1.5Gi"}),
        ({}, {}),
    ],
)
def test_examples(fields: dict, expected: dict):
    assert numbers(**fields).requests == expected


@pytest.mark.parametrize(
    ("resource", "name", "count"),
    [
        ("neurondevice", "aws.amazon.com/neurondevice", 2),
        ("neuron", "aws.amazon.com/neuron", 2),
        ("neuroncore", "aws.amazon.com/neuroncore", 4),
    ],
)
def test_neuron_jobs_select_the_resource_name_and_report_it(resource: str, name: str, count: int):
    requested = job(instance_type="ml.trn1.32xlarge", accelerators=2, neuron_resource=resource)
    assert share(requested, requested).requests[name] == count
    assert f"requests {name}" in [finding.message for finding in check_job(requested)]


def test_sidecars_are_subtracted_from_the_nodes_share():
    sidecar = {"name": "logs", "image": "registry/logs:v1", "vcpu": 2, "memory_gib": 4}
    part = numbers(**P5, nodes=2, sidecars=[sidecar])
    assert (part.requests["cpu"], part.requests["memory"]) == ("177", "1886Gi")
    assert part.per_node == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({**P5, "accelerators": 9}, "HP713 accelerators: 9 accelerators, but ml.p5.48xlarge has 8 x NVIDIA H100"),
        (
            {"instance_type": "ml.m5.large", "accelerators": 1},
            "HP713 accelerators: 1 accelerator, but ml.m5.large has none",
        ),
        (
            {**P5, "vcpu": 300},
            "HP714 vcpu: 300 vCPU, but ml.p5.48xlarge has 192 vCPU, of which at most 191.45 are allocatable",
        ),
        (
            {**P5, "memory_gib": 4000},
            "HP714 memory_gib: 4000 GiB, but ml.p5.48xlarge has 2048 GiB, of which at most 2047.13 are allocatable",
        ),
        (
            {**G5, "nodes": 1, "vcpu_limit": 8},
            "HP715 vcpu_limit: 8 is less than the request of 29 (a whole node's share)",
        ),
        (
            {**G5, "nodes": 1, "memory_limit_gib": 9000},
            "HP714 memory_limit_gib: 9000 GiB exceeds the 128 GiB of ml.g5.8xlarge",
        ),
        (
            {**P5, "nodes": 2, "accelerators": 4},
            "HP712 accelerators: 4 requests a part of a node, but nodes: 2 requests whole nodes",
        ),
        ({**P5, "mig_profile": "mig-1g.10gb"}, "HP716 mig_profile: requires mig_count"),
        ({**P5, "efa": 33}, "HP717 efa: 33 EFA interfaces, but ml.p5.48xlarge has 32"),
        (
            {"instance_type": "ml.g5.xlarge", "efa": 1},
            "HP717 efa: 1 EFA interface, but ml.g5.xlarge does not support EFA",
        ),
        (
            {**G5, "nodes": 1, "shared_memory_gib": 200},
            "HP718 shared_memory_gib: 200 GiB exceeds the memory limit of 104 GiB",
        ),
        ({"instance_type": "ml.p5.48xlage"}, "HP710 instance_type: unknown instance type 'ml.p5.48xlage'"),
    ],
)
def test_rejections_have_the_numbers(fields: dict, problem: str):
    assert rejections(**fields) == [problem]


def test_a_wrong_mig_profile_is_rejected_with_the_right_ones():
    (finding,) = errors(check_job(job(**P5, mig_profile="mig-1g.5gb", mig_count=1)))
    assert (finding.rule, finding.message) == ("HP716", "ml.p5.48xlarge does not support 'mig-1g.5gb'")
    assert "mig-1g.10gb" in finding.cure


@pytest.mark.parametrize("field", ["nodes", "replicas", "accelerators", "vcpu", "memory_gib", "mig_count"])
@pytest.mark.parametrize("value", [0, -1])
def test_zero_and_negative_counts_are_rejected(field: str, value: int):
    with pytest.raises(ValueError, match=field):
        job(**P5, **{field: value})


P5_HAS = "ml.p5.48xlarge has"
P5_CPU = f"{P5_HAS} 192 vCPU, 12.03 reserved, 179.97 for pods"
P5_MEMORY = f"{P5_HAS} 2048 GiB, 157.74 reserved, 1890.26 for pods"
STATED = "as specified; limit equal"


@pytest.mark.parametrize(
    ("fields", "per_node", "steps"),
    [
        (
            {**P5, "accelerators": 4},
            2,
            {
                "cpu": ("89", f"{P5_CPU}; 4 of 8 accelerators: 0.5 x 179.97 = 89.985; rounded down"),
                "memory": ("945Gi", f"{P5_MEMORY}; 4 of 8 accelerators: 0.5 x 1890.26 = 945.13; rounded down"),
                "nvidia.com/gpu": ("4", STATED),
                EFA_RESOURCE: ("16", "4 of 8 accelerators: 0.5 x 32, rounded down; limit equal"),
            },
        ),
        # few vCPU and little memory: the accelerators, the EFA interfaces and the partitions decide how many fit
        (
            {**P5, "accelerators": 4, "vcpu": 1, "memory_gib": 1, "efa": 0},
            2,
            {
                "nvidia.com/gpu": ("4", STATED),
                EFA_RESOURCE: ("0", "disabled"),
                "cpu": ("1", "as specified"),
                "memory": ("1Gi", "as specified"),
            },
        ),
        (
            {**P5, "accelerators": 1, "vcpu": 1, "memory_gib": 1, "efa": 16},
            2,
            {
                "nvidia.com/gpu": ("1", STATED),
                EFA_RESOURCE: ("16", STATED),
                "cpu": ("1", "as specified"),
                "memory": ("1Gi", "as specified"),
            },
        ),
        (
            {**P5, "mig_profile": "mig-1g.10gb", "mig_count": 4, "vcpu": 1, "memory_gib": 1},
            14,
            {
                "nvidia.com/mig-1g.10gb": ("4", f"{STATED}; 0.571 GPUs"),
                EFA_RESOURCE: ("0", "not requested by default without whole accelerators; set `efa` to request interfaces"),
                "cpu": ("1", "as specified"),
                "memory": ("1Gi", "as specified"),
            },
        ),
        (
            {**P5, "nodes": 2, "efa_preset": True, "sidecars": [{"name": "l", "image": "b", "vcpu": 2}]},
            1,
            {
                "cpu": ("177", f"{P5_CPU}; minus 2 for the other containers; rounded down"),
                "memory": ("1890Gi", f"{P5_MEMORY}; rounded down"),
                "nvidia.com/gpu": ("8", "whole node: 8 x NVIDIA H100; limit equal"),
                EFA_RESOURCE: ("32", "whole node: all 32; limit equal"),
                "hugepages-2Mi": ("5120Mi", "EFA preset"),
            },
        ),
        (
            {"instance_type": "ml.m5.12xlarge", "memory_gib": 32, "ephemeral_storage_gib": 10, "hugepages_2mi_mib": 64},
            5,
            {
                "cpu": (
                    "8",
                    (
        "ml.m5.12xlarge has 48 vCPU, 3.39 reserved, 44.61 for pods; share of the specified "
        "memory: 0.1949 x 44.61 = 8.695; rounded down"
),
                ),
                "memory": ("32Gi", "as specified"),
                "ephemeral-storage": ("10Gi", "as specified"),
                "hugepages-2Mi": ("64Mi", "as specified"),
            },
        ),
        (
            {"instance_type": "ml.c5.4xlarge", "vcpu": 4},
            3,
            {
                "memory": (
                    "6Gi",
                    (
        "ml.c5.4xlarge has 32 GiB, 7.02 reserved, 24.98 for pods; share of the specified vCPU: "
        "0.2753 x 24.98 = 6.877; rounded down"
),
                ),
                "cpu": ("4", "as specified"),
            },
        ),
        (
            {"instance_type": "ml.trn1.32xlarge", "accelerators": 2, "neuron_resource": "neuroncore", "vcpu": 1,
             "memory_gib": 1, "efa": 0},
            8,
            {
                "aws.amazon.com/neuroncore": ("4", "as specified; 2 cores each; limit equal"),
                EFA_RESOURCE: ("0", "disabled"),
                "cpu": ("1", "as specified"),
                "memory": ("1Gi", "as specified"),
            },
        ),
        (
            {"instance_type": "ml.p6e-gb200.36xlarge", "nodes": 1},
            1,
            {
                "cpu": (
                    "134",
                    "ml.p6e-gb200.36xlarge has 144 vCPU, 9.15 reserved, 134.85 for pods; rounded down",
                ),
                "memory": (
                    "878Gi",
                    "ml.p6e-gb200.36xlarge has 960 GiB, 81.58 reserved, 878.42 for pods; rounded down",
                ),
                "nvidia.com/gpu": ("4", "whole node: 4 x NVIDIA GB200; limit equal"),
                EFA_RESOURCE: (
                    "0",
                    "ml.p6e-gb200.36xlarge supports EFA, but the number of interfaces is unknown; set `efa`",
                ),
            },
        ),
        (
            {"accelerators": 2, "efa": 1, "vcpu": 2},
            None,
            {"nvidia.com/gpu": ("2", STATED), EFA_RESOURCE: ("1", STATED), "cpu": ("2", "as specified")},
        ),
        (
            {"mig_profile": "mig-1g.10gb", "mig_count": 2},
            None,
            {"nvidia.com/mig-1g.10gb": ("2", STATED)},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_each_number_has_its_derivation(fields: dict, per_node: int | None, steps: dict[str, tuple[str, str]]) -> None:
    part = numbers(**fields)
    assert [(step.name, step.value, step.how) for step in part.steps] == [
        (name, value, how) for name, (value, how) in steps.items()
    ]
    assert part.per_node == per_node


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        (
            {**P5, "accelerators": 8, "memory_gib": 100, "efa": 0},
            {"nvidia.com/gpu": 8},
        ),  # the only pod on the node
        ({**P5, "accelerators": 7, "memory_gib": 100, "efa": 0}, {"nvidia.com/gpu": 7, "memory": "100Gi"}),
        ({**P5, "accelerators": 7, "memory_limit_gib": 300, "efa": 0}, {"nvidia.com/gpu": 7, "memory": "300Gi"}),
        (
            {"vcpu": 1, "vcpu_limit": 2, "memory_gib": 3, "ephemeral_storage_limit_gib": 20},
            {"memory": "3Gi", "ephemeral-storage": "20Gi", "cpu": "2"},
        ),
        ({"accelerators": 8, "memory_gib": 3}, {"nvidia.com/gpu": 8}),  # could be all accelerators of an unknown type
    ],
    ids=str,
)
def test_limits(fields: dict, limits: dict) -> None:
    assert numbers(**fields).limits == limits


def test_the_efa_preset_is_for_several_nodes_with_efa() -> None:
    def pages(**fields: object) -> object:
        return numbers(efa_preset=True, **fields).limits.get("hugepages-2Mi")

    assert pages(**P5, nodes=2) == "5120Mi"
    assert pages(**P5, nodes=1) is None
    assert pages(**P5, nodes=2, efa=0) is None
    assert pages(instance_type="ml.g5.2xlarge", nodes=2) is None
    assert pages(**P5, nodes=2, hugepages_2mi_mib=64) == "64Mi"
