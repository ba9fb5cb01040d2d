"""The facts about HyperPod that everything else rests on, each with its source and what is uncertain about it.

Facts are data, in `data/*.json`; the look-ups here read them when they are first asked for, and import nothing heavy.

>>> from hyperpod_constructs import catalog
>>> catalog.instance_type("ml.p5.48xlarge").accelerator.count
8
"""

from hyperpod_constructs.catalog._addons import Addon, AddonVersion, addon, addons, find_addon
from hyperpod_constructs.catalog._clock import Clock, today, use_clock
from hyperpod_constructs.catalog._instance_types import (
    EFA_RESOURCE,
    Accelerator,
    InstanceType,
    find_instance_type,
    instance_type,
    instance_types,
    mig_profiles_in_api,
)
from hyperpod_constructs.catalog._kubernetes import (
    KubernetesVersion,
    default_kubernetes_version,
    find_kubernetes_version,
    kubernetes_version,
    kubernetes_versions,
)
from hyperpod_constructs.catalog._names import UnknownName, suggest
from hyperpod_constructs.catalog._regions import Region, find_region, region, region_of_zone_id, regions

__all__ = [
    "EFA_RESOURCE",
    "Accelerator",
    "Addon",
    "AddonVersion",
    "Clock",
    "InstanceType",
    "KubernetesVersion",
    "Region",
    "UnknownName",
    "addon",
    "addons",
    "default_kubernetes_version",
    "find_addon",
    "find_instance_type",
    "find_kubernetes_version",
    "find_region",
    "instance_type",
    "instance_types",
    "kubernetes_version",
    "kubernetes_versions",
    "mig_profiles_in_api",
    "region",
    "region_of_zone_id",
    "regions",
    "suggest",
    "today",
    "use_clock",
]
