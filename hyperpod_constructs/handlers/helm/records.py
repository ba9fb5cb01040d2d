"""Helm's records of a release: one Secret for each revision, with its status and labels.

They are read and labeled through the API server, not with helm, because the status of a response distinguishes a missing
release from a failed request, and because helm can change labels only together with the release.

=============================  =======================================================================
label                          meaning
=============================  =======================================================================
the owners' marks              see `shared.ownership`; the last revision's are those of the release
``hyperpod-constructs.io/by``   the owner whose chart and values a revision has
``hyperpod-constructs.io/at``   OWNER.EVENT.REVISION: the event that wrote the revision. Helm copies labels
                               to later revisions; the number identifies a copy.
=============================  =======================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ..kubernetes.client import ApiClient
from ..shared.ownership import EXISTED, NAMESPACE, Owner, existed, owners

BY = f"{NAMESPACE}by"
AT = f"{NAMESPACE}at"
EXISTED_LABEL = f"{NAMESPACE}{EXISTED}"

PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
ONCE_DEPLOYED = ("deployed", "superseded")

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True)
class Event:
    """The event that writes revisions.

    Attributes:
        me: the resource, as an owner of the release.
        request: CloudFormation's id of the event; a second delivery has the same id.
        adopt: whether a release that no resource of this library created may be adopted.
        former: whether the former version of this library installed the release for this resource.
    """

    me: Owner
    request: str
    adopt: bool = False
    former: bool = False

    @property
    def id(self) -> str:
        """Owner and event, as in the label `AT`."""
        return f"{self.me.digest}.{hashlib.sha256(self.request.encode()).hexdigest()[:16]}"

    def at(self, revision: int) -> str:
        """The label `AT` of a revision."""
        return f"{self.id}.{revision}"


@dataclass(frozen=True)
class Revision:
    """One revision of a release's history.

    Attributes:
        number: counts from 1.
        status: helm's status of the revision.
        labels: all labels of its record.
        created: when its record was created, in seconds since the epoch.
        manager: the client that wrote the record last.
    """

    number: int
    status: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    created: float = field(default=0.0, compare=False)
    manager: str = field(default="", compare=False)

    @property
    def marks(self) -> dict[str, str]:
        """The labels with the owners of the release."""
        keys = {mark.key for mark in owners(self.labels)}
        return {key: value for key, value in self.labels.items() if key in keys or key == EXISTED_LABEL}

    @property
    def owners(self) -> frozenset[Owner]:
        """The owners of the release."""
        return owners(self.labels)

    @property
    def existed(self) -> bool:
        """Whether the release existed before its first owner."""
        return existed(self.labels)

    @property
    def by(self) -> str:
        """Digest of the owner of its content; empty if this library did not write it."""
        return self.labels.get(BY, "")

    @property
    def event(self) -> str:
        """Owner and event that wrote it (`Event.id`); empty if unknown."""
        event, _, number = self.labels.get(AT, "").rpartition(".")
        return event if number == str(self.number) else ""


class Records:
    """The records of one release."""

    def __init__(self, api: ApiClient, name: str, namespace: str) -> None:
        self._api = api
        self._name = name
        self._path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"

    def history(self) -> list[Revision]:
        """Returns the release's revisions, oldest first; none if the release does not exist. Raises `ApiError`."""
        response = self._api.request(
            "GET", self._path, query={"labelSelector": f"owner=helm,name={self._name}"}, accept=_METADATA_ONLY
        )
        return sorted((_revision(item["metadata"]) for item in response.get("items") or []), key=lambda r: r.number)

    def label(self, number: int, labels: Mapping[str, str | None]) -> None:
        """Sets labels of a revision's record, or removes them (None). Raises `ApiError`."""
        path = f"{self._path}/{quote(f'sh.helm.release.v1.{self._name}.v{number}', safe='')}"
        body = {"metadata": {"labels": dict(labels)}}
        self._api.request("PATCH", path, body=body, content_type="application/merge-patch+json")


def _revision(metadata: Mapping[str, Any]) -> Revision:
    labels = metadata.get("labels") or {}
    managers = [entry.get("manager", "") for entry in metadata.get("managedFields") or []]
    created = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    return Revision(
        int(labels.get("version", 0)),
        labels.get("status", "unknown"),
        labels,
        created,
        managers[-1] if managers else "",
    )
