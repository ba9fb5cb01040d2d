"""Facts about HyperPod, each with its source and its uncertainty.

The facts are data in `data/*.json`. The look-up functions read them on first use, and do not import large modules.

>>> from hyperpod_constructs.core import catalog
>>> catalog.instance_type("ml.p5.48xlarge").accelerator.count
8
"""

from hyperpod_constructs.core.catalog._access import Label, Role, label, labels, role, roles
from hyperpod_constructs.core.catalog._addons import Addon, AddonVersion, addon, addons, find_addon
from hyperpod_constructs.core.catalog._clock import Clock, today, use_clock
from hyperpod_constructs.core.catalog._deployment import DeployedKind, Duration, deployed_kinds, deployment_wait
from hyperpod_constructs.core.catalog._endpoints import Endpoint, endpoint, endpoints, endpoints_for
from hyperpod_constructs.core.catalog._files import follows_facts, load, stated
from hyperpod_constructs.core.catalog._images import (
    MirrorImage,
    ServiceImage,
    mirror_images,
    service_image,
    service_images,
    uncopied_images,
)
from hyperpod_constructs.core.catalog._instance_types import (
    EFA_RESOURCE,
    Accelerator,
    InstanceType,
    find_instance_type,
    instance_type,
    instance_types,
    mig_profiles_in_api,
    refusal,
)
from hyperpod_constructs.core.catalog._kubernetes import (
    KubernetesVersion,
    SupportStatus,
    default_kubernetes_version,
    find_kubernetes_version,
    kubernetes_version,
    kubernetes_versions,
    minor,
)
from hyperpod_constructs.core.catalog._limits import Limit, allowed, limit, limits, matches, pattern, ports, source_of
from hyperpod_constructs.core.catalog._metrics import Metric, find_metric, metrics
from hyperpod_constructs.core.catalog._names import UnknownName, suggest
from hyperpod_constructs.core.catalog._prices import HOURS_PER_MONTH, Price, ec2_price, find_price, prices
from hyperpod_constructs.core.catalog._quotas import Quota, QuotaKind, instance_quota, quota, quota_name, quotas
from hyperpod_constructs.core.catalog._regions import (
    GOVERNANCE_TYPES,
    GovernanceType,
    Region,
    find_region,
    region,
    region_of_zone_id,
    regions,
)
from hyperpod_constructs.core.catalog._schemas import mismatches, unread_values

__all__ = [
    "EFA_RESOURCE",
    "GOVERNANCE_TYPES",
    "HOURS_PER_MONTH",
    "Accelerator",
    "Addon",
    "AddonVersion",
    "Clock",
    "DeployedKind",
    "Duration",
    "Endpoint",
    "GovernanceType",
    "InstanceType",
    "KubernetesVersion",
    "Label",
    "Limit",
    "Metric",
    "MirrorImage",
    "Price",
    "Quota",
    "QuotaKind",
    "Region",
    "Role",
    "ServiceImage",
    "SupportStatus",
    "UnknownName",
    "addon",
    "addons",
    "allowed",
    "default_kubernetes_version",
    "deployed_kinds",
    "deployment_wait",
    "ec2_price",
    "endpoint",
    "endpoints",
    "endpoints_for",
    "find_addon",
    "find_instance_type",
    "find_kubernetes_version",
    "find_metric",
    "find_price",
    "find_region",
    "follows_facts",
    "instance_quota",
    "instance_type",
    "instance_types",
    "kubernetes_version",
    "kubernetes_versions",
    "label",
    "labels",
    "limit",
    "limits",
    "load",
    "matches",
    "metrics",
    "mig_profiles_in_api",
    "minor",
    "mirror_images",
    "mismatches",
    "pattern",
    "ports",
    "prices",
    "quota",
    "quota_name",
    "quotas",
    "refusal",
    "region",
    "region_of_zone_id",
    "regions",
    "role",
    "roles",
    "service_image",
    "service_images",
    "source_of",
    "stated",
    "suggest",
    "today",
    "uncopied_images",
    "unread_values",
    "use_clock",
]
