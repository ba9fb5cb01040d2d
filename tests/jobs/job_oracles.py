"""Third-party oracles for manifests: the schema of the CRD, the Kubernetes schemas, and the official job compilers."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import kubernetes_validate

from hyperpod_constructs.core import catalog

DATA = Path(__file__).parent / "data"
KUBERNETES = "1.35"


@cache
def _crd() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((DATA / "hyperpodpytorchjob.schema.json").read_text()))


@cache
def _kubeflow() -> jsonschema.Draft202012Validator:
    """The shape of a PyTorchJob by its CRD; pods are judged by Kubernetes' own schema."""
    types = json.loads((DATA / "pytorchjob_fields.json").read_text())["fields"]
    plain = {"str": "string", "bool": "boolean", "int32": "integer", "int64": "integer"}

    def schema(type_: str) -> dict[str, Any]:
        if type_ in plain:
            return {"type": plain[type_]}
        if type_[0] == "[":
            return {"type": "array", "items": schema(type_[1:-1])}
        if type_[0] == "{":
            return {"type": "object", "additionalProperties": schema(type_[1:-1])}
        if type_ not in types:
            return {}
        fields = {name: schema(inner.removesuffix("!")) for name, inner in types[type_].items()}
        required = [name for name, inner in types[type_].items() if inner.endswith("!")]
        return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}

    return jsonschema.Draft202012Validator(schema("PyTorchJobSpec"))


def full_node_of_the_official_cli() -> dict[str, Any]:
    return json.loads((DATA / "official_full_node.json").read_text())


def pod_templates(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    spec = manifest["spec"]
    if manifest["kind"] == "HyperPodPyTorchJob":
        return [replica_spec["template"] for replica_spec in spec["replicaSpecs"]]
    if manifest["kind"] == "PyTorchJob":
        return [item["template"] for item in spec["pytorchReplicaSpecs"].values()]
    return [spec["template"]]


def main_container(manifest: dict[str, Any]) -> dict[str, Any]:
    return pod_templates(manifest)[0]["spec"]["containers"][0]


def assert_valid(manifest: dict[str, Any]) -> None:
    """Raises if the schema of the CRD or the Kubernetes schemas reject the manifest."""
    json.dumps(manifest, allow_nan=False)
    if manifest["kind"] == "HyperPodPyTorchJob":
        _crd().validate(manifest)
    elif manifest["kind"] == "PyTorchJob":
        _kubeflow().validate(manifest["spec"])
    elif manifest["kind"] == "Job":
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    for template in pod_templates(manifest):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", **template["metadata"]}}
        kubernetes_validate.validate({**pod, "spec": template["spec"]}, KUBERNETES, strict=True)
        for container in template["spec"]["containers"]:
            _assert_resources(container.get("resources", {}))


def _assert_resources(resources: dict[str, Any]) -> None:
    """Checks of the API server beyond the schema: extended resources are equal, limits are not less than requests."""
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, value in requests.items():
        if "/" in name or name.startswith("hugepages-"):
            assert limits.get(name) == value, f"{name}: {value} requested, limit {limits.get(name)}"
        elif name in limits:
            assert number(limits[name]) >= number(value), f"{name}: {value} requested, limit {limits[name]}"


def number(quantity: Any) -> float:
    """A quantity in cores or GiB."""
    return float(re.fullmatch(r"([0-9.]+)(Gi)?", str(quantity))[1])


class _Record:
    """A replacement for the Kubernetes classes of the package, which are in a package of 200 MB: stores its arguments."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def wire(self) -> dict[str, Any]:
        return {_camel(key): _wire(value) for key, value in self.values.items() if value is not None}


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.title() for part in others)


def _wire(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.wire()
    if isinstance(value, list):
        return [{_camel(k): v for k, v in item.items()} if isinstance(item, dict) else _wire(item) for item in value]
    return value


@cache
def _official() -> Any:
    """The official package's model of schema 1.1, with replacements for its imports."""
    base = "sagemaker.hyperpod"
    for name in ("", ".training", ".training.config", ".cli", ".common"):
        sys.modules.setdefault(base + name, ModuleType(base + name)).__path__ = []  # type: ignore[attr-defined]
    sys.modules.setdefault("sagemaker", ModuleType("sagemaker"))
    classes = (
        *("Containers", "ReplicaSpec", "Resources", "RunPolicy", "Spec", "Template", "Metadata", "Volumes"),
        *("HostPath", "PersistentVolumeClaim", "ElasticPolicy", "RestartPolicy"),
    )
    config = ModuleType(f"{base}.training.config.hyperpod_pytorch_job_unified_config")
    for name in classes:
        setattr(config, name, type(name, (_Record,), {}))
    profiles = {profile for kind in catalog.instance_types().values() for profile in kind.mig_profiles}
    contents = {
        config.__name__: vars(config),
        f"{base}.training.hyperpod_pytorch_job": {"HyperPodPytorchJob": _Record},
        f"{base}.training.accelerator_partition_util": {
            "_validate_accelerator_partition_parameters": lambda *_: (True, "")
        },
        f"{base}.training.constants": {"ALLOWED_ACCELERATOR_PARTITION_TYPES": profiles},
        f"{base}.cli.type_handler_utils": {"DEFAULT_TYPE_HANDLER": {}},
    }
    for name, values in contents.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        for key, value in values.items():
            if not key.startswith("__"):
                setattr(module, key, value)
    from hyperpod_pytorch_job_template.v1_1 import model

    return model.PyTorchJobConfig


def official_body(config: dict[str, Any]) -> dict[str, Any]:
    """What the official flag path and SDK make of a config, before resources are computed.

    Raises ValueError where the package refuses the config.
    """
    return _official()(**config).to_domain().wire()
