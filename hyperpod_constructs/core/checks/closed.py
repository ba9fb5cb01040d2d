"""HP14x: closed networks, which cannot download anything from the internet."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import matches, uncopied_images
from ..endpoint_policies import ANY_ACCOUNT, assumed_images, published_image_accounts
from ..findings import Severity
from ..spec.addons import Addons
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.dependencies import DependencyChart, FolderChart, GitChart, OciChart
from ..spec.eks import Eks
from ..spec.jobs import Job
from ..spec.network import Network
from .context import Context, as_text
from .registry import Problem, rule

_CHART = (
    "chart: {reference: 'oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod', version: 0.1.0, "
    f"digest: 'sha256:{'ab' * 32}'}}, "
)
_REGISTRY = "image_registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"
_CLOSED = f"network: {{mode: closed}}\neks: {{endpoint_access: private}}\ndependencies: {{{_CHART}{_REGISTRY}}}\n"

_ADDON_OF = {"cert_manager": "cert_manager", "inference_operators": "inference_operator"}


def _is_near(ctx: Context, image: str) -> bool:
    """Whether an image is in ECR in the platform's region: endpoints reach no other registry."""
    from ..closed import image_host

    host = image_host(image)
    return is_token(image) or f".dkr.ecr.{ctx.region}." in host or (ctx.region is None and ".dkr.ecr." in host)


def _is_closed(ctx: Context) -> bool:
    return ctx.network is not None and ctx.network.mode == "closed" and ctx.network.existing is None


def _is_downloaded(ctx: Context, chart: GitChart | FolderChart | OciChart) -> bool:
    """Whether a chart is from a git host, or from a registry without an endpoint."""
    if isinstance(chart, OciChart):
        return not _is_near(ctx, chart.reference.removeprefix("oci://"))
    return isinstance(chart, GitChart)


@rule(
    "HP140",
    title="The Kubernetes API of a closed network is private.",
    severity=Severity.WARNING,
    why="The network has no route to the internet, but its control plane is reachable from the internet.",
    cure="Set `endpoint_access: private`; the deployment's functions run in the network in both cases.",
    source="Terraform module closed-network.tfvars",
    wrong=_CLOSED.replace("endpoint_access: private", "endpoint_access: public-and-private"),
    right=_CLOSED,
)
def private_endpoint(network: Network, eks: Eks, ctx: Context) -> Iterator[Problem]:
    if _is_closed(ctx) and eks.existing is None and eks.endpoint_access == "public-and-private":
        yield Problem("eks.endpoint_access", "public endpoint in a closed network")


@rule(
    "HP141",
    title="A closed network has copies of the dependency chart's public images.",
    severity=Severity.ERROR,
    why="Nodes cannot pull from public registries, and the pods stay in ImagePullBackOff.",
    cure="Set dependencies.image_registry to ECR in the region and run `hyperpod mirror`, or disable the components.",
    source="Terraform project, tools/ecr-images.conf; the chart's values",
    certain=False,
    wrong=_CLOSED.replace(f", {_REGISTRY}", ""),
    right=_CLOSED,
)
def copied_images(network: Network, dependencies: DependencyChart, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    if not _is_closed(ctx):
        return
    from ..closed import image_copies

    chart = dependencies
    for component, source in uncopied_images().items():
        if chart.is_on(component):
            yield Problem(
                f"dependencies.{component}",
                f"pulls images from {source}, which `hyperpod mirror` does not copy",
                f"Use the EKS add-on instead (`addons.{_ADDON_OF[component]}`): its images are in ECR.",
            )
    copies = image_copies(chart, cluster)
    if copies and chart.image_registry:
        if not _is_near(ctx, chart.image_registry):
            yield Problem("dependencies.image_registry", f"{chart.image_registry} has no endpoint in this network")
    elif copies:
        names = ", ".join(copy.source for copy in copies)
        yield Problem("dependencies.image_registry", f"not set, but the chart pulls public images: {names}")


@rule(
    "HP142",
    title="In a closed network, Kueue's chart and image are internal.",
    severity=Severity.ERROR,
    why="The chart is downloaded from GitHub and the image from registry.k8s.io, and neither has an endpoint.",
    cure="Set addons.kueue.chart.path, and the copied image in values.controllerManager.manager.image.repository.",
    source="catalog: kueue",
    certain=False,
    wrong=f"{_CLOSED}addons: {{kueue: {{}}}}\n",
    right=f"{_CLOSED}addons: {{kueue: {{{_CHART}values: {{controllerManager: {{manager: {{image: "
    "{repository: 111122223333.dkr.ecr.us-west-2.amazonaws.com/kueue}}}}}}\n",
)
def kueue_inside(network: Network, addons: Addons, ctx: Context) -> Iterator[Problem]:
    kueue = addons.kueue if addons is not None else None
    if not _is_closed(ctx) or kueue is None or not kueue.enabled:
        return
    if kueue.chart is None or _is_downloaded(ctx, kueue.chart):
        yield Problem("addons.kueue.chart", "downloaded from a Git host, which a closed network cannot reach")
    manager = (kueue.values.get("controllerManager") or {}).get("manager") or {}
    if not _is_near(ctx, (manager.get("image") or {}).get("repository") or "registry.k8s.io/kueue/kueue"):
        yield Problem("addons.kueue.values", "the image is not in ECR in the region, and the network is closed")


@rule(
    "HP143",
    title="In a closed network, images of jobs are in ECR in the region.",
    severity=Severity.ERROR,
    why="Only ECR in the region has an endpoint; pulls from other registries do not complete.",
    cure="Copy the image to ECR in the region, and specify the copy.",
    source="catalog: endpoints",
    certain=False,
    wrong=f"{_CLOSED}jobs: [{{name: a, image: 'docker.io/pytorch/pytorch:2', instance_type: ml.m5.4xlarge, nodes: 1, "
    "command: [python]}]\n",
    right=f"{_CLOSED}addons: {{training_operator: {{}}}}\n"
    "jobs: [{name: a, image: '111122223333.dkr.ecr.us-west-2.amazonaws.com/a:1', instance_type: ml.m5.4xlarge, "
    "nodes: 1, command: [python]}]\n",
)
def job_images(network: Network, jobs: tuple[Job, ...], ctx: Context) -> Iterator[Problem]:
    if not _is_closed(ctx):
        return
    from ..closed import image_host

    for index, job in enumerate(jobs or ()):
        if not _is_near(ctx, job.image):
            yield Problem(f"jobs[{index}].image", f"{image_host(job.image)} is not reachable from a closed network")


@rule(
    "HP144",
    title="In a closed network, Grafana's chart and image are internal.",
    severity=Severity.ERROR,
    why="The chart and the image are in public registries, and the pod does not start.",
    cure="Vendor the chart, and specify the copied image in grafana.values.image (registry and repository).",
    source="catalog: endpoints",
    certain=False,
    wrong=f"{_CLOSED}addons: {{observability: {{grafana: {{kind: self-hosted, chart: {{path: charts/grafana}}}}}}}}\n",
    right=f"{_CLOSED}addons: {{observability: {{grafana: {{kind: self-hosted, chart: {{path: charts/grafana}}, values: "
    "{image: {registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com, repository: mirror/grafana}}}}}\n",
)
def grafana_inside(network: Network, addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = addons.observability if addons is not None else None
    if not _is_closed(ctx) or settings is None or not settings.enabled or settings.grafana.kind != "self-hosted":
        return
    place, grafana = "addons.observability.grafana", settings.grafana
    if grafana.chart is not None and _is_downloaded(ctx, grafana.chart):
        yield Problem(f"{place}.chart", "downloaded from the internet, which a closed network cannot reach")
    image = grafana.values.get("image") or {}
    parts = [str(image[key]) for key in ("registry", "repository") if image.get(key)]
    if not _is_near(ctx, "/".join(parts) or "grafana/grafana"):
        yield Problem(f"{place}.values", "the image is in a public registry, which a closed network cannot reach")


@rule(
    "HP145",
    title="Endpoints of a closed network are restricted to your accounts.",
    severity=Severity.WARNING,
    why="With credentials of another account, or through a public bucket, data can leave the network through "
    "an endpoint.",
    cure="Keep endpoint_policies enabled, and specify further accounts in endpoint_accounts, or organization_id.",
    source="AWS data perimeter policy examples, VPC endpoint policies",
    wrong=_CLOSED.replace("mode: closed", "mode: closed, endpoint_policies: false"),
    right=_CLOSED,
)
def endpoint_policies(network: Network) -> Iterator[Problem]:
    if network.mode == "closed" and not network.endpoint_policies:
        yield Problem("network.endpoint_policies", "disabled, so the endpoints accept every account")
    for index, account in enumerate(network.endpoint_accounts):
        if not is_token(account) and not matches("account_id", account):
            message = f"{as_text(account)} is not a valid account id"
            yield Problem(f"network.endpoint_accounts[{index}]", message, *_NOT_AN_ACCOUNT, Severity.ERROR)
    named = [name for name in ("endpoint_accounts", "organization_id") if getattr(network, name)]
    if network.mode == "open":
        for name in named:
            message = "no effect: endpoints of an open network have no policy"
            yield Problem(f"network.{name}", message, "Remove it, or set `mode: closed`.")


_NOT_AN_ACCOUNT = (
    "Write 12 digits in quotes.",
    "No account has this id, so the endpoint policies do not allow the account that is meant.",
)
"""Fix and impact of an account id that is not valid."""


@rule(
    "HP146",
    title="Images of a closed network come from known accounts.",
    severity=Severity.NOTE,
    why="If the endpoints allow any account, a node can pull images of other accounts, and the owner of a repository "
    "sees the names and tags that are requested. If they reject the account of an image, its pods stay in ImagePullBackOff.",
    cure='Replace "*" with the accounts of your images.',
    source="Amazon ECR user guide, VPC endpoints; EKS user guide, add-ons-images",
    wrong=_CLOSED.replace("mode: closed", 'mode: closed, image_accounts: ["*"]'),
    right=_CLOSED,
)
def image_accounts(network: Network, ctx: Context) -> Iterator[Problem]:
    accounts = network.image_accounts
    for index, account in enumerate(accounts):
        if not is_token(account) and account != ANY_ACCOUNT and not matches("account_id", account):
            message = f"{as_text(account)} is not a valid account id"
            yield Problem(f"network.image_accounts[{index}]", message, *_NOT_AN_ACCOUNT, Severity.ERROR)
    if not _is_closed(ctx) or not network.endpoint_policies:
        if accounts:
            message = "no effect: only endpoints that this library creates for a closed network have policies"
            yield Problem("network.image_accounts", message, "Remove it.", None, Severity.WARNING)
        return
    if ANY_ACCOUNT in accounts:
        yield Problem("network.image_accounts", "allows images from ECR repositories of any account")
        return
    published = published_image_accounts(ctx.region)
    if not published and not accounts:
        message = f"not set, and the accounts of the images of EKS add-ons in {ctx.region} are unknown"
        cure = "Add the account that the EKS user guide lists for the region (page add-ons-images)."
        yield Problem("network.image_accounts", message, cure, None, Severity.WARNING)
    for key in assumed_images():
        if ctx.addons is not None and getattr(ctx.addons, key) is not None:
            yield Problem(
                f"addons.{key}",
                "its images are expected in the account of the EKS add-ons, but no source confirms it",
                "If its pods stay in ImagePullBackOff, add the account in their events to network.image_accounts.",
                "The endpoints reject images of accounts that are not listed.",
            )
    if ctx.account is None:
        return  # the platform's own account is unknown here
    served = {ctx.account, *network.endpoint_accounts, *accounts, *published}
    for path, image in _images_of_ecr(ctx):
        account = image.partition(".")[0]
        if account not in served:
            yield Problem(
                path,
                f"is in account {account}, whose images the endpoints reject",
                f'Add "{account}" to network.image_accounts.',
                "The pods stay in ImagePullBackOff.",
                Severity.ERROR,
            )


def _images_of_ecr(ctx: Context) -> Iterator[tuple[str, str]]:
    """Path and reference of the config's images in ECR."""
    named = [(f"jobs[{index}].image", job.image) for index, job in enumerate(ctx.jobs or ())]
    registry = ctx.dependencies.image_registry if ctx.dependencies is not None else None
    named += [("dependencies.image_registry", registry)] if registry else []
    for path, image in named:
        if re.match(r"[0-9]{12}\.dkr\.ecr\.", image):
            yield path, image
