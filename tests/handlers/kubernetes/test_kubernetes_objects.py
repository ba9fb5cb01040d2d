"""Objects as data, and their locations on the API server: references, order, identity, URLs, secrets."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from hyperpod_constructs.handlers.kubernetes.discovery import Discovery, Kind
from hyperpod_constructs.handlers.kubernetes.errors import ApiError, HandlerError, KindUnknown
from hyperpod_constructs.handlers.kubernetes.objects import (
    ObjectRef,
    check,
    in_order,
    legacy_group_id,
    parse,
    physical_id,
    with_data,
    without_secrets,
)

Json = dict[str, Any]
JOB = ObjectRef("batch/v1", "Job", "team", "train")


def item(kind: str = "ConfigMap", name: str = "a", api_version: str = "v1", **metadata: str) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


@pytest.mark.parametrize(
    ("properties", "ref", "text", "id"),
    [
        (item(), ObjectRef("v1", "ConfigMap", "", "a"), "ConfigMap a", "ConfigMap/a"),
        (item(namespace="default"), ObjectRef("v1", "ConfigMap", "", "a"), "ConfigMap a", "ConfigMap/a"),
        (item(namespace="team"), ObjectRef("v1", "ConfigMap", "team", "a"), "ConfigMap team/a", "ConfigMap/team/a"),
        (item("Job", "train", "batch/v1", namespace="team"), JOB, "Job team/train", "Job.batch/team/train"),
        (  # an entry of the property Objects has no metadata
            {"apiVersion": "batch/v1", "kind": "Job", "name": "train", "namespace": "team"},
            JOB,
            "Job team/train",
            "Job.batch/team/train",
        ),
        (
            {**item(), "metadata": {"name": "a", "namespace": None}},
            ObjectRef("v1", "ConfigMap", "", "a"),
            "ConfigMap a",
            "ConfigMap/a",
        ),
    ],
)  # fmt: skip
def test_references(properties: Json, ref: ObjectRef, text: str, id: str) -> None:
    found = ObjectRef.of(properties)
    assert (found, str(found), found.id) == (ref, text, id)


def test_an_object_is_the_same_in_any_version_of_its_api() -> None:
    newer = ObjectRef("batch/v2", "Job", "team", "train")
    assert (JOB.group, JOB.key) == ("batch", ("batch", "Job", "team", "train"))
    assert (newer.key, newer.id) == (JOB.key, JOB.id)
    assert ObjectRef("v1", "Event", "", "e").group == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the manifest is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "the manifest contains no object"),
        ('["a"]', "a manifest must be a list of objects, found a str"),
        ('{"kind": "List", "items": [1]}', "a manifest must be a list of objects, found a int"),
        ("[{}]", "an object requires apiVersion, kind and metadata.name, got (None, None, None)"),
        (
            json.dumps(item(name="")),
            "an object requires apiVersion, kind and metadata.name, got ('v1', 'ConfigMap', '')",
        ),
        (
            json.dumps({"kind": "A", "metadata": {"name": "a"}}),
            "an object requires apiVersion, kind and metadata.name, got (None, 'A', 'a')",
        ),
        (
            json.dumps({"apiVersion": "v1", "kind": 1, "metadata": {}, "name": "a"}),
            "an object requires apiVersion, kind and metadata.name, got ('v1', 1, None)",
        ),
        (
            json.dumps([item(namespace="team"), item("Secret"), item(namespace="team")]),
            "ConfigMap team/a is in the manifest twice",
        ),
        (
            json.dumps([item("Job", api_version="batch/v1"), item("Job", api_version="batch/v2", namespace="default")]),
            "Job a is in the manifest twice",
        ),
    ],
)
def test_manifests_that_are_rejected(text: str, message: str) -> None:
    with pytest.raises(HandlerError) as failure:
        parse(text)
    assert str(failure.value) == message


def test_a_manifest_is_one_object_or_a_list_also_of_lists() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [item(name="b"), item("Namespace", "n")]}
    widget, definition = item("Widget", "w", "x.io/v1"), item("CustomResourceDefinition", "d")
    assert parse(json.dumps(item())) == [item()]
    assert parse(json.dumps([widget, definition, inner, item("Namespace", "m")])) == [
        item("Namespace", "n"), item("Namespace", "m"), definition, widget, item(name="b")
    ]  # fmt: skip
    assert parse(b'[{"apiVersion": "x.io/v1", "kind": "List", "name": "a", "items": 1}]'), "a third-party kind"


def test_references_of_a_manifest() -> None:
    assert check([item(), item("Secret")]) == [
        ObjectRef("v1", "ConfigMap", "", "a"),
        ObjectRef("v1", "Secret", "", "a"),
    ]
    assert [entry["kind"] for entry in in_order([item(), item("CustomResourceDefinition"), item("Namespace")])] == [
        "Namespace", "CustomResourceDefinition", "ConfigMap"
    ]  # fmt: skip


def test_the_identity_of_a_resource() -> None:
    other = ObjectRef("v1", "ConfigMap", "", "a")
    digest = hashlib.sha256(b"ConfigMap/a\nJob.batch/team/train").hexdigest()[:8]
    assert physical_id("research", "Objects", [JOB]) == "research/Job.batch/team/train"
    assert physical_id("research", "Objects", [JOB, other]) == f"research/group/Objects/{digest}"
    assert physical_id("research", "Objects", [other, JOB]) == f"research/group/Objects/{digest}", "in any order"
    assert legacy_group_id("research", "Objects") == "research/group/Objects"


def secret(**overrides: Any) -> Json:
    return {"kind": "Secret", **overrides}


@pytest.mark.parametrize(
    ("manifest", "result"),
    [
        (secret(stringData={"a": "1"}), secret(data={"a": "MQ=="})),
        (secret(stringData={"a": 1}, data={"b": "Mg=="}), secret(data={"a": "MQ==", "b": "Mg=="})),
        (secret(stringData={"a": "1"}, data={"a": "Mg=="}), secret(data={"a": "MQ=="})),
        (secret(stringData={"a": "1"}, data=None, type="Opaque"), secret(data={"a": "MQ=="}, type="Opaque")),
        (secret(stringData="no mapping"), secret(stringData="no mapping")),
        (secret(data={"a": "MQ=="}), secret(data={"a": "MQ=="})),
        ({"kind": "ConfigMap", "stringData": {"a": "1"}}, {"kind": "ConfigMap", "stringData": {"a": "1"}}),
    ],
)
def test_the_text_of_a_secret_becomes_data(manifest: Json, result: Json) -> None:
    assert with_data(manifest) == result


ENCODED = base64.b64encode(b"hunter2").decode()


@pytest.mark.parametrize(
    ("manifest", "message", "result"),
    [
        (secret(data={"a": ENCODED}), f"a: {ENCODED} or hunter2", "a: *** or ***"),
        (secret(stringData={"a": "hunter2", "b": "swordfish"}), "hunter2, swordfish", "***, ***"),
        (secret(data={"a": ""}, stringData={"b": None}), "None of it", "None of it"),
        (secret(data="hunter2", stringData=["swordfish"]), "hunter2, ['swordfish']", "***, ***"),
        (secret(data={"a": "not+base64!"}), "a: not+base64!", "a: ***"),
        (secret(data={"a": "not base64!", "b": ENCODED}), "a: hunter2", "a: ***"),
        (secret(data={"a": "bm90IGhpZGRlbg==!"}), "this is not hidden", "this is not hidden"),
        (secret(stringData={"a": 12345}), "12345 is not a string", "*** is not a string"),
        (secret(), "hunter2", "hunter2"),
        ({"kind": "ConfigMap", "data": {"a": "hunter2"}}, "a: hunter2", "a: hunter2"),
    ],
)
def test_the_values_of_a_secret_are_hidden(manifest: Json, message: str, result: str) -> None:
    assert without_secrets(message, manifest) == result


# Discovery.


class Client:
    """Responses by path; a number is the status of an error."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.requests = answers, list[str]()

    def get(self, path: str) -> Json:
        self.requests.append(path)
        answer = self.answers.get(path, 404)
        if isinstance(answer, int):
            raise ApiError(answer, "Refused", "no")
        found: Json = answer
        return found


def served(*kinds: tuple[str, str, bool]) -> Json:
    return {"resources": [{"name": name, "kind": kind, "namespaced": namespaced} for name, kind, namespaced in kinds]}


CORE = served(("pods/log", "Pod", False), ("configmaps", "ConfigMap", True), ("namespaces", "Namespace", False))


def discovery(**answers: Any) -> tuple[Discovery, Client]:
    client = Client({"/api/v1": CORE, **answers})
    return Discovery(client), client  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "ref", "path"),
    [
        (Kind("v1", "configmaps", True), ObjectRef("", "", "team", "a"), "/api/v1/namespaces/team/configmaps/a"),
        (Kind("v1", "configmaps", True), ObjectRef("", "", "", "a"), "/api/v1/namespaces/default/configmaps/a"),
        (Kind("v1", "namespaces", False), ObjectRef("", "", "", "a"), "/api/v1/namespaces/a"),
        (Kind("batch/v1", "jobs", True), ObjectRef("", "", "a/b", "c/d"), "/apis/batch/v1/namespaces/a%2Fb/jobs/c%2Fd"),
        (Kind("x.io/v1", "queues", False), ObjectRef("", "", "team", "system:a"), "/apis/x.io/v1/queues/system%3Aa"),
    ],
)
def test_urls(kind: Kind, ref: ObjectRef, path: str) -> None:
    assert kind.path(ref) == path


def test_urls_of_collections() -> None:
    assert Kind("batch/v1", "jobs", True).collection() == "/apis/batch/v1/jobs"
    assert Kind("v1", "nodes", False).collection("team") == "/api/v1/nodes"


def test_the_kinds_of_a_version_are_requested_once() -> None:
    found, client = discovery()
    assert found.find("v1", "ConfigMap") == Kind("v1", "configmaps", True)
    assert found.find("v1", "Namespace") == Kind("v1", "namespaces", False)
    assert client.requests == ["/api/v1"]
    with pytest.raises(KindUnknown, match="does not serve the kind Pod in v1"):
        found.find("v1", "Pod")
    assert client.requests == ["/api/v1", "/api/v1"], "a missing kind may be available now"


def test_a_version_that_is_not_served_has_no_kinds_and_other_errors_are_passed_on() -> None:
    found, _ = discovery(**{"/apis/down/v1": 503, "/apis/empty/v1": {}})
    for api_version in ("absent/v1", "empty/v1"):
        with pytest.raises(KindUnknown):
            found.find(api_version, "A")
    with pytest.raises(ApiError, match=r"^503 Refused: no$"):
        found.find("down/v1", "A")


QUEUES = served(("queues", "Queue", True))


@pytest.mark.parametrize(
    ("answers", "expected", "paths"),
    [
        ({"/apis/x.io/v1": QUEUES}, Kind("x.io/v1", "queues", True), ["/apis/x.io/v1"]),
        ({}, None, ["/apis/x.io/v1", "/apis/x.io"]),
        ({"/apis/x.io": {}}, None, ["/apis/x.io/v1", "/apis/x.io"]),
        (
            {"/apis/x.io": {"versions": [{"groupVersion": f"x.io/v{n}"} for n in (3, 2)]}, "/apis/x.io/v2": QUEUES},
            Kind("x.io/v2", "queues", True),
            ["/apis/x.io/v1", "/apis/x.io", "/apis/x.io/v3", "/apis/x.io/v2"],
        ),
    ],
)  # fmt: skip
def test_a_kind_in_any_version(answers: Json, expected: Kind | None, paths: list[str]) -> None:
    found, client = discovery(**answers)
    assert found.find_any_version(ObjectRef("x.io/v1", "Queue", "team", "a")) == expected
    assert client.requests == paths


def test_a_core_kind_has_no_other_version_and_errors_of_a_group_are_passed_on() -> None:
    found, client = discovery(**{"/apis/x.io": 500})
    assert found.find_any_version(ObjectRef("v1", "Widget", "", "a")) is None
    assert client.requests == ["/api/v1"]
    with pytest.raises(ApiError, match=r"^500 Refused: no$"):
        found.find_any_version(ObjectRef("x.io/v1", "Queue", "", "a"))
