"""Generates `kubernetes_schema.json` of the catalog from the published OpenAPI of Kubernetes in kubernetes-validate.

`HYPERPOD_WRITE_DOCS=1 pytest tests/jobs/test_pod_schema.py` writes the file; without it the test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate

VERSION = "1.35"
CORE = "io.k8s.api.core.v1."
ROOTS = (
    f"{CORE}PodTemplateSpec",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.autoscaling.v2.MetricSpec",
    *(f"{CORE}{name}" for name in ("ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Secret")),
    *(f"{CORE}{name}" for name in ("Service", "ServiceAccount")),
    "io.k8s.api.rbac.v1.Role",
    "io.k8s.api.rbac.v1.RoleBinding",
)
OMITTED = {"status", "managedFields"}
"""Fields that a manifest does not state."""
PLAIN = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "str",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "str",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
}


def definitions() -> dict[str, Any]:
    """The definitions of one version."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
    return json.loads((folder / "_definitions.json").read_text())["$defs"]


def compact() -> dict[str, Any]:
    """Type to its fields, each with its type: `str`, `int32`, `[Container]`, `{quantity}`; `!` marks a required one."""
    known = definitions()
    types: dict[str, dict[str, str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        short = name.rpartition(".")[2]
        if short in types:
            continue
        definition = known[name]
        required = set(definition.get("required", ()))
        types[short] = {}
        for field, schema in definition["properties"].items():
            if field in OMITTED:
                continue
            type_, refs = _type(schema, known)
            waiting += refs
            types[short][field] = type_ + ("!" if field in required else "")
    return dict(sorted(types.items()))


def _type(schema: dict[str, Any], known: dict[str, Any]) -> tuple[str, list[str]]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in PLAIN:
            return PLAIN[name], []
        return name.rpartition(".")[2], [name]
    kinds = schema.get("type")
    kind = next((item for item in kinds if item != "null"), None) if isinstance(kinds, list) else kinds
    if kind == "array":
        inner, refs = _type(schema["items"], known)
        return f"[{inner}]", refs
    if kind == "object":
        inner, refs = _type(schema.get("additionalProperties") or {}, known)
        return "{" + inner + "}", refs
    if kind == "integer":
        return schema.get("format", "int64"), []
    return {"string": "str", "boolean": "bool", "number": "num"}.get(kind, "any"), []
