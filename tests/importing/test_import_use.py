"""`hyperpod import`: incorrect usage, existing files, parameters from several files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from test_import_files import DATA, run

# ---- wrong use ----


def test_other_commands_name_the_import(tmp_path: Path):
    for source in ("cluster-stack/01-shortest.yaml", "stack/01-aws-cli.json", "tfvars/01-shortest.tfvars"):
        kind = source.split("/")[0]
        for command in (["validate"], ["jobs", "import"], ["jobs", "render"], ["explain", "cost"]):
            result = run(*command, DATA / source)
            assert result.exit_code == 1, (command, result.output)
            assert f"Convert it to a hyperpod.yaml with `hyperpod import {kind} {DATA / source}`." in result.output, (
                command
            )
        for wrong in {"cluster-stack", "stack", "tfvars"} - {kind}:
            result = run("import", wrong, DATA / source, "-o", tmp_path / "none.yaml")
            assert f"Convert it to a hyperpod.yaml with `hyperpod import {kind} {DATA / source}`." in result.output, (
                wrong,
                kind,
            )
            assert result.exit_code == 1
    assert not (tmp_path / "none.yaml").exists()


def test_a_file_that_exists_stays(tmp_path: Path):
    target = tmp_path / "hyperpod.yaml"
    target.write_text("mine")
    result = run("import", "cluster-stack", DATA / "cluster-stack/01-shortest.yaml", "-o", target)
    assert (result.exit_code, target.read_text()) == (1, "mine")
    assert result.output == f"Error: {target} already exists; use --force to overwrite it\n"


def test_missing_values_are_reported_with_their_option(tmp_path: Path):
    source = tmp_path / "config.yaml"
    source.write_text("# template: cluster-stack\nresource_name_prefix: lab\ninstance_group_settings: []\n")
    result = run("import", "cluster-stack", source, "-o", tmp_path / "hyperpod.yaml")
    assert "error HP011 region: the key 'region' is missing" in result.stderr
    assert "fix: Set it with --region us-west-2, or add it to the file." in result.stderr
    assert "error HP110 network.availability_zone_ids" in result.stderr
    assert "fix: Set at least two zone IDs: --zone usw2-az1 --zone usw2-az2" in result.stderr
    assert "fix: Set who can use kubectl: --admin arn:aws:iam::111122223333:role/Name" in result.stderr


def test_two_parameter_files_that_disagree_are_rejected(tmp_path: Path):
    for name, prefix in (("dev", "lab"), ("prod", "live")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"ResourceNamePrefix": prefix, "VpcCIDR": "10.1.0.0/16"}))
    result = run("import", "stack", tmp_path, "-o", tmp_path / "hyperpod.yaml")
    assert result.exit_code == 1
    assert f"ResourceNamePrefix is 'live' here, but 'lab' in {tmp_path / 'dev.json'}" in result.stderr
    assert "fix: Specify one file: hyperpod import stack FILE." in result.stderr


def test_a_folder_of_parameters_is_read_as_one(tmp_path: Path):
    (tmp_path / "network.json").write_text(
        json.dumps({"VpcCIDR": "10.40.0.0/16", "AvailabilityZoneIds": "use1-az1,use1-az2"})
    )
    (tmp_path / "cluster.json").write_text(json.dumps({"ResourceNamePrefix": "lab", "HyperPodClusterName": "lab"}))
    (tmp_path / "other.json").write_text("{}")
    result = run("import", "stack", tmp_path, "-o", tmp_path / "hyperpod.yaml")
    data = yaml.safe_load((tmp_path / "hyperpod.yaml").read_text())
    assert (data["name"], data["region"], data["network"]["vpc_cidr"]) == ("lab", "us-east-1", "10.40.0.0/16")
    assert "read: " in result.stderr
    assert "other.json" not in result.stderr


def test_the_template_that_hyp_create_writes_is_read_by_its_defaults(tmp_path: Path):
    parameters = {
        "ResourceNamePrefix": {"Type": "String", "Default": "lab"},
        "VpcCIDR": {"Type": "String", "Default": "10.40.0.0/16"},
    }
    file = tmp_path / "cfn_params.yaml"
    file.write_text(yaml.safe_dump({"Metadata": {}, "Parameters": parameters, "Resources": {}}))
    run("import", "stack", file, "-o", tmp_path / "hyperpod.yaml")
    assert yaml.safe_load((tmp_path / "hyperpod.yaml").read_text())["network"]["vpc_cidr"] == "10.40.0.0/16"


def test_broken_terraform_is_reported_with_its_line(tmp_path: Path):
    pytest.importorskip("hcl2", reason="the extra `import` is not installed")
    file = tmp_path / "broken.tfvars"
    file.write_text('a = "x"\nb = [1,\nc = 2\n')
    result = run("import", "tfvars", file, "-o", tmp_path / "hyperpod.yaml")
    assert result.exit_code == 1
    assert f"{file}:3: error HP792: not a valid file of Terraform variables" in result.stderr
    assert "fix: Run `terraform fmt` to find the line." in result.stderr


def test_later_terraform_files_win(tmp_path: Path):
    pytest.importorskip("hcl2", reason="the extra `import` is not installed")
    (tmp_path / "a.tfvars").write_text('aws_region = "us-east-1"\nresource_name_prefix = "a"\n')
    (tmp_path / "b.tfvars.json").write_text('{"resource_name_prefix": "b"}')
    run("import", "tfvars", tmp_path / "a.tfvars", tmp_path / "b.tfvars.json", "-o", tmp_path / "hyperpod.yaml")
    data = yaml.safe_load((tmp_path / "hyperpod.yaml").read_text())
    assert (data["name"], data["region"]) == ("b", "us-east-1")
