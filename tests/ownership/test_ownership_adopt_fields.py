"""Every custom resource adopts existing objects if the config allows it, and not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT, UNCOPIED, Assembly, read_assembly

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Governance, Job
from hyperpod_constructs.core.spec.base import SpecModel

pytestmark = pytest.mark.slow

MAKES_NOTHING = {
    "Custom::HyperPodClusterGuard",
    "Custom::HyperPodKubernetesWait",
    "Custom::HyperPodLifecycleScripts",  # the prefix is a hash of the content, and nothing is deleted
    "Custom::HyperPodGrafanaDashboards",  # a uid in use gets a suffix: nothing is rejected
}


def adopting(model: Any) -> Any:
    """The model with every field `adopt` set, and with the scheduler config and the quotas of the handler."""
    if isinstance(model, tuple):
        return tuple(map(adopting, model))
    if not isinstance(model, SpecModel):
        return model
    changed = {name: adopting(getattr(model, name)) for name in type(model).model_fields}
    if "adopt" in changed:
        changed["adopt"] = True
    if isinstance(model, Job):
        changed["on_change"] = "refuse"
    if isinstance(model, Governance):
        changed["through"] = "handler"
    return model.model_copy(update=changed)


def makers(found: Assembly) -> dict[str, dict[str, Any]]:
    """The custom resources that create objects, by logical id; setting fields of an object adopts nothing."""
    return {
        name: resource["Properties"]
        for name, resource in found.resources().items()
        if resource["Type"].startswith("Custom::HyperPod")
        and resource["Type"] not in MAKES_NOTHING
        and "FieldsOnly" not in resource["Properties"]
    }


@pytest.mark.parametrize(
    ("example", "kinds"),
    [
        ("everything", {"HyperPodKubernetesObjects", "HyperPodHelmRelease"}),
        ("karpenter-spot", {"HyperPodKubernetesObjects", "HyperPodHelmRelease"}),
        ("restricted-groups", {"HyperPodKubernetesObjects", "HyperPodHelmRelease"}),
        ("observability-self-hosted", {"HyperPodKubernetesObjects", "HyperPodHelmRelease"}),
        ("teams", {"HyperPodComputeQuota", "HyperPodClusterSchedulerConfig", "HyperPodKubernetesObjects"}),
    ],
)
def test_adopt_reaches_every_resource_that_makes_something(example: str, kinds: set[str], tmp_path: Path) -> None:
    platform = load(ROOT / "examples" / f"{example}.yaml").platform
    assert platform is not None
    build([adopting(platform)], context={**cdk_context(), **UNCOPIED}, outdir=str(tmp_path / "cdk.out")).synth()
    found = read_assembly(tmp_path / "cdk.out")
    missing = [name for name, properties in makers(found).items() if str(properties.get("Adopt")).lower() != "true"]
    assert not missing
    types = {resource["Type"].removeprefix("Custom::") for resource in found.resources().values()}
    assert kinds <= types


def test_nothing_is_adopted_by_default(assemble: Any) -> None:
    for example in ("everything", "restricted-groups"):
        found = makers(assemble(f"examples/{example}.yaml"))
        assert found
        taken = [name for name, properties in found.items() if str(properties.get("Adopt", "false")).lower() == "true"]
        assert not taken
