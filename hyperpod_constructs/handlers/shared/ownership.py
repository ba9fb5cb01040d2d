"""Owners of objects outside of CloudFormation: Kubernetes objects, Helm releases, dashboards, quotas.

An object has one mark for each of its owners. Create and Update add the mark of their resource; Delete removes it, and
deletes the object if it has no other mark. An object that existed before without a mark is adopted only with an explicit
``adopt``, and is never deleted.

A mark is a separate key in a mapping (annotations, labels, tags) or one text in a list, so that two owners never write
the same field:

=======================  ===========================================================================
where                    mark
=======================  ===========================================================================
Kubernetes annotations   ``hyperpod-constructs.io/owner-DIGEST: STACK/LOGICAL_ID``
Helm release labels      ``hyperpod-constructs.io/owner-DIGEST: STACK.LOGICAL_ID`` (a label's alphabet)
AWS tags                 ``hyperpod-constructs:owner-DIGEST = STACK/LOGICAL_ID``
lists of tags (Grafana)  ``hyperpod-constructs:owner:STACK/LOGICAL_ID/DIGEST``
=======================  ===========================================================================

An object that existed before also has the key ``existed`` of the same namespace (``EXISTED``), while it has an owner. The
previous version supported a single owner, in the key ``hyperpod-constructs.io/owner``: such a mark is read as an additional
owner.

An owner is derived from the stack, the logical id and the properties of an event. It is never derived from a physical id,
because CloudFormation generates one if it did not receive the response of a Create.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

NAMESPACE = "hyperpod-constructs.io/"
TAG_NAMESPACE = "hyperpod-constructs:"

LEGACY_KEY = f"{NAMESPACE}owner"
"""The annotation of the version with one owner; its value is ``STACK/LOGICAL_ID/DIGEST``."""

EXISTED = "existed"
"""After a namespace: the key of an object that existed before its first owner; its value is ``true``."""

_KEY = re.compile(r"owner-([0-9a-f]{16})")
_TEXT = re.compile(r"(?P<name>.+)/(?P<digest>[0-9a-f]{16})")
_LABEL_LENGTH = 63


@dataclass(frozen=True, order=True)
class Owner:
    """One resource of one stack, with the properties that determine the objects that it owns.

    Attributes:
        name: stack name and logical id, for display: ``Platform/TeamsA1B2``. It does not identify the owner.
        digest: identifies the owner: two owners with the same digest are equal.
        legacy: whether the mark is that of the former version, which supported a single owner.

    >>> owner("arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a", "Queue", "research/Namespace/a").text
    'Platform/Queue/8531bdbae24def49'
    """

    name: str = field(compare=False)
    digest: str
    legacy: bool = field(default=False, compare=False)

    @property
    def key(self) -> str:
        """The mark's annotation or label."""
        return LEGACY_KEY if self.legacy else f"{NAMESPACE}owner-{self.digest}"

    @property
    def tag_key(self) -> str:
        """The mark's AWS tag."""
        return f"{TAG_NAMESPACE}owner-{self.digest}"

    @property
    def value(self) -> str:
        """The value under ``key`` as an annotation, and under ``tag_key``."""
        return self.text if self.legacy else self.name

    @property
    def label_value(self) -> str:
        """The value under ``key`` as a label: letters, digits, dots, dashes and underscores, at most 63.

        >>> Owner("Platform/Queue", "b6d5a3ec2d36a5c3").label_value
        'Platform.Queue'
        """
        return re.sub(r"[^A-Za-z0-9._-]", ".", self.name)[:_LABEL_LENGTH].strip("._-")

    @property
    def text(self) -> str:
        """The whole mark as one text.

        >>> Owner("Platform/Queue", "b6d5a3ec2d36a5c3").text
        'Platform/Queue/b6d5a3ec2d36a5c3'
        """
        return f"{self.name}/{self.digest}"

    @property
    def manager(self) -> str:
        """The field manager of this owner in server-side apply: an owner's fields are replaced as a whole."""
        return "hyperpod-constructs" if self.legacy else f"hyperpod-constructs-{self.digest}"


def owner(stack_id: str, logical_id: str, *identity: str) -> Owner:
    """Returns the owner of a resource.

    Args:
        stack_id: ARN of the stack.
        logical_id: the resource's logical id.
        identity: the part of the properties that identifies the owned objects: the cluster, and the names in it. During
            an update, a resource is two owners: one for its old properties, and one for its new properties.
    """
    stack_name = stack_id.split("/")[1] if "/" in stack_id else stack_id
    digest = hashlib.sha256("\n".join((stack_id, logical_id, *identity)).encode()).hexdigest()[:16]
    return Owner(f"{stack_name}/{logical_id}", digest)


def marks_of(marks: Mapping[str, str] | None) -> list[Owner]:
    """Returns every mark in annotations, labels or AWS tags; an owner may have two, including the former version's."""
    found = []
    for key, value in (marks or {}).items():
        name = next((key.removeprefix(n) for n in (NAMESPACE, TAG_NAMESPACE) if key.startswith(n)), "")
        match = _KEY.fullmatch(name)
        if match:
            found.append(Owner(str(value), match[1]))
        elif key == LEGACY_KEY:
            legacy = _TEXT.fullmatch(str(value))
            found.append(Owner(legacy["name"], legacy["digest"], True) if legacy else Owner(str(value), "", True))
    return found


def owners(marks: Mapping[str, str] | None) -> frozenset[Owner]:
    """Returns the owners in annotations, labels or AWS tags.

    >>> sorted(o.text for o in owners({"hyperpod-constructs.io/owner": "A/B/0123456789abcdef", "team": "vision"}))
    ['A/B/0123456789abcdef']
    """
    return frozenset(marks_of(marks))


def existed(marks: Mapping[str, str] | Iterable[str] | None) -> bool:
    """Whether annotations, labels or tags (or a list of tags) state that the object existed before its first owner.

    >>> existed({"hyperpod-constructs.io/existed": "true"}), existed(["hyperpod-constructs:existed"]), existed({})
    (True, True, False)
    """
    return any(f"{namespace}{EXISTED}" in (marks or ()) for namespace in (NAMESPACE, TAG_NAMESPACE))


class Claim(Enum):
    """The initial state of an object that an event creates or updates."""

    CREATE = "create"
    """It does not exist, and is created."""
    OURS = "ours"
    """It has our mark: an earlier event, or an earlier delivery of this event, created or adopted it."""
    SHARE = "share"
    """Other resources of this library own it; our mark is added."""
    ADOPT = "adopt"
    """It existed before, and may be adopted; our mark and the mark of existing objects are added."""


class Release(Enum):
    """How an event handles an object that its resource no longer owns."""

    LEAVE = "leave"
    """It does not have our mark, and is not changed."""
    UNMARK = "unmark"
    """It has other owners, or existed before; our mark and our changes are removed, and the object is retained."""
    DELETE = "delete"
    """It has no other owner, and is deleted."""


class Foreign(Exception):
    """The object exists without a mark of this library, and ``adopt`` is not set."""


def claim(
    what: str, *, exists: bool, marked: Iterable[Owner], me: Owner, adopt: bool, seems: str = "", fix: str = ""
) -> Claim:
    """Returns how to handle an object that ``me`` creates or updates.

    Args:
        what: the object, for the message: ``Namespace kueue-system``.
        exists: whether the object exists.
        marked: its owners.
        me: the owner that creates or updates it.
        adopt: whether an existing object may be adopted.
        seems: the probable owner, see ``seems_to_be``.
        fix: how to fix a rejection. Default: adopt it, delete it or use another name.

    Raises:
        Foreign: it exists without a mark, and ``adopt`` is false.
    """
    if not exists:
        return Claim.CREATE
    marked = set(marked)
    if any(mark.digest == me.digest for mark in marked):
        return Claim.OURS
    if marked:
        return Claim.SHARE
    if adopt:
        return Claim.ADOPT
    fix = fix or (
        "To manage it here and keep it when this resource is deleted, set adopt to true; otherwise delete it, or use "
        "another name"
    )
    raise Foreign(f"{what} already exists and was not created by this library{f' ({seems})' if seems else ''}. {fix}.")


def release(*, marked: Iterable[Owner], me: Iterable[Owner], existed_before: bool) -> Release:
    """Returns how to handle an object that ``me`` (all of its marks, including a legacy one) no longer owns.

    >>> own_owners, other = Owner("A/B", "0123456789abcdef"), Owner("A/C", "fedcba9876543210")
    >>> release(marked=[own_owners, other], me=[own_owners], existed_before=False)
    <Release.UNMARK: 'unmark'>
    >>> release(marked=[own_owners], me=[own_owners], existed_before=False)
    <Release.DELETE: 'delete'>
    """
    marked, own_owners = set(marked), set(me)
    if not marked & own_owners:
        return Release.LEAVE
    return Release.UNMARK if marked - own_owners or existed_before else Release.DELETE


_SIGNS = (
    ("meta.helm.sh/release-name", "it seems to belong to the Helm release {}"),
    ("argocd.argoproj.io/tracking-id", "it seems to belong to Argo CD: {}"),
    ("argocd.argoproj.io/instance", "it seems to belong to the Argo CD application {}"),
    ("kustomize.toolkit.fluxcd.io/name", "it seems to belong to the Flux Kustomization {}"),
    ("helm.toolkit.fluxcd.io/name", "it seems to belong to the Flux HelmRelease {}"),
    ("aws:cloudformation:stack-name", "it seems to belong to the CloudFormation stack {}"),
    ("app.kubernetes.io/managed-by", "it seems to be managed by {}"),
    ("kubectl.kubernetes.io/last-applied-configuration", "it seems to have been applied with kubectl"),
)


def seems_to_be(*marks: Mapping[str, str] | None, managers: Iterable[str] = ()) -> str:
    """Returns the probable owner of an object without our mark, by annotations, labels, tags and field managers.

    >>> seems_to_be({"meta.helm.sh/release-name": "kueue"})
    'it seems to belong to the Helm release kueue'
    >>> seems_to_be({}, managers=["kubectl-create"])
    'it was last changed by kubectl-create'
    """
    combined = {key: value for mapping in marks for key, value in (mapping or {}).items()}
    for key, text in _SIGNS:
        if key in combined:
            return text.format(combined[key])
    last = next(iter(managers), "")
    return f"it was last changed by {last}" if last else ""
