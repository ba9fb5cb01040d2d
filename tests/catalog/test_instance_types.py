"""Instance types: the numbers, and the error of a look-up with an unknown name."""

import pytest
from proving import every

from hyperpod_constructs.core import catalog


def test_all_types_of_the_api_are_there() -> None:
    assert len(catalog.instance_types()) == 209
    kinds = [
        instance_type.accelerator.kind
        for instance_type in catalog.instance_types().values()
        if instance_type.accelerator
    ]
    assert (kinds.count("gpu"), kinds.count("neuron")) == (53, 4)


# name, vCPU, GiB, accelerator, EFA, cards, IPv4 per interface, pods, IPs per node, NVMe GB, MIG
ROWS = [
    ("ml.g4dn.12xlarge", 48, 192, "4 NVIDIA T4", 1, 1, 30, 29, 30, 900, False),
    ("ml.g5.xlarge", 4, 16, "1 NVIDIA A10G", 0, 1, 15, 14, 15, 250, False),
    ("ml.g6e.48xlarge", 192, 1536, "8 NVIDIA L40S", 4, 4, 50, 49, 53, 7600, False),
    ("ml.g7.48xlarge", 192, 768, "8 NVIDIA RTX PRO 4500", 2, 2, 64, 63, 65, 7600, False),
    ("ml.g7e.48xlarge", 192, 2048, "8 NVIDIA RTX PRO Server 6000", 4, 4, 64, 49, 67, 15200, False),
    ("ml.p4d.24xlarge", 96, 1152, "8 NVIDIA A100", 4, 4, 50, 49, 53, 8000, True),
    ("ml.p5.4xlarge", 16, 256, "1 NVIDIA H100", 1, 1, 30, 29, 30, 3800, False),
    ("ml.p5.48xlarge", 192, 2048, "8 NVIDIA H100", 32, 32, 50, 49, 81, 30400, True),
    ("ml.p5en.48xlarge", 192, 2048, "8 NVIDIA H200", 16, 16, 50, 49, 65, 30400, True),
    ("ml.p6-b200.48xlarge", 192, 2048, "8 NVIDIA B200", 8, 8, 50, 49, 57, 30400, True),
    ("ml.p6-b300.48xlarge", 192, 4096, "8 NVIDIA B300", 16, 17, 50, 49, 66, 30400, True),
    ("ml.p6e-gb200.36xlarge", 144, 960, "4 NVIDIA GB200", None, 17, None, None, None, None, True),
    ("ml.trn1.32xlarge", 128, 512, "16 AWS Trainium", 8, 8, 50, 49, 57, 7600, False),
    ("ml.trn1n.32xlarge", 128, 512, "16 AWS Trainium", 16, 16, 50, 49, 65, 7600, False),
    ("ml.trn2.48xlarge", 192, 2048, "16 AWS Trainium2", 16, 16, 50, 49, 65, 7600, False),
    ("ml.c5n.18xlarge", 72, 192, None, 1, 1, 50, 49, 50, 0, False),
    ("ml.c5n.large", 2, 5.25, None, 0, 1, 10, 9, 10, 0, False),
    ("ml.m5.4xlarge", 16, 64, None, 0, 1, 30, 29, 30, 0, False),
    ("ml.i3en.24xlarge", 96, 768, None, 1, 1, 50, 49, 50, 60000, False),
    ("ml.c8a.16xlarge", 64, 128, None, 0, 1, 64, 63, 64, 0, False),
    ("ml.t3.medium", 2, 4, None, 0, 1, 6, 5, 6, 0, False),
    ("ml.m7g.medium", 1, 4, None, 0, 1, 4, 3, 4, 0, False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_numbers(row: tuple[object, ...]) -> None:
    kind = catalog.instance_type(str(row[0]))
    accelerator = f"{kind.accelerator.count} {kind.accelerator.model}" if kind.accelerator else None
    assert (
        *(
            kind.name,
            kind.vcpu,
            kind.memory_gib,
            accelerator,
            kind.efa_interfaces,
            kind.network_cards,
            kind.ipv4_per_interface,
        ),
        *(kind.max_pods, kind.ips_per_node, kind.nvme_gb, bool(kind.mig_profiles)),
    ) == row


def test_documented_pod_counts_are_certain_and_inferred_ones_are_not() -> None:
    certain = {name for name, instance_type in catalog.instance_types().items() if instance_type.max_pods_certain}
    assert {"ml.p5.48xlarge", "ml.m5.large", "ml.trn1.32xlarge"} <= certain
    assert not {"ml.p5en.48xlarge", "ml.g7e.2xlarge", "ml.m7i.large", "ml.p6e-gb200.36xlarge"} & certain


def test_one_interface_serves_the_pods_of_every_documented_type() -> None:
    for instance_type in catalog.instance_types().values():
        if instance_type.max_pods_certain:
            assert instance_type.ipv4_per_interface is not None
            assert instance_type.max_pods == instance_type.ipv4_per_interface - 1, instance_type.name


def test_resources_that_jobs_request() -> None:
    gpu, neuron = (catalog.instance_type(name).accelerator for name in ("ml.p5.48xlarge", "ml.trn2.48xlarge"))
    assert gpu is not None
    assert neuron is not None
    assert (gpu.resource, gpu.neuron_cores) == ("nvidia.com/gpu", None)
    assert (neuron.resource, neuron.count, neuron.neuron_cores) == ("aws.amazon.com/neurondevice", 16, 128)


def test_kinds_of_types() -> None:
    p5, trn, c5n, m5, gb200 = (
        catalog.instance_type(f"ml.{name}")
        for name in ("p5.48xlarge", "trn1.32xlarge", "c5n.18xlarge", "m5.large", "p6e-gb200.36xlarge")
    )
    assert (p5.is_gpu, p5.is_neuron, p5.is_accelerated, p5.deep_health_checks) == (True, False, True, True)
    assert (trn.is_gpu, trn.is_neuron, trn.deep_health_checks) == (False, True, True)
    assert (c5n.is_accelerated, c5n.supports_efa, c5n.deep_health_checks) == (False, True, False)
    assert not m5.supports_efa
    assert gb200.supports_efa, "it supports EFA, although no source states the number of interfaces"


def test_arm_types_have_one_thread_per_core() -> None:
    arm = [
        instance_type for instance_type in catalog.instance_types().values() if instance_type.architecture == "arm64"
    ]
    assert {item.family for item in arm} == {"c6g", "c7g", "c8g", "m6g", "m7g", "m8g", "p6e-gb200"}
    assert {item.threads_per_core for item in arm} == {(1,)}


def test_mig_profiles_are_in_the_api_but_for_those_marked() -> None:
    api = set(catalog.mig_profiles_in_api())
    assert len(api) == 28
    for instance_type in catalog.instance_types().values():
        assert set(instance_type.mig_profiles) <= api or "mig_profiles" in instance_type.uncertain, instance_type.name
    assert not set(catalog.instance_type("ml.p6-b300.48xlarge").mig_profiles) & api


def test_where_a_type_is_offered() -> None:
    b300 = catalog.instance_type("ml.p6-b300.48xlarge")
    assert b300.regions == ("ap-south-2", "ap-southeast-3", "us-east-1", "us-west-2")
    assert (b300.offered_in("us-west-2"), b300.offered_in("us-east-2")) == (True, False)
    assert catalog.instance_type("ml.p5e.48xlarge").offered_in("us-east-2") is None, "in no list: unknown"


def test_types_are_priced_only_where_hyperpod_is() -> None:
    assert every(
        catalog.region(name).hyperpod
        for instance_type in catalog.instance_types().values()
        for name in instance_type.regions
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ml.p5.48xlage", "unknown instance type 'ml.p5.48xlage'; did you mean 'ml.p5.48xlarge'?"),
        (
            "p5.48xlarge",
            "unknown instance type 'p5.48xlarge': HyperPod's names start with 'ml.'; did you mean 'ml.p5.48xlarge'?",
        ),
        ("ML.P5.48XLARGE", "unknown instance type 'ML.P5.48XLARGE'; did you mean 'ml.p5.48xlarge'?"),
        ("ml.p5.48xl", "unknown instance type 'ml.p5.48xl'; did you mean 'ml.p5.48xlarge'?"),
        ("bicycle", "unknown instance type 'bicycle'"),
        ("", "unknown instance type ''"),
        (
            "ml.trn2u.48xlarge",
            "unknown instance type 'ml.trn2u.48xlarge': HyperPod does not offer Trainium2 UltraServers",
        ),
        (
            "trn1.2xlarge",
            "unknown instance type 'trn1.2xlarge': it is not in the API's list of HyperPod instance types, "
            "although a price list includes it",
        ),
    ],
)
def test_near_misses(name: str, message: str) -> None:
    assert catalog.find_instance_type(name) is None
    with pytest.raises(catalog.UnknownName) as error:
        catalog.instance_type(name)
    assert str(error.value) == message
    assert isinstance(error.value, LookupError)


def test_types_that_only_other_sources_list_are_rejected_with_the_reason() -> None:
    for name in (
        "ml.inf2.xlarge",
        "inf2.48xlarge",
        "ml.trn1.2xlarge",
        "ml.trn2u.48xlarge",
        "ml.p3.16xlarge",
        "ml.p3dn.24xlarge",
    ):
        assert catalog.refusal(name), name
    assert [name for name in catalog.instance_types() if catalog.refusal(name)] == []
