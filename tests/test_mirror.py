"""`hyperpod mirror` and `hyperpod chart`: what is copied, the printed and executed commands, and the vendored chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from assembly import ROOT
from click.testing import CliRunner

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.mirror import TOOLS, MirrorPlan, commands, describe, mirror_plan, run
from hyperpod_constructs.handlers.helm.folder import content_digest

EXAMPLE = ROOT / "examples" / "closed-network.yaml"
REGISTRY = "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"


@pytest.fixture(scope="module")
def plan() -> MirrorPlan:
    platform = load(EXAMPLE).platform
    assert platform is not None
    return mirror_plan(platform)


def test_images_of_what_is_on_and_has_nodes_are_copied_under_the_registry(plan: MirrorPlan):
    assert {copy.source: copy.target for copy in plan.images} == {
        "nvcr.io/nvidia/k8s-device-plugin:v0.16.1": f"{REGISTRY}/nvidia/k8s-device-plugin:v0.16.1",
        "mpioperator/mpi-operator:0.5": f"{REGISTRY}/mpioperator/mpi-operator:0.5",
        "kubeflow/training-operator:v1-855e096": f"{REGISTRY}/kubeflow/training-operator:v1-855e096",
        "alpine:3.10": f"{REGISTRY}/alpine:3.10",
    }
    assert plan.repositories[0] == "mirror/nvidia/k8s-device-plugin"
    assert str(plan.chart_folder).endswith("vendor/hyperpod-chart")
    assert "eks-auth" in plan.endpoints


@pytest.mark.parametrize("tool", TOOLS)
def test_every_image_has_a_command_of_the_tool(plan: MirrorPlan, tool: str):
    copies = [command for command in commands(plan, tool) if command[0] == TOOLS[tool][0]]
    assert len(copies) == len(plan.images)
    for command, copy in zip(copies, plan.images, strict=True):
        assert copy.source in " ".join(command)
        assert str(copy.target) in " ".join(command)


def test_run_continues_after_a_failure_and_uses_an_existing_repository(plan: MirrorPlan):
    requests: list[str] = []

    def execute(command: Sequence[str]) -> tuple[int, str]:
        requests.append(" ".join(command))
        if "create-repository" in command:
            return 254, "An error occurred (RepositoryAlreadyExistsException)"
        return (1, "line\ndenied: no\n") if "mpi-operator" in command[-1] else (0, "")

    failures = run(plan, tool="crane", execute=execute)
    assert len(requests) == 2 * len(plan.images)
    assert len(failures) == 1
    assert failures[0].endswith("denied: no")


def test_a_plan_without_a_registry_states_the_fix(plan: MirrorPlan):
    without_registry = MirrorPlan(
        "us-west-2", tuple(type(c)(c.component, c.source, None) for c in plan.images), None, ()
    )
    with pytest.raises(ValueError, match="image_registry, or use --registry"):
        describe(without_registry)


# ---- command line ----


def cli(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_mirror_prints_a_script():
    code, text = cli("mirror", str(EXAMPLE))
    assert code == 0
    assert f"crane copy mpioperator/mpi-operator:0.5 {REGISTRY}/mpioperator/mpi-operator:0.5" in text
    assert f"hyperpod chart vendor --config {EXAMPLE} " in text


def test_the_script_refers_to_the_given_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, printed in (("hyperpod.yaml", "hyperpod.yaml"), ("my cluster.yaml", "'my cluster.yaml'")):
        (tmp_path / name).write_text(EXAMPLE.read_text())
        code, text = cli("mirror", *(() if name == "hyperpod.yaml" else (name,)))
        assert code == 0, text
        (line,) = [line for line in text.splitlines() if line.startswith("hyperpod ")]
        assert line.startswith(f"hyperpod chart vendor --config {printed} ")


def test_mirror_without_a_registry_is_wrong_use():
    code, text = cli("mirror", str(ROOT / "hyperpod.yaml"))
    assert code == 2
    assert "image_registry" in text
    assert cli("mirror", str(ROOT / "hyperpod.yaml"), "--registry", REGISTRY)[0] == 0


def test_mirror_checks_an_assembly(tmp_path: Path):
    assert cli("mirror", "--check", str(tmp_path))[0] == 2
    template = tmp_path / "A.template.json"
    template.write_text(
        json.dumps({"Resources": {"R": {"Type": "Custom::X", "Properties": {"U": "https://a.example/"}}}})
    )
    code, text = cli("mirror", "--check", str(tmp_path))
    assert (code, text) == (1, "A.R: Properties.U: a.example in 'https://a.example/'\n")
    template.write_text(json.dumps({"Resources": {}}))
    assert cli("mirror", "--check", str(tmp_path)) == (0, "no references to hosts outside AWS in 1 template\n")
    manifest = tmp_path / "asset.0123.json"  # a large one
    manifest.write_text('[{"kind": "Pod", "spec": {"containers": [{"image": "public.ecr.aws/a/b:1"}]}}]')
    code, text = cli("mirror", "--check", str(tmp_path))
    assert code == 1
    assert text.startswith("asset.0123.json.Manifest: Properties.Manifest: public.ecr.aws in ")


def test_mirror_checks_the_templates_of_a_vendored_chart(tmp_path: Path):
    (tmp_path / "A.template.json").write_text(json.dumps({"Resources": {}}))
    template = tmp_path / "asset.0123/charts/neuron-device-plugin/templates/plugin.yaml"
    template.parent.mkdir(parents=True)
    (tmp_path / "asset.0123/Chart.yaml").write_text("name: hyperpod-helm-chart\n")
    template.write_text("image: {{ .Values.image }}\n  - image: public.ecr.aws/neuron/neuron-device-plugin:2.19.16.0\n")
    code, text = cli("mirror", "--check", str(tmp_path))
    assert code == 1
    assert text == (
        "asset.0123/charts/neuron-device-plugin/templates/plugin.yaml: public.ecr.aws in "
        "'public.ecr.aws/neuron/neuron-device-plugin:2.19.16.0'\n"
    )
    template.write_text(f"  - image: {REGISTRY}/neuron/neuron-device-plugin:2.19.16.0\n")
    assert cli("mirror", "--check", str(tmp_path))[0] == 0


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A chart without remote sub-charts, and a template that contains an image name."""
    folder = tmp_path / "upstream"
    template = folder / "charts/neuron-device-plugin/templates/k8s-neuron-device-plugin.yaml"
    template.parent.mkdir(parents=True)
    template.write_text("image: public.ecr.aws/neuron/neuron-device-plugin:2.19.16.0\n")
    (folder / "charts/neuron-device-plugin/Chart.yaml").write_text("name: neuron-device-plugin\nversion: 0.1.0\n")
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("{}\n")
    return folder


def test_a_chart_is_vendored_with_the_copies_of_its_images(upstream: Path, tmp_path: Path):
    folder = tmp_path / "made"
    code, text = cli("chart", "vendor", str(folder), "--from", str(upstream), "--config", str(EXAMPLE))
    assert code == 0, text
    template = folder / "charts/neuron-device-plugin/templates/k8s-neuron-device-plugin.yaml"
    assert template.read_text() == f"image: {REGISTRY}/neuron/neuron-device-plugin:2.19.16.0\n"
    assert content_digest(folder) in text
    assert cli("chart", "digest", str(folder)) == (0, f"{content_digest(folder)}\n")


def test_a_chart_that_names_another_image_is_not_the_one_we_know(upstream: Path, tmp_path: Path):
    template = upstream / "charts/neuron-device-plugin/templates/k8s-neuron-device-plugin.yaml"
    template.write_text("image: public.ecr.aws/neuron/neuron-device-plugin:9.9\n")
    code, text = cli("chart", "vendor", str(tmp_path / "made"), "--from", str(upstream), "--config", str(EXAMPLE))
    assert code == 1
    assert "does not contain public.ecr.aws/neuron/neuron-device-plugin:2.19.16.0" in text
    assert not (tmp_path / "made").exists()


def test_an_existing_folder_is_not_changed(upstream: Path, tmp_path: Path):
    code, text = cli("chart", "vendor", str(tmp_path), "--from", str(upstream))
    assert code == 1
    assert "exists" in text


def test_the_digest_of_nothing_is_an_error(tmp_path: Path):
    assert cli("chart", "digest", str(tmp_path / "no"))[0] == 1
