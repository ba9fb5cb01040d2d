"""An unreadable value is one finding: values that it would have contained are not reported as missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from sweep import sample

from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.documents import join, within
from hyperpod_constructs.core.findings import Finding, Severity

EXISTING = """
name: research
region: us-west-2
defaults: 2
network:
  existing:
    vpc_id: vpc-0123456789abcdef0
    vpc_cidrs: [10.0.0.0/16]
    security_group_id: sg-0123456789abcdef0
    node_subnets:
      - {subnet_id: subnet-0123456789abcdef0, availability_zone_id: usw2-az1, cidr: 10.0.0.0/18}
      - {subnet_id: subnet-0123456789abcdef1, availability_zone_id: usw2-az2}
eks:
  existing: {cluster_name: mine, oidc_provider_arn: "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/A"}
cluster:
  counts: autoscaler
  autoscaling: {groups: [spare]}
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - name: workers
      instance_type: ml.p5.48xlarge
      count: 2
      subnet_ids: [subnet-0123456789abcdef0]
      security_group_ids: [sg-0123456789abcdef0]
    - {name: spare, instance_type: ml.g5.8xlarge, count: 0, max_count: 2, availability_zone_id: usw2-az2}
addons:
  training_operator: {}
  task_governance: {}
  fsx_csi: {}
  mountpoint_s3_csi: {}
  observability: {grafana: {kind: managed, workspace_id: g-0123456789}}
governance:
  scheduler: {priority_classes: [{name: high, weight: 9}]}
  teams:
    - name: vision
      priority: high
      quota: [{instance_type: ml.p5.48xlarge, count: 1}]
      members: ["arn:aws:iam::111122223333:role/Vision"]
storage:
  lustre:
    - {name: data, availability_zone_id: usw2-az1, namespaces: [vision], data_repositories: [{bucket: inputs}]}
  buckets: [{name: inputs, namespaces: [vision], used_by: [vision]}]
jobs:
  - name: train
    image: registry/train:v1
    team: vision
    priority: high
    instance_type: ml.p5.48xlarge
    nodes: 1
    command: [torchrun, train.py]
    shared_memory_gib: auto
    volumes: [{name: data, mount_path: /data, fsx: data}]
"""
"""Existing parts, and parts that refer to each other."""
CONFIGS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
} | {"existing": yaml.safe_load(EXISTING)}
SHAPE = ("HP010", "HP011", "HP012", "HP013", "HP014")


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and list entry of a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def with_unreadable(content: Any, place: tuple[str | int, ...]) -> Any:
    """The content with an unreadable value at one path."""
    changed = container = copy.deepcopy(content)
    for key in place[:-1]:
        container = container[key]
    container[place[-1]] = {"unreadable": [1]}
    return changed


def findings_of(content: Any, folder: Path) -> list[Finding]:
    file = folder / "hyperpod.yaml"
    file.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
    return [finding for finding in load(file).findings if finding.severity is not Severity.NOTE]


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_one_unreadable_value_is_one_finding(config: str, tmp_path: Path) -> None:
    content = CONFIGS[config]
    if "name" not in content:
        pytest.skip("a list of values, not a config")
    # the copy lacks files that an example names, and an unreadable `acknowledge` accepts no findings
    before = {finding.rule for finding in findings_of(content, tmp_path)}
    for place in sample(list(paths(content)), 3):
        path = reduce(join, place, "")
        further = [
            str(finding)
            for finding in findings_of(with_unreadable(content, place), tmp_path)
            if finding.rule not in before and not (finding.rule in SHAPE or within(finding.path, path))
        ]
        assert further == [], f"{path} cannot be read"


def test_valid_entries_of_a_list_are_checked_at_their_position(tmp_path: Path) -> None:
    """Groups and jobs before, between and after invalid ones."""
    file = tmp_path / "hyperpod.yaml"
    file.write_text(
        """
name: research
region: us-west-2
defaults: 2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {admins: ["arn:aws:iam::111122223344:role/Admin"], endpoint_access: private}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: two}
    - {name: Bad_Name, instance_type: ml.p5.48xlarge, count: 2}
    - {name: third, instance_type: ml.p5.48xlarge}
    - {name: fourth, instance_type: ml.p5.49xlarge, count: 2}
addons: {training_operator: {}}
jobs:
  - {name: first, image: "registry/x:1", instance_type: ml.p5.48xlarge, nodes: none}
  - {name: second, image: "registry/X:1", instance_type: ml.p5.48xlarge, nodes: 1, shared_memory_gib: auto}
  - {name: third, image: "registry/x:1", size: 1}
  - {name: fourth, image: "registry/x:1", instance_type: ml.p5.49xlarge, nodes: 1, shared_memory_gib: auto}
"""
    )

    found = [
        (finding.rule, finding.path, finding.line)
        for finding in load(file).findings
        if finding.severity is not Severity.NOTE
    ]

    assert found == [
        ("HP012", "cluster.instance_groups[0].count", 9),
        ("HP306", "cluster.instance_groups[1].name", 10),
        ("HP011", "cluster.instance_groups[2].count", 11),
        ("HP301", "cluster.instance_groups[3].instance_type", 12),
        ("HP012", "jobs[0].nodes", 15),
        ("HP700", "jobs[1].image", 16),
        ("HP010", "jobs[2].size", 17),
        ("HP710", "jobs[3].instance_type", 18),
    ]


@pytest.mark.parametrize(
    ("rule", "group", "sections"),
    [
        ("HP381", "name: a, instance_type: ml.m5.4xlarge, count: 2", "autoscaling: {}"),
        ("HP384", "name: a, instance_type: ml.m5.4xlarge, count: 0", "autoscaling: {groups: [a]}"),
        ("HP506", "name: a, instance_type: ml.m7g.4xlarge, count: 2", "addons: {inference_operator: {}}"),
        ("HP507", "name: a, instance_type: ml.m5.xlarge, count: 2", "addons: {observability: {}}"),
        ("HP531", "name: a, instance_type: ml.m5.large, count: 1", "addons: {observability: {}}"),
        (
            "HP805",
            "name: a, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az1",
            "storage: {lustre: [{name: data, availability_zone_id: usw2-az2}]}",
        ),
    ],
)
def test_a_group_that_cannot_be_read_is_not_missed(rule: str, group: str, sections: str, tmp_path: Path) -> None:
    """The group could be the one that a rule about all groups requires."""
    found = []
    for other in ("", "- {name: b, instance_type: ml.m5.4xlarge}"):
        cluster = "" if sections.startswith(("addons", "storage")) else f"  {sections}\n"
        file = tmp_path / "hyperpod.yaml"
        file.write_text(
            "name: research\nregion: us-west-2\nnetwork: {availability_zone_ids: [usw2-az1, usw2-az2]}\n"
            f"cluster:\n{cluster}  instance_groups:\n  - {{{group}}}\n  {other}\n{'' if cluster else sections}\n"
        )
        found.append({finding.rule for finding in load(file).findings})

    assert rule in found[0]
    assert rule not in found[1]
    assert "HP011" in found[1]
