"""Ordinary edits can be deployed: the synthesized templates of every example before and after each edit are compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from assemblies import platform_of, templates
from ordinary_edits import RECORDED, RELEASED, Config, content, ordinary
from sweep import ALL, covering, sample

from hyperpod_constructs.core.changes import REPLACING, Deployment, deployment
from hyperpod_constructs.core.spec.base import Change
from hyperpod_constructs.core.stack_templates import exports_of, imports_of

pytestmark = pytest.mark.slow

Templates = dict[str, dict[str, Any]]
CONFIGS = sorted(set(RECORDED) - {"examples/closed-network.yaml"})  # this example requires a vendored chart
EDITED = [CONFIGS[index] for index in covering([{what: "" for what, _ in ordinary(content(name))} for name in CONFIGS])]
"""In the sample, configs that allow every ordinary edit."""


def changes(config: Config) -> dict[str, Config]:
    """Edited configs by the name of the edit: single edits, or, in the sample, all removals, all additions, and a zone."""
    single_edits = dict(ordinary(config))
    if ALL:
        return single_edits
    kinds = [
        [name for name in single_edits if name.endswith("removed")],
        ["zone added"] if "zone added" in single_edits else [],
    ]
    kinds.append([name for name in single_edits if name not in kinds[0] + kinds[1]])
    return {", ".join(kind): edited(config, kind) for kind in kinds if kind}


def edited(config: Config, kind: list[str]) -> Config:
    """The config after several edits; an edit that another one includes has no further effect."""
    for name in kind:
        config = dict(ordinary(config)).get(name, config)
    return config


@pytest.fixture(scope="module")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path | Config], Templates]:
    """The templates of a config file or of its content."""
    path = tmp_path_factory.mktemp("configs") / "config.yaml"

    def make(config: Path | Config) -> Templates:
        if isinstance(config, Path):
            return templates(platform_of(config))
        path.write_text(yaml.safe_dump(config))
        return templates(platform_of(path))

    return make


_DELETED_BY_UPGRADE = ("HyperPodLifecycleScriptsUpload", "CustomCDKBucketDeployment", "JobsAll")
"""Resources that the upgrade deletes: CDK's upload of lifecycle scripts, which deletes no script with it
(`test_the_upgrade_keeps_the_scripts_of_running_groups`), and jobs, whose ids follow their content."""


def stopping(found: Deployment) -> list[str]:
    return [str(edit) for edit in found.edits if edit.change in REPLACING and edit.change is not Change.REPLACES_GROUP]


@pytest.mark.parametrize("name", EDITED)
def test_ordinary_edits_of_each_config_deploy(
    name: str, synthesize: Callable[[Path | Config], Templates], capsys: pytest.CaptureFixture[str]
) -> None:
    config = content(name)
    deployed = synthesize(config)
    deployed_edits = []
    for edit_name, new in changes(config).items():
        try:
            after = synthesize(new)
        except AssertionError:
            assert ALL, edit_name
            continue  # a combination that the checks reject before the deployment
        assert stopping(deployment(deployed, after)) == [], edit_name
        assert stopping(deployment(after, deployed)) == [] or edit_name == "zone added", f"{edit_name}, back"
        deployed_edits += edit_name.split(", ")
    with capsys.disabled():
        print(f"\n{name}: {len(deployed_edits)} edits deploy, and back: {', '.join(deployed_edits)}")
    assert len(deployed_edits) >= 5


@pytest.mark.parametrize("name", sample(CONFIGS, 5))
def test_the_first_deployment_after_an_upgrade_succeeds(
    name: str, synthesize: Callable[[Path | Config], Templates]
) -> None:
    """From the recorded assembly of the released version: nothing is rejected, replaced, lost or left behind."""
    old, new = RECORDED[name], synthesize(content(name, RELEASED))
    assert [str(edit) for edit in deployment(old, new).edits if edit.change in REPLACING] == []
    for stack, template in old.items():
        assert exports_of(template).keys() <= exports_of(new[stack]).keys()  # imported values are still exported
        deleted = {
            (id_, resource["Type"])
            for id_, resource in template["Resources"].items()
            if new[stack]["Resources"].get(id_, {}).get("Type") != resource["Type"]
            and not id_.startswith(_DELETED_BY_UPGRADE)
        }
        assert deleted == set()


def test_the_upgrade_keeps_the_scripts_of_running_groups() -> None:
    """The upload of the released version is deleted by the upgrade: CDK's function then leaves the files where they are."""
    released = [
        resource["Properties"]
        for templates in RECORDED.values()
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "Custom::CDKBucketDeployment"
    ]
    assert len(released) == 17
    assert {(upload["RetainOnDelete"], upload["Prune"]) for upload in released} == {(True, False)}


def test_no_node_of_karpenter_is_drained_by_the_upgrade(synthesize: Callable[[Path | Config], Templates]) -> None:
    """The NodePool and the node class keep their names, and the template of the NodePool does not change."""
    name = "examples/karpenter-spot.yaml"

    def manifest(templates: Templates, logical_id: str) -> dict[str, Any]:
        (only,) = json.loads(templates["elastic-HyperPod"]["Resources"][logical_id]["Properties"]["Manifest"])
        result: dict[str, Any] = only
        return result

    new = synthesize(content(name, RELEASED))
    node_class, pool = "HyperPodNodePoolNodeClass2918CF57", "HyperPodNodePool8ED5821B"
    assert manifest(new, node_class) == manifest(RECORDED[name], node_class)
    recorded, current = manifest(RECORDED[name], pool), manifest(new, pool)
    assert {**current, "spec": {"template": current["spec"]["template"]}} == recorded
    assert current["spec"]["disruption"] == {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"}


def test_the_last_job_can_be_removed_during_the_upgrade(synthesize: Callable[[Path | Config], Templates]) -> None:
    """The stack of the jobs remains in the app, and no value that it imports is removed."""
    config = content("hyperpod.yaml", RELEASED)
    del config["jobs"]
    assert stopping(deployment(RECORDED["hyperpod.yaml"], synthesize(config))) == []


def test_removing_a_file_system_during_the_upgrade_requires_two_deployments(
    synthesize: Callable[[Path | Config], Templates],
) -> None:
    """The released version imports the id; after one deployment of this version, the reference is weak."""
    config = content("examples/lustre.yaml", RELEASED)
    first = synthesize(config)
    without_storage = synthesize({key: value for key, value in config.items() if key not in ("storage", "jobs")})
    rejected = deployment(RECORDED["examples/lustre.yaml"], without_storage).edits[0]
    assert (rejected.rule, rejected.path) == ("HP970", "fed-HyperPod")
    assert rejected.advice.startswith("use two deployments: first `npx cdk deploy --exclusively fed-Addons`")
    assert stopping(deployment(RECORDED["examples/lustre.yaml"], first)) == []
    assert stopping(deployment(first, without_storage)) == []


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
def test_a_feature_is_added_and_removed_again(feature: str, synthesize: Callable[[Path | Config], Templates]) -> None:
    plain, with_it = synthesize(CASE), synthesize({**CASE, **FEATURES[feature]})
    assert stopping(deployment(plain, with_it)) == []
    found = deployment(with_it, plain)
    assert stopping(found) == []
    assert {step.stack for step in found.steps} == set(with_it)  # each stack is in the app, even if it is empty


def test_exports_of_stacks_do_not_depend_on_their_use(synthesize: Callable[[Path | Config], Templates]) -> None:
    """All exports outside the fixed set are values with weak references, which no stack imports."""
    fixed = {stack: set(exports_of(template)) for stack, template in synthesize(CASE).items()}
    for feature in FEATURES.values():
        templates = synthesize({**CASE, **feature})
        imported = frozenset().union(*map(imports_of, templates.values()))
        for stack, template in templates.items():
            assert fixed[stack] <= set(exports_of(template))
            new_exports = set(exports_of(template)) - fixed[stack]
            assert not {name for name in new_exports & imported if "az3" not in name}


def test_a_zone_and_its_group_are_removed_in_two_deployments(synthesize: Callable[[Path | Config], Templates]) -> None:
    three = {**CASE, **FEATURES["zone"]}
    third = {"name": "third", "instance_type": "ml.g5.2xlarge", "count": 1, "availability_zone_id": "usw2-az3"}
    groups = CASE["cluster"]["instance_groups"]
    used = {**three, "cluster": {"instance_groups": [*groups, third]}}
    [rejected] = deployment(synthesize(used), synthesize(CASE)).edits[:1]
    assert (rejected.change, rejected.rule) == (Change.REFUSED, "HP970")
    assert rejected.advice == (
        "use two deployments: first `npx cdk deploy --exclusively field-HyperPod` (the stacks that stop importing), "
        "then `npx cdk deploy --all`"
    )
    assert stopping(deployment(synthesize(used), synthesize(three))) == []
    assert stopping(deployment(synthesize(three), synthesize(CASE))) == []


def test_exports_that_depend_on_their_use_would_be_reported(
    synthesize: Callable[[Path | Config], Templates], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test can fail: without the fixed set, an edit that stops using the chart is rejected."""
    from hyperpod_constructs.constructs import platform as module

    monkeypatch.setattr(module, "export_shared_values", lambda **_: None)
    tagged = {**CASE, "tags": {"proof": "cut"}}  # not the templates that other tests synthesized
    before, after = synthesize(tagged), synthesize({**tagged, **FEATURES["no dependency chart"]})
    [rejected] = deployment(before, after).edits[:1]
    assert (rejected.change, rejected.rule, rejected.path) == (Change.REFUSED, "HP970", "field-Eks")
