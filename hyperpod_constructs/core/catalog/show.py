"""Entries of the catalog as text. The number after an uncertain value refers to the reason below."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hyperpod_constructs.core.catalog._addons import Addon, addon, addons
from hyperpod_constructs.core.catalog._clock import today as clock_today
from hyperpod_constructs.core.catalog._endpoints import Endpoint, endpoint, endpoints
from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.catalog._instance_types import EFA_RESOURCE, InstanceType, instance_type, instance_types
from hyperpod_constructs.core.catalog._kubernetes import KubernetesVersion, kubernetes_version, kubernetes_versions
from hyperpod_constructs.core.catalog._quotas import instance_quota
from hyperpod_constructs.core.catalog._regions import Region, region, regions

from ..plural import count

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of facts.

    Attributes:
        file: name of the data file.
        find: returns the entry of a name; raises `UnknownName`.
        all: returns every entry.
        render: formats an entry for a terminal.
    """

    file: str
    find: Callable[[str], Any]
    all: Callable[[], Iterable[Any]]
    render: Callable[[Any], str]


def render_instance_type(found: InstanceType) -> str:
    """Formats one instance type, with the names of its quotas."""
    accelerator, sheet = found.accelerator, _Sheet(found.name, "instance_types", found.uncertain)
    sheet.row("vCPU", found.vcpu, "vcpu")
    sheet.row("memory", f"{found.memory_gib:g} GiB", "memory_gib")
    sheet.row("architecture", found.architecture, "architecture")
    if accelerator:
        memory = accelerator.memory_gib_each
        memory_text = "memory unknown" if memory is None else f"{memory:g} GiB each"
        sheet.row(
            "accelerators", f"{accelerator.count} x {accelerator.model}, {memory_text}", "accelerator.memory_gib_each"
        )
        sheet.row("Kubernetes resources", ", ".join(accelerator.resource_names))
        if accelerator.neuron_cores:
            sheet.row("Neuron cores", f"{accelerator.neuron_cores} physical")
    else:
        sheet.row("accelerators", "none")
    if found.mig_profiles:
        sheet.row("MIG profiles", ", ".join(found.mig_profiles), "mig_profiles")
    efa = "yes, number unknown" if found.efa_interfaces is None else found.efa_interfaces or "none"
    sheet.row("EFA interfaces", f"{efa} ({EFA_RESOURCE})" if found.supports_efa else efa, "efa_interfaces")
    sheet.row("network cards", found.network_cards, "network_cards")
    sheet.row("IPv4 per interface", found.ipv4_per_interface, "ipv4_per_interface")
    sheet.row("maximum IPs per node", found.ips_per_node, "ipv4_per_interface")
    sheet.row("maximum pods per node", found.max_pods, "max_pods")
    sheet.row("local NVMe", "none" if found.nvme_gb == 0 else found.nvme_gb and f"{found.nvme_gb} GB", "nvme_gb")
    threads = found.threads_per_core and " or ".join(map(str, found.threads_per_core))
    sheet.row("threads per core", threads, "threads_per_core")
    checks = "yes" if found.deep_health_checks else "no: GPU and Trainium types only"
    sheet.row("deep health checks", checks, "deep_health_checks")
    sheet.row("regions with a price", ", ".join(found.regions) or None, "regions")
    quota = instance_quota("cluster", found.name)
    sheet.row("quota", f"{quota.name} ({quota.code or 'code unknown'})")
    return str(sheet)


def render_region(found: Region) -> str:
    """Formats one region and its HyperPod features."""
    sheet = _Sheet(found.name, "regions", found.uncertain)
    sheet.row("HyperPod", found.hyperpod, "hyperpod")
    sheet.row("zone ids", f"{found.zone_id_prefix}-az1 and others", "zone_id_prefix")
    sheet.row("must be enabled first", found.opt_in, "opt_in")
    sheet.row("AWS::SageMaker::Cluster", found.cluster_cfn, "cluster_cfn")
    sheet.row("…::ClusterSchedulerConfig", found.scheduler_config_cfn, "scheduler_config_cfn")
    sheet.row("…::ComputeQuota", found.compute_quota_cfn, "compute_quota_cfn")
    sheet.row("observability add-on", found.observability, "observability")
    sheet.row("Managed Prometheus", found.amp, "amp")
    sheet.row("Managed Grafana", found.amg, "amg")
    sheet.row("inference operator", found.inference, "inference")
    for label, name in (
        ("EKS images' account", "eks_images_account"),
        ("health agent's account", "health_monitoring_agent_account"),
        ("inference images' account", "inference_operator_account"),
        ("GPU operator's account", "gpu_operator_account"),
    ):
        sheet.row(label, getattr(found, name) or "none", name)
    priced = [instance_type for instance_type in instance_types().values() if found.name in instance_type.regions]
    sheet.row(
        "instance types",
        f"{len(priced)} with a price, {sum(instance_type.is_accelerated for instance_type in priced)} of them "
        "accelerated",
    )
    return str(sheet)


def render_kubernetes_version(found: KubernetesVersion, today: date | None = None) -> str:
    """Formats one Kubernetes version, with its status on a day (by default today) and the add-ons' versions for it."""
    day, sheet = today or clock_today(), _Sheet(f"Kubernetes {found}", "kubernetes", found.uncertain)
    status, left = found.status(day), found.days_left(day)
    sheet.row(
        f"on {day}",
        f"{status} support, {count(left or 0, 'day')} left" if status in ("standard", "extended") else status,
    )
    sheet.row("documented by HyperPod", found.hyperpod_documented, "hyperpod_documented")
    sheet.row("released", found.released, "released")
    sheet.row("standard support ends", found.end_of_standard_support, "end_of_standard_support")
    sheet.row("extended support ends", found.end_of_extended_support, "end_of_extended_support")
    for add_on in addons().values():
        version = add_on.version_for(found.version)
        if version or add_on.supports(found.version) is False:
            sheet.row(
                add_on.name, version.version if version else f"requires Kubernetes {add_on.kubernetes_min} or later"
            )
    return str(sheet)


def render_addon(found: Addon) -> str:
    """Formats one add-on."""
    sheet = _Sheet(f"{found.name} ({found.title})", "addons", found.uncertain)
    sheet.row(
        "provider", {"hyperpod": "SageMaker HyperPod", "eks": "AWS", "community": "EKS community"}[found.provider]
    )
    sheet.row("namespace", found.namespace, "namespace")
    sheet.row("service accounts", ", ".join(found.service_accounts) or "none", "service_accounts")
    standalone = ", with a separate association that is created first" if found.standalone_association else ""
    mark = "standalone_association" if standalone else "credentials"
    sheet.row("credentials", found.credentials + standalone, mark)
    sheet.row("managed policies", ", ".join(found.managed_policies) or "none", "managed_policies")
    needs = "becomes ACTIVE when nodes are ready" if found.needs_nodes else "becomes ACTIVE without nodes"
    sheet.row("kind", f"{found.kind}: {needs}", "needs_nodes" if "needs_nodes" in found.uncertain else "kind")
    sheet.row("prerequisite add-ons", ", ".join(map(_with_min(found), found.prerequisites)) or "none", "prerequisites")
    for text in found.requires:
        sheet.row("also requires", text, "requires")
    if found.min_version:
        sheet.row("minimum version", found.min_version, "min_version")
    for version in found.versions:
        known = version.kubernetes_min and f"Kubernetes {version.kubernetes_min} to {version.kubernetes_max}"
        seen = f", seen {version.date}" if version.date else ""
        hint = "" if version.installable else ", build unknown"
        sheet.row("version", f"{version.version}: {known or 'range unknown'}{hint}{seen}")
    sheet.row("pods", f"{found.pods_per_node} on each node, {found.pods_total} others", "pods_per_node", "pods_total")
    sheet.row(
        "wait for", ", ".join(f"deployment {deployment}" for deployment in found.deployments) or None, "deployments"
    )
    sheet.row("resource definitions", ", ".join(found.crds) or "none known", "crds")
    sheet.row("configuration keys", ", ".join(found.configuration_keys) or None, "configuration_keys")
    return str(sheet)


def render_endpoint(found: Endpoint) -> str:
    """Formats one VPC endpoint."""
    sheet = _Sheet(found.service, "endpoints", found.uncertain)
    sheet.row("service name", f"com.amazonaws.<region>.{found.service}")
    sheet.row("type", found.type)
    sheet.row("for", found.reason, "reason")
    sheet.row(
        "required by",
        ", ".join("every cluster" if feature == "base" else feature for feature in found.features),
        "features",
    )
    return str(sheet)


def entries(kind: str, region_name: str | None = None) -> list[Any]:
    """All entries of a kind.

    Args:
        kind: one of `KINDS`.
        region_name: only instance types with a price in this region.

    Raises:
        UnknownName: the region does not exist.
    """
    found = list(KINDS[kind].all())
    wanted = region(region_name).name if region_name else None
    if kind == "region":
        return [region for region in found if region.hyperpod]
    return [region for region in found if wanted is None or wanted in region.regions]


def render_list(kind: str, found: Sequence[Any]) -> str:
    """Formats entries of a kind, one per line, in columns."""
    if kind == "instance-type":
        return _columns(
            ["instance type", "vCPU", "GiB", "accelerators", "EFA", "pods", "IPs"],
            (
                [
                    item.name,
                    item.vcpu,
                    f"{item.memory_gib:g}",
                    f"{item.accelerator.count} x {item.accelerator.model}" if item.accelerator else "-",
                    "?" if item.efa_interfaces is None else item.efa_interfaces or "-",
                    f"{item.max_pods or ''}{'' if item.max_pods_certain else '?'}",
                    item.ips_per_node or "?",
                ]
                for item in found
            ),
        )
    if kind == "region":
        features = ("cluster_cfn", "scheduler_config_cfn", "compute_quota_cfn", "observability", "inference")
        return _columns(
            ["region", "cluster", "scheduler config", "compute quota", "observability", "inference"],
            ([item.name, *(_yes(getattr(item, name)) for name in features)] for item in found),
        )
    if kind == "kubernetes":
        return _columns(
            ["version", "today", "days left", "documented by HyperPod"],
            (
                [
                    item.version,
                    item.status(),
                    "?" if item.days_left() is None else item.days_left(),
                    _yes(item.hyperpod_documented),
                ]
                for item in found
            ),
        )
    if kind == "addon":
        rows = ([item.name, item.namespace, item.credentials, item.kind] for item in found)
        return _columns(["add-on", "namespace", "credentials", "kind"], rows)
    return _columns(
        ["endpoint", "type", "required by", "for"],
        ([item.service, item.type, ", ".join(item.features), item.reason] for item in found),
    )


KINDS: Mapping[str, Kind] = {
    "instance-type": Kind("instance_types", instance_type, lambda: instance_types().values(), render_instance_type),
    "region": Kind("regions", region, lambda: regions().values(), render_region),
    "kubernetes": Kind(
        "kubernetes", kubernetes_version, lambda: kubernetes_versions().values(), render_kubernetes_version
    ),
    "addon": Kind("addons", addon, lambda: addons().values(), render_addon),
    "endpoint": Kind("endpoints", endpoint, lambda: endpoints().values(), render_endpoint),
}
"""The kinds that `hyperpod catalog show` supports."""


class _Sheet:
    """A title, rows of label and value, the reasons of uncertain values, and the source."""

    def __init__(self, title: str, file: str, uncertain: Mapping[str, str]) -> None:
        self._title, self._file, self._uncertain = title, file, uncertain
        self._rows: list[tuple[str, str]] = []
        self._reasons: list[str] = []

    def row(self, label: str, value: object, *fields: str) -> None:
        """Adds a row; `fields` are the names that may be marked as uncertain."""
        text = "unknown" if value is None else _yes(value) if isinstance(value, bool) else str(value)
        marks = ""
        for reason in (self._uncertain[name] for name in fields if name in self._uncertain):
            if reason not in self._reasons:
                self._reasons.append(reason)
            mark = f" [{self._reasons.index(reason) + 1}]"
            marks += mark if mark not in marks else ""
        self._rows.append((label, text + marks))

    def __str__(self) -> str:
        # Imported here: only `show` wraps text.
        from textwrap import wrap

        width = max(len(label) for label, _ in self._rows)
        lines = [self._title]
        previous = ""
        for label, text in self._rows:
            first, *rest = wrap(text, _WIDTH - width - 4, break_long_words=False, break_on_hyphens=False)
            lines.append(f"  {'' if label == previous else label:{width}}  {first}")
            lines += [" " * (width + 4) + line for line in rest]
            previous = label
        if self._uncertain:
            lines += ["", "Uncertain:"]
            marked = [(f"[{number}]", reason) for number, reason in enumerate(self._reasons, 1)]
            # The uncertainties of fields without a row.
            others = [(f"{name}:", why) for name, why in self._uncertain.items() if why not in self._reasons]
            for mark, reason in marked + others:
                lines += wrap(
                    reason, _WIDTH, initial_indent=f"  {mark} ", subsequent_indent="      ", break_on_hyphens=False
                )
        file = load(self._file)
        text = f"Facts of {file['date']}. {file['source']}"
        lines += ["", *wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)]
        return "\n".join(lines)


def _with_min(found: Addon) -> Callable[[str], str]:
    def text(name: str) -> str:
        oldest = found.min_version_for.get(name)
        return f"{name} ({oldest} or later)" if oldest else name

    return text


def _columns(head: list[str], rows: Iterable[Sequence[object]]) -> str:
    table = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"
