"""Facts from AWS: read-only requests in one account and region. Only `refresh` imports this module."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from hyperpod_constructs.core.catalog._clock import today
from hyperpod_constructs.live.facts._derived import Contents, forget, put

CALLS = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "eks:DescribeAddonVersions",
    "eks:DescribeClusterVersions",
    "servicequotas:ListServiceQuotas",
)
"""IAM actions that the caller requires."""

_HARDWARE = (
    *("vcpu", "memory_gib", "architecture", "accelerator", "efa_interfaces", "network_cards"),
    *("ipv4_per_interface", "nvme_gb", "threads_per_core"),
)


def ask(contents: Contents, session: Any, region: str) -> list[str]:
    """Refreshes the facts that AWS returns to `session` in `region`.

    Args:
        contents: the data files, changed in place.
        session: a boto3 or botocore-like session with a `client(service, region_name=...)` method.
        region: region of the requests.

    Returns:
        Remarks on the responses, one sentence each.
    """
    eks, ec2, quotas = (session.client(name, region_name=region) for name in ("eks", "ec2", "service-quotas"))
    return [
        *_kubernetes(contents["kubernetes"], eks),
        *_addons(contents["addons"], eks, region),
        *_hardware(contents["instance_types"], ec2),
        *_offerings(contents["instance_types"], ec2, region),
        *_zones(contents["regions"], ec2, region),
        *_quotas(contents["quotas"], quotas),
    ]


def hardware(info: dict[str, Any]) -> dict[str, Any]:
    """The hardware fields of an instance type's entry from one item of EC2's DescribeInstanceTypes.

    As in the data file, default values are omitted, and None means that EC2 does not return a value.
    """
    network, storage, cpus = info["NetworkInfo"], info.get("InstanceStorageInfo", {}), info["VCpuInfo"]
    entry: dict[str, Any] = {
        "vcpu": cpus["DefaultVCpus"],
        "memory_gib": _gib(info["MemoryInfo"]["SizeInMiB"]),
        "architecture": next(
            architecture for architecture in info["ProcessorInfo"]["SupportedArchitectures"] if architecture != "i386"
        ),
        "accelerator": _accelerator(info),
        "efa_interfaces": network["EfaInfo"]["MaximumEfaInterfaces"] if network.get("EfaSupported") else 0,
        "network_cards": network.get("MaximumNetworkCards", 1),
        "ipv4_per_interface": network["Ipv4AddressesPerInterface"],
        "nvme_gb": storage.get("TotalSizeInGB", 0),
        "threads_per_core": cpus.get("ValidThreadsPerCore")
        or ([1] if cpus.get("DefaultThreadsPerCore") == 1 else None),
    }
    defaults = {
        "architecture": "x86_64",
        "accelerator": None,
        "efa_interfaces": 0,
        "network_cards": 1,
        "nvme_gb": 0,
        "threads_per_core": [1, 2],
    }
    return {field: value for field, value in entry.items() if field not in defaults or value != defaults[field]}


def _accelerator(info: dict[str, Any]) -> dict[str, Any] | None:
    for device in info.get("GpuInfo", {}).get("Gpus", ()):
        memory = _gib(device["MemoryInfo"]["SizeInMiB"])
        model = f"{device['Manufacturer']} {device['Name']}"
        return {"kind": "gpu", "model": model, "count": device["Count"], "memory_gib_each": memory}
    for device in info.get("NeuronInfo", {}).get("NeuronDevices", ()):
        count, name = device["Count"], device["Name"]
        entry = {"kind": "neuron", "model": f"AWS {name}", "count": count}
        if name != "Trainium2":  # EC2 reports 512 GiB for one chip, several times the actual value.
            entry["memory_gib_each"] = _gib(device["MemoryInfo"]["SizeInMiB"])
        return entry | {"neuron_cores": count * device["CoreInfo"]["Count"]}
    return None


def _kubernetes(content: dict[str, Any], eks: Any) -> list[str]:
    versions = content["versions"]
    for response in _pages(eks, "describe_cluster_versions", "clusterVersions", includeAll=True):
        name = response["clusterVersion"]
        if name not in versions and _number(name) < min(map(_number, versions)):
            continue
        entry = versions.setdefault(name, {"hyperpod_documented": False})
        for field, key in (
            ("released", "releaseDate"),
            ("end_of_standard_support", "endOfStandardSupportDate"),
            ("end_of_extended_support", "endOfExtendedSupportDate"),
        ):
            entry.setdefault(field, None)
            if key in response:
                put(entry, field, _day(response[key]))
    content["versions"] = dict(sorted(versions.items(), key=lambda item: _number(item[0])))
    return []


def _addons(content: dict[str, Any], eks: Any, region: str) -> list[str]:
    problems, source = [], f"describe-addon-versions, {region}"
    for name, entry in content["addons"].items():
        try:
            responses = [*_pages(eks, "describe_addon_versions", "addons", addonName=name)]
        except (eks.exceptions.ResourceNotFoundException, eks.exceptions.InvalidParameterException):
            responses = []
        found = [version for response in responses for version in response["addonVersions"]]
        if not found:
            problems.append(f"addons.json: EKS has no add-on {name} in {region}")
            continue
        known = {version["version"]: version for version in entry.get("versions", ())}
        for version in _newest_for_each(found):
            kubernetes = sorted(
                (compatibility["clusterVersion"] for compatibility in version["compatibilities"]), key=_number
            )
            range_ = {"kubernetes_min": kubernetes[0], "kubernetes_max": kubernetes[-1]}
            old = known.get(version["addonVersion"], {})
            if range_.items() <= old.items():
                continue
            known[version["addonVersion"]] = {
                "version": version["addonVersion"],
                **range_,
                "date": today().isoformat(),
                "source": source,
            }
        entry["versions"] = sorted(known.values(), key=lambda version: _number(version["version"]), reverse=True)
        if entry.get("standalone_association") and found[0].get("requiresIamPermissions"):
            problems.append(
                f"addons.json: {name} {found[0]['addonVersion']} supports an inline pod identity association"
            )
    return problems


def _newest_for_each(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest add-on version for each Kubernetes version: the versions that `version_for` can return."""
    newest: dict[str, dict[str, Any]] = {}
    for version in sorted(versions, key=lambda version: _number(version["addonVersion"])):
        for compatibility in version["compatibilities"]:
            newest[compatibility["clusterVersion"]] = version
    return [version for version in versions if any(version is addon_version for addon_version in newest.values())]


def _hardware(content: dict[str, Any], ec2: Any) -> list[str]:
    """Adds types that are new in the API, and refreshes the hardware of all types that EC2 returns."""
    import botocore.loaders

    shapes = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    names: list[str] = shapes["ClusterInstanceType"]["enum"]
    entries = content["instance_types"]
    known = {
        "ml." + instance_type["InstanceType"]: instance_type
        for instance_type in _pages(ec2, "describe_instance_types", "InstanceTypes")
    }
    for name in names:
        if name not in known:
            continue
        measured = hardware(known[name])
        if name not in entries:
            entries[name] = {
                **measured,
                "regions": [],
                "uncertain": {"regions": "New; in no available price list yet."},
            }
            continue
        entry = entries[name]
        if entry["ipv4_per_interface"] is None:  # EC2 returned no data before: all marks are outdated
            forget(entry, *_HARDWARE, "max_pods")
        for field in _HARDWARE:
            if field in measured:
                put(entry, field, measured[field])
            elif field in entry:
                forget(entry, field)
                del entry[field]
    content["instance_types"] = {name: entries[name] for name in names if name in entries}
    return [
        f"instance_types.json: {name} is new in the API, but EC2 does not offer it in this region"
        for name in names
        if name not in entries
    ]


def _offerings(content: dict[str, Any], ec2: Any, region: str) -> list[str]:
    offered = {
        "ml." + offering["InstanceType"]
        for offering in _pages(ec2, "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="region")
    }
    problems = []
    mark = f"The price list has {region}, but EC2 does not offer the type there."
    for name, entry in content["instance_types"].items():
        if region in entry["regions"] and name not in offered:
            entry.setdefault("uncertain", {})["regions"] = mark
        elif entry.get("uncertain", {}).get("regions") == mark:
            forget(entry, "regions")
        elif region not in entry["regions"] and name in offered:
            problems.append(
                f"instance_types.json: EC2 offers {name} in {region}, which no HyperPod price list confirms"
            )
    return problems


def _zones(content: dict[str, Any], ec2: Any, region: str) -> list[str]:
    zones = ec2.describe_availability_zones(Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}])
    prefixes = {zone["ZoneId"].rpartition("-az")[0] for zone in zones["AvailabilityZones"]}
    if len(prefixes) != 1:
        return [f"regions.json: the zone ids of {region} start with {sorted(prefixes)}"]
    put(content["regions"].setdefault(region, {}), "zone_id_prefix", prefixes.pop())
    return []


def _quotas(content: dict[str, Any], quotas: Any) -> list[str]:
    codes = {
        quota["QuotaName"]: quota["QuotaCode"]
        for quota in _pages(quotas, "list_service_quotas", "Quotas", ServiceCode="sagemaker")
    }
    for entry in content["quotas"].values():
        if entry.get("service", "sagemaker") == "sagemaker" and entry["name"] in codes:
            put(entry, "code", codes[entry["name"]])
    for entry in content["per_instance_type"].values():
        shape = re.compile(re.escape(entry["name"]).replace(re.escape("{instance_type}"), r"(ml\.[\w.-]+)"))
        for name, code in codes.items():
            if match := shape.fullmatch(name):
                entry["codes"][match[1]] = code
    return []


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    pages: Iterable[dict[str, Any]] = client.get_paginator(operation).paginate(**arguments)
    for page in pages:
        yield from page.get(key, ())


def _number(version: str) -> tuple[int, ...]:
    """All numbers of a version, for sorting: "v1.3.0-eksbuild.1" is (1, 3, 0, 1)."""
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


def _gib(mib: int) -> float:
    gib = mib / 1024
    return int(gib) if gib.is_integer() else round(gib, 2)


def _day(moment: datetime | date) -> str:
    return moment.date().isoformat() if isinstance(moment, datetime) else moment.isoformat()
