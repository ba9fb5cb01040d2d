"""The options of the matrix: what each value adds to a config."""

from __future__ import annotations

from typing import Any

from pairwise import Row

KEY = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"
LUSTRE = {"dns_name": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com", "mount_name": "abcdefgh"}
ZFS = {"dns_name": "fs-0123456789abcdef1.fsx.us-west-2.amazonaws.com", "mount_path": "/zfs"}
ZONES = ["usw2-az1", "usw2-az2"]
EXISTING = {
    "vpc_id": "vpc-0123456789abcdef0",
    "vpc_cidrs": ["10.20.0.0/16"],
    "node_subnets": [
        {
            "subnet_id": f"subnet-0123456789abcdef{i}",
            "availability_zone_id": zone,
            "route_table_id": f"rtb-0123456789abcdef{i}",
        }
        for i, zone in enumerate(ZONES)
    ],
}
REGISTRY = "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"
CHART = {
    "reference": "oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod",
    "version": "0.1.0",
    "digest": "sha256:" + "ab" * 32,
}
KUEUE_INSIDE = {
    "chart": {**CHART, "reference": "oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/kueue"},
    "values": {"controllerManager": {"manager": {"image": {"repository": f"{REGISTRY}/kueue/kueue"}}}},
}
DEPLOYMENT = {"maximum_batch_size": {"count": 1}, "rollback_batch_size": {"percent": 50}, "wait_seconds": 300}

TEAM = {
    "name": "vision",
    "quota": [{"instance_type": "ml.m5.4xlarge", "count": 1}],
    "members": ["arn:aws:iam::111122223333:role/Vision"],
}
STORAGE = {
    "buckets": [{"name": "datasets"}],
    "lustre": [{"name": "data", "size_gib": 4800, "throughput": 500, "namespaces": ["vision"]}],
}

FACTORS: dict[str, list[str]] = {
    "place": ["open", "per-zone", "closed", "existing-network", "existing-both"],
    "endpoint": ["public", "private"],
    "roles": ["shared", "per-group", "brought"],
    "lifecycle": ["on_create", "bootstrap", "extension"],
    "capacity": ["on-demand", "request", "spot-flexible", "karpenter", "training-plan"],
    "accelerators": ["gpu", "trainium", "cpu"],
    "volumes": ["second", "encrypted", "mounts", "none"],
    "updates": ["none", "scheduled", "auto-patch", "pinned"],
    "restricted": ["none", "own", "shared"],
    "extras": ["none", "all"],
    "addons": ["training", "inference", "open-source", "core"],
    "shared": ["no", "yes"],
}


def allowed(row: Row) -> bool:
    """Whether AWS supports these options together."""
    has = set(row.items())

    def both(first: tuple[str, str], second: tuple[str, str]) -> bool:
        return first in has and second in has

    return not (
        both(("capacity", "request"), ("volumes", "encrypted"))  # customer managed keys require Continuous
        or both(("capacity", "karpenter"), ("accelerators", "cpu"))  # nothing distinguishes it from the system group
        or both(("capacity", "training-plan"), ("accelerators", "cpu"))  # plans reserve accelerators
        or both(("capacity", "spot-flexible"), ("accelerators", "cpu"))
        or both(
            ("shared", "yes"), ("addons", "open-source")
        )  # quotas require task governance, which installs its own Kueue
    )


def config(row: Row) -> dict[str, Any]:
    """The config of a row."""
    workers = _workers(row)
    groups = [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 3}, workers]
    cluster: dict[str, Any] = {"instance_groups": groups, "lifecycle": {"mode": row["lifecycle"]}}
    if row["capacity"] == "request":
        cluster["provisioning"] = "Request"
    if row["capacity"] == "karpenter":
        cluster |= {"autoscaling": {}, "counts": "autoscaler"}
    if row["roles"] == "per-group":
        cluster["execution_roles"] = "per-group"
    if row["roles"] == "brought":
        cluster["execution_role_arn"] = "arn:aws:iam::111122223333:role/Nodes"
    if row["extras"] == "all":
        workers |= {"labels": {"team": "a"}, "threads_per_core": 1}
        if row["capacity"] != "training-plan" and row["accelerators"] != "cpu":
            workers["taints"] = [{"key": "team", "value": "a", "effect": "NoSchedule"}]
        cluster |= {"tiered_storage": {"memory_percent": 20}, "tags": {"team": "a"}}
    if row["restricted"] != "none":
        cluster["restricted_instance_groups"] = [_restricted(row)]
    if row["restricted"] == "shared":
        cluster["shared_environment"] = {"lustre_size_gib": 1200, "lustre_throughput": 125}
    platform = {"name": "matrix", "region": "us-west-2", "cluster": cluster, **_place(row), "addons": _addons(row)}
    if row["shared"] == "yes":
        platform |= {"storage": STORAGE, "governance": {"teams": [TEAM]}}
    if row["place"] == "closed":
        platform["dependencies"] = {"chart": CHART, "image_registry": REGISTRY}
    return platform


def _place(row: Row) -> dict[str, Any]:
    network: dict[str, Any] = {"availability_zone_ids": ZONES}
    eks: dict[str, Any] = {"kubernetes_version": "1.35", "admins": ["arn:aws:iam::111122223333:role/Admin"]}
    if row["endpoint"] == "private":
        eks["endpoint_access"] = "private"
    if row["place"] == "per-zone":
        network |= {"nat": "per-zone", "flow_logs": True, "interface_endpoints": ["ecr.api"]}
        eks |= {"secrets_key_arn": KEY, "deletion_protection": True, "support": "EXTENDED"}
    if row["place"] == "closed":
        network["mode"] = "closed"
    if row["place"].startswith("existing"):
        network["existing"] = EXISTING | ({"security_group_id": "sg-0123456789abcdef0"} if _is_both(row) else {})
        network["interface_endpoints"] = ["s3", "sts"]
    if _is_both(row):
        oidc = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"
        existing = {"cluster_name": "mine", "oidc_provider_arn": oidc, "security_group_id": "sg-0123456789abcdef1"}
        eks = {"existing": existing, "kubernetes_version": "1.35"}
        if row["endpoint"] == "private":
            eks["endpoint_access"] = "private"
    return {"network": network, "eks": eks}


def _is_both(row: Row) -> bool:
    return row["place"] == "existing-both"


def _workers(row: Row) -> dict[str, Any]:
    types = {
        "gpu": ["ml.p5.48xlarge", "ml.p5en.48xlarge"],
        "trainium": ["ml.trn1.32xlarge", "ml.trn2.48xlarge"],
        "cpu": ["ml.c5.9xlarge"],
    }[row["accelerators"]]
    group: dict[str, Any] = {"name": "workers", "count": 2, "availability_zone_id": ZONES[0]}
    if row["capacity"] == "spot-flexible":
        group |= {"instance_types": types, "capacity": "spot", "min_count": 1}
    else:
        group["instance_type"] = types[0]
    if row["capacity"] == "karpenter":
        group |= {"count": 0, "max_count": 4}
    if row["capacity"] == "training-plan":
        group["training_plan_arn"] = "arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine"
    if row["capacity"] == "on-demand" and row["accelerators"] != "cpu" and row["extras"] == "none":
        group |= {"deep_health_checks": ["InstanceStress", "InstanceConnectivity"], "capacity": "on-demand"}
    if row["accelerators"] == "gpu" and row["extras"] == "all":
        group["network_interface"] = "efa-only"
    return group | _volumes(row) | _updates(row)


def _volumes(row: Row) -> dict[str, Any]:
    return {
        "none": {},
        "second": {"volume": {"size_gib": 500}},
        "encrypted": {"root_volume": {"kms_key_arn": KEY}, "volume": {"size_gib": 500, "kms_key_arn": KEY}},
        "mounts": {"lustre": LUSTRE, "open_zfs": ZFS},
    }[row["volumes"]]


def _updates(row: Row) -> dict[str, Any]:
    return {
        "none": {},
        "scheduled": {
            "scheduled_update": {
                "schedule": "cron(0 3 ? * SUN *)",
                "deployment": {**DEPLOYMENT, "alarms": ["unhealthy"]},
            }
        },
        "auto-patch": {"auto_patch": {"strategy": "WhenAllIdle", "deployment": DEPLOYMENT}},
        "pinned": {"image_id": "ami-0123456789abcdef0"}
        if row["extras"] == "all"
        else {"image_release_version": "1.2.3"},
    }[row["updates"]]


def _restricted(row: Row) -> dict[str, Any]:
    group: dict[str, Any] = {
        "name": "restricted",
        "instance_type": "ml.p5.48xlarge",
        "count": 2,
        "availability_zone_id": ZONES[1],
        "volume": {"size_gib": 500},
        "input_bucket_arns": ["arn:aws:s3:::data-in"],
        "output_bucket_arns": ["arn:aws:s3:::data-out"],
        "reward_functions": True,
    }
    if row["restricted"] == "own":
        group |= {"lustre_size_gib": 1200, "lustre_throughput": 125}
    return group


def _addons(row: Row) -> dict[str, Any]:
    shared: dict[str, Any] = {}
    if row["shared"] == "yes":
        shared = {
            "task_governance": {},
            "observability": {
                "logs": True,
                "alarms": {"emails": ["oncall@example.com"]},
                "grafana": {"kind": "managed"},
            },
            "fsx_csi": {},
        }
    return (
        shared
        | {
            "core": {},
            "training": {"training_operator": {}, "task_governance": {}, "metrics_server": {}},
            "inference": {
                "inference_operator": {},
                "spaces": {},
                "mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::data-in"]},
            },
            "open-source": {
                "kueue": KUEUE_INSIDE if row["place"] == "closed" else {},
                "cloudwatch_observability": {},
                "ebs_csi": {},
            },
        }[row["addons"]]
    )
