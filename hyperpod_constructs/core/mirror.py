"""Artifacts that must be copied before a closed network is deployed: plan, commands and execution."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .closed import ImageCopy, endpoint_services, image_copies
from .spec.dependencies import FolderChart
from .spec.platform import Platform

TOOLS = {
    "crane": ("crane", "copy"),
    "skopeo": ("skopeo", "copy", "--all"),
    "docker": ("docker", "buildx", "imagetools", "create"),
}
"""Tools that copy images with all platforms between registries, and their commands."""


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """The artifacts to copy before a deployment.

    Attributes:
        region: region of the registry.
        images: public images and their copies.
        chart_folder: the folder for the vendored dependency chart; None if the chart is not vendored.
        endpoints: services that require an endpoint, for users who create endpoints elsewhere.
    """

    region: str
    images: tuple[ImageCopy, ...]
    chart_folder: str | None
    endpoints: tuple[str, ...]

    @property
    def repositories(self) -> tuple[str, ...]:
        """Repositories of the ECR registry that must exist, without duplicates."""
        targets = (copy.target for copy in self.images if copy.target)
        return tuple(dict.fromkeys(target.partition("/")[2].rpartition(":")[0] for target in targets))


def mirror_plan(platform: Platform, *, registry: str | None = None) -> MirrorPlan:
    """The plan for a platform; `registry` overrides `dependencies.image_registry`."""
    kueue = platform.addons.kueue
    chart = platform.dependencies.chart
    return MirrorPlan(
        region=platform.region,
        images=tuple(
            image_copies(
                platform.dependencies,
                platform.cluster,
                kueue=kueue is not None and kueue.enabled,
                registry=registry,
            )
        ),
        chart_folder=chart.path if platform.dependencies.enabled and isinstance(chart, FolderChart) else None,
        endpoints=tuple(endpoint_services(platform)),
    )


def commands(plan: MirrorPlan, tool: str = "crane") -> list[list[str]]:
    """The commands of a plan: repositories first, then the copies.

    Raises:
        ValueError: a copy has no target because no registry is set.

    >>> copy = ImageCopy("a", "nvcr.io/nvidia/x:1", "1.dkr.ecr.us-west-2.amazonaws.com/m/nvidia/x:1")
    >>> for command in commands(MirrorPlan("us-west-2", (copy,), None, ())):
    ...     print(*command)
    aws ecr create-repository --region us-west-2 --repository-name m/nvidia/x --image-tag-mutability IMMUTABLE
    crane copy nvcr.io/nvidia/x:1 1.dkr.ecr.us-west-2.amazonaws.com/m/nvidia/x:1
    """
    missing = [copy.source for copy in plan.images if copy.target is None]
    if missing:
        raise ValueError(f"no registry for {', '.join(missing)}: set dependencies.image_registry, or use --registry")
    create = ["aws", "ecr", "create-repository", "--region", plan.region, "--repository-name"]
    return [
        *([*create, repository, "--image-tag-mutability", "IMMUTABLE"] for repository in plan.repositories),
        *([*TOOLS[tool], *_arguments(tool, copy)] for copy in plan.images),
    ]


def _arguments(tool: str, copy: ImageCopy) -> list[str]:
    assert copy.target is not None
    if tool == "docker":
        return ["--tag", copy.target, copy.source]
    prefix = "docker://" if tool == "skopeo" else ""
    return [f"{prefix}{copy.source}", f"{prefix}{copy.target}"]


def describe(plan: MirrorPlan, tool: str = "crane", *, config: Path = Path("hyperpod.yaml")) -> str:
    """The plan as a shell script with comments; `config` is the config file of the plan."""
    lines = ["# images: log in to the registry first (aws ecr get-login-password)"]
    lines += [shlex.join(command) for command in commands(plan, tool)] or ["# none"]
    lines += ["", "# dependency chart with its sub-charts, on a machine with internet access"]
    if plan.chart_folder:
        lines.append(shlex.join(["hyperpod", "chart", "vendor", "--config", str(config), plan.chart_folder]))
    else:
        lines.append("# not vendored: set its folder in dependencies.chart.path")
    if plan.endpoints:
        lines += ["", "# endpoints that are created automatically", *(f"#   {service}" for service in plan.endpoints)]
    return "\n".join(lines)


def run(plan: MirrorPlan, *, tool: str, execute: Callable[[Sequence[str]], tuple[int, str]]) -> list[str]:
    """Executes a plan; existing repositories are accepted.

    Args:
        plan: the plan.
        tool: a key of `TOOLS`.
        execute: runs a command and returns its exit code and standard error.

    Returns:
        Error messages; empty if everything was copied. A failed copy does not stop the others.
    """
    failures = []
    for command in commands(plan, tool):
        code, error = execute(command)
        if code and "RepositoryAlreadyExistsException" not in error:
            failures.append(f"{shlex.join(command)}: {error.strip().splitlines()[-1] if error.strip() else code}")
    return failures
