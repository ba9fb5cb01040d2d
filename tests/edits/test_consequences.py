"""Edits whose consequence depends on other settings, with their exact messages.

The table of `edit_table.py` has one edit of one base; here both sides are edited first.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from edit_table import BASE, KEY

from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.changes import edits
from hyperpod_constructs.core.chart import pinned_chart
from hyperpod_constructs.core.spec import Eks, Platform

GROUPS = BASE["cluster"]["instance_groups"]
ZONES = BASE["network"]["availability_zone_ids"]
SUBNETS = [
    {"subnet_id": f"subnet-0123456789abcdef{index}", "availability_zone_id": zone, "cidr": f"10.0.{16 * index}.0/20"}
    for index, zone in enumerate(ZONES)
]
VPC = {"vpc_id": "vpc-0123456789abcdef0", "vpc_cidrs": ["10.0.0.0/16"], "node_subnets": SUBNETS}
CONTROL_PLANE = [f"subnet-0fedcba987654321{index}" for index in range(3)]
IN_VPC = {"network": {"existing": VPC | {"control_plane_subnet_ids": CONTROL_PLANE[:2]}}}
IN_EKS = {"eks": {"existing": {"cluster_name": "shared"}}}
LUSTRE = {"name": "theirs", "existing_id": "fs-0123456789abcdef0", "size_gib": 1200, "namespaces": ["vision"]}
SYSTEM = {"name": "data", "size_gib": 2400, "removal": "destroy"}
IN_LAST = {"availability_zone_id": ZONES[2]}
REPOSITORY = {"bucket": "s3://inputs/raw", "path": "/raw"}
RESTRICTED = {"name": "rig", "instance_type": "ml.p5.48xlarge", "count": 2, "availability_zone_id": ZONES[0]}
LATER = {"name": "late", "instance_type": "ml.g5.2xlarge", "count": 1, **IN_LAST}
JOB = BASE["jobs"][0]
USUAL = catalog.addon("coredns").version_for("1.34")
assert USUAL is not None


def platform(edit: dict[str, Any]) -> Platform:
    """The base with other sections, or other fields of them."""
    config = copy.deepcopy(BASE)
    for section, value in edit.items():
        keep = isinstance(value, dict) and not {"existing"} & value.keys() and isinstance(config.get(section), dict)
        config[section] = {**config[section], **value} if keep else value
    return Platform.model_validate(config)


def reported_edits(old: dict[str, Any], new: dict[str, Any]) -> str:
    return "\n".join(str(edit) for edit in edits(platform(old), platform(new))) or "nothing"


def autoscaling(**fields: Any) -> dict[str, Any]:
    return {"cluster": {"autoscaling": {"groups": ["workers"], **fields}, "counts": "autoscaler"}}


def teams(**quota: int) -> dict[str, Any]:
    return {"governance": {"teams": [{"name": "vision", "quota": [{"instance_type": "ml.p5.48xlarge", **quota}]}]}}


PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a control plane that is left alone by API": (
        {"eks": {"authentication_mode": "API_AND_CONFIG_MAP"}},
        {"eks": {"authentication_mode": "API"}},
    ),
    "and back": ({"eks": {"authentication_mode": "API"}}, {"eks": {"authentication_mode": "API_AND_CONFIG_MAP"}}),
    "autoscaling is added": ({}, autoscaling()),
    "autoscaling is removed": (autoscaling(), {}),
    "autoscaling is switched off": (autoscaling(), autoscaling(enabled=False)),
    "autoscaling is switched on": (autoscaling(enabled=False), autoscaling()),
    "another group is scaled": (autoscaling(), autoscaling(groups=["workers", "spare"])),
    "autoscaling has another role": (
        autoscaling(),
        autoscaling(cluster_role_arn="arn:aws:iam::210987654321:role/Karpenter"),
    ),
    "the count of a group that is scaled": (
        autoscaling(),
        {
            "cluster": {
                **autoscaling()["cluster"],
                "instance_groups": [{**group, "count": group["count"] + 1} for group in GROUPS],
            }
        },
    ),
    "a restricted group is added": (
        {},
        {"cluster": {"restricted_instance_groups": [RESTRICTED | {"lustre_size_gib": 1200}]}},
    ),
    "a restricted group is removed": ({"cluster": {"restricted_instance_groups": [RESTRICTED]}}, {}),
    "a restricted group with a file system is removed": (
        {"cluster": {"restricted_instance_groups": [RESTRICTED | {"lustre_size_gib": 1200}]}},
        {},
    ),
    "fewer nodes of a restricted group": (
        {"cluster": {"restricted_instance_groups": [RESTRICTED | {"count": 3}]}},
        {"cluster": {"restricted_instance_groups": [RESTRICTED]}},
    ),
    "data repositories": (
        {"storage": {"lustre": [SYSTEM | {"data_repositories": [REPOSITORY]}]}},
        {"storage": {"lustre": [SYSTEM | {"data_repositories": [REPOSITORY | {"path": "/other"}]}]}},
    ),
    "a bucket without claims is removed": (
        {"storage": {"buckets": [{"name": "models"}]}},
        {"storage": {"buckets": []}},
    ),
    "an existing file system is removed": (
        {"storage": {"lustre": [LUSTRE]}},
        {"storage": {"lustre": []}},
    ),
    "an existing file system is replaced by another": (
        {"storage": {"lustre": [LUSTRE]}},
        {"storage": {"lustre": [LUSTRE | {"existing_id": "fs-0123456789abcdef1"}]}},
    ),
    "an existing file system is described another way": (
        {"storage": {"lustre": [LUSTRE]}},
        {"storage": {"lustre": [LUSTRE | {"efa": True, "deployment_type": "PERSISTENT_2"}]}},
    ),
    "the deployment type and with it the throughput": (
        {"storage": {"lustre": [SYSTEM | {"deployment_type": "SCRATCH_2"}]}},
        {"storage": {"lustre": [SYSTEM | {"deployment_type": "PERSISTENT_2", "throughput": 250}]}},
    ),
    "another key, and the removal policy with it": (
        {"storage": {"lustre": [SYSTEM]}},
        {"storage": {"lustre": [SYSTEM | {"kms_key_arn": KEY, "removal": "retain"}]}},
    ),
    "the version of Lustre that is the default": (
        {"storage": {"lustre": [SYSTEM]}},
        {"storage": {"lustre": [SYSTEM | {"lustre_version": "2.15"}]}},
    ),
    "the version of Kubernetes that is the default": (
        {"eks": {"kubernetes_version": None}},
        {"eks": {"kubernetes_version": Eks().version}},
    ),
    "CIDRs of an existing VPC in another order": (
        {"network": {"existing": VPC | {"vpc_cidrs": ["10.0.0.0/16", "10.1.0.0/16"]}}},
        {"network": {"existing": VPC | {"vpc_cidrs": ["10.1.0.0/16", "10.0.0.0/16"]}}},
    ),
    "a zone with a group is removed": (
        {"cluster": {"instance_groups": [*GROUPS, LATER]}},
        {"network": {"availability_zone_ids": ZONES[:2]}, "cluster": {"instance_groups": [*GROUPS, LATER]}},
    ),
    "a zone with a group and a file system is removed": (
        {"cluster": {"instance_groups": [*GROUPS, LATER]}, "storage": {"lustre": [SYSTEM | IN_LAST]}},
        {
            "network": {"availability_zone_ids": ZONES[:2]},
            "cluster": {"instance_groups": [*GROUPS, LATER]},
            "storage": {"lustre": [SYSTEM | IN_LAST]},
        },
    ),
    "an unused zone is removed": ({}, {"network": {"availability_zone_ids": ZONES[:2]}}),
    "zones of the control plane, with an existing EKS cluster": (
        IN_EKS,
        IN_EKS | {"network": {"control_plane_zone_ids": ZONES[1:]}},
    ),
    "a zone of the control plane is gone": (
        {},
        {"network": {"availability_zone_ids": ZONES[1:], "control_plane_zone_ids": ZONES[1:]}},
    ),
    "subnets of the control plane": (
        IN_VPC,
        {"network": {"existing": {**IN_VPC["network"]["existing"], "control_plane_subnet_ids": CONTROL_PLANE[1:]}}},
    ),
    "a subnet of an existing VPC is added": (
        {"network": {"existing": {**IN_VPC["network"]["existing"], "node_subnets": SUBNETS[:2]}}},
        IN_VPC,
    ),
    "an existing VPC instead of a new one": ({}, IN_VPC),
    "CIDRs that cannot be read": ({}, {"network": {"node_cidrs": ["10.1", "10.2", "10.3"]}}),
    "public subnets have to become smaller": (
        {"network": {"vpc_cidr": "10.192.0.0/22"}},
        {"network": {"vpc_cidr": "10.192.0.0/22", "availability_zone_ids": [*ZONES, "usw2-az4"]}},
    ),
    "governance is added": ({"governance": None}, {}),
    "governance is removed": ({}, {"governance": None}),
    "a quota in another unit": (teams(count=1), teams(accelerators=8)),
    "a quota in one more unit": (teams(accelerators=8), teams(accelerators=8, vcpu=4)),
    "less of a quota": (teams(accelerators=8), teams(accelerators=7)),
    "a job that cannot be compiled": (
        {"jobs": [JOB | {"accelerators": 9}]},
        {"jobs": [JOB | {"accelerators": 10}]},
    ),
    "a job whose default is written out": ({"jobs": [JOB]}, {"jobs": [JOB | {"args": []}]}),
    "the version of an add-on that is the usual one": (
        {},
        {"addons": {"coredns": {"version": USUAL.version}}},
    ),
    "the chart that is pinned anyway": ({}, {"dependencies": {"chart": pinned_chart().model_dump()}}),
}
"""What is edited to the base before, and after."""

TEXTS = Path(__file__).parent / "consequence_texts.txt"


def test_the_text_of_each_edit() -> None:
    """Exact messages, impacts and advice; HYPERPOD_WRITE_DOCS=1 writes them."""
    text = "\n".join(f"--- {title}\n{reported_edits(*pair)}\n" for title, pair in PAIRS.items())
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        TEXTS.write_text(text)
    assert text == TEXTS.read_text()
