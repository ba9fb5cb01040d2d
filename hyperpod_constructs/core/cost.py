"""The cost of a config per hour and per month at list prices, item by item; unknown prices are listed as unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .catalog import HOURS_PER_MONTH, Price, ec2_price, find_kubernetes_version, find_price, load
from .network_plan import nat_gateways
from .plural import count
from .spec.groups import InstanceGroup, RestrictedInstanceGroup
from .spec.observability import Observability
from .spec.platform import Platform

BY_USE = "usage-based"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cost item.

    Attributes:
        part: the part of the config, such as "cluster" or "network".
        what: the item.
        count: number of units, such as instances or GB.
        usd_per_hour: cost of all units; None if the price is unknown or usage-based.
        note: the reason for a missing number, or additional information.
        source: source of the price, with its date.
        by_default: whether the item is created without being set in the config.
        ec2_usd_per_hour: EC2's price of the same instances if HyperPod's price is unknown, as an estimate.
    """

    part: str
    what: str
    count: float
    usd_per_hour: float | None
    note: str = ""
    source: str = ""
    by_default: bool = False
    ec2_usd_per_hour: float | None = None

    @property
    def usd_per_month(self) -> float | None:
        """Cost per month of 730 hours."""
        return None if self.usd_per_hour is None else self.usd_per_hour * HOURS_PER_MONTH

    @property
    def is_known(self) -> bool:
        """Whether the item is included in the total or usage-based."""
        return self.usd_per_hour is not None or self.note.startswith(BY_USE)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a config."""

    lines: tuple[Line, ...]

    @property
    def usd_per_hour(self) -> float:
        """The sum of the known costs."""
        return sum(line.usd_per_hour or 0.0 for line in self.lines)

    @property
    def usd_per_month(self) -> float:
        """The sum of the known costs per month of 730 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH

    @property
    def ec2_usd_per_hour(self) -> float:
        """EC2's price of the instances without a known price; not included in the sum."""
        return sum(line.ec2_usd_per_hour or 0.0 for line in self.lines)

    @property
    def unknown(self) -> tuple[Line, ...]:
        """Items without a known price."""
        return tuple(line for line in self.lines if not line.is_known)


def estimate(platform: Platform, *, own_prices: Mapping[str, float] | None = None) -> Estimate:
    """The cost of a platform as configured, with every group at its full count at all times.

    Args:
        platform: the config.
        own_prices: USD per hour (per GB-month for file systems) by item, such as `ml.p5.48xlarge` or
            `nat_gateway`; they override the catalog's.
    """
    return Estimate(tuple(_Lines(platform, own_prices or {}).all()))


class _Lines:
    def __init__(self, platform: Platform, own_prices: Mapping[str, float]) -> None:
        self._platform, self._own = platform, own_prices

    def all(self) -> Iterator[Line]:
        for group in self._platform.cluster.groups:
            yield from self._group(group)
        yield from self._eks()
        yield from self._network()
        yield from self._file_systems()
        yield from self._addons()
        for bucket in self._platform.storage.buckets:
            yield Line(part="storage", what=f"bucket {bucket.name}", count=1, usd_per_hour=None, note=_USE_S3)

    def _line(self, part: str, what: str, item: str, count: float, *, by_default: bool = False) -> Line:
        own_price = self._own.get(item, self._own.get(item.removeprefix("instance:")))
        found = find_price(item, self._platform.region)
        if own_price is not None:
            monthly = item.startswith("lustre:")
            each: float | None = own_price / HOURS_PER_MONTH if monthly else own_price
            return Line(part=part, what=what, count=count, usd_per_hour=_times(each, count), source="your own price")
        if found is None:
            instance = item.removeprefix("instance:")
            note = f"unknown: the catalog has no list price for {instance} in {self._platform.region}"
            ec2_usd = ec2_price(instance, self._platform.region)
            if ec2_usd is not None:
                collected = load("ec2_prices")["collected"]
                note += (
                    f"; the EC2 price on {collected} was {ec2_usd:,.2f} USD per hour per instance; "
                    "HyperPod's price differs"
                )
            return Line(
                part=part,
                what=what,
                count=count,
                usd_per_hour=None,
                note=note,
                by_default=by_default,
                ec2_usd_per_hour=_times(ec2_usd, count),
            )
        return Line(
            part=part,
            what=what,
            count=count,
            usd_per_hour=_times(found.usd_per_hour, count),
            note="; ".join(found.uncertain.values()),
            source=_source(found),
            by_default=by_default,
        )

    def _group(self, group: InstanceGroup | RestrictedInstanceGroup) -> Iterator[Line]:
        types = "/".join(group.types)
        what = f"group {group.name}: {group.count} x {types}"
        if group.training_plan_arn:
            note = "included in its training plan"
            yield Line(part="cluster", what=what, count=group.count, usd_per_hour=0.0, note=note)
        elif isinstance(group, InstanceGroup) and group.capacity == "spot":
            note = "unknown: Spot prices vary"
            yield Line(part="cluster", what=what, count=group.count, usd_per_hour=None, note=note)
        elif len(group.types) == 1:
            yield self._line("cluster", what, f"instance:{group.types[0]}", group.count)
        else:
            note = "unknown: available capacity determines which of its instance types run"
            yield Line(part="cluster", what=what, count=group.count, usd_per_hour=None, note=note)
        if isinstance(group, InstanceGroup) and group.volume and group.volume.size_gib and group.count:
            size = group.volume.size_gib * group.count
            yield self._line("cluster", f"group {group.name}: {size:,} GiB of volumes", "ebs_volume", size)

    def _eks(self) -> Iterator[Line]:
        eks = self._platform.eks
        if eks.existing is not None:
            return
        fact = find_kubernetes_version(eks.kubernetes_version) if eks.kubernetes_version else None
        extended = fact is not None and str(fact.status()) == "extended"
        item = "eks:extended" if extended else "eks:standard"
        yield self._line("eks", f"control plane, {item.partition(':')[2]} support", item, 1, by_default=True)
        if eks.logs:
            days = self._platform.logs.retention_days
            kept = "as configured in the account" if days == "unset" else f"for {days} days"
            what = f"control-plane logs, {count(len(eks.logs), 'type')}"
            note = f"usage-based: per GB of {', '.join(eks.logs)} ingested, and stored {kept}"
            implied = "logs" not in eks.model_fields_set
            yield Line(part="eks", what=what, count=1, usd_per_hour=None, note=note, by_default=implied)

    def _network(self) -> Iterator[Line]:
        network = self._platform.network
        if network.flow_logs and network.existing is None:
            note = "usage-based: per GB of flow logs ingested and stored"
            yield Line(part="network", what="VPC flow logs", count=1, usd_per_hour=None, note=note)
        if network.existing is not None:
            zones = len({subnet.availability_zone_id for subnet in network.existing.node_subnets})
            endpoints = len(set(network.interface_endpoints) - {"s3"})
            if endpoints:
                what = f"interface endpoints: {endpoints} in {count(zones, 'zone')}"
                yield self._line("network", what, "interface_endpoint", endpoints * zones)
            return
        zones = len(network.availability_zone_ids)
        gateways = nat_gateways(network)
        if gateways:
            implied = "nat" not in network.model_fields_set
            yield self._line("network", f"NAT gateways: {gateways}", "nat_gateway", gateways, by_default=implied)
            yield self._line(
                "network",
                f"public IPv4 addresses of NAT gateways: {gateways}",
                "public_ipv4",
                gateways,
                by_default=implied,
            )
            note = "usage-based: per GB processed by NAT gateways"
            yield Line(part="network", what="NAT traffic", count=1, usd_per_hour=None, note=note, by_default=implied)
        services = list(network.interface_endpoints)
        if network.mode == "closed":
            from .closed import endpoint_services

            services += endpoint_services(self._platform)
        endpoints = len(set(services) - {"s3"})
        if endpoints:
            what = f"interface endpoints: {endpoints} in {count(zones, 'zone')}"
            closed = network.mode == "closed"
            yield self._line("network", what, "interface_endpoint", endpoints * zones, by_default=closed)

    def _file_systems(self) -> Iterator[Line]:
        for system in self._platform.storage.lustre:
            if system.existing_id is None:
                kind = system.deployment_type
                throughput = system.effective_throughput
                item = f"lustre:{kind}:{throughput}" if throughput else f"lustre:{kind}"
                what = f"file system {system.name}: {system.size_gib:,} GiB {kind}"
                yield self._line("storage", what, item, system.size_gib)
        shared = self._platform.cluster.shared_environment
        if shared is not None:
            item = f"lustre:PERSISTENT_2:{shared.lustre_throughput}"
            what = f"shared file system of restricted groups: {shared.lustre_size_gib:,} GiB"
            yield self._line("storage", what, item, shared.lustre_size_gib)

    def _addons(self) -> Iterator[Line]:
        written = self._platform.addons.model_fields_set
        for key, settings in self._platform.addons.effective().items():
            if not isinstance(settings, Observability):
                note = "its pods run on the cluster's nodes"
                what = f"add-on {key}"
                yield Line(
                    part="addons", what=what, count=1, usd_per_hour=0.0, note=note, by_default=key not in written
                )
                continue
            note = "usage-based: samples ingested, stored and queried in Amazon Managed Service for Prometheus"
            yield Line(part="addons", what="add-on observability", count=1, usd_per_hour=None, note=note)
            if settings.grafana.kind == "managed" and settings.grafana.workspace_id is None:
                yield self._line("addons", "Managed Grafana: at least one editor", "grafana_editor", 1)
            if settings.alarms is not None and settings.alarms.topic_arn is None:
                yield self._line("addons", "KMS key of the notification topic", "kms_key", 1)


_USE_S3 = "usage-based: storage and requests"


def _times(price: float | None, count: float) -> float | None:
    return None if price is None else price * count


def _source(price: Price) -> str:
    return f"{price.source} ({price.date.isoformat()})"
