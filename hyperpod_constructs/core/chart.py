"""The HyperPod dependency chart as data: its pin, its values for a cluster, its digest, and a vendored copy of it.

Pure Python; nothing is deployed and nothing of AWS is asked here.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..handlers.helm.errors import ChartError
from ..handlers.helm.folder import content_digest, files_of
from ..handlers.helm.subcharts import Dependency, digest_key, drop_duplicates, merge, resolve
from .catalog import InstanceType, find_instance_type, find_region, label, mirror_images
from .catalog._files import load
from .overlay import overlay
from .spec.dependencies import DependencyChart, GitChart

__all__ = [
    "ChartError",
    "Vendored",
    "chart_values",
    "content_digest",
    "fetch",
    "gaps",
    "namespace",
    "pinned_chart",
    "release_name",
    "subchart_digests",
    "unpinned",
    "values_files",
    "vendor",
    "without_namespace",
]


def pinned_chart() -> GitChart:
    """The chart that is installed by default: one commit of the official repository.

    >>> pinned_chart().path
    'helm_chart/HyperPodHelmChart'
    """
    pin = load("chart")["chart"]
    return GitChart(**{key: pin[key] for key in ("repository", "path", "commit", "digest")})


def release_name() -> str:
    """The release's name in the official documentation, which other tools look for."""
    return str(load("chart")["chart"]["release"])


def namespace() -> str:
    """The namespace of the release. The agents go to one of their own, whose name is fixed."""
    return str(load("chart")["chart"]["namespace"])


def subchart_digests(spec: DependencyChart | None = None) -> dict[str, str]:
    """Digest of the package of each remote sub-chart whose digest is known, or given in `spec`, by `name version`."""
    known = load("chart")["subcharts"].items()
    digests = {digest_key(name, entry["version"]): entry["digest"] for name, entry in known if entry["digest"]}
    for key, digest in (spec.subchart_digests if spec else {}).items():
        name, _, version = key.partition(" ")
        digests[digest_key(name, version)] = digest
    return digests


def unpinned(spec: DependencyChart) -> dict[str, tuple[str, ...]]:
    """The components that are on and download sub-charts of the pinned chart without a digest, with those sub-charts.

    >>> unpinned(DependencyChart(gpu_operator=True))
    {'gpu_operator': ('gpu-operator 26.3.1',)}
    """
    known, digests = load("chart")["subcharts"], subchart_digests(spec)
    found = {}
    for name, component in load("chart")["components"].items():
        keys = [digest_key(each, known[each]["version"]) for each in component.get("subcharts", ())]
        missing = tuple(key for key in keys if key not in digests)
        if missing and spec.is_on(name):
            found[name] = missing
    return found


def gaps(instance_types: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The instance types that a component of the chart should serve, but does not name in its list.

    The NVIDIA, EFA and Neuron plugins are mended by `chart_values` and `insertions`. The health monitoring agent is not:
    whether it works on the types it leaves out is not documented. Unknown types and CDK tokens are passed over.

    >>> gaps(["ml.g4dn.xlarge", "ml.p5.48xlarge", "ml.m5.4xlarge"])
    {'nvidia_device_plugin': ('ml.g4dn.xlarge',), 'health_monitoring_agent': ('ml.g4dn.xlarge',)}
    >>> gaps(["ml.trn2.3xlarge"])
    {'neuron_device_plugin': ('ml.trn2.3xlarge',)}
    """
    used = [found for name in sorted(set(instance_types)) if (found := find_instance_type(name)) is not None]
    missing = {
        component: tuple(t.name for t in used if _needs(t, component) and t.name not in listed)
        for component, listed in load("chart")["instance_types"].items()
    }
    return {component: names for component, names in missing.items() if names}


def without_namespace(spec: DependencyChart, *, values: Mapping[str, Any] | None = None) -> dict[str, tuple[str, str]]:
    """Components that are on, but whose namespace is only made by a component that is off: the installation fails.

    Returns:
        The component to its namespace and the component that makes it. A namespace set by values is taken to exist.

    >>> without_namespace(DependencyChart(deep_health_check=False, job_auto_restart=False))
    {'health_monitoring_agent': ('aws-hyperpod', 'deep_health_check')}
    """
    given = overlay(spec.values, values or {})
    found = {}
    for name, component in load("chart")["components"].items():
        home = component.get("lives_in")
        if home and getattr(spec, name) and not getattr(spec, home["made_by"]) and not _has(given, home["key"]):
            found[name] = (home["namespace"], home["made_by"])
    return found


def _has(values: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _needs(instance_type: InstanceType, component: str) -> bool:
    needs: dict[str, bool] = {
        "nvidia_device_plugin": instance_type.is_gpu,
        "efa_device_plugin": instance_type.supports_efa,
        "neuron_device_plugin": instance_type.is_neuron,
        "health_monitoring_agent": instance_type.is_accelerated,
    }
    return needs[component]


def chart_values(
    spec: DependencyChart,
    *,
    region: str,
    instance_types: Iterable[str],
    restricted_nodes: bool = False,
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The chart's values for a cluster: every switch, the region, and lists that lack an instance type in use.

    A list is only set where it has a gap, and then repeats the chart's own entries, since helm replaces lists whole.

    Args:
        spec: switches, and values over them.
        region: the cluster's region; without it the images of the agent and the EFA plugin come from another region.
        instance_types: the types in use.
        restricted_nodes: whether there are restricted instance groups, whose taint the EFA plugin has to tolerate.
        values: further values, merged last.

    >>> v = chart_values(DependencyChart(mpi_operator=False), region="us-west-2", instance_types=["ml.p5.48xlarge"])
    >>> v["mpi-operator"], v["global"], "affinity" in v["nvidia-device-plugin"]
    ({'enabled': False}, {'region': 'us-west-2'}, False)
    """
    set_by_us: dict[str, Any] = {"global": {"region": region}, "health-monitoring-agent": {"region": region}}
    for name, component in load("chart")["components"].items():
        on = spec.has_nvidia_device_plugin if name == "nvidia_device_plugin" else getattr(spec, name)
        set_by_us = merge(set_by_us, _at(component["key"], on))
    if spec.image_registry:
        for image in mirror_images().values():
            if image.values_key and spec.is_on(image.component):
                set_by_us = merge(set_by_us, _at(image.values_key, f"{spec.image_registry}/{image.path}"))
    missing = gaps(instance_types)
    lists = load("chart")["instance_types"]
    if "nvidia_device_plugin" in missing:
        every = [*lists["nvidia_device_plugin"], *missing["nvidia_device_plugin"]]
        expression = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": every}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        set_by_us = merge(set_by_us, {"nvidia-device-plugin": {"affinity": affinity}})
    if "efa_device_plugin" in missing:
        every = [*lists["efa_device_plugin"], *missing["efa_device_plugin"]]
        set_by_us = merge(set_by_us, {"aws-efa-k8s-device-plugin": {"supportedInstanceLabels": {"values": every}}})
    if spec.efa_device_plugin:
        set_by_us = merge(set_by_us, {"aws-efa-k8s-device-plugin": _efa_plugin(region, restricted_nodes)})
    return overlay(overlay(set_by_us, spec.values), values or {})


def _efa_plugin(region: str, restricted_nodes: bool) -> dict[str, Any]:
    """The region's own image, all that a network without a way out can pull; restricted nodes have none."""
    values: dict[str, Any] = {}
    known = find_region(region)
    if known and known.eks_images_account:
        repository = load("chart")["efa_repository"].format(account=known.eks_images_account, region=region)
        values["image"] = {"repository": repository}
    if restricted_nodes:
        taint = label("restricted_taint")
        toleration = {"key": taint.key, "operator": "Equal", "value": taint.values[0], "effect": "NoSchedule"}
        values["tolerations"] = [*load("restricted_nodes")["efa_tolerations"], toleration]
    return values


def values_files(spec: DependencyChart, *, region: str) -> list[str]:
    """Files of values in the chart itself that apply: the GPU operator's images are mirrored per region."""
    return [f"regional-values/values-{region}.yaml"] if spec.gpu_operator else []


@dataclass(frozen=True)
class Vendored:
    """A vendored chart: a folder that needs no network but the registry of its images.

    Attributes:
        folder: where it is.
        digest: its content digest.
        files: how many files it has.
        subcharts: the remote sub-charts it has got, as `name version`.
        left_out: packages that lay beside the folder of the same chart.
        unpinned: the digests of the packages of sub-charts whose digest was not known before, by `name version`.
    """

    folder: Path
    digest: str
    files: int
    subcharts: tuple[str, ...]
    left_out: tuple[str, ...]
    unpinned: Mapping[str, str]


def fetch(chart: GitChart, destination: Path) -> Path:
    """Download a pinned chart's folder, and verify it.

    Raises:
        ChartError: the destination exists, or the chart cannot be had or is not what was pinned.
    """
    from ..handlers.helm.folder import verify
    from ..handlers.helm.source import download

    _refuse_existing(destination)
    try:
        download(chart.archive, chart.path, destination)
        verify(destination, chart.digest)
    except ChartError:
        shutil.rmtree(destination, ignore_errors=True)
        raise
    return destination


def vendor(
    chart: Path,
    destination: Path,
    *,
    values: Mapping[str, Any] | None = None,
    packages: Path | None = None,
    helm: str | None = None,
    image_registry: str | None = None,
    digests: Mapping[str, str] | None = None,
) -> Vendored:
    """Copy a chart's folder with the remote sub-charts that the values switch on.

    Args:
        chart: a local folder, such as one in a checkout of the upstream repository.
        destination: a new folder.
        values: the release's values (`chart_values`); default: the chart's own.
        packages: a folder of packed sub-charts (`NAME-VERSION.tgz`), looked at first.
        helm: the helm binary, to pull what is not in `packages`; without it nothing is downloaded.
        image_registry: where copies of the images lie; templates that name an image themselves are made to name its copy.
        digests: `name version` of sub-charts to the digests of their packages. Default: those that the catalog knows. A
            sub-chart without one is taken as it is, and said: from then on the folder's own digest pins it.

    Raises:
        ChartError: the destination exists, the chart holds links, or a sub-chart is missing or not what was pinned.
    """
    _refuse_existing(destination)
    files = files_of(chart)
    known = subchart_digests() if digests is None else digests
    packages_of: dict[str, str] = {}

    def pull(dependency: Dependency, into: Path) -> None:
        before = set(into.glob("*.tgz"))
        _pull(dependency, into, packages, helm)
        for package in set(into.glob("*.tgz")) - before:
            key = digest_key(dependency.name, dependency.version)
            packages_of[key] = "sha256:" + hashlib.sha256(package.read_bytes()).hexdigest()

    try:
        for path, file in files:
            target = destination / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        left_out = drop_duplicates(destination, read_yaml=_read_yaml)
        added = resolve(
            destination,
            values or {},
            read_yaml=_read_yaml,
            pull=pull,
            digests=known,
            allow_unpinned=True,
            prune=False,
        )
        if image_registry:
            _name_copies(destination, image_registry)
    except ChartError:
        shutil.rmtree(destination, ignore_errors=True)
        raise
    return Vendored(
        folder=destination,
        digest=content_digest(destination),
        files=len(files_of(destination)),
        subcharts=tuple(f"{dependency.name} {dependency.version}" for dependency in added),
        left_out=tuple(left_out),
        unpinned={key: digest for key, digest in packages_of.items() if key not in known},
    )


def _name_copies(folder: Path, registry: str) -> None:
    for image in mirror_images().values():
        file = folder / image.template if image.template else None
        if file is None or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        if image.image not in text:
            raise ChartError(f"{image.template} of the chart does not name {image.image}: it is not the chart we know")
        copy = f"{registry}/{image.path}:{image.tag}"
        file.write_text(text.replace(image.image, copy), encoding="utf-8")


def _pull(dependency: Dependency, into: Path, packages: Path | None, helm: str | None) -> None:
    plain = dependency.version.removeprefix("v")
    for version in (plain, f"v{plain}"):
        package = packages / f"{dependency.name}-{version}.tgz" if packages else None
        if package is not None and package.is_file():
            shutil.copyfile(package, into / package.name)
            return
    if helm is None:
        raise ChartError(
            f"sub-chart {dependency.name} {dependency.version} of {dependency.repository} is missing: put "
            f"{dependency.name}-{plain}.tgz into the folder of packages, or name a helm binary that can pull it"
        )
    import tempfile

    from ..handlers.helm.binary import Helm
    from ..handlers.helm.source import pull_subchart

    with tempfile.TemporaryDirectory() as work:
        pull_subchart(dependency, into, Helm(Path(work), executable=helm))


def _read_yaml(paths: Sequence[Path]) -> list[dict[str, Any]]:
    import yaml

    read = []
    for path in paths:
        try:
            content = yaml.safe_load(path.read_bytes()) if path.is_file() else None
        except yaml.YAMLError as error:
            raise ChartError(f"{path} is no YAML: {error}") from error
        if content is not None and not isinstance(content, dict):
            raise ChartError(f"{path} is no YAML mapping")
        read.append(content or {})
    return read


def _refuse_existing(destination: Path) -> None:
    if destination.exists():
        raise ChartError(f"{destination} exists; name a new folder, or remove it first")


def _at(key: str, value: Any) -> dict[str, Any]:
    """A value at a dotted path."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def patching_node_permissions() -> list[dict[str, Any]]:
    """What the service's patching may do with nodes, which the pinned chart's role lacks (see the catalog).

    >>> [one["kind"] for one in patching_node_permissions()]
    ['ClusterRole', 'ClusterRoleBinding']
    """
    fact = load("chart")["patching_nodes"]
    api, name = "rbac.authorization.k8s.io", fact["name"]
    return [
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": fact["verbs"]}],
        },
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": api, "kind": "User", "name": fact["user"]}],
        },
    ]
