"""The service's calls for both kinds, under one name each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .timing import code

OWNER_TAG = "hyperpod-constructs:owner"
_NOT_FOUND = {"ResourceNotFound", "ResourceNotFoundException"}
_CREATE_ONLY = ("Name", "ClusterArn", "Tags")


class GovernanceError(Exception):
    """What CloudFormation shows the user."""


@dataclass(frozen=True)
class Live:
    """One scheduler config or quota as the service has it."""

    id: str
    arn: str
    version: int
    status: str
    reason: str


class Api:
    """Calls of one kind, for one resource: `kind` is `ClusterSchedulerConfig` or `ComputeQuota`."""

    def __init__(self, client: Any, kind: str, request: Mapping[str, Any], owner: str) -> None:
        if kind not in ("ClusterSchedulerConfig", "ComputeQuota"):
            raise GovernanceError(f"there is no kind {kind!r}")
        self._client = client
        self.kind = kind
        self.request = dict(request)
        self._owner = owner
        self._word = "cluster_scheduler_config" if kind == "ClusterSchedulerConfig" else "compute_quota"

    @property
    def name(self) -> str:
        """The name of it."""
        return str(self.request["Name"])

    @property
    def team(self) -> str:
        """The team of a quota, empty for a scheduler config."""
        return str(self.request.get("ComputeQuotaTarget", {}).get("TeamName", ""))

    @property
    def physical_id(self) -> str:
        """What identifies it to CloudFormation; what can't be changed in place is part of it."""
        return "/".join(part for part in (self.request["ClusterArn"], self.kind, self.name, self.team) if part)

    def create(self) -> str:
        """Create it, marked as ours; its id."""
        tags = [*self.request.get("Tags", []), {"Key": OWNER_TAG, "Value": self._owner}]
        answer = self._call("create", **{**self.request, "Tags": tags})
        return str(answer[f"{self.kind}Id"])

    def update(self, live: Live) -> int:
        """Update it from the version it has; the version it will have."""
        changes = {key: value for key, value in self.request.items() if key not in _CREATE_ONLY}
        answer = self._call("update", **{f"{self.kind}Id": live.id, "TargetVersion": live.version}, **changes)
        return int(answer[f"{self.kind}Version"])

    def tag(self, live: Live) -> None:
        """Make its tags those of the request, and ours."""
        wanted = {tag["Key"]: tag["Value"] for tag in self.request.get("Tags", [])} | {OWNER_TAG: self._owner}
        present = self._tags(live.arn)
        # tags that CloudFormation or a tag policy put there are not ours to take away
        stale = [key for key in present if key not in wanted and not key.startswith("aws:")]
        if any(present.get(key) != value for key, value in wanted.items()):
            self._client.add_tags(ResourceArn=live.arn, Tags=[{"Key": k, "Value": v} for k, v in wanted.items()])
        if stale:
            self._client.delete_tags(ResourceArn=live.arn, TagKeys=stale)

    def delete(self, live: Live) -> None:
        """Delete it; gone already is fine."""
        try:
            self._call("delete", **{f"{self.kind}Id": live.id})
        except self._client.exceptions.ClientError as error:
            if code(error) not in _NOT_FOUND:
                raise

    def find(self) -> Live | None:
        """The one of this name (and team) on the cluster; None when there is none.

        Raises:
            GovernanceError: there is one that this resource did not make.
        """
        live = self._find()
        if live is not None and self._tags(live.arn).get(OWNER_TAG) != self._owner:
            raise GovernanceError(
                f"{self.kind} {self.name!r} ({live.id}) exists on the cluster and was not made by this resource: "
                "delete it, or choose another name"
            )
        return live

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
            if code(error) not in _NOT_FOUND:  # the cluster is gone, and its quotas with it
                raise
        return None

    def describe(self, id: str) -> Live | None:
        """As the service has it now; None when it is gone."""
        try:
            answer = self._call("describe", **{f"{self.kind}Id": id})
        except self._client.exceptions.ClientError as error:
            if code(error) in _NOT_FOUND:
                return None
            raise
        if answer["Status"] == "Deleted":
            return None
        details = answer.get("StatusDetails") or {}
        reason = answer.get("FailureReason") or "; ".join(f"{key}: {value}" for key, value in details.items())
        return Live(
            id=id,
            arn=answer[f"{self.kind}Arn"],
            version=int(answer[f"{self.kind}Version"]),
            status=answer["Status"],
            reason=reason or "the service gives no reason",
        )

    def _tags(self, arn: str) -> dict[str, str]:
        pages = self._client.get_paginator("list_tags").paginate(ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._client, f"{verb}_{self._word}")(**arguments)
        return answer


def api_of(event: Mapping[str, Any], client: Any, *, old: bool = False) -> Api:
    """The calls for the resource of an event, or for what it was before an update."""
    properties = event["OldResourceProperties" if old else "ResourceProperties"]
    owner = hashlib.sha256(f"{event['StackId']} {event['LogicalResourceId']}".encode()).hexdigest()
    return Api(client, properties["Kind"], json.loads(properties["Request"]), owner)
