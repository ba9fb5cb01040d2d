"""The state of an object before its first owner, and the fields of each owner: values at paths, and managed fields."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_constructs.handlers.kubernetes.controlled import with_bound_size, without_controlled
from hyperpod_constructs.handlers.kubernetes.former import (
    ABSENT,
    BEFORE_KEY,
    Path,
    Restored,
    content,
    managed_fields,
    missing_records,
    others,
    owned_by,
    records,
    released_values,
    value,
    wants_key,
    with_values,
)
from hyperpod_constructs.handlers.shared.ownership import LEGACY_KEY, Owner

Json = dict[str, Any]
A, B, C = (Owner(f"Platform/{letter.upper()}", letter * 16) for letter in "abc")
LEGACY = Owner("", "", legacy=True).manager
X, Y, Z = (("f:data", f"f:{letter}") for letter in "xyz")
PORT: Path = ("f:spec", "f:ports", 'k:{"port":53,"protocol":"TCP"}', "f:name")


def entry(manager: str, *paths: Path, operation: str = "Apply", **overrides: str) -> Json:
    fields: Json = {}
    for path in paths:
        inner = fields
        for step in path:
            inner = inner.setdefault(step, {})
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **overrides}


def item(*managed: Json, annotations: dict[str, str] | None = None, **data: str) -> Json:
    metadata: Json = {"name": "a", "managedFields": list(managed)}
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


# Values at paths.

THING: Json = {
    "data": {"x": "1", "f:y": 2},
    "spec": {
        "ports": [{"port": 80}, {"port": 53, "name": "udp", "protocol": "UDP"}, {"port": 53, "name": "dns"}, "odd"],
        "finalizers": ["a", "b"],
        "text": "abc",
    },
}

VALUES: list[tuple[Path, Any]] = [
    ((), THING),
    (X, "1"),
    (("f:data", "f:f:y"), 2),
    (Z, ABSENT),
    (("f:data", "f:x", "f:y"), ABSENT),
    (("f:none", "f:x"), ABSENT),
    (PORT, "dns"),
    (("f:spec", "f:ports", 'k:{"port":53,"protocol":"UDP"}', "f:name"), "udp"),
    (("f:spec", "f:ports", 'k:{"port":80}'), {"port": 80}),
    (("f:spec", "f:ports", 'k:{"port":81}'), ABSENT),
    (("f:spec", "f:ports", 'k:{"port":81}', "f:name"), ABSENT),
    (("f:spec", "f:ports", 'k:{"port":80}', "f:name"), ABSENT),
    (("f:spec", "f:finalizers", 'v:"b"'), "b"),
    (("f:spec", "f:finalizers", 'v:"c"'), ABSENT),
    (("f:spec", "f:finalizers", "i:0"), ABSENT),
    (("f:spec", "f:text", 'v:"a"'), ABSENT),
]


@pytest.mark.parametrize(("path", "found"), VALUES)
def test_the_value_at_a_path(path: Path, found: Any) -> None:
    assert value(THING, path) == found


PUTS: list[tuple[Json, Path, Any, Json]] = [
    ({}, X, "1", {"data": {"x": "1"}}),
    ({"data": {"x": "1", "y": "2"}}, X, "3", {"data": {"x": "3", "y": "2"}}),
    ({}, PORT, "dns", {"spec": {"ports": [{"port": 53, "protocol": "TCP", "name": "dns"}]}}),
    (
        {"spec": {"ports": [{"port": 80}, {"port": 53}]}},
        PORT,
        "dns",
        {"spec": {"ports": [{"port": 80}, {"port": 53, "name": "dns"}]}},
    ),
    ({}, ("f:a", 'v:"x"'), "x", {"a": ["x"]}),
    ({"a": ["y"]}, ("f:a", 'v:"x"'), "x", {"a": ["y", "x"]}),
    ({"a": ["x"]}, ("f:a", 'v:"x"'), "x", {"a": ["x"]}),
]


@pytest.mark.parametrize(("before", "path", "found", "after"), PUTS)
def test_a_value_is_put_at_a_path(before: Json, path: Path, found: Any, after: Json) -> None:
    original = repr(before)
    assert with_values(before, [Restored(path, found, None)]) == after
    assert repr(before) == original, "the object itself is not changed"


def test_a_value_that_is_put_is_not_shared() -> None:
    found: Json = {"a": 1}
    with_values({}, [Restored(X, found, None)])["data"]["x"]["a"] = 2
    assert found == {"a": 1}


# Owners and their fields.


def test_other_owners_are_known_by_mark_or_by_field_manager() -> None:
    marks = {A.key: A.value, B.key: B.value}
    assert others(item(annotations=marks), A) == [B]
    assert others(item(entry(C.manager), entry("kubectl"), annotations=marks), A) == [B, Owner("", C.digest)]
    assert others(item(entry(A.manager)), A) == []
    assert others({}, A) == []


def test_the_fields_of_a_manager_are_without_our_annotations() -> None:
    own_mark = ("f:metadata", "f:annotations", f"f:{A.key}")
    other_annotation = ("f:metadata", "f:annotations", "f:team")
    found = item(
        entry("m", X, own_mark, other_annotation, ("f:data", ".")), entry("m", Y, operation="Update"), entry("n", Z)
    )
    assert owned_by(found, "m") == {X, Y, other_annotation}
    assert owned_by({}, "m") == set()
    annotations = ("f:metadata", "f:annotations")
    assert owned_by(item(entry("m", annotations)), "m") == {annotations}
    label = ("f:metadata", "f:labels", f"f:{A.key}")
    assert owned_by(item(entry("m", label)), "m") == {label}


def test_what_an_apply_can_change() -> None:
    found = {**item(annotations={"team": "v", A.key: A.value}, x="1"), "status": {"ready": 1}}
    found["metadata"] |= {"labels": {"a": "b"}, "uid": "u"}
    common = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert content(found) == {**common, "data": {"x": "1"}, "labels": {"a": "b"}, "annotations": {"team": "v"}}
    assert content({"kind": "A"}) == {"kind": "A", "labels": {}, "annotations": {}}


# Records.


def applied(before: Json, after: Json, me: Owner) -> tuple[Json, list[Restored]]:
    """The object after an apply, with the records of ``me``, and what is restored."""
    notes, restored = records(before, after, me)
    after["metadata"]["annotations"] = {**(after["metadata"].get("annotations") or {}), **notes}
    return after, restored


def test_the_first_owner_keeps_what_was_there_before() -> None:
    before = item(entry("kubectl", X, Y, operation="Update"), x="old", y="same")
    updated = item(entry("kubectl", operation="Update"), entry(A.manager, X, Y, Z), x="new", y="same", z="more")
    after, restored = applied(before, updated, A)
    assert set(after["metadata"]["annotations"]) == {BEFORE_KEY, wants_key(A)}
    assert restored == []
    assert released_values(after, A) == [Restored(X, "old", None)]
    assert managed_fields(after, A, released_values(after, A)) == [entry("kubectl", Y, operation="Update")]
    back = with_values(after, released_values(after, A))
    assert managed_fields(back, A, released_values(after, A)) == [entry("kubectl", X, Y, operation="Update")]


def test_nothing_is_kept_where_nothing_was_replaced() -> None:
    after, _ = applied(item(), item(entry(A.manager, X), x="1"), A)
    assert set(after["metadata"]["annotations"]) == {wants_key(A)}
    assert released_values(after, A) == []
    assert managed_fields(after, A, []) == [{}], "an empty entry clears the list"


def test_the_latest_other_owner_gets_the_field() -> None:
    first, _ = applied(item(), item(entry(A.manager, X), x="a"), A)
    first["metadata"]["annotations"] |= missing_records(first, A)
    second = item(entry(B.manager, X), annotations={**first["metadata"]["annotations"], A.key: A.value}, x="b")
    second, _ = applied(first, second, B)
    third = item(entry(C.manager, X), annotations={**second["metadata"]["annotations"], B.key: B.value}, x="c")
    third, _ = applied(second, third, C)
    assert released_values(third, C) == [Restored(X, "b", B)]
    back = with_values(third, released_values(third, C))
    assert managed_fields(back, C, released_values(third, C)) == [
        {"manager": B.manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {"f:x": {}}}}
    ]  # fmt: skip


def test_a_field_that_another_owner_has_too_is_left() -> None:
    shared = item(entry(A.manager, X), entry(B.manager, X), annotations={A.key: A.value, B.key: B.value}, x="1")
    assert released_values(shared, A) == []
    assert managed_fields(shared, A, []) == [entry(B.manager, X)]


def test_a_field_that_an_update_drops_is_restored() -> None:
    before = item(entry("kubectl", X, operation="Update"), x="old")
    first, _ = applied(before, item(entry(A.manager, X, Y), x="new", y="new"), A)
    second = item(entry(A.manager, Y), annotations=first["metadata"]["annotations"], y="new")
    _, restored = applied(first, second, A)
    assert restored == [Restored(X, "old", None)]


def test_the_value_from_before_is_the_first_one() -> None:
    first, _ = applied(item(entry("kubectl", X), x="0"), item(entry(A.manager, X), x="1"), A)
    by_hand = item(entry("kubectl", X), annotations=first["metadata"]["annotations"], x="by hand")
    second = item(entry(A.manager, X), annotations=first["metadata"]["annotations"], x="2")
    second, _ = applied(by_hand, second, A)
    assert released_values(second, A) == [Restored(X, "0", None)]


def test_fields_that_an_owner_loses_in_sequence_are_all_restored() -> None:
    first, _ = applied(item(entry("kubectl", X), x="0"), item(entry(A.manager, X), x="1"), A)
    annotations = first["metadata"]["annotations"]
    by_hand = item(entry(A.manager, X), entry("kubectl", Y), annotations=annotations, x="1", y="0")
    second = item(entry(A.manager, X, Y), annotations=annotations, x="1", y="1")
    second, _ = applied(by_hand, second, A)
    restored = released_values(second, A)
    assert restored == [Restored(X, "0", None), Restored(Y, "0", None)]
    assert managed_fields(with_values(second, restored), A, restored) == [entry("kubectl", X, Y)]


def test_an_owner_without_a_record_wants_what_it_has() -> None:
    only_owner = item(entry(A.manager, X, Z), annotations={A.key: A.value}, x="1")
    (found,) = missing_records(only_owner, B).items()
    assert found[0] == A
    assert missing_records(only_owner, A) == {}
    only_owner["metadata"]["annotations"][wants_key(A)] = found[1]
    assert missing_records(only_owner, B) == {}
    shared = item(entry(B.manager, X), annotations=dict(only_owner["metadata"]["annotations"]), x="2")
    shared, _ = applied(only_owner, shared, B)
    assert released_values(shared, B) == [Restored(X, "1", A)]


def test_a_field_that_another_client_changed_is_not_restored() -> None:
    before = item(entry("kubectl", X, operation="Update"), entry("scaler", Y, subresource="scale"), x="old", y="0")
    after, _ = applied(before, item(entry(A.manager, X, Y), x="new", y="1"), A)
    restored = released_values(after, A)
    assert [field.path for field in restored] == [X, Y]
    changed = {**after, "data": {"x": "newer", "y": "0"}}
    assert managed_fields(changed, A, restored) == [entry("scaler", Y, subresource="scale")]


def test_records_that_were_modified_count_as_none() -> None:
    broken = item(
        entry(A.manager, X), annotations={BEFORE_KEY: "no base64", wants_key(B): "AAAA", B.key: B.value}, x="1"
    )
    assert released_values(broken, A) == []


def test_the_manager_of_the_former_version_counts_as_an_owner() -> None:
    before = item(entry(LEGACY, X), annotations={LEGACY_KEY: f"Platform/A/{A.digest}"}, x="1")
    notes, _ = records(before, item(entry(A.manager, X), x="2"), A)
    assert set(notes) == {wants_key(A)}, "the value was set by this owner"


# Fields of controllers.


def workload(kind: str, managers: dict[str, Path], **spec: Any) -> Json:
    managed = [entry(manager, path) for manager, path in managers.items()]
    return {"kind": kind, "metadata": {"managedFields": managed}, "spec": spec}


REPLICAS, SUSPEND = ("f:spec", "f:replicas"), ("f:spec", "f:suspend")
POLICY = ("f:spec", "f:runPolicy", "f:suspend")

CONTROLLED: list[tuple[Json, Json, Json | None, list[Path]]] = [
    *[
        (workload(kind, {}, replicas=2), workload(kind, {"hpa": REPLICAS}, replicas=5), None, [REPLICAS])
        for kind in ("Deployment", "ReplicaSet", "StatefulSet")
    ],
    (workload("Job", {}, suspend=False), workload("Job", {"kueue": SUSPEND}, suspend=True), None, [SUSPEND]),
    *[
        (
            workload(kind, {}, runPolicy={"suspend": False}, suspend=False),
            workload(kind, {"kueue": POLICY, "kueue-2": SUSPEND}, runPolicy={"suspend": True}, suspend=True),
            None,
            [SUSPEND, POLICY],
        )
        for kind in ("PyTorchJob", "HyperPodPyTorchJob")
    ],
    # no such kind, no such field, the same value, no other manager
    (workload("DaemonSet", {}, replicas=2), workload("DaemonSet", {"hpa": REPLICAS}, replicas=5), None, []),
    (workload("Deployment", {}), workload("Deployment", {"hpa": REPLICAS}, replicas=5), None, []),
    (workload("Deployment", {}, replicas=2), workload("Deployment", {"hpa": REPLICAS}), None, []),
    (workload("Deployment", {}, replicas=2), workload("Deployment", {"hpa": REPLICAS}, replicas=2), None, []),
    (workload("Deployment", {}, replicas=2), workload("Deployment", {A.manager: REPLICAS}, replicas=5), None, []),
    (workload("Deployment", {}, replicas=2), {"kind": "Deployment", "spec": {"replicas": 5}}, None, []),
    # the manifest changes the value, or not
    (
        workload("Deployment", {}, replicas=3),
        workload("Deployment", {"hpa": REPLICAS}, replicas=5),
        workload("Deployment", {}, replicas=2),
        [],
    ),
    (
        workload("Deployment", {}, replicas=2),
        workload("Deployment", {"hpa": REPLICAS}, replicas=5),
        workload("Deployment", {}, replicas=2),
        [REPLICAS],
    ),
]


@pytest.mark.parametrize(("manifest", "current", "former", "kept_paths"), CONTROLLED)
def test_fields_that_a_controller_keeps(
    manifest: Json, current: Json, former: Json | None, kept_paths: list[Path]
) -> None:
    text = repr(manifest)
    found, paths = without_controlled(manifest, current, former)
    assert paths == kept_paths
    assert [value(found, path) for path in kept_paths] == [ABSENT] * len(kept_paths)
    assert repr(manifest) == text
    assert (found == manifest) is (not kept_paths)


SMALL, LARGE = ({"resources": {"requests": {"storage": size}}} for size in ("1Gi", "2Gi"))


@pytest.mark.parametrize(
    ("kind", "expected", "current", "result"),
    [
        ("PersistentVolumeClaim", {"storageClassName": "", **LARGE}, SMALL, {"storageClassName": "", **SMALL}),
        ("PersistentVolumeClaim", {"storageClassName": "gp3", **LARGE}, SMALL, {"storageClassName": "gp3", **LARGE}),
        ("PersistentVolumeClaim", LARGE, SMALL, LARGE),
        ("PersistentVolumeClaim", {"storageClassName": "", **LARGE}, {}, {"storageClassName": "", **LARGE}),
        ("Other", {"storageClassName": "", **LARGE}, SMALL, {"storageClassName": "", **LARGE}),
    ],
)
def test_a_bound_claim_keeps_its_size(kind: str, expected: Json, current: Json, result: Json) -> None:
    assert with_bound_size({"kind": kind, "spec": expected}, {"spec": current}) == {"kind": kind, "spec": result}
    assert with_bound_size({"kind": kind}, {}) == {"kind": kind}
