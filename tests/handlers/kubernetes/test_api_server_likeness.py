"""Behavior of the in-memory API server that equals a real one; each case differed once. Runs with KUBECONFIG too."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from kubernetes_targets import Target
from likeness import body, image, object_path, rejection

from hyperpod_constructs.handlers.kubernetes.client import ApiClient

RBAC = "rbac.authorization.k8s.io/v1"


def deployment(target: Target, *containers: str, app: str = "d") -> dict[str, Any]:
    labels = {"matchLabels": {"app": app}}
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": [image(name) for name in containers]}}
    return body(target, "Deployment", "d", "apps/v1", spec={"selector": labels, "template": template, "replicas": 1})


def test_a_namespace_is_active_and_has_its_finalizer(target: Target, api: ApiClient) -> None:
    found = api.get(f"/api/v1/namespaces/{target.namespace}")
    assert found["status"]["phase"] == "Active"
    assert found["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.parametrize("path", ["/apis/none.example.com", "/apis/none.example.com/v1"])
def test_an_unknown_group_is_answered_with_plain_text(api: ApiClient, path: str) -> None:
    assert rejection(api.get, path) == (404, "404 page not found")


def test_a_name_that_is_not_found(target: Target, api: ApiClient) -> None:
    assert rejection(api.get, object_path(target, "configmaps", "none")) == (404, 'configmaps "none" not found')
    path = object_path(target, "deployments", "none", "apps/v1")
    assert rejection(api.get, path) == (404, 'deployments.apps "none" not found')
    assert rejection(api.get, "/api/v1/namespaces/none/configmaps/a") == (404, 'configmaps "a" not found')
    assert rejection(api.get, "/api/v1/namespaces/none") == (404, 'namespaces "none" not found')
    missing = object_path(target, "configmaps", "none")
    assert rejection(api.request, "DELETE", missing) == (404, 'configmaps "none" not found')


def test_a_kind_without_spec_has_no_generation_and_managed_fields_state_the_operation(
    target: Target, api: ApiClient
) -> None:
    created = api.apply(object_path(target, "configmaps", "a"), body(target, "ConfigMap", "a", data={"a": "1"}))
    assert "generation" not in created["metadata"]
    (entry,) = created["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("hyperpod-constructs", "Apply")
    assert entry["fieldsV1"] == {"f:data": {"f:a": {}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"metadata": {"name": "a", "namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ({"metadata": {"name": "b"}}, "the name of the object (b) does not match the name on the URL (a)"),
        ({"kind": "Secret"}, "invalid object type: /v1, Kind=Secret"),
    ],
    ids=["namespace", "name", "kind"],
)
def test_the_object_of_another_url(target: Target, api: ApiClient, changes: dict[str, Any], expected: str) -> None:
    status, message = rejection(
        api.apply, object_path(target, "configmaps", "a"), body(target, "ConfigMap", "a") | changes
    )
    assert (status, message) == (400, expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"datum": {}}, ".datum: field not declared in schema"),
        ({"data": {"a": 1}}, ".data.a: expected string, got &value.valueUnstructured{Value:1}"),
    ],
)
def test_fields_that_apply_cannot_read(target: Target, api: ApiClient, fields: dict[str, Any], expected: str) -> None:
    status, message = rejection(
        api.apply, object_path(target, "configmaps", "u"), body(target, "ConfigMap", "u", **fields)
    )
    suffix = f"({target.namespace}/u; /v1, Kind=ConfigMap)"
    assert (status, message) == (500, f"failed to create typed patch object {suffix}: {expected}")


def test_a_name_that_no_object_can_have(target: Target, api: ApiClient) -> None:
    status, message = rejection(api.apply, object_path(target, "configmaps", "Bad"), body(target, "ConfigMap", "Bad"))
    assert status == 422
    assert message.startswith('ConfigMap "Bad" is invalid: metadata.name: Invalid value: "Bad": a lowercase RFC 1123')


def test_a_null_in_data_is_an_empty_text(target: Target, api: ApiClient) -> None:
    created = api.apply(
        object_path(target, "configmaps", "n"), body(target, "ConfigMap", "n", data={"a": None, "b": "1"})
    )
    assert created["data"].get("a", "") == ""
    assert created["data"]["b"] == "1"


def test_a_deployment_gets_defaults_and_keeps_its_selector(target: Target, api: ApiClient) -> None:
    path = object_path(target, "deployments", "d", "apps/v1")
    created = api.apply(path, deployment(target, "d"))
    expected = {"progressDeadlineSeconds", "replicas", "revisionHistoryLimit", "selector", "strategy", "template"}
    assert expected <= created["spec"].keys()
    status, message = rejection(api.apply, path, deployment(target, "d", app="e"))
    assert status == 422
    assert message.startswith('Deployment.apps "d" is invalid: spec.')


def test_containers_merge_by_name(target: Target, api: ApiClient) -> None:
    path = object_path(target, "deployments", "d", "apps/v1")
    api.apply(path, deployment(target, "d"))
    side = body(target, "Deployment", "d", "apps/v1", spec={"template": {"spec": {"containers": [image("side")]}}})
    assert names(api.apply(path, side, manager="other")) == ["d", "side"]
    assert names(api.apply(path, deployment(target, "d"))) == ["d", "side"]
    nothing = body(target, "Deployment", "d", "apps/v1")
    assert names(api.apply(path, nothing, manager="other")) == ["d"]


def names(item: dict[str, Any]) -> list[str]:
    return [container["name"] for container in item["spec"]["template"]["spec"]["containers"]]


def test_a_role_binding_keeps_its_role(target: Target, api: ApiClient) -> None:
    def binding(role: str) -> dict[str, Any]:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        return body(target, "RoleBinding", "b", RBAC, roleRef=ref, subjects=[])

    path = object_path(target, "rolebindings", "b", RBAC)
    api.apply(path, binding("view"))
    status, message = rejection(api.apply, path, binding("edit"))
    assert status == 422
    assert message.startswith('RoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: ')
    assert message.endswith("cannot change roleRef")


def test_string_data_is_converted_to_data(target: Target, api: ApiClient) -> None:
    path = object_path(target, "secrets", "s")
    created = api.apply(path, body(target, "Secret", "s", stringData={"a": "1", "b": "2"}))
    packed = {"a": base64.b64encode(b"1").decode(), "b": base64.b64encode(b"2").decode()}
    assert (created["data"], created.get("stringData"), created["type"]) == (packed, None, "Opaque")
    assert api.apply(path, body(target, "Secret", "s", stringData={"a": "1"}))["data"] == packed


def test_fields_of_others_conflict_unless_forced(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "c")
    existing = body(target, "ConfigMap", "c", data={"a": "1", "b": "2"})
    api.apply(path, existing, manager="them")
    changed = body(target, "ConfigMap", "c", data={"a": "1", "b": "3"})
    query = {"fieldManager": "us"}
    options = {"query": query, "body": changed, "content_type": "application/apply-patch+yaml"}
    status, message = rejection(api.request, "PATCH", path, **options)
    assert (status, message) == (409, 'Apply failed with 1 conflict: conflict with "them": .data.b') or (
        status == 409 and "Apply failed with 1 conflict" in message and '"them"' in message and ".data.b" in message
    )
    forced = api.apply(path, changed, manager="us")
    owned = {e["manager"]: sorted(e["fieldsV1"]["f:data"]) for e in forced["metadata"]["managedFields"]}
    assert owned == {"them": ["f:a"], "us": ["f:a", "f:b"]}


def test_a_dry_run_changes_nothing(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "dry")
    query = {"fieldManager": "us", "force": "true", "dryRun": "All"}
    options: dict[str, Any] = {"content_type": "application/apply-patch+yaml"}
    item = body(target, "ConfigMap", "dry", data={"a": "1"})
    assert api.request("PATCH", path, query=query, body=item, **options)["data"] == {"a": "1"}
    assert api.find(path) is None


def test_an_apply_with_an_old_version_is_rejected(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "v")
    old = api.apply(path, body(target, "ConfigMap", "v", data={"a": "1"}))["metadata"]["resourceVersion"]
    api.apply(path, body(target, "ConfigMap", "v", data={"a": "2"}))
    item = body(target, "ConfigMap", "v", data={"a": "3"})
    item["metadata"]["resourceVersion"] = old
    status, message = rejection(api.apply, path, item)
    assert status == 409
    assert "please apply your changes to the latest version" in message


def test_managed_fields_can_be_put_back(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "m")
    before = api.apply(path, body(target, "ConfigMap", "m", data={"a": "1"}), manager="them")
    after = api.apply(path, body(target, "ConfigMap", "m", data={"a": "1"}), manager="us")
    assert len(after["metadata"]["managedFields"]) == 2
    patch = {"metadata": {"managedFields": before["metadata"]["managedFields"]}}
    content_type = "application/merge-patch+json"
    options: dict[str, Any] = {"query": {"fieldManager": "us"}, "body": patch, "content_type": content_type}
    back = api.request("PATCH", path, **options)
    assert [e["manager"] for e in back["metadata"]["managedFields"]] == ["them"]
    cleared = api.request("PATCH", path, **{**options, "body": {"metadata": {"managedFields": [{}]}}})
    assert not cleared["metadata"].get("managedFields")


def test_a_deletion_with_another_uid_or_an_old_version(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "x")
    old = api.apply(path, body(target, "ConfigMap", "x", data={"a": "1"}))["metadata"]["resourceVersion"]
    api.apply(path, body(target, "ConfigMap", "x", data={"a": "2"}))
    status, message = rejection(api.delete, path, propagation="Background", uid="1-1")
    assert status == 409
    assert "the UID in the precondition (1-1) does not match the UID in record" in message
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": old}}
    status, message = rejection(api.request, "DELETE", path, body=options)
    assert status == 409
    assert "the ResourceVersion in the precondition" in message


def test_a_deletion_in_the_foreground_is_not_done_at_once(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "f")
    api.apply(path, body(target, "ConfigMap", "f"))
    api.delete(path, propagation="Foreground")
    found = api.find(path)
    if target.server is not None:  # a real garbage collector may be faster than the request
        assert found is not None
    if found is not None:
        assert found["metadata"]["finalizers"] == ["foregroundDeletion"]
    target.services.clock.sleep(1)
    assert api.find(path) is None


def test_a_claim_in_use_is_not_deleted(fake: Target) -> None:
    assert fake.server is not None
    store = fake.server.store
    claim = object_path(fake, "persistentvolumeclaims", "c")
    fake.api.apply(claim, body(fake, "PersistentVolumeClaim", "c", spec={"storageClassName": "fsx"}))
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    store.put(body(fake, "Pod", "p", spec={"volumes": volumes}, status={"phase": "Running"}))
    fake.api.delete(claim, propagation="Background")
    found = fake.find(claim)
    assert found is not None
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    fake.api.delete(object_path(fake, "pods", "p"), propagation="Background")
    assert fake.find(claim) is None


def static_claim(target: Target, api: ApiClient, size: str) -> dict[str, Any]:
    """A claim on a volume without a storage class, once it is bound."""
    name = f"v-{target.namespace}"
    spec: dict[str, Any] = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "claimRef": {"namespace": target.namespace, "name": "c"},
        "csi": {"driver": "fsx.csi.aws.com", "volumeHandle": "fs-1"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    api.apply(f"/api/v1/persistentvolumes/{name}", volume)
    claim_spec = {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": name}
    claim = body(
        target, "PersistentVolumeClaim", "c", spec={**claim_spec, "resources": {"requests": {"storage": size}}}
    )
    api.apply(object_path(target, "persistentvolumeclaims", "c"), claim)
    for _ in range(30):
        found = api.get(object_path(target, "persistentvolumeclaims", "c"))
        if found["status"].get("phase") == "Bound":
            return claim
        target.services.clock.sleep(1)
    raise AssertionError("the claim is not bound")


def test_a_bound_claim_without_a_storage_class_keeps_its_size(target: Target, api: ApiClient) -> None:
    path = object_path(target, "persistentvolumeclaims", "c")
    claim = static_claim(target, api, "2Gi")

    def sized(size: str) -> dict[str, Any]:
        return {**claim, "spec": {**claim["spec"], "resources": {"requests": {"storage": size}}}}

    forbidden = 'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the '
    assert rejection(api.apply, path, sized("4Gi")) == (
        403,
        f"{forbidden}storageclass that provisions the pvc must support resize",
    )
    status, message = rejection(api.apply, path, sized("1Gi"))
    assert status == 422
    assert message.startswith('PersistentVolumeClaim "c" is invalid: spec.resources.requests.storage: Forbidden: ')
    assert api.apply(path, sized("2048Mi"))["spec"]["resources"]["requests"]["storage"] in ("2Gi", "2048Mi")
    volume = api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
    grown = {"capacity": {"storage": "4Gi"}}
    merged = {"body": {"spec": grown}, "content_type": "application/merge-patch+json"}
    path = f"/api/v1/persistentvolumes/{volume['metadata']['name']}"
    assert api.request("PATCH", path, **merged)["spec"]["capacity"] == grown["capacity"]
    if target.server is None:
        api.delete(path, propagation="Background")


def test_the_rules_of_an_aggregated_role_belong_to_a_controller(fake: Target) -> None:
    roles = f"/apis/{RBAC}/clusterroles"
    selectors = [{"matchLabels": {"aggregate": "yes"}}]
    admin = {
        "apiVersion": RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": "admin"},
        "aggregationRule": {"clusterRoleSelectors": selectors},
        "rules": [],
    }
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    part = {
        "apiVersion": RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": "part", "labels": {"aggregate": "yes"}},
        "rules": [rule],
    }
    fake.api.apply(f"{roles}/admin", admin)
    fake.api.apply(f"{roles}/part", part)
    assert fake.api.get(f"{roles}/admin")["rules"] == [rule]
    options: dict[str, Any] = {"content_type": "application/apply-patch+yaml"}
    query = {"fieldManager": "hyperpod-constructs"}
    status, message = rejection(fake.api.request, "PATCH", f"{roles}/admin", query=query, body=admin, **options)
    assert status == 409
    assert message.startswith('Apply failed with 1 conflict: conflicts with "clusterrole-aggregation-controller"')


def test_objects_that_are_too_large(target: Target, api: ApiClient) -> None:
    path = object_path(target, "configmaps", "large")
    status, message = rejection(api.apply, path, body(target, "ConfigMap", "large", data={"a": "x" * 1_700_000}))
    assert status in (500, 422)
    assert "too large" in message or "must have at most" in message or "Too long" in message
    status, _ = rejection(api.apply, path, body(target, "ConfigMap", "large", data={"a": "x" * 3_300_000}))
    assert status == 413


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"continue": "it", "limit": "1"}, "continue key is not valid"),
        ({"labelSelector": "==a"}, "found '==', expected: !, identifier, or 'end of string'"),
    ],
)
def test_bad_questions(target: Target, api: ApiClient, query: dict[str, str], expected: str) -> None:
    status, message = rejection(api.get, f"/api/v1/namespaces/{target.namespace}/configmaps", **query)
    assert status == 400
    assert expected in message
