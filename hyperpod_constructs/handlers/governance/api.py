"""The SageMaker API operations of both kinds, under common names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..shared.ownership import TAG_NAMESPACE, Owner, owner
from .owned import LEGACY_TAG, legacy_digest, marks
from .timing import code

_NOT_FOUND = {"ResourceNotFound", "ResourceNotFoundException"}
_CREATE_ONLY = ("Name", "ClusterArn", "Tags")
_CONTENT = {
    "ClusterSchedulerConfig": ("Description", "SchedulerConfig"),
    "ComputeQuota": ("ActivationState", "ComputeQuotaConfig", "ComputeQuotaTarget", "Description"),
}


class GovernanceError(Exception):
    """The failure reason that CloudFormation shows."""


@dataclass(frozen=True)
class Live:
    """One scheduler config or quota as the service returns it."""

    id: str
    arn: str
    version: int
    status: str
    reason: str
    content: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class Api:
    """The operations on one resource; `kind` is `ClusterSchedulerConfig` or `ComputeQuota`."""

    def __init__(
        self, client: Any, kind: str, request: Mapping[str, Any], *, stack_id: str, logical_id: str, adopt: bool = False
    ) -> None:
        if kind not in ("ClusterSchedulerConfig", "ComputeQuota"):
            raise GovernanceError(f"unknown kind {kind!r}")
        self._client = client
        self.kind = kind
        self.request = dict(request)
        self.adopt = adopt
        self.me: Owner = owner(stack_id, logical_id, self.physical_id)
        self.legacy = legacy_digest(stack_id, logical_id)
        """The mark of this resource in the former version."""
        self._word = "cluster_scheduler_config" if kind == "ClusterSchedulerConfig" else "compute_quota"

    @property
    def name(self) -> str:
        """The name of the resource."""
        return str(self.request["Name"])

    @property
    def team(self) -> str:
        """The team of a quota; empty for a scheduler config."""
        return str(self.request.get("ComputeQuotaTarget", {}).get("TeamName", ""))

    @property
    def physical_id(self) -> str:
        """The physical id, which contains the properties that cannot be changed in place."""
        return "/".join(part for part in (self.request["ClusterArn"], self.kind, self.name, self.team) if part)

    @property
    def wanted(self) -> dict[str, Any]:
        """The mutable content of the request."""
        return {key: value for key, value in self.request.items() if key not in _CREATE_ONLY}

    def marks(self, live: Live) -> frozenset[Owner]:
        """Returns its owners, including that of this resource's mark in the former version."""
        found = marks(live.tags, self.legacy)
        return found | {self.me} if live.tags.get(LEGACY_TAG) == self.legacy else found

    def create(self) -> str:
        """Creates it with our mark; returns its id."""
        tags = [*self.request.get("Tags", []), {"Key": self.me.tag_key, "Value": self.me.value}]
        response = self._call("create", **{**self.request, "Tags": tags})
        return str(response[f"{self.kind}Id"])

    def update(self, live: Live, content: Mapping[str, Any] | None = None) -> int:
        """Updates it from its version to the wanted content (or other content); returns the version that it will have."""
        changes = dict(self.wanted if content is None else content)
        response = self._call("update", **{f"{self.kind}Id": live.id, "TargetVersion": live.version}, **changes)
        return int(response[f"{self.kind}Version"])

    def tag(self, live: Live) -> None:
        """Sets its tags to those of the request, and our mark."""
        wanted = {tag["Key"]: tag["Value"] for tag in self.request.get("Tags", [])} | {self.me.tag_key: self.me.value}
        # tags that CloudFormation or a tag policy set, and marks of other owners, are not removed
        stale = [key for key in live.tags if key not in wanted and not key.startswith(("aws:", TAG_NAMESPACE))]
        if live.tags.get(LEGACY_TAG) == self.legacy:
            stale.append(LEGACY_TAG)
        self.add_tags(live, {key: value for key, value in wanted.items() if live.tags.get(key) != value})
        self.remove_tags(live, stale)

    def add_tags(self, live: Live, tags: Mapping[str, str]) -> None:
        """Adds tags, or changes their values."""
        if tags:
            self._client.add_tags(ResourceArn=live.arn, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])

    def remove_tags(self, live: Live, keys: Iterable[str]) -> None:
        """Removes tags."""
        keys = list(keys)
        if keys:
            self._client.delete_tags(ResourceArn=live.arn, TagKeys=keys)

    def delete(self, live: Live) -> None:
        """Deletes it; it is not an error if it does not exist."""
        try:
            self._call("delete", **{f"{self.kind}Id": live.id})
        except self._client.exceptions.ClientError as error:
            if code(error) not in _NOT_FOUND:
                raise

    def find(self) -> Live | None:
        """Returns the resource of this name (and team) on the cluster, with its tags; None if it does not exist."""
        live = self._find()
        return None if live is None else replace(live, tags=self._tags(live.arn))

    def _find(self) -> Live | None:
        plural = f"list_{self._word}s"
        arguments = {"ClusterArn": self.request["ClusterArn"], "NameContains": self.name}
        try:
            for page in self._client.get_paginator(plural).paginate(**arguments):
                for found in page.get(f"{self.kind}Summaries", []):
                    same_team = not self.team or found.get("ComputeQuotaTarget", {}).get("TeamName") == self.team
                    if found["Name"] == self.name and same_team and found["Status"] != "Deleted":
                        return self.describe(found[f"{self.kind}Id"])
        except self._client.exceptions.ClientError as error:
            if code(error) not in _NOT_FOUND:  # the cluster was deleted together with its quotas
                raise
        return None

    def describe(self, id: str) -> Live | None:
        """Returns its current state; None if it was deleted."""
        try:
            response = self._call("describe", **{f"{self.kind}Id": id})
        except self._client.exceptions.ClientError as error:
            if code(error) in _NOT_FOUND:
                return None
            raise
        if response["Status"] == "Deleted":
            return None
        details = response.get("StatusDetails") or {}
        reason = response.get("FailureReason") or "; ".join(f"{key}: {value}" for key, value in details.items())
        return Live(
            id=id,
            arn=response[f"{self.kind}Arn"],
            version=int(response[f"{self.kind}Version"]),
            status=response["Status"],
            reason=reason or "the service returned no reason",
            content={key: response[key] for key in _CONTENT[self.kind] if key in response},
        )

    def _tags(self, arn: str) -> dict[str, str]:
        pages = self._client.get_paginator("list_tags").paginate(ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        response: dict[str, Any] = getattr(self._client, f"{verb}_{self._word}")(**arguments)
        return response


def api_of(event: Mapping[str, Any], client: Any, *, old: bool = False) -> Api:
    """Returns the operations on the resource of an event, or on the resource before an update."""
    properties = event["OldResourceProperties" if old else "ResourceProperties"]
    return Api(
        client,
        properties["Kind"],
        json.loads(properties["Request"]),
        stack_id=event["StackId"],
        logical_id=event["LogicalResourceId"],
        adopt=str(properties.get("Adopt", "")).lower() == "true",
    )
