"""Converts resources of the main container and the node selector to the resource fields of a replica."""

from __future__ import annotations

from typing import Any

from ...catalog import EFA_RESOURCE, find_instance_type, label
from ...spec.jobs_replica import Replica
from ..devices import accelerator_resource
from ..quantities import amount
from ..resources import EPHEMERAL, HUGEPAGES, MIG_READY
from .amounts import Data, gib, number


def read_share(main: Data, fields: Data) -> None:
    """Converts requests and limits without changes; amounts without a field are kept in the container's patch."""
    resources = main.pop("resources", None) or {}
    limits = {name: value for name, value in (resources.get("limits") or {}).items() if value is not None}
    stated = {name: value for name, value in (resources.get("requests") or {}).items() if value is not None}
    requests = {**limits, **stated}
    kept_requests, kept_limits = dict(stated), dict(limits)

    def remove(name: str) -> Any:
        kept_limits.pop(name, None)
        return kept_requests.pop(name, None)

    _type_of(fields, requests)
    instance_type = find_instance_type(fields["instance_type"]) if "instance_type" in fields else None
    for name in list(requests):
        count = number(requests[name])
        if requests[name] != limits.get(name, requests[name]) or not isinstance(count, int):
            if count is None and amount(requests[name]) == 0 and "/" in name:
                remove(name)  # 0 devices: the default
            continue
        if name == EFA_RESOURCE:
            fields["efa"] = count
            remove(name)
        elif name.startswith("nvidia.com/mig-") and "accelerators" not in fields:
            fields["mig_profile"], fields["mig_count"] = name.removeprefix("nvidia.com/"), count
            remove(name)
        elif _accelerators(name, count, instance_type, fields):
            remove(name)
    pages = amount(requests.get(HUGEPAGES))
    if pages and pages % 2**21 == 0 and limits.get(HUGEPAGES, requests[HUGEPAGES]) == requests[HUGEPAGES]:
        fields["hugepages_2mi_mib"] = int(pages / 2**20)
        remove(HUGEPAGES)
    for name, target, convert in (
        ("cpu", "vcpu", number),
        ("memory", "memory_gib", gib),
        (EPHEMERAL, "ephemeral_storage_gib", gib),
    ):
        request, maximum = convert(requests.get(name)), convert(limits.get(name))
        if (request is None) != (name not in requests) or (maximum is None) != (name not in limits):
            continue  # a number that would be rounded
        remove(name)
        limit = {"vcpu": "vcpu_limit", "memory_gib": "memory_limit_gib"}.get(target, "ephemeral_storage_limit_gib")
        if request is not None:
            fields[target] = request
        elif target != "ephemeral_storage_gib" and instance_type is not None:
            fields[target] = "none"
        if maximum is not None:
            fields[limit] = maximum
        elif target == "memory_gib" and request is not None:
            fields[limit] = "none"
    if instance_type is not None:
        fields.setdefault("efa", 0)
    left = {side: dict(kept) for side, kept in (("requests", kept_requests), ("limits", kept_limits)) if kept}
    if resources.get("claims"):
        left["claims"] = resources["claims"]
    if left:
        main["resources"] = left


def _type_of(fields: Data, requests: Data) -> None:
    """Moves the instance type from the node selector to its field, if fields can represent the resources."""
    selector = fields.get("node_selector", {})
    key = label("instance_type").key
    instance_type = find_instance_type(selector.get(key, ""))
    requested = {name for name, value in requests.items() if amount(value)}
    if instance_type is None or not requested - {EFA_RESOURCE, HUGEPAGES, EPHEMERAL}:
        return
    devices = any("/" in name and name != EFA_RESOURCE for name in requested)
    if instance_type.accelerator is not None and not devices and not requested & {"cpu", "memory"}:
        return
    del selector[key]
    if selector.get(MIG_READY[0]) == MIG_READY[1] and any(name.startswith("nvidia.com/mig-") for name in requested):
        del selector[MIG_READY[0]]
    if not selector:
        del fields["node_selector"]
    fields["instance_type"] = instance_type.name


def _accelerators(name: str, count: int, kind: Any, fields: Data) -> bool:
    """Sets the accelerator fields for a resource; returns False if no field can represent it."""
    if "accelerators" in fields:
        return False
    if kind is not None and kind.is_neuron and name.startswith("aws.amazon.com/neuron"):
        resource = name.removeprefix("aws.amazon.com/")
        if resource not in _NEURON:
            return False
        known = accelerator_resource(kind, Replica.model_validate({"neuron_resource": resource}))
        if known is None or count % known[1]:
            return False
        fields["accelerators"] = count // known[1]
        if resource != "neurondevice":
            fields["neuron_resource"] = resource
        return True
    if name == "nvidia.com/gpu":
        fields["accelerators"] = count
        return True
    if name.startswith("aws.amazon.com/neuron") or name.endswith("/gpu"):
        fields["accelerators"], fields["accelerator_resource"] = count, name
        return True
    return False


_NEURON = ("neurondevice", "neuron", "neuroncore")
