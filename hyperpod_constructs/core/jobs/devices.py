"""Accelerators in Kubernetes: resource names, instance types that a replica can run on, and MIG partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..catalog import InstanceType, find_instance_type, label
from ..catalog._files import load
from ..spec.jobs_replica import Replica


def accelerator_resource(instance_type: InstanceType, replica: Replica) -> tuple[str, int] | None:
    """Returns the Kubernetes resource of the accelerators of an instance type, and its units per accelerator.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> trn1 = instance_type("ml.trn1.32xlarge")
    >>> accelerator_resource(trn1, Replica()), accelerator_resource(trn1, Replica(neuron_resource="neuroncore"))
    (('aws.amazon.com/neurondevice', 1), ('aws.amazon.com/neuroncore', 2))
    """
    if instance_type.accelerator is None:
        return None
    if replica.accelerator_resource is not None:
        return replica.accelerator_resource, 1
    if instance_type.accelerator.kind == "gpu":
        return instance_type.accelerator.resource, 1
    per_chip = (instance_type.accelerator.neuron_cores or 0) // instance_type.accelerator.count
    name = next(
        name for name in instance_type.accelerator.resource_names if name.endswith("/" + replica.neuron_resource)
    )
    return name, per_chip if replica.neuron_resource == "neuroncore" else 1


def named_types(replica: Replica, affinity: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Returns the instance types that a replica selects by its instance type, node selector or affinity.

    >>> named_types(Replica(node_selector={"node.kubernetes.io/instance-type": "ml.p5.48xlarge"}))
    ('ml.p5.48xlarge',)
    """
    if replica.instance_type:
        return (replica.instance_type,)
    # the second label is deprecated but still in use
    keys = (label("instance_type").key, "beta.kubernetes.io/instance-type")
    for key in keys:
        if key in replica.node_selector:
            return (replica.node_selector[key],)
    required = _at(affinity or {}, "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    found: dict[str, None] = {}
    for term in _list(_at(required, "nodeSelectorTerms")):
        values = [
            value
            for expression in _list(_at(term, "matchExpressions"))
            if _at(expression, "key") in keys and _at(expression, "operator") == "In"
            for value in _list(_at(expression, "values"))
        ]
        if not values:
            return ()  # this term allows any type
        found |= dict.fromkeys(str(value) for value in values)
    return tuple(found)


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def accelerator_name(replica: Replica, affinity: Mapping[str, Any] | None = None) -> str:
    """Returns the Kubernetes resource of the accelerators of a replica that does not set an instance type.

    >>> accelerator_name(Replica(node_selector={"node.kubernetes.io/instance-type": "ml.trn1.32xlarge"}))
    'aws.amazon.com/neurondevice'
    """
    if replica.accelerator_resource is not None:
        return replica.accelerator_resource
    types = [find_instance_type(name) for name in named_types(replica, affinity)]
    if types and all(instance_type is not None and instance_type.is_neuron for instance_type in types):
        return f"aws.amazon.com/{replica.neuron_resource}"
    return "nvidia.com/gpu"


def mig_share(profile: str, count: int) -> Decimal:
    """Returns the number of whole GPUs that partitions of a profile use, by compute slices.

    >>> mig_share("mig-1g.10gb", 7), mig_share("mig-3g.40gb", 2) < 1
    (Decimal('1'), True)
    """
    slices: int = load("jobs")["mig"]["slices_per_gpu"]
    return Decimal(count * _slices(profile)) / slices


def mig_per_node(profile: str, instance_type: InstanceType) -> int:
    """Returns the number of partitions of a profile per node, limited by the compute slices and memory of its GPUs.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> [mig_per_node(f"mig-{name}", instance_type("ml.p5.48xlarge")) for name in ("1g.10gb", "1g.20gb", "3g.40gb")]
    [56, 32, 16]
    """
    if instance_type.accelerator is None or not instance_type.mig_profiles:
        return 0
    by_slices: int = load("jobs")["mig"]["slices_per_gpu"] // _slices(profile)
    by_memory = round(max(map(_gigabytes, instance_type.mig_profiles)) / _gigabytes(profile))
    return instance_type.accelerator.count * min(by_slices, by_memory)


def _slices(profile: str) -> int:
    return int(profile.removeprefix("mig-").partition("g.")[0])


def _gigabytes(profile: str) -> int:
    return int(profile.partition("g.")[2].removesuffix("gb"))
