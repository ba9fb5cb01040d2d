"""Ordinary edits deploy: played old against new on the synthesized templates of every example."""

from __future__ import annotations

import copy
import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT

from hyperpod_constructs.cli.diff import synthesized
from hyperpod_constructs.core.changes import REPLACING, Deployment, deployment
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec.base import Change
from hyperpod_constructs.core.stack_templates import exports_of, imports_of

Config = dict[str, Any]
Templates = dict[str, dict[str, Any]]
RELEASED = "5809d46"
"""The version whose assemblies are recorded: every config of the repository, as that version synthesized it."""
RECORDED: Mapping[str, Templates] = json.loads(
    lzma.decompress((ROOT / "tests" / "data" / "released" / f"{RELEASED}.json.xz").read_bytes())
)
CONFIGS = sorted(set(RECORDED) - {"examples/closed-network.yaml"})  # that one needs a vendored chart


@pytest.fixture(scope="module")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path | Config], Templates]:
    """The templates of a config file or of its content, each synthesized once."""
    done: dict[str, Templates] = {}
    folder = tmp_path_factory.mktemp("configs")

    def make(config: Path | Config) -> Templates:
        key = str(config) if isinstance(config, Path) else json.dumps(config)
        if key not in done:
            path = config if isinstance(config, Path) else folder / f"{len(done)}.yaml"
            if not isinstance(config, Path):
                path.write_text(yaml.safe_dump(config))
            loaded = load(path)
            assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
            done[key] = synthesized(loaded.platform)
        return done[key]

    return make


def content(name: str) -> Config:
    """A config with absolute paths of what lies beside it."""
    file = ROOT / name
    config: Config = yaml.safe_load(file.read_text())
    config["jobs"] = [str(file.parent / job) if isinstance(job, str) else job for job in config.get("jobs", [])]
    for lifecycle in (
        config["cluster"].get("lifecycle"),
        *(g.get("lifecycle") for g in config["cluster"]["instance_groups"]),
    ):
        if lifecycle and "source" in lifecycle:
            lifecycle["source"] = str(file.parent / lifecycle["source"])
    if not config["jobs"]:
        del config["jobs"]
    return config


JOB = {
    "name": "extra",
    "kind": "Job",
    "image": "public.ecr.aws/docker/library/busybox:1.36.1",
    "command": ["true"],
    "instance_type": None,
}


def ordinary(config: Config) -> Iterator[tuple[str, Config]]:
    """The ordinary edits that a config allows, by name."""

    def edit() -> Config:
        return copy.deepcopy(config)

    groups = config["cluster"].get("instance_groups") or []
    system = groups[0] if groups else None
    if config.get("jobs"):
        yield "all jobs removed", {key: value for key, value in edit().items() if key != "jobs"}
    if system:
        new = edit()
        new["cluster"]["instance_groups"].append({**system, "name": "added-group", "count": 1})
        yield "group added", new
        new = edit()
        new["cluster"]["instance_groups"][0]["count"] = system["count"] + 1
        yield "group resized", new
    addons = config.get("addons") or {}
    free = {"metrics_server", "ebs_csi", "cloudwatch_observability"} - set(addons)
    for name in sorted(free)[:2]:
        new = edit()
        new["addons"] = {**addons, name: {}}
        yield f"{name} added", new
    needed = {"training_operator": "jobs", "task_governance": "governance", "fsx_csi": "storage",
              "mountpoint_s3_csi": "storage"}  # fmt: skip
    for name in addons:
        new = edit()
        del new["addons"][name]
        part = needed.get(name)
        if part:
            new.pop(part, None)
            new.pop("jobs", None)
        yield f"{name} removed", new
    if config.get("governance", {}).get("teams"):
        new = edit()
        gone = new["governance"]["teams"].pop()["name"]
        _forget_team(new, gone)
        yield "team removed", new
        new = {key: value for key, value in edit().items() if key not in ("governance", "jobs")}
        for team in config["governance"]["teams"]:
            _forget_team(new, team["name"])
        yield "governance removed", new
    if config.get("storage"):
        yield "storage removed", {key: value for key, value in edit().items() if key not in ("storage", "jobs")}
    zones = config["network"].get("availability_zone_ids")
    if zones and not config["network"].get("node_cidrs"):
        new = edit()
        prefix = zones[0].rpartition("-")[0]
        free_zone = next(f"{prefix}-az{n}" for n in (1, 2, 4, 5, 6) if f"{prefix}-az{n}" not in zones)
        new["network"]["availability_zone_ids"] = [*zones, free_zone]
        yield "zone added", new
    new = edit()
    new["dependencies"] = {**(config.get("dependencies") or {}), "mpi_operator": False}
    yield "chart values changed", new
    new = edit()
    new["tags"] = {**(config.get("tags") or {}), "edited": "yes"}
    yield "tag added", new


def _forget_team(config: Config, name: str) -> None:
    """Remove what names a team: claims and jobs."""
    for kind in ("lustre", "buckets"):
        for item in config.get("storage", {}).get(kind, []):
            if name in item.get("namespaces", []):
                item["namespaces"] = [space for space in item["namespaces"] if space != name]
    config.pop("jobs", None)


_BY_CONTENT = "HyperPodLifecycleScriptsUpload"
"""Ids that hold a hash of the lifecycle scripts: other scripts are another upload, made before the cluster changes."""


def stopping(found: Deployment) -> list[str]:
    return [str(edit) for edit in found.edits if edit.change in REPLACING and edit.change is not Change.REPLACES_GROUP]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_ordinary_edits_of_each_config_deploy(
    name: str, synthesize: Callable[[Path | Config], Templates], capsys: pytest.CaptureFixture[str]
) -> None:
    config = content(name)
    deployed = synthesize(config)
    tried = []
    for what, new in ordinary(config):
        loaded = None
        try:
            after = synthesize(new)
        except AssertionError:
            loaded = what  # a combination that the checks refuse before anything is deployed
        if loaded is None:
            assert stopping(deployment(deployed, after)) == [], what
            assert stopping(deployment(after, deployed)) == [] or what == "zone added", f"{what}, back"
            tried.append(what)
    with capsys.disabled():
        print(f"\n{name}: {len(tried)} edits deploy, and back: {', '.join(tried)}")
    assert len(tried) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_deployment_after_an_upgrade_goes_through(
    name: str, synthesize: Callable[[Path | Config], Templates]
) -> None:
    """From the recorded assembly of the released version: nothing refused, replaced, lost or left behind."""
    config = content(name)
    config["cluster"].setdefault("execution_roles", "shared")  # its default then, which a deployed cluster keeps
    old, new = RECORDED[name], synthesize(config)
    assert not any(edit.change in REPLACING for edit in deployment(old, new).edits)
    for stack, template in old.items():
        assert exports_of(template).keys() <= exports_of(new[stack]).keys()  # what is imported is exported still
        gone = {
            (id_, it["Type"])
            for id_, it in template["Resources"].items()
            if new[stack]["Resources"].get(id_, {}).get("Type") != it["Type"] and not id_.startswith(_BY_CONTENT)
        }
        assert gone == set()


@pytest.mark.slow
def test_an_upgrade_together_with_an_edit_is_told(synthesize: Callable[[Path | Config], Templates]) -> None:
    """The released version had use-dependent exports: removing the last use needs two deployments, and diff says which."""
    config = content("hyperpod.yaml")
    del config["jobs"]
    found = deployment(RECORDED["hyperpod.yaml"], synthesize(config))
    assert stopping(found) == []  # the stack of the jobs stays in the app, and nothing that it imports goes


CASE = yaml.safe_load("""
name: field
region: us-west-2
account: '210987654321'
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {admins: ['arn:aws:iam::210987654321:role/PlatformAdmin'], public_access_cidrs: [203.0.113.0/24]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: gpu, instance_type: ml.g5.2xlarge, count: 2}
addons: {training_operator: {}}
""")
FEATURES: dict[str, Config] = {
    "job": {"jobs": [{"name": "hello", "image": "registry.example.com/train:v1", "instance_type": "ml.g5.2xlarge",
                      "nodes": 1, "command": ["python", "train.py"]}]},
    "file system": {"addons": {"training_operator": {}, "fsx_csi": {}},
                    "storage": {"lustre": [{"name": "data", "namespaces": ["default"]}]}},
    "bucket": {"addons": {"training_operator": {}, "mountpoint_s3_csi": {}},
               "storage": {"buckets": [{"name": "models", "namespaces": ["default"]}]}},
    "team": {"addons": {"training_operator": {}, "task_governance": {}},
             "governance": {"teams": [{"name": "vision", "quota": [{"instance_type": "ml.g5.2xlarge", "count": 1}]}]}},
    "OIDC": {"addons": {"training_operator": {}, "mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::field-data"]}}},
    "restricted group": {"cluster": {**CASE["cluster"], "execution_roles": "per-group", "restricted_instance_groups": [
        {"name": "nova", "instance_type": "ml.p5.48xlarge", "count": 1}]}},
    "zone": {"network": {"availability_zone_ids": ["usw2-az1", "usw2-az2", "usw2-az3"]}},
    "no dependency chart": {"dependencies": {"enabled": False}},
    "no add-on": {"addons": {}},
}  # fmt: skip
"""Optional features, each by what it adds to a plain platform."""


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_comes_and_goes(feature: str, synthesize: Callable[[Path | Config], Templates]) -> None:
    plain, with_it = synthesize(CASE), synthesize({**CASE, **FEATURES[feature]})
    assert stopping(deployment(plain, with_it)) == []
    found = deployment(with_it, plain)
    assert stopping(found) == []
    assert {step.stack for step in found.steps} == set(with_it)  # each stack is in the app, also one that holds nothing


def test_what_stacks_export_does_not_depend_on_what_is_used(synthesize: Callable[[Path | Config], Templates]) -> None:
    """Beyond the fixed set there are only exports of values that are read weakly, which nothing imports."""
    fixed = {stack: set(exports_of(template)) for stack, template in synthesize(CASE).items()}
    for feature in FEATURES.values():
        templates = synthesize({**CASE, **feature})
        imported = frozenset().union(*map(imports_of, templates.values()))
        for stack, template in templates.items():
            assert fixed[stack] <= set(exports_of(template))
            more = set(exports_of(template)) - fixed[stack]
            assert not {name for name in more & imported if "az3" not in name}


def test_a_zone_and_its_group_go_in_two_deployments(synthesize: Callable[[Path | Config], Templates]) -> None:
    three = {**CASE, **FEATURES["zone"]}
    third = {"name": "third", "instance_type": "ml.g5.2xlarge", "count": 1, "availability_zone_id": "usw2-az3"}
    groups = CASE["cluster"]["instance_groups"]
    used = {**three, "cluster": {"instance_groups": [*groups, third]}}
    [refused] = deployment(synthesize(used), synthesize(CASE)).edits[:1]
    assert (refused.change, refused.rule) == (Change.REFUSED, "HP970")
    assert refused.advice == (
        "two deployments: first `npx cdk deploy --exclusively field-HyperPod` (the stacks that stop importing), "
        "then `npx cdk deploy --all`"
    )
    assert stopping(deployment(synthesize(used), synthesize(three))) == []
    assert stopping(deployment(synthesize(three), synthesize(CASE))) == []


def test_exports_that_depend_on_their_use_would_be_told(
    synthesize: Callable[[Path | Config], Templates], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof can fail: without the fixed set, an edit that stops using the chart is refused."""
    from hyperpod_constructs.constructs import platform as module

    monkeypatch.setattr(module, "export_shared_values", lambda **_: None)
    tagged = {**CASE, "tags": {"proof": "cut"}}  # not the templates that other tests synthesized
    before, after = synthesize(tagged), synthesize({**tagged, **FEATURES["no dependency chart"]})
    [refused] = deployment(before, after).edits[:1]
    assert (refused.change, refused.rule, refused.path) == (Change.REFUSED, "HP970", "field-Eks")
