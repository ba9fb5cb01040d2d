"""`hyperpod jobs import` of manifests with any value at any place, and of several documents."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_job_import import hyperpod, pod

from hyperpod_constructs.core.jobs.importing import import_text

VALUES_OF_EVERY_KIND = [
    "x",
    "",
    1,
    -1,
    1.5,
    True,
    None,
    [],
    {},
    ["x"],
    [1],
    {"x": "y"},
    [{"x": 1}],
    2**40,
    "8Gi",
    [None],
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += paths(inner, (*path, key))
    return found


EVERYTHING = yaml.safe_load(
    pod(
        nodeSelector={"node.kubernetes.io/instance-type": "ml.p5.48xlarge"},
        tolerations=[{"key": "a", "operator": "Exists"}],
        topologySpreadConstraints=[
            {
                "maxSkew": 1,
                "topologyKey": "k",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"a": "b"}},
            }
        ],
        volumes=[{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}}],
        initContainers=[{"name": "i", "image": "b", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        main={
            "command": ["a"],
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "ports": [{"containerPort": 80}],
            "resources": {"limits": {"nvidia.com/gpu": 8, "memory": "64Gi", "vpc.amazonaws.com/efa": 32}},
            "securityContext": {"capabilities": {"add": ["IPC_LOCK"]}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        },
    )
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(paths(EVERYTHING)), st.sampled_from(VALUES_OF_EVERY_KIND))
def test_no_manifest_crashes_an_import(path: tuple[Any, ...], value: Any):
    manifest = copy.deepcopy(EVERYTHING)
    place: Any = manifest
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    imported = import_text(yaml.safe_dump(manifest), stated={}, environment={})
    assert imported.jobs or imported.findings or imported.companions or manifest.get("kind") is None


def test_several_jobs_in_one_file_and_a_separator_at_the_end(tmp_path: Path):
    file = tmp_path / "jobs.yaml"
    file.write_text("name: a\nimage: b\nvcpu: 1\n---\nname: c\nimage: d\nvcpu: 1\n---\n")
    result = hyperpod("render", file)
    assert result.exit_code == 0, result.output
    names = [manifest["metadata"]["name"].rpartition("-")[0] for manifest in yaml.safe_load_all(result.stdout)]
    assert names == ["a", "c"]
    file.write_text("name: a\nimage: b\nvcpu: 1\n---\nname: c\nimage: d\nvcpu: -1\n")
    bad = hyperpod("render", file)
    assert bad.exit_code == 1
    assert f"{file}:7:7: error HP013 vcpu" in bad.output
