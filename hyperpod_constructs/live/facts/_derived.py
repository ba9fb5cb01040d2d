"""Facts from installed libraries: botocore's service models and endpoints, cfn-lint's schemas.

Each function changes the contents of data files in place. Only `refresh` imports this module: it reads files of many
megabytes.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Contents = dict[str, dict[str, Any]]
"""File name to its content."""

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
"""Partitions whose regions are listed. For other partitions, cfn-lint has copies of us-east-1."""

_CFN_TYPES = {
    "cluster_cfn": "AWS::SageMaker::Cluster",
    "scheduler_config_cfn": "AWS::SageMaker::ClusterSchedulerConfig",
    "compute_quota_cfn": "AWS::SageMaker::ComputeQuota",
    "amp": "AWS::APS::Workspace",
    "amg": "AWS::Grafana::Workspace",
}
_DIRECTIONS = {
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "central": "c",
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
}


def derive(contents: Contents) -> list[str]:
    """Refreshes all facts that the libraries contain.

    Returns:
        One sentence for each fact that could not be refreshed.
    """
    return [
        *_service_models(contents),
        *_regions(contents["regions"]),
        *_instance_types(contents["instance_types"], contents["regions"]["regions"]),
        *_cluster_schema(contents["cloudformation"]),
        *_versions(contents),
    ]


def put(entry: dict[str, Any], field: str, value: Any) -> None:
    """Sets a fact. A changed value loses its mark of uncertainty, which was about the old value."""
    if entry.get(field) != value:
        entry[field] = value
        forget(entry, field)


def forget(entry: dict[str, Any], *fields: str) -> None:
    """Removes the marks of uncertainty of these fields and their children."""
    marks = entry.get("uncertain", {})
    for mark in [mark for mark in marks if mark.partition(".")[0] in fields]:
        del marks[mark]
    if not marks:
        entry.pop("uncertain", None)


def zone_id_prefix(region: str) -> str:
    """The prefix of a region's zone IDs, abbreviated as AWS does.

    >>> zone_id_prefix("ap-southeast-2"), zone_id_prefix("us-gov-west-1")
    ('apse2', 'usgw1')
    """
    area, *middle, number = region.split("-")
    return area + "".join(_DIRECTIONS.get(word, word[:1]) for word in middle) + number


def _service_models(contents: Contents) -> list[str]:
    """Refreshes limits, patterns and enumerations with a shape in a service model or a schema."""
    problems = []
    for section, field in (("limits", "value"), ("patterns", "regex"), ("allowed", "values")):
        for name, entry in contents["limits"][section].items():
            if "schema" in entry:
                found = _in_schema(entry["schema"])
                if found is None:
                    problems.append(f"limits.json: {section}.{name}: {entry['schema']} is no longer in CloudFormation")
                else:
                    put(entry, field, found if isinstance(found, int | str) else list(found))
            if "model" not in entry:
                continue
            service, _, place = entry["model"].partition(":")
            shape_name, _, bound = place.partition(".")
            shape = _shapes(service).get(shape_name, {})
            if bound not in shape:
                problems.append(f"limits.json: {section}.{name}: {entry['model']} is no longer in the service model")
                continue
            put(entry, field, list(shape[bound]) if section == "allowed" else shape[bound])
            if bound == "max" and ("min" in entry or shape.get("min")):
                put(entry, "min", shape.get("min", 0))
    return problems


def _instance_types(content: dict[str, Any], regions: dict[str, Any]) -> list[str]:
    shapes, entries = _shapes("sagemaker"), content["instance_types"]
    content["mig_profiles_in_api"] = list(shapes["MIGProfileType"]["enum"])
    names = shapes["ClusterInstanceType"]["enum"]
    for removed in [name for name in entries if name not in names]:
        del entries[removed]
    extension = json.loads((_schemas() / "extensions/aws_sagemaker_cluster/instancetype_enum.json").read_text())
    priced: dict[str, list[str]] = {
        # The list has a few types in regions without HyperPod.
        region: types["enum"]
        for region, types in extension.items()
        if regions.get(region, {}).get("hyperpod")
    }
    for name, entry in entries.items():
        put(entry, "regions", sorted(region for region, types in priced.items() if name in types))
    return [
        f"instance_types.json: {name} is new in the API, and its hardware is unknown: use --live"
        for name in names
        if name not in entries
    ]


def _regions(content: dict[str, Any]) -> list[str]:
    import botocore.loaders

    partitions = botocore.loaders.Loader().load_data("endpoints")["partitions"]
    names = {
        region for partition in partitions if partition["partition"] in PARTITIONS for region in partition["regions"]
    }
    entries = content["regions"]
    for name in sorted(names):
        entry = entries.setdefault(name, {})
        put(entry, "zone_id_prefix", zone_id_prefix(name))
        provider = _schemas() / f"providers/{name}.json"
        types: Iterable[str] = json.loads(provider.read_text()) if provider.exists() else ()
        for field, cfn_type in _CFN_TYPES.items():
            if field in entry or cfn_type in types:
                put(entry, field, cfn_type in types)
        if entry.get("cluster_cfn") and not entry.get("hyperpod"):
            put(entry, "hyperpod", True)
    return [f"regions.json: {name} is no longer in botocore" for name in entries if name not in names]


def _versions(contents: Contents) -> list[str]:
    """Updates the library versions in the sources of the files."""
    import botocore
    import cfnlint.version

    schema_date = json.loads((_schemas() / "version.json").read_text())["schema_date"][:10]
    for content in contents.values():
        source = re.sub(r"botocore \d[\d.]*\d", f"botocore {botocore.__version__}", content["source"])
        source = re.sub(r"cfn-lint \d[\d.]*\d", f"cfn-lint {cfnlint.version.__version__}", source)
        content["source"] = re.sub(r"schemas of \d{4}-\d\d-\d\d", f"schemas of {schema_date}", source)
    return []


def _cluster_schema(content: dict[str, Any]) -> list[str]:
    """Refreshes the properties of AWS::SageMaker::Cluster, by schema definition."""
    definitions, properties = _in_schema(f"{_CLUSTER}/definitions"), _in_schema(f"{_CLUSTER}/properties")
    read_only = {path.rpartition("/")[2] for path in _in_schema(f"{_CLUSTER}/readOnlyProperties")}

    def kind(schema: dict[str, Any]) -> str | list[str]:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return name if "properties" in definitions[name] else kind(definitions[name])
        if "enum" in schema:
            return list(schema["enum"])
        if schema["type"] == "array":
            inner = kind(schema["items"])
            return f"{inner if isinstance(inner, str) else 'string'}[]"
        return str(schema["type"])

    content["cluster"] = {
        name: {each: kind(schema) for each, schema in sorted(fields.items()) if each not in read_only}
        for name, fields in [
            ("Cluster", properties),
            *sorted(
                (name, definition["properties"])
                for name, definition in definitions.items()
                if "properties" in definition
            ),
        ]
    }
    return []


_CLUSTER = "AWS::SageMaker::Cluster"


def _in_schema(place: str) -> Any:
    """The value at "type/path/in/its/schema" in us-east-1, where CloudFormation has all types; None if absent."""
    cfn_type, *path = place.split("/")
    providers = json.loads((_schemas() / "providers/us-east-1.json").read_text())
    if cfn_type not in providers:
        return None
    found = json.loads((_schemas() / f"resources/{providers[cfn_type]}.json").read_text())
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _schemas() -> Path:
    import cfnlint

    return Path(cfnlint.__file__).parent / "data/schemas"


def _shapes(service: str) -> dict[str, Any]:
    import botocore.loaders

    if service not in _models:
        _models[service] = botocore.loaders.Loader().load_service_model(service, "service-2")["shapes"]
    return _models[service]


_models: dict[str, dict[str, Any]] = {}
