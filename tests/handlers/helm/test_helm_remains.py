"""Remains of a release from earlier attempts and other clients, on a model of helm: recovery and removal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helm_model import BROKEN, START, Helm, Json, event, failing, owner_of

from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.records import AT, EXISTED_LABEL, Revision
from hyperpod_constructs.handlers.kubernetes.errors import ApiError

A, B = event("a"), event("b")
LATER = event("a", "2")


@pytest.fixture
def helm() -> Helm:
    return Helm()


ROLLED_BACK = "pending-{}: it is rolled back to revision {}"


@pytest.mark.parametrize(
    ("before", "verbs", "message"),
    [
        (["deployed"], ["upgrade"], ""),
        (["uninstalled"], ["upgrade"], ""),
        (["deployed", "failed"], ["upgrade"], ""),
        (["failed"], ["uninstall", "upgrade"], "failed and was never deployed"),
        (["pending-install"], ["uninstall", "upgrade"], "pending-install and was never deployed"),
        (["deployed", "uninstalling"], ["uninstall", "upgrade"], "uninstalling and was never deployed"),
        (["superseded", "deployed", "pending-upgrade"], ["rollback 2", "upgrade"], ROLLED_BACK.format("upgrade", 2)),
        (["deployed", "superseded", "pending-rollback"], ["rollback 1", "upgrade"], ROLLED_BACK.format("rollback", 1)),
        (["superseded", "superseded", "pending-upgrade"], ["rollback 2", "upgrade"], ROLLED_BACK.format("upgrade", 2)),
    ],
)  # fmt: skip
def test_what_was_interrupted_is_recovered(
    helm: Helm, capsys: pytest.CaptureFixture[str], before: list[str], verbs: list[str], message: str
) -> None:
    for status in before:
        helm.add(status, A, "a")
    helm.install(LATER)
    assert helm.verbs() == verbs
    assert helm.states[-1] == "deployed a by a"
    tail = ", or is partially removed: it is uninstalled first" if "never" in message else " first"
    assert capsys.readouterr().out == (f"release r is {message}{tail}\n" if message else "")


def test_an_interrupted_share_is_rolled_back_without_the_mark(helm: Helm) -> None:
    helm.add("deployed", B, "b")
    helm.add("pending-upgrade", A, "ab")
    helm.fails["upgrade"] = [(BROKEN, "")]
    with pytest.raises(HelmError):
        helm.install(LATER)
    assert helm.states == ["superseded b by b", "pending-upgrade ab by a", "deployed b by b"]


def test_an_interrupted_update_is_rolled_back_with_the_mark(helm: Helm) -> None:
    helm.add("deployed", A, "a")
    helm.add("pending-upgrade", A, "a")
    helm.fails["upgrade"] = [(BROKEN, "")]
    with pytest.raises(HelmError):
        helm.install(LATER)
    assert helm.states[-1] == "deployed a by a"
    assert helm.revisions[-1]["labels"][AT] == LATER.at(3)


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback"])
def test_a_pending_operation_of_others_is_waited_for(
    helm: Helm, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    helm.add(status, B, "b")
    helm.time = START + 870
    helm.install(A)
    assert helm.slept == [15, 15, 1.0], "until it is older than 15 minutes"
    text = f"release r is {status}, possibly by a running operation: waiting\n"
    assert capsys.readouterr().out.startswith(text * 3)


@pytest.mark.parametrize(
    ("status", "age", "pauses"),
    [(LATER, 0, []), (A, 899, [2.0]), (A, 900, [1.0]), (A, 900.5, []), (B, 901, [])],
    ids=["left by an earlier event", "the same event", "at the limit", "old", "old, of others"],
)
def test_a_pending_operation_that_cannot_run(helm: Helm, status: Any, age: float, pauses: list[float]) -> None:
    helm.add("pending-install", A, "a")
    helm.time = START + age
    helm.install(status)
    assert helm.slept == pauses


def test_a_pending_operation_that_lasts_too_long(helm: Helm) -> None:
    helm.add("pending-upgrade", B, "b")
    helm.left, helm.time = 80.0, START + 100
    with pytest.raises(HelmError) as failure:
        helm.install(A)
    assert helm.slept == [15], "a minute is reserved"
    assert str(failure.value) == (
        "Error: release r has been pending-upgrade for 115 s, and that operation may still be running. Retry after it "
        "ends, or 15 minutes after it started"
    )


def test_clocks_that_differ(helm: Helm) -> None:
    helm.add("pending-upgrade", B, "b")
    helm.left, helm.time = 61.0, START - 5
    with pytest.raises(HelmError, match="has been pending-upgrade for 0 s"):
        helm.install(A)


# Roles and other remains.


def role(name: str, *, remade: bool = True, **fields: Any) -> Json:
    manager = "clusterrole-aggregation-controller" if remade else "helm"
    metadata = {"name": name, "uid": f"uid-{name}", "managedFields": [{"manager": manager}]}
    return {"metadata": {**metadata, **fields}, "rules": []}


REFUSED = 'Error: ClusterRole "admin" in namespace "" exists and cannot be imported into the current release: no'


def test_a_role_that_was_recreated_is_deleted_before_the_install(
    helm: Helm, capsys: pytest.CaptureFixture[str]
) -> None:
    helm.roles["admin"] = role("admin")
    helm.fails["upgrade"] = [(REFUSED, "")]
    assert helm.install(A) == 1
    assert (helm.verbs(), helm.deleted) == (["upgrade", "upgrade"], ["admin Background uid-admin"])
    assert capsys.readouterr().out == (
        "ClusterRole admin, which clusterrole-aggregation-controller had recreated, was deleted\n"
    )


@pytest.mark.parametrize(
    "existing", [role("admin", remade=False), role("admin", labels={"a": "b"}), role("admin", annotations={"a": "b"}),
             {**role("admin"), "aggregationRule": {"a": "b"}}]
)  # fmt: skip
def test_a_role_of_a_user_is_retained(helm: Helm, existing: Json) -> None:
    helm.roles["admin"] = existing
    assert failing(helm, A, status="", output=REFUSED).startswith('Error: ClusterRole "admin" in namespace ""')
    assert (helm.verbs(), helm.deleted) == (["upgrade"], [])


def test_roles_that_block_without_end(helm: Helm) -> None:
    helm.fails["upgrade"] = [(REFUSED, "")] * 99
    with pytest.raises(HelmError, match=r"^more than 50 ClusterRoles blocked the install$"):
        helm.install(A)
    assert len(helm.commands) == 50


def test_an_uninstall_removes_recreated_roles_of_the_release(helm: Helm) -> None:
    annotations = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "n"}
    helm.install(A)
    for name, role_annotations in (
        ("mine", annotations),
        ("other", {**annotations, "meta.helm.sh/release-name": "x"}),
        ("none", None),
    ):
        helm.roles[name] = {**role(name, annotations=role_annotations), "aggregationRule": {"a": "b"}}
    helm.roles["plain"] = role("plain", annotations=annotations)
    run = helm.run

    def uninstalls(arguments: Any) -> str:
        helm.roles["mine"] = role("mine")
        return run(arguments)

    helm.run = uninstalls  # type: ignore[method-assign]
    helm.uninstall(A)
    assert helm.deleted == ["mine Background uid-mine"]


@pytest.mark.parametrize("status", [404, 409])
def test_a_role_that_disappears(helm: Helm, status: int) -> None:
    helm.roles["admin"] = role("admin")

    def delete(*_: Any, **__: Any) -> None:
        raise ApiError(status, "Reason", "no")

    helm.delete = delete  # type: ignore[method-assign]
    helm.fails["upgrade"] = [(REFUSED, "")]
    if status == 404:
        assert helm.install(A) == 1
    else:
        with pytest.raises(HelmError, match="cannot be imported"):
            helm.install(A)


def test_a_role_that_cannot_be_deleted(helm: Helm) -> None:
    helm.roles["admin"] = role("admin")

    def delete(*_: Any, **__: Any) -> None:
        raise ApiError(422, "Invalid", "no")

    helm.delete = delete  # type: ignore[method-assign]
    helm.fails["upgrade"] = [(REFUSED, "")]
    with pytest.raises(ApiError, match="422 Invalid: no"):
        helm.install(A)


def test_an_uninstall_that_finds_nothing_is_done(helm: Helm) -> None:
    helm.install(A)
    run = helm.run

    def release_not_found(arguments: Any) -> str:
        run(arguments)
        raise HelmError("Error: uninstall: Release not loaded: r: Release: Not Found")

    helm.run = release_not_found  # type: ignore[method-assign]
    helm.uninstall(A)
    assert helm.states == []


def test_an_uninstall_that_fails(helm: Helm) -> None:
    helm.install(A)
    helm.fails["uninstall"] = [(BROKEN, "")]
    with pytest.raises(HelmError, match="the chart is broken"):
        helm.uninstall(A)


def test_a_release_that_exists_again_is_uninstalled_again(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.install(A)
    run, failures_left = helm.run, [1]

    def reinstalled(arguments: Any) -> str:
        output = run(arguments)
        if failures_left and arguments[0] == "uninstall":
            failures_left.pop()
            helm.add("deployed", A, "a")
        return output

    helm.run = reinstalled  # type: ignore[method-assign]
    helm.uninstall(A)
    assert (helm.verbs(), helm.slept) == (["upgrade", "uninstall", "uninstall"], [2])
    assert capsys.readouterr().out == (
        "release r: delete\nnext attempt in 2 s: release r exists again after it was uninstalled\nrelease r: delete\n"
    )


# Records.


def test_the_records_of_a_release(helm: Helm) -> None:
    helm.add("superseded", A, "a")
    helm.add("deployed", B, "ab", existed=True)
    helm.revisions[1]["labels"]["theirs"] = "1"
    first, last = helm.release(A).history()
    assert (first, last) == (Revision(1, "superseded"), Revision(2, "deployed"))
    assert last.marks == {A.me.key: "Platform.A", B.me.key: "Platform.B", EXISTED_LABEL: "true"}
    assert {mark.digest for mark in last.owners} == {owner_of("a").digest, owner_of("b").digest}
    assert (first.existed, last.existed, last.by, last.manager) == (False, True, B.me.digest, "helm")
    assert (first.created, last.event) == (START, B.id)
    assert replace(last, number=3).event == "", "a copy of the labels"
    assert (Revision(1, "deployed").by, Revision(1, "deployed").event, Revision(0, "x").manager) == ("", "", "")
