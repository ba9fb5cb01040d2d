"""A config in which most fields have a value, and ways to change it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from rule_configs import BASE, load_text, merged

from hyperpod_constructs.core.findings import Finding

ACCOUNT = "222233334444"
UUID = "12345678-1234-1234-1234-123456789012"
KEY = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/{UUID}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/Mine"
RICH: dict[str, Any] = merged(
    BASE,
    {
        "account": ACCOUNT,
        "permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/Boundary",
        "eks": {
            "admins": [ROLE],
            "access": [{"principal": f"arn:aws:iam::{ACCOUNT}:user/ops"}],
            "secrets_key_arn": KEY,
            "public_access_cidrs": ["203.0.113.0/24"],
        },
        "dependencies": {"image_registry": f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/mirror"},
        "cluster": {
            "execution_role_arn": ROLE,
            "lifecycle_bucket_name": "sagemaker-scripts",
            "autoscaling": {"cluster_role_arn": ROLE, "groups": ["spare"]},
            "counts": "autoscaler",
            "instance_groups": [
                {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
                {
                    "name": "gpu",
                    "instance_type": "ml.p5.48xlarge",
                    "count": 2,
                    "availability_zone_id": "usw2-az1",
                    "execution_role_arn": ROLE,
                    "training_plan_arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:training-plan/mine",
                    "volume": {"size_gib": 500, "kms_key_arn": KEY},
                    "root_volume": {"kms_key_arn": KEY},
                    "scheduled_update": {"schedule": "cron(0 3 ? * SUN *)"},
                    "properties": {},
                },
                {"name": "spare", "instance_type": "ml.g5.48xlarge", "count": 0, "labels": {"team": "a"}},
            ],
            "restricted_instance_groups": [
                {
                    "name": "rig",
                    "instance_type": "ml.p5.48xlarge",
                    "count": 1,
                    "execution_role_arn": ROLE,
                    "training_plan_arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:training-plan/other",
                    "lustre_size_gib": 4800,
                    "lustre_throughput": 250,
                    "input_bucket_arns": ["arn:aws:s3:::inputs"],
                    "output_bucket_arns": ["arn:aws:s3:::outputs"],
                }
            ],
        },
        "addons": {
            "training_operator": {
                "role_arn": ROLE,
                "resources": {"requests": {"memory": "2Gi"}, "limits": {"cpu": "2"}},
            },
            "task_governance": {},
            "fsx_csi": {},
            "inference_operator": {
                "role_arn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerHyperPodInferenceMine",
                "tls_bucket_name": "tls",
                "jumpstart_gated_role_arn": ROLE,
            },
            "mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::data"], "role_arn": ROLE},
            "cert_manager": {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            "coredns": {"autoscaling": {"min_replicas": 2, "max_replicas": 5}},
            "spaces": {
                "web_ui": {
                    "domain": "jupyter.example.com",
                    "certificate_arn": f"arn:aws:acm:us-west-2:{ACCOUNT}:certificate/{UUID}",
                    "signing_key_arn": KEY,
                }
            },
            "observability": {
                "workspace_arn": f"arn:aws:aps:us-west-2:{ACCOUNT}:workspace/ws-{UUID}",
                "kms_key_arn": KEY,
                "grafana": {"kind": "managed", "workspace_id": "g-0123456789", "workspace_name": "mine"},
                "alarms": {"topic_arn": f"arn:aws:sns:us-west-2:{ACCOUNT}:alarms"},
            },
        },
        "governance": {
            "teams": [{"name": "vision", "members": [ROLE], "viewers": [f"arn:aws:iam::{ACCOUNT}:user/ann"]}]
        },
        "storage": {
            "lustre": [{"name": "scratch", "kms_key_arn": KEY, "data_repositories": [{"bucket": "s3://inputs/raw"}]}],
            "buckets": [{"name": "results", "kms_key_arn": KEY, "log_bucket_name": "logs", "namespaces": ["vision"]}],
        },
    },
)


def found_in(config: dict[str, Any]) -> list[Finding]:
    """The findings in a config, which is written as JSON because that is faster than YAML."""
    return load_text(json.dumps(config)).findings


def values_by_path(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a config with its path."""
    if isinstance(data, str):
        yield path, data
    for key, value in data.items() if isinstance(data, dict) else ():
        yield from values_by_path(value, f"{path}.{key}" if path else key)
    for index, value in enumerate(data if isinstance(data, list) else ()):
        yield from values_by_path(value, f"{path}[{index}]")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The rich config with another value at a path; missing keys are created."""
    config: Any = copy.deepcopy(RICH)
    *parents, last = (int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", path))
    current = config
    for part, below in zip(parents, [*parents[1:], last], strict=False):
        current = current[part] if isinstance(part, int) else current.setdefault(part, [] if below == 0 else {})
    if isinstance(last, int) and last == len(current):
        current.append(value)
    else:
        current[last] = value
    return config  # type: ignore[no-any-return]
