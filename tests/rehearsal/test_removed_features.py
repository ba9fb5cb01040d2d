"""Removal of a feature that a later stack uses: the edit can be deployed, although exports of earlier stacks were in use."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from rehearsal_platforms import Platforms

from hyperpod_constructs.assembly.rehearsal import Rehearsal
from hyperpod_constructs.core.findings import errors

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::111122223333:role/"
JOB = {
    "name": "hello",
    "image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/train:v1",
    "instance_type": "ml.g5.2xlarge",
    "nodes": 1,
    "command": ["python", "train.py"],
}
AFTER: dict[str, Any] = {
    "name": "plain",
    "region": "us-west-2",
    "account": "111122223333",
    "defaults": 2,
    "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
    "eks": {"admins": [f"{ROLE}Admin"]},
    "cluster": {
        "instance_groups": [
            {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
            {"name": "gpu", "instance_type": "ml.g5.2xlarge", "count": 2},
        ]
    },
    "addons": {"training_operator": {}},
}
QUOTA = {"quota": [{"instance_type": "ml.g5.2xlarge", "count": 1}]}
FEATURES: dict[str, dict[str, Any]] = {
    "the last job": {"jobs": [JOB]},
    "a bucket with claims, and its driver": {
        "addons": {"mountpoint_s3_csi": {}},
        "storage": {"buckets": [{"name": "data", "namespaces": ["default"]}]},
    },
    "a file system of a team, and the team": {
        "addons": {"task_governance": {}, "fsx_csi": {}},
        "governance": {"teams": [{"name": "vision", "members": [f"{ROLE}Vision"], **QUOTA}]},
        "storage": {"lustre": [{"name": "data", "size_gib": 1200, "namespaces": ["hyperpod-ns-vision"]}]},
    },
    "an add-on with the OIDC provider": {"addons": {"mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::some-data"]}}},
    "inference with its load balancer": {"addons": {"inference_operator": {}}},
    "a zone that no group is in": {"network": {"availability_zone_ids": ["usw2-az1", "usw2-az2", "usw2-az3"]}},
}


def with_feature(feature: dict[str, Any]) -> dict[str, Any]:
    content = copy.deepcopy(AFTER)
    for part, value in feature.items():
        content[part] = {**content[part], **value} if isinstance(content.get(part), dict) else value
    return content


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_removed(feature: str, platforms: Platforms):
    rehearsal = Rehearsal()
    for content in (with_feature(FEATURES[feature]), AFTER):
        outcomes = rehearsal.deploy(platforms.of(content))
        assert [outcome for outcome in outcomes if not outcome.ok] == []
        rehearsal.settle()
    assert [str(finding) for finding in errors(rehearsal.findings)] == []
    assert [item for item in rehearsal.left() if item.why == "left behind"] == []
