"""`hyperpod show`: the effective config, which is the same as the synthesized one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hyperpod_constructs.cli import main
from hyperpod_constructs.core import spec
from hyperpod_constructs.core.chart import pinned_chart
from hyperpod_constructs.core.effective import effective
from hyperpod_constructs.core.spec import Platform

ROOT = Path(__file__).parents[2]

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
CLASSES = {name for name in vars(spec) if name[0].isupper()} - {"Cluster", "Network", "Access", "Lustre"}


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["show", *arguments])


def test_the_shipped_config_is_shown_with_its_defaults() -> None:
    found: dict[str, Any] = json.loads(show(str(ROOT / "hyperpod.yaml"), "-o", "json").stdout)
    assert found["network"]["subnets"] == [
        {"kind": "control-plane", "zone": "usw2-az1", "cidr": "10.192.0.0/28"},
        {"kind": "control-plane", "zone": "usw2-az2", "cidr": "10.192.0.16/28"},
        {"kind": "public", "zone": "usw2-az1", "cidr": "10.192.1.0/24"},
        {"kind": "public", "zone": "usw2-az2", "cidr": "10.192.2.0/24"},
        {"kind": "node", "zone": "usw2-az1", "cidr": "10.1.0.0/16"},
        {"kind": "node", "zone": "usw2-az2", "cidr": "10.2.0.0/16"},
    ]
    assert found["eks"]["kubernetes_version"] == "1.35"
    assert found["eks"]["cluster"] == found["cluster"]["name"] == found["name"]
    assert found["cluster"]["system_group"] == "system"
    assert found["dependency_chart"]["source"] == f"github.com/aws/sagemaker-hyperpod-cli {pinned_chart().commit[:12]}"
    operator = next(addon for addon in found["addons"] if addon["key"] == "training_operator")
    assert operator == {
        "key": "training_operator",
        "version": "v1.3.0-eksbuild.1",
        "version_from": "catalog",
        "in_config": True,
    }
    assert [group["zone"] for group in found["groups"]] == ["usw2-az1", "usw2-az1"]


def test_all_formats_have_the_same_content() -> None:
    path = str(ROOT / "hyperpod.yaml")
    assert yaml.safe_load(show(path, "-o", "yaml").stdout) == json.loads(show(path, "-o", "json").stdout)
    assert "| node | usw2-az2 | 10.2.0.0/16 |" in show(path, "-o", "markdown").stdout
    text = show(path).stdout
    assert "node           usw2-az2  10.2.0.0/16\n" in text
    assert "chosen by EKS" in text


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example; the closed network's chart must be vendored first."""
    path: Path = request.param
    if path.name != "closed-network.yaml":
        return path
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "examples" / "vendor" / "hyperpod-chart").mkdir(parents=True)
    (tmp_path / "examples" / "vendor" / "hyperpod-chart" / "Chart.yaml").write_text("name: HyperPodHelmChart\n")
    return tmp_path / "examples" / path.name


def texts(value: Any) -> Iterator[Any]:
    """The values of data at any depth."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)
    else:
        yield value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name, indirect=True)
def test_every_example_is_shown_in_80_columns_and_without_pythons_words(example: Path) -> None:
    result = show(str(example))
    assert result.exit_code == 0, result.output
    assert "subnets\n" in result.stdout
    assert [line for line in result.stdout.splitlines() if len(line) > 80 and " " in line.strip()] == []
    assert not re.findall(r"<|None|\bTrue\b|\bFalse\b|\bobject at\b|\{|\[|=", result.stdout)
    found = json.loads(show(str(example), "-o", "json").stdout)
    assert not {text for text in texts(found) if isinstance(text, str) and set(text.split()) & CLASSES}


@pytest.mark.parametrize(
    ("chart", "source"),
    [
        ({"path": "chart"}, "folder "),
        (
            {"reference": "oci://registry/chart", "version": "1.2.3", "digest": f"sha256:{'0' * 64}"},
            "oci://registry/chart 1.2.3",
        ),
    ],
)
def test_the_source_of_the_chart_is_stated(chart: dict[str, str], source: str) -> None:
    network = {"availability_zone_ids": ["usw2-az1", "usw2-az2"]}
    platform = Platform(name="a", region="us-west-2", network=network, cluster={}, dependencies={"chart": chart})
    assert effective(platform)["dependency_chart"]["source"].startswith(source)


def test_core_add_ons_of_an_existing_cluster_are_not_shown_as_installed() -> None:
    found = json.loads(show(str(ROOT / "examples" / "existing-vpc-and-eks.yaml"), "-o", "json").stdout)
    assert [addon["key"] for addon in found["addons"]] == ["cert_manager", "mountpoint_s3_csi", "training_operator"]


def test_a_file_system_is_shown_in_the_zone_that_it_gets() -> None:
    network = {"availability_zone_ids": ["usw2-az1", "usw2-az2"]}
    groups = [
        {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 1},
        {"name": "gpu", "instance_type": "ml.p5.48xlarge", "count": 1, "availability_zone_id": "usw2-az2"},
    ]
    storage = {"lustre": [{"name": "data"}]}
    for cluster, zone in (({"instance_groups": groups}, "usw2-az2"), ({"instance_groups": groups[:1]}, "usw2-az1")):
        platform = Platform(name="a", region="us-west-2", network=network, cluster=cluster, storage=storage)
        assert effective(platform)["file_systems"][0]["zone"] == zone


def test_a_config_with_errors_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "hyperpod.yaml").write_text("name: 1\n")
    result = show(str(tmp_path / "hyperpod.yaml"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "HP014" in result.stderr
