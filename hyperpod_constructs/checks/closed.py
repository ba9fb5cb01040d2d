"""HP14x: closed networks: nothing may be fetched from outside."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity
from ..spec.base import is_token
from .context import Context
from .registry import Problem, rule

_CHART = (
    "chart: {reference: 'oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod', version: 0.1.0, "
    f"digest: 'sha256:{'ab' * 32}'}}, "
)
_REGISTRY = "image_registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"
_CLOSED = f"network: {{mode: closed}}\neks: {{endpoint_access: private}}\ndependencies: {{{_CHART}{_REGISTRY}}}\n"


def _is_closed(ctx: Context) -> bool:
    return ctx.network is not None and ctx.network.mode == "closed" and ctx.network.existing is None


@rule(
    "HP140",
    title="The Kubernetes API of a closed network is private.",
    severity=Severity.WARNING,
    needs=("network", "eks"),
    why="The network has no way out, and yet its control plane can be reached from the internet.",
    cure="Use `endpoint_access: private`; our functions run inside the network either way.",
    source="Terraform module closed-network.tfvars",
    wrong=_CLOSED.replace("endpoint_access: private", "endpoint_access: public-and-private"),
    right=_CLOSED,
)
def private_endpoint(ctx: Context) -> Iterator[Problem]:
    """Endpoint access in a closed network."""
    eks = ctx.eks
    if _is_closed(ctx) and eks is not None and eks.existing is None and eks.endpoint_access == "public-and-private":
        yield Problem("eks.endpoint_access", "has a public endpoint in a closed network")


@rule(
    "HP141",
    title="Public images of the dependency chart are copied for a closed network.",
    severity=Severity.ERROR,
    needs=("network", "dependencies", "cluster"),
    why="Nodes cannot pull from public registries, and the pods stay in ImagePullBackOff.",
    cure="Name dependencies.image_registry and run `hyperpod mirror`, or switch the components off.",
    source="Terraform project, tools/ecr-images.conf; the chart's values",
    certain=False,
    wrong=_CLOSED.replace(f", {_REGISTRY}", ""),
    right=_CLOSED,
)
def copied_images(ctx: Context) -> Iterator[Problem]:
    """Images of the components that are on."""
    from ..closed import image_copies

    chart, cluster = ctx.dependencies, ctx.cluster
    if not _is_closed(ctx) or chart is None or cluster is None or chart.image_registry:
        return
    copies = image_copies(chart, cluster)
    if copies:
        names = ", ".join(copy.source for copy in copies)
        yield Problem("dependencies.image_registry", f"is not named, and the chart pulls {names}")


@rule(
    "HP142",
    title="Kueue by Helm comes from inside a closed network.",
    severity=Severity.ERROR,
    needs=("network", "addons"),
    why="Its chart is downloaded from GitHub and its image from registry.k8s.io.",
    cure="Name addons.kueue.chart.path, and the copied image in values.controllerManager.manager.image.repository.",
    source="catalog: kueue",
    certain=False,
    wrong=f"{_CLOSED}addons: {{kueue: {{}}}}\n",
    right=f"{_CLOSED}addons: {{kueue: {{{_CHART}values: {{controllerManager: {{manager: {{image: "
    "{repository: 111122223333.dkr.ecr.us-west-2.amazonaws.com/kueue}}}}}}\n",
)
def kueue_inside(ctx: Context) -> Iterator[Problem]:
    """Chart and image of Kueue."""
    kueue = ctx.addons.kueue if ctx.addons is not None else None
    if not _is_closed(ctx) or kueue is None or not kueue.enabled:
        return
    if type(kueue.chart).__name__ in ("NoneType", "GitChart"):
        yield Problem("addons.kueue.chart", "is downloaded from a git host, and the network is closed")
    manager = (kueue.values.get("controllerManager") or {}).get("manager") or {}
    if not (manager.get("image") or {}).get("repository"):
        yield Problem("addons.kueue.values", "leaves the image at registry.k8s.io, and the network is closed")


@rule(
    "HP143",
    title="Images of jobs can be pulled from a closed network.",
    severity=Severity.ERROR,
    needs=("network", "jobs"),
    why="Only ECR has an endpoint; a pull from anywhere else never ends.",
    cure="Copy the image to ECR, and name the copy.",
    source="catalog: endpoints",
    certain=False,
    wrong=f"{_CLOSED}jobs: [{{name: a, image: 'docker.io/pytorch/pytorch:2', instance_type: ml.m5.4xlarge, nodes: 1, "
    "command: [python]}]\n",
    right=f"{_CLOSED}addons: {{training_operator: {{}}}}\n"
    "jobs: [{name: a, image: '111122223333.dkr.ecr.us-west-2.amazonaws.com/a:1', instance_type: ml.m5.4xlarge, "
    "nodes: 1, command: [python]}]\n",
)
def job_images(ctx: Context) -> Iterator[Problem]:
    """The registry of every job's image."""
    from ..closed import image_host

    for index, job in enumerate(ctx.jobs or () if _is_closed(ctx) else ()):
        if not is_token(job.image) and ".dkr.ecr." not in image_host(job.image):
            yield Problem(f"jobs[{index}].image", f"comes from {image_host(job.image)}, and the network is closed")
