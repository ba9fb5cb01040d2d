"""A release and its owners, on a model of helm: commands, labels of each revision, and messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helm_model import BROKEN, Helm, Json, event, failing

from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.records import AT, BY, EXISTED_LABEL
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.shared.ownership import Foreign

A, B = event("a"), event("b")
LATER = event("a", "2")


@pytest.fixture
def helm() -> Helm:
    return Helm()


# Commands.


def test_an_install_with_every_option(helm: Helm) -> None:
    helm.left = 100.0  # of which 60 are reserved for the clean-up
    options = {"skip_crds": True, "create_namespace": True, "wait": True, "timeout_seconds": 300}
    assert helm.install(A, Path("one"), Path("two"), **options) == 1
    assert helm.commands == [[
        *("upgrade", "r", "chart", "--install", "--reset-values", "--history-max=10", "--output=json"),
        *("--server-side=true", "--force-conflicts", "--cleanup-on-fail"),
        *("--values=one", "--values=two", "--skip-crds", "--create-namespace", "--wait"),
        f"--labels={A.me.key}=Platform.A,hyperpod-constructs.io/by={A.me.digest},hyperpod-constructs.io/at={A.at(1)}",
        *("--timeout=40s", "--namespace", "n"),
    ]]  # fmt: skip


@pytest.mark.parametrize(
    ("remaining", "timeout", "seconds"),
    [(600, 30, 30), (100, 300, 40), (61.9, 30, 1), (60, 30, 1), (59, 30, 1), (600, 0, 1)],
)
def test_the_time_of_a_command(helm: Helm, remaining: float, timeout: int, seconds: int) -> None:
    helm.left = remaining
    helm.install(A, timeout_seconds=timeout)
    assert helm.commands[-1][-3:] == [f"--timeout={seconds}s", "--namespace", "n"]
    helm.uninstall(A, timeout_seconds=timeout)
    assert helm.commands[-1] == ["uninstall", "r", "--debug", f"--timeout={seconds}s", "--namespace", "n"]


def test_an_uninstall_that_waits(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.install(A)
    helm.uninstall(A, wait=True)
    assert helm.commands[-1] == ["uninstall", "r", "--debug", "--wait", "--timeout=30s", "--namespace", "n"]
    assert capsys.readouterr().out == "release r: delete\n"


def test_an_uninstall_of_a_deleted_release(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.uninstall(A)
    helm.add("deployed", A, "a")
    helm.add("uninstalled", A, "a")
    helm.uninstall(A)
    assert helm.commands == []
    assert capsys.readouterr().out == "release r does not exist\n" * 2


# Owners.


def test_an_update_of_ones_own(helm: Helm) -> None:
    assert [helm.install(A), helm.install(LATER)] == [1, 2]
    assert helm.states == ["superseded a by a", "deployed a by a"]
    assert helm.revisions[1]["labels"][AT] == LATER.at(2)


def test_a_release_of_others_is_refused(helm: Helm) -> None:
    helm.add("deployed", manager="argocd")
    with pytest.raises(Foreign) as refusal:
        helm.install(A)
    assert str(refusal.value) == (
        "Helm release r in namespace n already exists and was not created by this library (it was last changed by argocd). "
        "To manage it here and keep it when this resource is deleted, set adopt to true; otherwise uninstall it, or use "
        "another release name. If an earlier version of this library installed it, deploy this version once without "
        "renaming or moving the construct; the release is then recognized."
    )
    assert (helm.commands, helm.labeled) == ([], [])
    helm.uninstall(A)
    assert (helm.commands, helm.labeled) == ([], [])


def test_a_release_that_was_uninstalled_is_nobodys(helm: Helm) -> None:
    helm.add("uninstalled", manager="argocd")
    assert helm.install(A) == 2


def test_a_release_of_the_former_version(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.add("deployed")
    former_event = event("a", former=True)
    assert helm.install(former_event) == 2
    assert helm.states[-1] == "deployed a by a"
    helm.revisions[:] = []
    helm.add("deployed")
    capsys.readouterr()
    helm.uninstall(former_event)
    assert (helm.verbs()[-1], capsys.readouterr().out) == ("uninstall", "release r: delete\n")


def test_two_owners_and_the_one_with_other_content_leaves(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.install(A)
    helm.install(B)
    assert helm.states == ["superseded a by a", "deployed ab by b"]
    helm.uninstall(A)
    assert helm.states == ["superseded a by a", "deployed b by b"]
    assert helm.verbs() == ["upgrade", "upgrade"]
    assert capsys.readouterr().out == "release r: unmark\n"
    helm.uninstall(A)
    assert capsys.readouterr().out == "release r: leave\n"


def test_two_owners_and_the_one_that_changed_it_leaves(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    helm.install(A)
    helm.install(B)
    helm.install(event("b", "2"))
    helm.uninstall(B)
    assert helm.states == ["superseded a by a", "superseded ab by b", "superseded ab by b", "deployed a by a"]
    assert helm.commands[-1] == [
        *("rollback", "r", "1", "--history-max=10", "--server-side=true", "--force-conflicts", "--cleanup-on-fail"),
        *("--namespace", "n"),
    ]
    assert capsys.readouterr().out == (
        "release r: unmark\nrelease r is rolled back to revision 1, which Platform/B had changed\n"
    )


def test_the_content_of_another_owner_may_be_missing_in_the_history(helm: Helm) -> None:
    helm.add("failed", A, "a")
    helm.add("deployed", B, "ab")
    helm.uninstall(B)
    assert helm.states == ["failed a by a", "deployed a by b"]
    assert helm.verbs() == []


def test_an_adopted_release_gets_its_content_back(helm: Helm) -> None:
    helm.add("deployed")
    helm.install(event("a", adopt=True))
    assert helm.states == ["superseded - by -", "deployed a existed by a"]
    assert helm.revisions[1]["labels"][EXISTED_LABEL] == "true"
    helm.uninstall(A)
    assert (helm.verbs(), helm.states[-1]) == (["upgrade", "rollback 1"], "deployed - by -")
    assert AT not in helm.revisions[-1]["labels"]


def test_an_adopted_release_that_was_changed_since_keeps_its_content(helm: Helm) -> None:
    helm.add("deployed")
    helm.install(event("a", adopt=True))
    helm.install(LATER)
    helm.uninstall(A)
    assert (helm.verbs(), helm.states[-1]) == (["upgrade", "upgrade"], "deployed - by -")
    assert not {BY, AT, EXISTED_LABEL} & helm.revisions[-1]["labels"].keys()


def test_an_adopted_release_of_two_owners_stays_marked(helm: Helm) -> None:
    helm.add("deployed")
    helm.install(event("a", adopt=True))
    helm.install(B)
    helm.uninstall(B)
    assert helm.states[-1] == "deployed a existed by a"
    helm.uninstall(A)
    assert helm.states[-1] == "deployed - by -"


# Failures.


def test_a_failed_first_install_is_removed(helm: Helm) -> None:
    assert failing(helm, A) == BROKEN
    assert (helm.verbs(), helm.states) == (["upgrade", "uninstall"], [])
    assert helm.commands[1] == ["uninstall", "r", "--debug", "--namespace", "n"]


def test_an_install_that_left_no_record_is_not_undone(helm: Helm) -> None:
    assert failing(helm, A, status="") == BROKEN
    assert helm.verbs() == ["upgrade"]


def test_an_install_after_an_uninstall_that_kept_the_history(helm: Helm) -> None:
    helm.add("uninstalled")
    failing(helm, A)
    assert helm.verbs() == ["upgrade", "uninstall"]


def test_a_failed_upgrade_of_ones_own_is_left_to_cloudformation(helm: Helm) -> None:
    helm.install(A)
    failing(helm, LATER)
    assert (helm.verbs(), helm.states) == (["upgrade", "upgrade"], ["deployed a by a", "failed a by a"])


def test_a_failed_upgrade_of_the_former_versions_release_is_left_to_cloudformation(helm: Helm) -> None:
    helm.add("deployed")
    failing(helm, event("a", former=True))
    assert (helm.verbs(), helm.states) == (["upgrade"], ["deployed - by -", "failed a by a"])


def test_a_failed_adoption_restores_the_release(helm: Helm) -> None:
    helm.add("deployed")
    failing(helm, event("a", adopt=True))
    assert helm.verbs() == ["upgrade", "rollback 1"]
    assert helm.states == ["superseded - by -", "failed a existed by a", "deployed - by -"]
    assert helm.revisions[-1]["labels"] == {}


def test_a_failed_share_gives_the_release_back(helm: Helm) -> None:
    helm.install(A)
    failing(helm, B)
    assert helm.verbs() == ["upgrade", "upgrade", "rollback 1"]
    assert helm.states == ["superseded a by a", "failed ab by b", "deployed a by a"]
    assert AT not in helm.revisions[-1]["labels"]


def test_a_failed_adoption_of_a_release_that_was_never_deployed_removes_the_marks(helm: Helm) -> None:
    helm.add("failed")
    helm.add("failed")
    helm.fails["uninstall"] = [(BROKEN, "")]
    with pytest.raises(HelmError):
        helm.install(event("a", adopt=True))
    assert helm.verbs() == ["uninstall"]


def test_a_second_delivery_that_fails_keeps_what_the_first_did(helm: Helm) -> None:
    helm.install(A)
    failing(helm, A)
    assert helm.verbs() == ["upgrade", "upgrade"]
    assert helm.states == ["deployed a by a", "failed a by a"]


def test_what_cannot_be_reverted_is_reported(helm: Helm) -> None:
    helm.fails["uninstall"] = [("Error: not on a Friday", "")]
    assert failing(helm, A) == f"{BROKEN}; and its changes could not be undone: Error: not on a Friday"


def test_undoing_is_tried_until_ten_seconds_are_left(helm: Helm) -> None:
    helm.left = 80.0
    helm.fails["uninstall"] = [("Error: connection refused", "")] * 99
    assert failing(helm, A).endswith("could not be undone: Error: connection refused")
    assert helm.slept == [2, 4, 8, 16, 30]
    assert helm.left == 20.0, "the next pause of 30 s would end with less than 10 s"


def test_nothing_is_undone_where_nothing_was_begun(helm: Helm) -> None:
    def refuse(*_: Any, **__: Any) -> Json:
        raise ApiError(400, "BadRequest", "no")

    helm.request = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="no"):
        helm.install(A)
    assert helm.commands == []


def test_an_answer_of_the_api_server_undoes_too(helm: Helm) -> None:
    helm.add("failed", LATER, "a")
    calls = 0
    serve = helm.request

    def refuse(method: str, path: str, **options: Any) -> Json:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ApiError(400, "BadRequest", "no")
        return serve(method, path, **options)

    helm.request = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="no"):
        helm.install(A)
    assert calls > 3, "the changes of the event are looked up"
