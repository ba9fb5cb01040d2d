"""Platforms for pre-flight: one that creates everything, one with existing resources."""

from __future__ import annotations

from typing import Any

from accounts import REGION

from hyperpod_constructs.core.spec import Platform


def new(**changes: Any) -> Platform:
    """Return a platform that creates everything itself."""
    content: dict[str, Any] = {
        "name": "research",
        "region": REGION,
        "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
        "eks": {"kubernetes_version": "1.35"},
        "cluster": {
            "instance_groups": [
                {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
                {"name": "workers", "instance_type": "ml.p5.48xlarge", "count": 4, "availability_zone_id": "usw2-az2"},
            ]
        },
        "addons": {"training_operator": {}},
    }
    return Platform(**{**content, **changes})


def workers(**changes: Any) -> dict[str, Any]:
    """A cluster with the system group and one other group."""
    system = {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}
    group = {"name": "workers", "instance_type": "ml.p5.48xlarge", "count": 4, "availability_zone_id": "usw2-az2"}
    return {"instance_groups": [system, {**group, **changes}]}


def existing_platform(**changes: Any) -> Platform:
    """Return a platform in an existing network and EKS cluster."""
    content: dict[str, Any] = {
        "network": {
            "existing": {
                "vpc_id": "vpc-1",
                "node_subnets": [
                    {"subnet_id": "subnet-a", "availability_zone_id": "usw2-az1"},
                    {"subnet_id": "subnet-b", "availability_zone_id": "usw2-az2"},
                ],
                "security_group_id": "sg-nodes",
            }
        },
        "eks": {"existing": {"cluster_name": "shared"}},
        "addons": {"training_operator": {}, "task_governance": {}},
    }
    return new(**{**content, **changes})
