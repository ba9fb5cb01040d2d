"""Keys of resources: each function returns keys, and two resources form a pair if they share one.

Facts about add-ons (namespace, service accounts, prerequisites) come from the catalog.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TypeAlias

from hyperpod_constructs.assembly.graph._model import Resource
from hyperpod_constructs.assembly.graph._recognize import JOBS, Keys, Object, Templates
from hyperpod_constructs.assembly.graph._selectors import (
    AGENT_NAME,
    ASSOCIATIONS,
    CERT_MANAGER_NAME,
    PART_KINDS,
    SCHEDULER,
    SHARED_KINDS,
    addon_fact,
    addon_name,
)
from hyperpod_constructs.core import catalog

KeysOf: TypeAlias = Callable[[Templates, Resource], Keys]

ANY: Keys = frozenset({"*"})
"""The key that matches every other key."""
NONE: Keys = frozenset()
"""Matches nothing."""


def any_key(templates: Templates, resource: Resource) -> Keys:
    """Matches everything."""
    return ANY


_TOKEN = "${token}"


def _known(names: set[str]) -> Keys:
    """Returns `names`, or ANY if one of them is known only at deploy time."""
    found = frozenset(names)
    return ANY if any(_TOKEN in name for name in found) else found


def _namespace(item: Object) -> str:
    return str((item.get("metadata") or {}).get("namespace") or "default")


def created_namespaces(templates: Templates, resource: Resource) -> Keys:
    objects = templates.objects(resource)
    return _known(
        {str((item.get("metadata") or {}).get("name")) for item in objects if item.get("kind") == "Namespace"}
    )


def used_namespaces(templates: Templates, resource: Resource) -> Keys:
    return _known({_namespace(item) for item in templates.objects(resource) if item.get("kind") != "Namespace"})


def job_namespaces(templates: Templates, resource: Resource) -> Keys:
    jobs = [item for item in templates.objects(resource) if item.get("kind") in JOBS]
    return _known({_namespace(item) for item in jobs})


def part_namespaces(templates: Templates, resource: Resource) -> Keys:
    if not templates.kinds(resource).isdisjoint(SHARED_KINDS):
        return ANY
    return _known({_namespace(item) for item in templates.objects(resource) if item.get("kind") in PART_KINDS})


_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_TEAM_NAMESPACE = "hyperpod-ns-"


def queues(templates: Templates, resource: Resource) -> Keys:
    """Namespaces of the jobs, and `queued` if a job has a queue."""
    jobs = [item for item in templates.objects(resource) if item.get("kind") in JOBS]
    queued = any(
        _QUEUE_LABEL in ((item.get("metadata") or {}).get("labels") or {})
        or _namespace(item).startswith(_TEAM_NAMESPACE)
        for item in jobs
    )
    return _known({_namespace(item) for item in jobs} | ({"queued"} if queued else set()))


def governed_namespaces(templates: Templates, resource: Resource) -> Keys:
    if resource.type in SCHEDULER.types:
        return frozenset({"queued"})
    teams = templates.values(resource, "ComputeQuotaTarget.TeamName", "TeamName")
    return frozenset(_TEAM_NAMESPACE + team for team in teams)


def driver_of_addon(templates: Templates, resource: Resource) -> Keys:
    """The Kubernetes name of the driver that a CSI add-on installs, such as `fsx.csi.aws.com`."""
    found = re.fullmatch(r"aws-(?:mountpoint-)?(\w+)-csi-driver", addon_name(resource))
    return frozenset({f"{found.group(1)}.csi.aws.com"}) if found else NONE


def drivers(templates: Templates, resource: Resource) -> Keys:
    names: set[str] = set()
    for item in templates.objects(resource):
        names.add(str(item.get("provisioner", "")))
        names.add(str(((item.get("spec") or {}).get("csi") or {}).get("driver", "")))
    return _known(names - {""})


def volumes(templates: Templates, resource: Resource) -> Keys:
    return _known(
        {
            f"{item.get('kind')} {(item.get('metadata') or {}).get('name')}"
            for item in templates.objects(resource)
            if item.get("kind") in ("PersistentVolume", "StorageClass")
        }
    )


def claimed_volumes(templates: Templates, resource: Resource) -> Keys:
    names: set[str] = set()
    for item in templates.objects(resource):
        spec = item.get("spec") or {}
        if item.get("kind") == "PersistentVolumeClaim":
            names.update({f"PersistentVolume {spec.get('volumeName')}", f"StorageClass {spec.get('storageClassName')}"})
    return _known(names)


def accounts_of_addon(templates: Templates, resource: Resource) -> Keys:
    fact = addon_fact(resource)
    return frozenset(f"{fact.namespace}/{name}" for name in fact.service_accounts) if fact else NONE


def accounts_of_association(templates: Templates, resource: Resource) -> Keys:
    namespaces, accounts = templates.values(resource, "Namespace"), templates.values(resource, "ServiceAccount")
    return frozenset(f"{namespace}/{account}" for namespace in namespaces for account in accounts)


def identity(templates: Templates, resource: Resource) -> Keys:
    """Matches everything if the add-on's pods get their credentials from pod identity."""
    associated = {
        key for association in ASSOCIATIONS.of(templates) for key in accounts_of_association(templates, association)
    }
    fact = addon_fact(resource)
    uses = (
        bool(resource.properties.get("PodIdentityAssociations"))
        or (fact is not None and AGENT_NAME in fact.prerequisites)
        or not associated.isdisjoint(accounts_of_addon(templates, resource))
    )
    return ANY if uses else NONE


def addon_roles(templates: Templates, resource: Resource) -> Keys:
    """Roles of the add-on itself and of the associations of its service accounts on its cluster."""
    accounts, clusters = accounts_of_addon(templates, resource), templates.clusters(resource)
    associations = [
        association
        for association in ASSOCIATIONS.of(templates)
        if accounts_of_association(templates, association) & accounts and templates.clusters(association) & clusters
    ]
    return frozenset(role for related in (resource, *associations) for role in templates.roles(related))


def original_objects(templates: Templates, resource: Resource) -> Keys:
    """Names of an add-on's objects that other resources copy or set fields of."""
    return frozenset(catalog.load("restricted_nodes")["originals"].get(addon_name(resource), ()))


def existing_objects(templates: Templates, resource: Resource) -> Keys:
    """Name of the object that a resource copies, or sets fields of."""
    original = (resource.properties.get("CopyOf") or {}).get("name")
    names = {str((item.get("metadata") or {}).get("name")) for item in templates.objects(resource)}
    return frozenset({str(original)} if original else names)


def values(*paths: str) -> KeysOf:
    return lambda templates, resource: templates.values(resource, *paths)


def own_id(templates: Templates, resource: Resource) -> Keys:
    return frozenset({resource.id})


def blocks_around(templates: Templates, resource: Resource) -> Keys:
    """Ids of the secondary blocks of the subnet's VPC that contain the subnet."""
    vpcs = templates.values(resource, "VpcId")
    blocks = [block for block in templates.of("AWS::EC2::VPCCidrBlock") if templates.values(block, "VpcId") & vpcs]
    return frozenset(block.id for block in blocks if _holds(block.properties.get("CidrBlock"), resource))


def _holds(block: object, subnet: Resource) -> bool:
    cidr = subnet.properties.get("CidrBlock")
    if not isinstance(block, str) or not isinstance(cidr, str):
        return False
    try:
        outer, inner = ipaddress.ip_network(block, strict=False), ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    return False


def buckets(templates: Templates, resource: Resource) -> Keys:
    uris = templates.values(resource, "InstanceGroups.*.LifeCycleConfig.SourceS3Uri", "DestinationBucketName", "Bucket")
    return frozenset(re.sub(r"^s3://([^/]+).*", r"\1", uri) for uri in uris) - {"s3://", ""}


def prerequisites(templates: Templates, resource: Resource) -> Keys:
    fact = addon_fact(resource)
    return frozenset(fact.prerequisites) - {AGENT_NAME, CERT_MANAGER_NAME} if fact else NONE
