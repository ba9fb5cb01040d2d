"""Applying objects on any API server (the fake one, or a real one if KUBECONFIG is set)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from kubernetes_targets import CloudFormation, Target
from proving import every

from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.shared.ownership import owners


def config_map(name: str, namespace: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def crd(group: str, *, padding: int = 0) -> dict[str, Any]:
    """A CRD of the kind Widget; ``padding`` bytes of description make it large."""
    properties = {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
        **{
            f"field{i}": {"type": "string", "description": "x" * min(10_000, padding - i * 10_000)}
            for i in range((padding + 9_999) // 10_000)
        },
    }
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{**version, "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}],
        },
    }


def widget(group: str, namespace: str, name: str = "w", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": metadata, "spec": spec or {"size": 1}}


@pytest.fixture
def group() -> str:
    """An API group for one test, because CRDs are cluster-scoped."""
    return f"g{uuid.uuid4().hex[:8]}.example.com"


@pytest.fixture
def ns(target: Target) -> str:
    return target.namespace


def test_one_object_is_named_in_the_physical_id(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    answer = cloudformation.create([config_map("a", ns, key="1")])
    assert answer == {
        "PhysicalResourceId": f"research/ConfigMap/{ns}/a",
        "Data": {"Count": "1", "Name": "a", "Namespace": ns},
    }
    applied = target.config_map("a")
    assert applied is not None
    assert applied["data"] == {"key": "1"}
    assert [o.name for o in owners(applied["metadata"]["annotations"])] == ["Platform/Objects"]
    cloudformation.delete()
    assert target.config_map("a") is None


def test_repeated_events_change_nothing(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    objects = [config_map("a", ns, key="1"), config_map("b", ns, key="2")]
    first = cloudformation.create(objects)
    version = (target.config_map("a") or {})["metadata"]["resourceVersion"]
    assert cloudformation.create(objects) == first
    assert cloudformation.update(objects) == first
    assert (target.config_map("a") or {})["metadata"]["resourceVersion"] == version
    cloudformation.delete()
    cloudformation.delete()
    assert target.config_map("b") is None


def test_an_update_changes_adds_and_removes_fields(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    cloudformation.create([config_map("a", ns, old="1", kept="1")])
    cloudformation.update([config_map("a", ns, kept="2", new="3")])
    assert (target.config_map("a") or {})["data"] == {"kept": "2", "new": "3"}


def test_an_object_that_left_the_group_is_deleted(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    cloudformation.create([config_map(name, ns) for name in "abc"])
    before = cloudformation.physical_id
    cloudformation.update([config_map(name, ns) for name in "ac"])
    assert cloudformation.physical_id != before, "a replacement: removed objects are deleted after the update"
    assert [bool(target.config_map(name)) for name in "abc"] == [True, False, True]


def test_a_rename_creates_the_new_object_and_deletes_the_old(
    cloudformation: CloudFormation, target: Target, ns: str
) -> None:
    cloudformation.create([config_map("old", ns)])
    cloudformation.update([config_map("new", ns)])
    assert cloudformation.physical_id == f"research/ConfigMap/{ns}/new"
    assert target.config_map("new")
    assert target.config_map("old") is None


def test_another_namespace_moves_the_object(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    name = f"moving-{uuid.uuid4().hex[:6]}"
    cloudformation.create([config_map(name, "default")])
    cloudformation.update([config_map(name, ns)])
    assert target.config_map(name)
    assert target.find(f"/api/v1/namespaces/default/configmaps/{name}") is None


def test_setting_the_default_namespace_is_not_a_change(cloudformation: CloudFormation, target: Target) -> None:
    name = f"same-{uuid.uuid4().hex[:6]}"
    without_namespace = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    cloudformation.create([without_namespace])
    uid = (target.find(f"/api/v1/namespaces/default/configmaps/{name}") or {})["metadata"]["uid"]
    cloudformation.update([config_map(name, "default")])
    assert (target.find(f"/api/v1/namespaces/default/configmaps/{name}") or {})["metadata"]["uid"] == uid
    cloudformation.delete()


def test_one_object_changes_to_a_group_and_back_without_deletion(
    cloudformation: CloudFormation, target: Target, ns: str
) -> None:
    cloudformation.create([config_map("a", ns)])
    uid = (target.config_map("a") or {})["metadata"]["uid"]
    cloudformation.update([config_map("a", ns), config_map("b", ns)])
    assert cloudformation.physical_id.startswith("research/group/Objects/")
    cloudformation.update([config_map("a", ns)])
    assert (target.config_map("a") or {})["metadata"]["uid"] == uid
    assert target.config_map("b") is None


def test_an_object_that_moved_to_another_resource_survives_the_deletion_of_the_first(target: Target, ns: str) -> None:
    first, second = CloudFormation(target, "First"), CloudFormation(target, "Second")
    first.create([config_map("a", ns)])
    second.create([config_map("a", ns)])
    first.delete()
    assert target.config_map("a")
    second.delete()
    assert target.config_map("a") is None


def test_fields_of_other_managers_are_overwritten_or_unchanged(
    cloudformation: CloudFormation, target: Target, ns: str
) -> None:
    path = f"/api/v1/namespaces/{ns}/configmaps/a"
    query = {"fieldManager": "somebody"}
    body = config_map("a", ns, theirs="1", shared="theirs")
    target.api.request("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")
    with pytest.raises(HandlerError, match="already exists and was not created by this library"):
        cloudformation.create([config_map("a", ns, shared="ours")])
    cloudformation.create([config_map("a", ns, shared="ours")], Adopt="true")
    assert (target.config_map("a") or {})["data"] == {"theirs": "1", "shared": "ours"}


def test_namespace_crd_and_its_objects_in_one_group_in_any_order(
    cloudformation: CloudFormation, target: Target, group: str
) -> None:
    fresh = f"{target.namespace}-x"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fresh}}
    cloudformation.create([widget(group, fresh), config_map("a", fresh), crd(group), namespace])
    assert target.find(f"/apis/{group}/v1/namespaces/{fresh}/widgets/w")
    cloudformation.delete()
    assert target.find(f"/api/v1/namespaces/{fresh}") is None


def test_a_crd_of_1_4_megabytes(cloudformation: CloudFormation, target: Target, group: str) -> None:
    large = crd(group, padding=1_400_000)
    assert len(json.dumps(large)) > 1_400_000
    _as_asset(cloudformation, [large, widget(group, target.namespace)])
    assert target.find(f"/apis/{group}/v1/namespaces/{target.namespace}/widgets/w")
    cloudformation.delete()
    assert target.find(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}") is None


def test_a_deletion_succeeds_when_the_kind_went_first(
    cloudformation: CloudFormation, target: Target, group: str
) -> None:
    definition = CloudFormation(target, "Definition")
    definition.create([crd(group)])
    cloudformation.create([widget(group, target.namespace)])
    definition.delete()
    cloudformation.delete()
    assert target.find(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}") is None


def test_a_field_that_the_schema_lacks_fails_at_once(
    cloudformation: CloudFormation, target: Target, group: str
) -> None:
    definition = CloudFormation(target, "Definition")
    definition.create([crd(group)])
    started = target.services.clock.now()
    with pytest.raises(HandlerError, match=r"^Widget .*/w was not applied: .*\.spec\.colour: field not declared"):
        cloudformation.create([widget(group, target.namespace, colour="red")])
    assert target.services.clock.now() - started < 5
    definition.delete()


def test_an_immutable_field_fails_with_the_fix(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    cloudformation.create([secret(ns, "Opaque")])
    with pytest.raises(HandlerError, match=r"^Secret .*/s was not applied: 422 .*replace_on_immutable.*immutable"):
        cloudformation.update([secret(ns, "example.com/other")])


def test_an_immutable_field_with_permission_replaces_the_object(
    cloudformation: CloudFormation, target: Target, ns: str
) -> None:
    cloudformation.create([secret(ns, "Opaque")])
    cloudformation.update([secret(ns, "example.com/other")], ReplaceOnImmutable="true")
    assert (target.find(f"/api/v1/namespaces/{ns}/secrets/s") or {})["type"] == "example.com/other"


def secret(namespace: str, kind: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "type": kind}


def test_a_claim_keeps_its_size_when_its_volume_grows(fake: Target, stack: CloudFormation) -> None:
    from hyperpod_constructs.core.manifests import fsx_volumes

    def volumes(size: int) -> list[dict[str, Any]]:
        arguments = {"file_system_id": "fs-1", "dns_name": "fs-1.fsx", "mount_name": "abc", "namespaces": ["team"]}
        return fsx_volumes("data", size_gib=size, **arguments)

    stack.create(volumes(1200))
    stack.update(volumes(2400))
    stack.update(volumes(4800))
    claim = fake.find("/api/v1/namespaces/team/persistentvolumeclaims/data")
    volume = fake.find("/api/v1/persistentvolumes/data-team")
    assert claim is not None
    assert volume is not None
    assert (claim["spec"]["resources"], volume["spec"]["capacity"]) == (
        {"requests": {"storage": "1200Gi"}},
        {"storage": "4800Gi"},
    )


def test_retained_objects_stay(cloudformation: CloudFormation, target: Target, ns: str) -> None:
    cloudformation.create([config_map("a", ns), config_map("b", ns)], DeletionPolicy="Retain")
    cloudformation.update([config_map("a", ns), config_map("c", ns)], DeletionPolicy="Retain")
    cloudformation.delete()
    assert every(target.config_map(name) for name in "abc")


def test_a_finalizer_blocks_the_deletion_until_it_is_removed(
    cloudformation: CloudFormation, target: Target, ns: str
) -> None:
    held = config_map("held", ns)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    cloudformation.create([held], RetrySeconds="3")
    with pytest.raises(HandlerError, match=r"held by the finalizers example\.com/hold"):
        cloudformation.delete()
    target.api.request(
        "PATCH",
        f"/api/v1/namespaces/{ns}/configmaps/held",
        body={"metadata": {"finalizers": None}},
        content_type="application/merge-patch+json",
    )
    cloudformation.delete()
    assert target.config_map("held") is None


class FakeS3:
    """Objects of one bucket; the first ``denials`` requests are not allowed yet."""

    def __init__(self, content: dict[str, bytes], denials: int = 0) -> None:
        self.content, self.denials = content, denials

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self.denials -= 1
        if self.denials >= 0:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not yet"}}, "GetObject")
        if Key not in self.content:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": io.BytesIO(self.content[Key])}


def _as_asset(stack: CloudFormation, objects: list[dict[str, Any]], *, packed: bool = True, sha: str = "") -> None:
    data = json.dumps(objects).encode()
    data = gzip.compress(data) if packed else data
    stack.target.aws.clients["s3"] = FakeS3({"m.json": data})
    asset = {"Bucket": "assets", "Key": "m.json", "Sha256": sha or hashlib.sha256(data).hexdigest()}
    names = [{"apiVersion": o["apiVersion"], "kind": o["kind"], **_name(o)} for o in objects]
    stack.create([], Manifest=None, ManifestAsset=asset, Objects=names)


def _name(item: dict[str, Any]) -> dict[str, str]:
    return {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}


@pytest.mark.parametrize("packed", [True, False])
def test_an_asset_is_not_needed_for_the_deletion(stack: CloudFormation, packed: bool) -> None:
    _as_asset(stack, [config_map("a", "team"), config_map("b", "team")], packed=packed)
    assert stack.target.config_map("b")
    stack.target.aws.clients.clear()
    stack.delete()
    assert stack.target.config_map("b") is None


def test_an_asset_with_another_content_is_rejected(stack: CloudFormation) -> None:
    with pytest.raises(HandlerError, match=r"s3://assets/m\.json has the SHA-256 .* expected 00"):
        _as_asset(stack, [config_map("a", "team")], sha="00")
    assert stack.target.config_map("a") is None


def test_a_permission_to_read_the_asset_can_be_delayed(stack: CloudFormation) -> None:
    data = json.dumps([config_map("a", "team")]).encode()
    asset = {"Bucket": "assets", "Key": "m.json", "Sha256": hashlib.sha256(data).hexdigest()}
    stack.target.aws.clients["s3"] = FakeS3({"m.json": data}, denials=3)
    stack.create([], Manifest=None, ManifestAsset=asset, Objects=[])
    assert stack.target.config_map("a")
    stack.target.aws.clients["s3"] = FakeS3({"m.json": data}, denials=1000)
    with pytest.raises(HandlerError, match=r"could not be read: .*AccessDenied"):
        stack.create([], Manifest=None, ManifestAsset=asset, Objects=[])


def test_a_missing_asset_is_reported(stack: CloudFormation) -> None:
    stack.target.aws.clients["s3"] = FakeS3({})
    asset = {"Bucket": "assets", "Key": "m.json", "Sha256": "00"}
    with pytest.raises(HandlerError, match=r"s3://assets/m\.json could not be read: .*NoSuchKey"):
        stack.create([], Manifest=None, ManifestAsset=asset, Objects=[])


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("[", "is not JSON"),
        ("[]", "contains no object"),
        ("[1]", "found a int"),
        ('[{"kind": "ConfigMap", "metadata": {"name": "a"}}]', "requires apiVersion, kind and metadata.name"),
        ('[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}]', "requires apiVersion, kind and metadata.name"),
        (json.dumps([config_map("a", "default"), config_map("a", "")]), "ConfigMap a is in the manifest twice"),
    ],
)
def test_a_manifest_that_is_not_a_list_of_objects(stack: CloudFormation, manifest: str, message: str) -> None:
    with pytest.raises(HandlerError, match=message):
        stack.create([], Manifest=manifest)


def test_a_list_is_its_items(stack: CloudFormation) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [config_map("a", "team"), config_map("b", "team")]}
    assert stack.create([], Manifest=json.dumps(items))["Data"]["Count"] == "2"
