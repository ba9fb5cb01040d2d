"""Probes of zones and capacity: availability of instance types, and capacity of training plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.checks import Context, Problem
from ...core.findings import Severity
from ...core.plural import count
from ...core.spec.platform import Platform
from .probes import Found, probe
from .queries import AwsQueries


@probe("zones and instance types", services=("ec2",))
def zones(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether the account has the zones, and each group's types are offered in its zone."""
    context = Context.of(platform)
    types = sorted({instance_type.removeprefix("ml.") for _, group in context.groups for instance_type in group.types})
    listed, offers = aws.together(
        lambda: aws.one("ec2", "DescribeAvailabilityZones")["AvailabilityZones"],
        lambda: aws.all(
            "ec2",
            "DescribeInstanceTypeOfferings",
            "InstanceTypeOfferings",
            LocationType="availability-zone-id",
            Filters=[{"Name": "instance-type", "Values": types}],
        ),
    )
    if listed is not None:
        known = {
            zone["ZoneId"]: zone for zone in listed if zone.get("ZoneType", "availability-zone") == "availability-zone"
        }
        for path, zone in _named_zones(platform):
            if zone not in known:
                message = (
                    f"{zone} is not a zone of this account in {aws.region}; available zones: {', '.join(sorted(known))}"
                )
                yield "HP920", Problem(path, message)
            elif known[zone].get("State", "available") != "available":
                yield "HP920", Problem(path, f"the zone {zone} is {known[zone]['State']}")
    if offers is None:
        return
    where: dict[str, set[str]] = {}
    for offer in offers:
        where.setdefault(f"ml.{offer['InstanceType']}", set()).add(offer["Location"])
    for path, group in context.groups:
        in_zone = context.zone_of(group)
        for instance_type in group.types if in_zone else ():
            if in_zone in where.get(instance_type, set()):
                continue
            flexible = len(group.types) > 1
            if instance_type in where:
                cure = f"Use one of {', '.join(sorted(where[instance_type]))}."
                message = f"{instance_type} is not offered in {in_zone}"
            else:
                cure, message = (
                    "Use another instance type or region.",
                    f"{instance_type} is not offered in {aws.region}",
                )
            field = (
                "instance_types" if flexible else "availability_zone_id" if instance_type in where else "instance_type"
            )
            yield (
                "HP921",
                Problem(f"{path}.{field}", message, cure, severity=Severity.WARNING if flexible else None),
            )


def _named_zones(platform: Platform) -> Iterator[tuple[str, str]]:
    network = platform.network
    if network.existing is None:
        for index, zone in enumerate(network.availability_zone_ids):
            yield f"network.availability_zone_ids[{index}]", zone
    context = Context.of(platform)
    for path, group in context.groups:
        if group.availability_zone_id and group.availability_zone_id not in network.availability_zone_ids:
            yield f"{path}.availability_zone_id", group.availability_zone_id


def _plans(platform: Platform) -> dict[str, list[tuple[str, Any]]]:
    plans: dict[str, list[tuple[str, Any]]] = {}
    for path, group in Context.of(platform).groups:
        if group.training_plan_arn:
            plans.setdefault(group.training_plan_arn, []).append((path, group))
    return plans


@probe(
    "training plans",
    services=("sagemaker",),
    applies=lambda platform: any(group.training_plan_arn for group in platform.cluster.groups),
)
def training_plans(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Status, zone, type and size of each training plan in the config."""
    plans, context = _plans(platform), Context.of(platform)

    def describe(arn: str) -> Any:
        absent = ("ResourceNotFound", "ResourceNotFoundException", "ValidationException")
        return aws.find("sagemaker", "DescribeTrainingPlan", absent, TrainingPlanName=arn.rpartition("/")[2])

    for arn, plan in aws.each(describe, plans):
        groups = plans[arn]
        place = f"{groups[0][0]}.training_plan_arn"
        if plan is None:
            yield "HP922", Problem(place, f"training plan {arn} does not exist in this account and region")
            continue
        if plan["Status"] not in ("Active", "Scheduled"):
            yield "HP922", Problem(place, f"training plan {plan['TrainingPlanName']} is {plan['Status']}")
        elif plan["Status"] == "Scheduled":
            starts = f"; it starts {plan['StartTime']:%Y-%m-%d %H:%M} UTC" if "StartTime" in plan else ""
            message = f"training plan {plan['TrainingPlanName']} is Scheduled{starts}"
            yield (
                "HP922",
                Problem(
                    place,
                    message,
                    "No change is required; nodes become available after it starts.",
                    severity=Severity.NOTE,
                ),
            )
        reserved = plan.get("ReservedCapacitySummaries", [])
        types = {part["InstanceType"] for part in reserved}
        plan_zones = {part["AvailabilityZoneId"] for part in reserved if part.get("AvailabilityZoneId")}
        for path, group in groups:
            zone = context.zone_of(group)
            if types and not types.intersection(group.types):
                message = (
                    f"the plan contains {', '.join(sorted(types))}, but the group requires {', '.join(group.types)}"
                )
                yield "HP923", Problem(f"{path}.instance_type", message, f"Use {sorted(types)[0]}.")
            if zone and plan_zones and zone not in plan_zones:
                message = (
                    f"the plan's capacity is in {', '.join(sorted(plan_zones))}, but the group's nodes are in {zone}"
                )
                cure = f"Set availability_zone_id to {sorted(plan_zones)[0]}."
                yield "HP923", Problem(f"{path}.availability_zone_id", message, cure)
        wanted, total = sum(group.count for _, group in groups), plan.get("TotalInstanceCount", 0)
        usable = total - plan.get("UnhealthyInstanceCount", 0)
        if wanted > usable:
            message = f"{count(wanted, 'instance')} required, but the plan has {total}"
            if total != usable:
                message += f", {total - usable} of them unhealthy"
            yield (
                "HP924",
                Problem(f"{groups[0][0]}.count", message, f"Reduce the count to {usable}, or extend the plan."),
            )
