"""A wait for an EKS add-on to be ACTIVE. Unlike CloudFormation, it does not accept DEGRADED.

===========  ====================================================================================================
Type         arguments of the property ``Condition``
===========  ====================================================================================================
AddonActive  AddonName
===========  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .conditions import Sources, State
from .errors import HandlerError

_FAILED = {"CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED", "DELETING"}


@dataclass(frozen=True)
class AddonActive:
    """The add-on's status is ACTIVE."""

    cluster: str
    addon: str

    @classmethod
    def read(cls, given: Mapping[str, Any], cluster_name: str) -> AddonActive:
        """Returns the condition of the properties ``Condition`` and ``ClusterName``."""
        return cls(cluster_name, given["AddonName"])

    def check(self, sources: Sources) -> State:
        """Checks that the status is ACTIVE; DEGRADED may recover, failed states do not."""
        addon = self._describe(sources)
        status = addon.get("status")
        text = f"EKS add-on {self.addon} {f'is {status}' if status else 'does not exist'}"
        if status in _FAILED:
            raise HandlerError(f"{text}: {_issues(addon)}", limit=2000)
        return State(status == "ACTIVE", text)

    def explain(self, sources: Sources) -> str:
        """Returns the health issues that EKS lists."""
        return _issues(self._describe(sources))

    def _describe(self, sources: Sources) -> dict[str, Any]:
        try:
            response = sources.aws("eks").describe_addon(clusterName=self.cluster, addonName=self.addon)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return {}
            raise
        addon: dict[str, Any] = response["addon"]
        return addon


def _issues(addon: Mapping[str, Any]) -> str:
    issues = (addon.get("health") or {}).get("issues") or []
    return "; ".join(f"{issue.get('code')}: {issue.get('message')}" for issue in issues) or "EKS lists no health issues"
