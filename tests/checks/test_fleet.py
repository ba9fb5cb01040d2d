"""Several configs in one run, and valid configs that create few resources: the results of `make synth`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_configs import BASE, merged

from hyperpod_constructs.assembly import synth
from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.config import load, load_all

ADMIN = "arn:aws:iam::222233334444:role/Admin"
EXISTING: dict[str, Any] = {
    "name": "existing",
    "region": "us-west-2",
    "network": {
        "existing": {
            "vpc_id": "vpc-0123456789abcdef0",
            "security_group_id": "sg-0123456789abcdef0",
            "node_subnets": [
                {"subnet_id": "subnet-0123456789abcdef0", "availability_zone_id": "usw2-az1"},
                {"subnet_id": "subnet-0123456789abcdef1", "availability_zone_id": "usw2-az2"},
            ],
        }
    },
    "eks": {"existing": {"cluster_name": "shared"}, "admins": [ADMIN]},
    "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
}
OTHER_REGION = {"region": "us-east-1", "network": {"availability_zone_ids": ["use1-az4", "use1-az6"]}}


def written(folder: Path, *configs: dict[str, Any]) -> list[Path]:
    paths = [folder / f"{letter}.yaml" for letter in "abcdef"[: len(configs)]]
    for path, config in zip(paths, configs, strict=True):
        path.write_text(yaml.safe_dump(config))
    return paths


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ({"name": "b"}, {}, []),
        ({}, {}, [("HP026", "name", "'research' is already the name of {a} in the same region and account")]),
        (OTHER_REGION, {}, []),
        ({"account": "111122223333"}, {"account": "222233334444"}, []),
        (
            {"name": "b", "cluster": {"cluster_name": "same"}},
            {"cluster": {"cluster_name": "same"}},
            [
                (
                    "HP027",
                    "cluster.cluster_name",
                    "'same' is already the HyperPod cluster of {a} in the same region and account",
                )
            ],
        ),
        (
            {"name": "b", "eks": {"cluster_name": "same"}},
            {"eks": {"cluster_name": "same"}},
            [("HP027", "eks.cluster_name", "'same' is already the EKS cluster of {a} in the same region and account")],
        ),
        (
            {"cluster": {"cluster_name": "same"}},
            {"cluster": {"cluster_name": "same"}, **OTHER_REGION},
            [],
        ),
        (  # clusters without a name have the platform's name
            {"cluster": {"cluster_name": "same"}},
            {"name": "same"},
            [("HP027", "name", "'same' is already the HyperPod cluster of {a} in the same region and account")],
        ),
        (
            {"name": "same"},
            {"eks": {"cluster_name": "same"}},
            [("HP027", "eks.cluster_name", "'same' is already the EKS cluster of {a} in the same region and account")],
        ),
        ({"name": "b", "cluster": {"cluster_name": None}}, {"cluster": {"cluster_name": "research"}}, []),
    ],
)
def test_names_that_must_be_unique_between_configs(
    first: dict[str, Any], second: dict[str, Any], found: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    paths = written(tmp_path, merged(BASE, first), merged(BASE, second))
    findings = [finding for finding in load_all(paths).findings if finding.severity == "error"]
    assert [(finding.rule, finding.path, finding.message) for finding in findings] == [
        (rule, path, message.format(a=paths[0])) for rule, path, message in found
    ]
    assert [finding for finding in findings if finding.file != str(paths[1]) or finding.line is None] == []


def test_an_eks_cluster_has_one_hyperpod_cluster(tmp_path: Path) -> None:
    made_by_other = merged(BASE, {"name": "c", "eks": {"cluster_name": "shared"}})
    paths = written(tmp_path, EXISTING, {**EXISTING, "name": "b"}, made_by_other)
    findings = [finding for finding in load_all(paths).findings if finding.severity == "error"]
    assert [(finding.rule, finding.path, finding.file) for finding in findings] == [
        ("HP027", "eks.existing.cluster_name", str(paths[1])),
        ("HP027", "eks.cluster_name", str(paths[2])),
    ]


def test_one_file_given_twice_is_one_config(tmp_path: Path) -> None:
    (path,) = written(tmp_path, BASE)
    assert len(load_all([path, tmp_path / "." / "a.yaml"]).configs) == 1


def test_links_in_a_circle_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (finding,) = load_all([tmp_path / "a.yaml"]).findings
    assert (finding.rule, finding.cure) == ("HP002", "Specify the file itself.")


@pytest.mark.slow
def test_an_existing_network_to_which_nothing_is_added_has_no_stack(tmp_path: Path) -> None:
    (path,) = written(tmp_path, EXISTING)
    platform = load(path).platform
    assert platform is not None
    assembly = build([platform], context=cdk_context(), outdir=str(tmp_path / "out"), validate=False).synth()
    stacks = sorted(stack.stack_name for stack in assembly.stacks)
    assert stacks == ["existing-Addons", "existing-Eks", "existing-HyperPod", "existing-Jobs"]  # no Network stack


@pytest.mark.slow
def test_one_name_in_two_regions_is_two_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = written(tmp_path, BASE, merged(BASE, OTHER_REGION), merged(BASE, {"name": "other"}))
    out = tmp_path / "out"
    monkeypatch.setenv("HYPERPOD_CONFIG", ",".join(map(str, paths)))
    monkeypatch.setenv("HYPERPOD_OUT", str(out))
    assert synth.main() == 0
    stages = sorted(
        name
        for name, artifact in json.loads((out / "manifest.json").read_text())["artifacts"].items()
        if artifact["type"] == "cdk:cloud-assembly"
    )
    assert stages == ["assembly-other", "assembly-research-us-east-1", "assembly-research-us-west-2"]
    assert capsys.readouterr().out.endswith(
        f"next: hyperpod validate {' '.join(map(str, paths))} (all findings)\n"
        f"      npx cdk diff --app {out} 'research-us-west-2/*' 'research-us-east-1/*' 'other/*'\n"
        f"      npx cdk deploy --app {out} 'research-us-west-2/*' 'research-us-east-1/*' 'other/*'\n"
    )


@pytest.mark.slow
def test_the_output_of_synth_refers_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = written(tmp_path, EXISTING)
    monkeypatch.setenv("HYPERPOD_CONFIG", str(path))
    monkeypatch.setenv("HYPERPOD_OUT", str(tmp_path / "my out"))
    assert synth.main() == 0
    assert f"npx cdk deploy --app '{tmp_path}/my out' --all\n" in capsys.readouterr().out


def test_a_config_with_inline_jobs_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for its content and once for its comments, not again for each job."""
    config = tmp_path / "hyperpod.yaml"
    config.write_text(
        "name: research\nregion: us-west-2\njobs:\n" + "- {name: train, image: 'registry/train:1'}\n" * 20
    )
    reads: list[Path] = []

    def read_text(path: Path, encoding: str) -> str:
        reads.append(path)
        return path.read_bytes().decode(encoding)

    monkeypatch.setattr(Path, "read_text", read_text)

    load(config)

    assert reads.count(config) <= 2
