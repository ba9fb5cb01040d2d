"""The fake API server behaves like a real one: custom kinds, namespaces that are deleted, and immutable fields."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_targets import Target
from likeness import body, image, object_path, rejection

WIDGET_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.likeness.example.com"},
    "spec": {
        "group": "likeness.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {"size": {"type": "integer", "minimum": 1}},
                            }
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def gadgets(fake: Target) -> str:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.likeness.example.com"
    created = fake.api.apply(path, WIDGET_CRD)
    assert created["status"]["conditions"] == []
    assert rejection(fake.api.get, "/apis/likeness.example.com/v1") == (404, "404 page not found")
    fake.services.clock.sleep(1)
    return object_path(fake, "gadgets", "g", "likeness.example.com/v1")


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"size": 1, "colour": "red"}, 500, ".spec.colour: field not declared in schema"),
        ({"size": "1"}, 500, ".spec.size: expected numeric (int or float), got string"),
        (
            {"size": 0},
            422,
            'Gadget.likeness.example.com "g" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater '
            "than or equal to 1",
        ),
        ({}, 422, 'Gadget.likeness.example.com "g" is invalid: spec.size: Required value'),
    ],
)
def test_custom_kinds_have_their_schema(
    fake: Target, gadgets: str, spec: dict[str, Any], status: int, expected: str
) -> None:
    item = body(fake, "Gadget", "g", "likeness.example.com/v1", spec=spec)
    assert rejection(fake.api.apply, gadgets, item) == (
        status,
        expected
        if status == 422
        else f"failed to create typed patch object (team/g; likeness.example.com/v1, Kind=Gadget): {expected}",
    )


def test_a_namespace_reports_its_remaining_content(fake: Target) -> None:
    blocked = body(fake, "ConfigMap", "held")
    blocked["metadata"]["finalizers"] = ["example.com/hold"]
    fake.api.apply(object_path(fake, "configmaps", "held"), blocked)
    fake.api.delete(f"/api/v1/namespaces/{fake.namespace}", propagation="Background")
    found = fake.find(f"/api/v1/namespaces/{fake.namespace}")
    assert found is not None
    messages = {c["type"]: c["message"] for c in found["status"]["conditions"]}
    assert messages == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
        "NamespaceFinalizersRemaining": (
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        ),
    }


@pytest.mark.parametrize(
    ("kind", "plural", "api_version", "before", "after", "ends"),
    [
        (
            *("Job", "jobs", "batch/v1", {"spec": {"template": {"a": 1}}}, {"spec": {"template": {"a": 2}}}),
            'spec.template: Invalid value: {"a":2}: field is immutable',
        ),
        (
            *("Pod", "pods", "v1", {"spec": {"containers": [image("a")]}}, {"spec": {"containers": [image("b")]}}),
            "(allow it to be set to 1 if it was previously negative)",
        ),
        (
            *("PersistentVolumeClaim", "persistentvolumeclaims", "v1"),
            *({"spec": {"storageClassName": "a"}}, {"spec": {"storageClassName": "b"}}),
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
            "bound claims",
        ),
        (
            *("StatefulSet", "statefulsets", "apps/v1", {"spec": {"serviceName": "a"}}, {"spec": {"serviceName": "b"}}),
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
    ],
    ids=["Job", "Pod", "Claim", "StatefulSet"],
)
def test_immutable_values(
    fake: Target, kind: str, plural: str, api_version: str, before: Any, after: Any, ends: str
) -> None:
    path = object_path(fake, plural, "x", "" if api_version == "v1" else api_version)
    fake.api.apply(path, body(fake, kind, "x", api_version, **before))
    status, message = rejection(fake.api.apply, path, body(fake, kind, "x", api_version, **after))
    assert status == 422
    assert message.endswith(ends)
