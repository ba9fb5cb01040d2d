"""HP40x: the dependency chart compared with the requirements of groups and add-ons."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import matches
from ..chart import gaps, unpinned, without_namespace
from ..findings import Severity
from ..spec.base import is_token
from ..spec.dependencies import DependencyChart, GitChart
from ..spec.network import Network
from .context import Context, EffectiveAddons, Groups, as_text, skipped, types_of
from .registry import Problem, rule

_CHART = "dependency chart of aws/sagemaker-hyperpod-cli, commit 011ca92 (2026-06-22)"


def _fragment(instance_type: str) -> str:
    return (
        "cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, "
        f"{{name: workers, instance_type: {instance_type}, count: 2}}]}}\n"
    )


@rule(
    "HP401",
    title="The dependency chart is installed.",
    severity=Severity.WARNING,
    why="The documentation requires the chart before the cluster: without it, creation may fail, and node "
    "recovery does not work.",
    cure="Set dependencies.enabled to true, unless the chart is already installed on the EKS cluster.",
    source="documentation page sagemaker-hyperpod-eks-install-packages-using-helm-chart",
    wrong="dependencies: {enabled: false}\n",
    right="dependencies: {enabled: true}\n",
)
def chart_installed(dependencies: DependencyChart, ctx: Context) -> Iterator[Problem]:
    if not dependencies.enabled:
        existing = ctx.eks is not None and ctx.eks.existing is not None
        yield Problem(
            "dependencies.enabled", "the dependency chart is disabled", severity=Severity.NOTE if existing else None
        )


@rule(
    "HP402",
    title="Each accelerated type is in the health monitoring agent's list.",
    severity=Severity.WARNING,
    why="Faulty nodes of other types than those in the agent's list are not recovered. The list is part of the "
    "chart's template, so `values` cannot change it.",
    cure="Use a type in the list where recovery is required, or a later chart that lists the type.",
    source=_CHART + ", health-monitoring-agent; a newer chart may have the type",
    wrong=_fragment("ml.g4dn.12xlarge"),
    right=_fragment("ml.g5.12xlarge"),
)
def agent_list(groups: Groups, dependencies: DependencyChart) -> Iterator[Problem]:
    if not dependencies.enabled or not dependencies.health_monitoring_agent:
        return
    for path, group in groups:
        missing = gaps(group.types).get("health_monitoring_agent", ())
        if missing:
            yield Problem(path, f"the health monitoring agent does not run on {', '.join(missing)}")


@rule(
    "HP403",
    title="Device plugins are enabled for the devices of the nodes.",
    severity=Severity.WARNING,
    why="Nodes join without the devices' resources, and jobs cannot request them.",
    cure="Enable the plugin, unless you install your own, which must tolerate the taint of unhealthy nodes.",
    source=_CHART,
    wrong="dependencies: {efa_device_plugin: false}\n" + _fragment("ml.p5.48xlarge"),
    right=_fragment("ml.p5.48xlarge"),
)
def device_plugins(groups: Groups, dependencies: DependencyChart) -> Iterator[Problem]:
    chart = dependencies
    if chart is None or not chart.enabled:
        return
    types = {instance_type.name: instance_type for _, group in groups for instance_type in types_of(group)}.values()
    for name, on, needed, resource in (
        ("nvidia_device_plugin", chart.has_nvidia_device_plugin or chart.gpu_operator, "is_gpu", "nvidia.com/gpu"),
        ("efa_device_plugin", chart.efa_device_plugin, "supports_efa", "vpc.amazonaws.com/efa"),
        ("neuron_device_plugin", chart.neuron_device_plugin, "is_neuron", "aws.amazon.com/neurondevice"),
    ):
        users = [
            kind.name for kind in types if getattr(kind, needed) and (kind.is_accelerated or needed != "supports_efa")
        ]
        if users and not on:
            yield Problem(
                f"dependencies.{name}", f"disabled, so nodes of {', '.join(users)} do not advertise {resource}"
            )


@rule(
    "HP404",
    title="The health monitoring agent is enabled and has an image in the region.",
    severity=Severity.WARNING,
    why="Without the agent, faulty nodes are not detected and recovered.",
    cure="Enable the agent; in a region without its image, mirror the image of us-east-1 and set it in dependencies.values.",
    source=_CHART + ", health-monitoring-agent: 17 regions, others fall back silently to us-east-1",
    wrong="dependencies: {health_monitoring_agent: false}\n" + _fragment("ml.p5.48xlarge"),
    right=_fragment("ml.p5.48xlarge"),
)
def agent(groups: Groups, dependencies: DependencyChart, ctx: Context) -> Iterator[Problem]:
    chart, region = dependencies, ctx.region_facts
    if chart is None or not chart.enabled or not any(k.is_accelerated for _, g in groups for k in types_of(g)):
        return
    if not chart.health_monitoring_agent:
        message = "disabled, but groups have accelerators"
        yield Problem(
            "dependencies.health_monitoring_agent", message, "Set dependencies.health_monitoring_agent to true."
        )
    elif region is not None and region.hyperpod and region.health_monitoring_agent_account is None:
        message = f"no image account is known for {region.name}: the image would be pulled from us-east-1"
        why = "The pull fails if us-east-1 is not reachable or the account is not shared."
        cure = "Mirror the image of us-east-1, and set the copy in dependencies.values."
        yield Problem("dependencies.health_monitoring_agent", message, cure, why)


@rule(
    "HP405",
    title="The chart's deep health check component is enabled for groups with deep health checks.",
    severity=Severity.ERROR,
    why="The checks require its namespace, service account and permissions.",
    cure="Set dependencies.deep_health_check to true.",
    source=_CHART + ", deep-health-check",
    certain=False,
    wrong="dependencies: {deep_health_check: false}\ncluster: {instance_groups: [{name: system, instance_type: "
    "ml.m5.4xlarge, count: 2}, {name: workers, instance_type: ml.p5.48xlarge, count: 2, "
    "deep_health_checks: [InstanceStress]}]}\n",
    right=_fragment("ml.p5.48xlarge"),
)
def health_check_parts(groups: Groups, dependencies: DependencyChart) -> Iterator[Problem]:
    chart = dependencies
    checked = [name for _, group in groups for name in group.deep_health_checks]
    if chart is None or not chart.enabled or not checked:
        return
    if not chart.deep_health_check:
        yield Problem("dependencies.deep_health_check", "disabled, but groups have deep health checks")
    if not chart.mpi_operator and "InstanceConnectivity" in checked:
        message = "disabled, but InstanceConnectivity may use it (inferred, not documented)"
        yield Problem("dependencies.mpi_operator", message, "Set dependencies.mpi_operator to true.", "", Severity.NOTE)


@rule(
    "HP406",
    title="A component is installed once: by the chart or as an add-on.",
    severity=Severity.ERROR,
    why="The second installation fails on objects of the first, or both overwrite each other's objects.",
    cure="Use the add-on, and disable the component of the chart.",
    source="Terraform module; documentation: migrate from Helm before installing the add-on",
    wrong="dependencies: {cert_manager: true}\naddons: {training_operator: {}}\n",
    right="addons: {training_operator: {}}\n",
)
def installed_once(dependencies: DependencyChart, effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    chart, addons = dependencies, effective_addons
    if chart is None or not chart.enabled:
        return
    for component, addon in (("cert_manager", "cert_manager"), ("inference_operators", "inference_operator")):
        if getattr(chart, component) and addon in addons:
            why = (
                f", which is installed with {_installs(ctx)}"
                if ctx.addons and getattr(ctx.addons, addon) is None
                else ""
            )
            yield Problem(f"dependencies.{component}", f"conflicts with the add-on {addon}{why}")
    for part in ("metrics_server", "fsx_csi", "mountpoint_s3_csi"):
        if chart.inference_operators and part in addons:
            yield Problem("dependencies.inference_operators", f"includes {part}, which is also installed as an add-on")


def _installs(ctx: Context) -> str:
    return ", ".join(
        key for key in ("training_operator", "inference_operator", "spaces") if key in ctx.effective_addons
    )


@rule(
    "HP408",
    title="Components of the chart have the values that they require.",
    severity=Severity.WARNING,
    why="The component is installed with the chart's defaults, which are placeholders.",
    cure="Set the component's values in dependencies.values.",
    source=_CHART,
    wrong="dependencies: {mlflow: true}\n",
    right="dependencies: {mlflow: false}\n",
)
def needs_values(dependencies: DependencyChart) -> Iterator[Problem]:
    chart = dependencies
    if chart is None or not chart.enabled:
        return
    for name, key in (
        ("storage", "storage"),
        ("mlflow", "mlflow"),
        ("team_role_and_bindings", "team-role-and-bindings"),
    ):
        if getattr(chart, name) and key not in chart.values:
            yield Problem(f"dependencies.{name}", f"enabled without values in dependencies.values.{key}")


@rule(
    "HP409",
    title="A closed network has a vendored chart.",
    severity=Severity.ERROR,
    why="The function that installs the chart runs in the network, and the deployment fails when it downloads the chart.",
    cure="Run `hyperpod chart vendor`, and set dependencies.chart.path to the folder.",
    source="Terraform module closed-network.tfvars",
    certain=False,
    wrong="network: {mode: closed}\n",
    right="network: {mode: closed}\ndependencies: {image_registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror, "
    "chart: {reference: 'oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod', version: 0.1.0, "
    f"digest: 'sha256:{'ab' * 32}'}}}}\n",
)
def vendored(network: Network, dependencies: DependencyChart) -> Iterator[Problem]:
    chart = dependencies
    if not chart.enabled or network.existing is not None or network.mode != "closed":
        return
    if chart.chart is None or isinstance(chart.chart, GitChart):
        yield Problem("dependencies.chart", "downloaded from a Git host, which a closed network cannot reach")


@rule(
    "HP410",
    title="The digest of a chart is not a placeholder.",
    severity=Severity.ERROR,
    why="No content has this digest, so the function that installs the chart rejects the download.",
    cure="Set the digest of your copy: `hyperpod chart digest FOLDER`, or the output of `helm push`.",
    source="this project: charts are pinned by their content",
    certain=False,
    wrong="dependencies: {chart: {reference: 'oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod', "
    f"version: 0.1.0, digest: 'sha256:{'0' * 64}'}}}}\n",
    right="dependencies: {chart: {reference: 'oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/hyperpod', "
    f"version: 0.1.0, digest: 'sha256:{'ab' * 32}'}}}}\n",
)
def placeholder_digests(ctx: Context) -> Iterator[Problem]:
    charts: list[tuple[str, object]] = []
    if ctx.dependencies is not None and ctx.dependencies.enabled:
        charts.append(("dependencies.chart", ctx.dependencies.chart))
    if ctx.addons is not None and ctx.addons.kueue is not None:
        charts.append(("addons.kueue.chart", ctx.addons.kueue.chart))
    if ctx.addons is not None and ctx.addons.observability is not None:
        charts.append(("addons.observability.grafana.chart", ctx.addons.observability.grafana.chart))
    for path, chart in charts:
        digest = getattr(chart, "digest", None)
        if isinstance(digest, str) and not is_token(digest) and not digest.removeprefix("sha256:").strip("0"):
            yield Problem(f"{path}.digest", "placeholder digest (all zeros)")


@rule(
    "HP411",
    title="The namespace of each chart component is created by an enabled component.",
    why="Helm fails to install or update the dependency chart: the namespace does not exist.",
    cure="Enable the component that creates the namespace, or set the component's namespace in `values`.",
    source=_CHART + "; tried with Helm 4.1.4",
    wrong="dependencies: {deep_health_check: false}\n",
    right="dependencies: {deep_health_check: false, health_monitoring_agent: false, job_auto_restart: false}\n",
)
def namespaces_of_components(dependencies: DependencyChart) -> Iterator[Problem]:
    if not dependencies.enabled:
        return
    for component, (namespace, maker) in without_namespace(dependencies).items():
        message = f"requires the namespace {namespace}, which only {maker} creates, and {maker} is disabled"
        yield Problem(f"dependencies.{component}", message)


@rule(
    "HP412",
    title="An image registry is a host with an optional path.",
    severity=Severity.ERROR,
    why="Kubernetes rejects the images (InvalidImageName), and no component of the chart starts.",
    cure="Use the format 111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror, without scheme, tag or trailing slash.",
    source="The distribution project: grammar of image references",
    wrong="dependencies: {image_registry: 'https://111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror'}\n",
    right="dependencies: {image_registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror}\n",
)
def registries(dependencies: DependencyChart) -> Iterator[Problem]:
    registry = dependencies.image_registry if dependencies is not None else None
    if is_token(registry):
        yield skipped("dependencies.image_registry")
    elif registry is not None and not matches("image_registry", registry):
        bare = re.sub(r"^[a-z]+://|/+$", "", registry)
        cure = f"Specify {bare}." if bare != registry and matches("image_registry", bare) else None
        yield Problem("dependencies.image_registry", f"{as_text(registry)} is not a valid image registry", cure)


@rule(
    "HP413",
    title="Each downloaded sub-chart has a digest.",
    severity=Severity.ERROR,
    why="The content of the repository at deploy time may differ from what was reviewed. The function that "
    "installs the chart rejects it before installing anything.",
    cure="Add the sha256 of each package to dependencies.subchart_digests, use a vendored chart (`hyperpod chart vendor`, "
    "dependencies.chart.path), or set dependencies.allow_unpinned_subcharts to true.",
    source=_CHART + ", Chart.yaml of the chart and of hyperpod-inference-operator",
    wrong="dependencies: {gpu_operator: true}\n",
    right="dependencies: {gpu_operator: true, subchart_digests: {gpu-operator 26.3.1: 'sha256:" + "ab" * 32 + "'}}\n",
)
def pinned_subcharts(dependencies: DependencyChart) -> Iterator[Problem]:
    if not dependencies.enabled or dependencies.chart is not None or dependencies.allow_unpinned_subcharts:
        return
    for component, names in unpinned(dependencies).items():
        yield Problem(f"dependencies.{component}", f"downloads {', '.join(names)} without a known digest")
