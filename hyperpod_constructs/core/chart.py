"""The HyperPod dependency chart as data: pin, values for a cluster, and gaps. `live.vendoring` downloads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..handlers.shared.digests import digest_key
from .catalog import InstanceType, find_instance_type, find_region, label, mirror_images
from .catalog._files import load
from .overlay import overlay
from .spec.dependencies import DependencyChart, GitChart


def pinned_chart() -> GitChart:
    """The chart that is installed by default: one commit of the official repository.

    >>> pinned_chart().path
    'helm_chart/HyperPodHelmChart'
    """
    pin = load("chart")["chart"]
    return GitChart(**{key: pin[key] for key in ("repository", "path", "commit", "digest")})


def release_name() -> str:
    """The release name of the official documentation, which other tools expect."""
    return str(load("chart")["chart"]["release"])


def namespace() -> str:
    """The namespace of the release. The agents run in a separate namespace with a fixed name."""
    return str(load("chart")["chart"]["namespace"])


def subchart_digests(spec: DependencyChart | None = None) -> dict[str, str]:
    """Package digests of remote sub-charts by `name version`, from the catalog and `spec`."""
    known = load("chart")["subcharts"].items()
    digests = {digest_key(name, entry["version"]): entry["digest"] for name, entry in known if entry["digest"]}
    for key, digest in (spec.subchart_digests if spec else {}).items():
        name, _, version = key.partition(" ")
        digests[digest_key(name, version)] = digest
    return digests


def unpinned(spec: DependencyChart) -> dict[str, tuple[str, ...]]:
    """Enabled components that download sub-charts without a known digest, with these sub-charts.

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
    """Instance types that a chart component should support but does not list, by component.

    `chart_values` and `insertions` add them to the NVIDIA, EFA and Neuron plugins, but not to the health monitoring
    agent: whether it works on these types is not documented. Unknown types and CDK tokens are ignored.

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
    """Enabled components whose namespace is created only by a disabled component; the installation would fail.

    Returns:
        Component to its namespace and the component that creates it. A namespace that is set in values must exist.

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
    """The chart's values for a cluster: enabled components, the region, and lists that lack an instance type in use.

    A list is set only if it has a gap; it then repeats the chart's own entries, because Helm replaces lists.

    Args:
        spec: enabled components, and values that override the computed ones.
        region: the cluster's region; without it, images of the agent and the EFA plugin are pulled from another region.
        instance_types: the types in use.
        restricted_nodes: whether there are restricted instance groups, whose taint the EFA plugin must tolerate.
        values: additional values, merged last.

    >>> v = chart_values(DependencyChart(mpi_operator=False), region="us-west-2", instance_types=["ml.p5.48xlarge"])
    >>> v["mpi-operator"], v["global"], "affinity" in v["nvidia-device-plugin"]
    ({'enabled': False}, {'region': 'us-west-2'}, False)
    """
    computed: dict[str, Any] = {"global": {"region": region}, "health-monitoring-agent": {"region": region}}
    for name, component in load("chart")["components"].items():
        on = spec.has_nvidia_device_plugin if name == "nvidia_device_plugin" else getattr(spec, name)
        computed = overlay(computed, _at(component["key"], on))
    if spec.image_registry:
        for image in mirror_images().values():
            if image.values_key and spec.is_on(image.component):
                computed = overlay(computed, _at(image.values_key, f"{spec.image_registry}/{image.path}"))
    missing = gaps(instance_types)
    lists = load("chart")["instance_types"]
    if "nvidia_device_plugin" in missing:
        names = [*lists["nvidia_device_plugin"], *missing["nvidia_device_plugin"]]
        expression = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": names}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        computed = overlay(computed, {"nvidia-device-plugin": {"affinity": affinity}})
    if "efa_device_plugin" in missing:
        names = [*lists["efa_device_plugin"], *missing["efa_device_plugin"]]
        computed = overlay(computed, {"aws-efa-k8s-device-plugin": {"supportedInstanceLabels": {"values": names}}})
    if spec.efa_device_plugin:
        computed = overlay(computed, {"aws-efa-k8s-device-plugin": _efa_plugin(region, restricted_nodes)})
    return overlay(overlay(computed, spec.values), values or {})


def _efa_plugin(region: str, restricted_nodes: bool) -> dict[str, Any]:
    """Values of the EFA plugin: the image from the region's registry, which a closed network can pull, and tolerations."""
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
    """The chart's values files for a region: each region has its own registry for the GPU operator's images."""
    return [f"regional-values/values-{region}.yaml"] if spec.gpu_operator else []


def _at(key: str, value: Any) -> dict[str, Any]:
    """A value nested under a dotted key."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def patching_node_permissions() -> list[dict[str, Any]]:
    """RBAC objects for the node permissions that the service requires to patch nodes and the pinned chart lacks.

    >>> [item["kind"] for item in patching_node_permissions()]
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
