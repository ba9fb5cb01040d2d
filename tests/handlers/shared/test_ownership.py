"""The owners of an object: marks, claims, releases, and the message of a rejection."""

from __future__ import annotations

import hashlib

import pytest

from hyperpod_constructs.handlers.shared.ownership import (
    LEGACY_KEY,
    Claim,
    Foreign,
    Owner,
    Release,
    claim,
    existed,
    owner,
    owners,
    release,
    seems_to_be,
)

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
A, B = owner(STACK, "Queue", "research/Namespace/a"), owner(STACK, "Other", "research/Namespace/a")


def test_an_owner_consists_of_stack_logical_id_and_identity() -> None:
    same = owner(STACK, "Queue", "research/Namespace/a")
    others = [
        owner(STACK.replace("0e1a", "0e1b"), "Queue", "research/Namespace/a"),
        owner(STACK, "Queue", "research/Namespace/b"),
        B,
    ]
    assert same == A
    assert len({A, *others}) == 4
    assert A.name == "Platform/Queue"


def test_the_digest_of_a_single_object_is_that_of_the_former_version() -> None:
    former = hashlib.sha256(f"{STACK}\nQueue\nresearch/Namespace/a".encode()).hexdigest()[:16]
    assert owners({LEGACY_KEY: f"Platform/Queue/{former}"}) == {Owner("Platform/Queue", A.digest, legacy=True)}


@pytest.mark.parametrize("value", ["", "by hand", "a/b/c"])
def test_a_legacy_mark_of_an_unknown_format_is_an_unknown_owner(value: str) -> None:
    (found,) = owners({LEGACY_KEY: value})
    assert found.digest == ""
    assert release(marked=[found], me=[A], existed_before=False) is Release.LEAVE


def test_marks_are_read_where_they_were_written() -> None:
    assert owners({A.key: A.value, B.key: B.value, "hyperpod-constructs.io/existed": "true"}) == {A, B}
    assert owners({A.tag_key: A.value, "hyperpod-constructs:owner": "f" * 64}) == {A}
    assert {o.digest for o in owners({A.key: A.label_value})} == {A.digest}
    assert owners(None) == frozenset()


def test_a_label_value_is_valid_in_kubernetes() -> None:
    long = owner(f"arn:aws:cloudformation:us-west-2:111122223333:stack/{'a' * 128}/0e1a", "Queue", "x")
    assert len(long.label_value) == 63
    assert A.label_value == "Platform.Queue"


@pytest.mark.parametrize(
    ("exists", "marked", "adopt", "expected"),
    [
        (False, [], False, Claim.CREATE),
        (True, [A], False, Claim.OURS),
        (True, [A, B], True, Claim.OURS),
        (True, [Owner("Platform/Queue", A.digest, legacy=True)], False, Claim.OURS),
        (True, [B], False, Claim.SHARE),
        (True, [], True, Claim.ADOPT),
    ],
)
def test_claims(exists: bool, marked: list[Owner], adopt: bool, expected: Claim) -> None:
    assert claim("Namespace a", exists=exists, marked=marked, me=A, adopt=adopt) is expected


def test_an_existing_object_is_rejected_with_its_probable_owner_and_the_fix() -> None:
    seems = seems_to_be({}, {"app.kubernetes.io/managed-by": "Helm", "meta.helm.sh/release-name": "kueue"})
    with pytest.raises(Foreign) as refusal:
        claim("Namespace kueue-system", exists=True, marked=[], me=A, adopt=False, seems=seems)
    assert str(refusal.value) == (
        "Namespace kueue-system already exists and was not created by this library (it seems to belong to the Helm "
        "release kueue). To manage it here and keep it when this resource is deleted, set adopt to true; otherwise "
        "delete it, or use another name."
    )


@pytest.mark.parametrize(
    ("marked", "before", "expected"),
    [
        ([], False, Release.LEAVE),
        ([B], False, Release.LEAVE),
        ([A, B], False, Release.UNMARK),
        ([A], True, Release.UNMARK),
        ([A], False, Release.DELETE),
    ],
)
def test_releases(marked: list[Owner], before: bool, expected: Release) -> None:
    assert release(marked=marked, me=[A], existed_before=before) is expected


def test_existed_is_read_from_mappings_and_lists() -> None:
    assert existed({"hyperpod-constructs:existed": "true"})
    assert not existed({"existed": "true"})
    assert not existed(None)
