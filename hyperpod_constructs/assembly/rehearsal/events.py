"""The interfaces of custom resources to CloudFormation and CDK's provider framework: bodies of events, ids and limits.

Two models use it: the rehearsal, which simulates whole templates in virtual time, and the handlers' tests, which
deliver the events of single resources twice, late or never.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = dict[str, Any]

LARGEST_ANSWER = 4096
"""Maximum bytes of a custom resource's response to CloudFormation (CloudFormation user guide, response objects)."""
LONGEST_SECONDS = 3600.0
"""Seconds that CloudFormation waits for a custom resource, unless its ServiceTimeout is lower."""
CREATE_FAILED = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
"""The physical id that CDK's framework returns for a failed creation, and whose deletion it ignores."""
NO_ANSWER = "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId"


def event(
    request: str,
    *,
    request_id: str,
    stack_id: str,
    logical_id: str,
    kind: str,
    properties: Mapping[str, Any],
    physical_id: str | None = None,
    old: Mapping[str, Any] | None = None,
) -> Event:
    """Returns the body of an event as a function receives it.

    Args:
        request: `Create`, `Update` or `Delete`.
        request_id: id of the event.
        stack_id: ARN of the stack.
        logical_id: logical id of the resource.
        kind: resource type, such as `Custom::HyperPodKubernetesObjects`.
        properties: resolved properties; CloudFormation converts plain values to text.
        physical_id: physical id of the resource; None for a creation.
        old: the properties before an update.
    """
    body: Event = {
        "RequestType": request,
        "RequestId": request_id,
        "StackId": stack_id,
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "ResponseURL": "https://cloudformation-custom-resource-response.example.com/?signature",
        "ResourceProperties": texts(properties),
    }
    if "ServiceToken" in properties:
        body["ServiceToken"] = properties["ServiceToken"]
    if physical_id is not None:
        body["PhysicalResourceId"] = physical_id
    if old is not None:
        body["OldResourceProperties"] = texts(old)
    return body


def texts(value: Any) -> Any:
    """Returns properties as a function receives them.

    >>> texts({"Count": 2, "Wait": True, "Names": ["a"]})
    {'Count': '2', 'Wait': 'true', 'Names': ['a']}
    """
    if isinstance(value, Mapping):
        return {key: texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [texts(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def generated_id(stack: str, logical_id: str, number: int) -> str:
    """Returns the physical id that CloudFormation generates for a creation whose response it never received.

    >>> generated_id("Platform", "Team", 10)
    'Platform-Team-00000000000A'
    """
    return f"{stack}-{logical_id}-{number:012X}"


def answered_id(event: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Returns the physical id after an `on_event`. Raises `RuntimeError` for a Delete that changes it."""
    given = event.get("PhysicalResourceId")
    physical_id = answer.get("PhysicalResourceId") or given or event["RequestId"]
    if event["RequestType"] == "Delete" and physical_id != given:
        raise RuntimeError(
            f'DELETE: cannot change the physical resource ID from "{given}" to "{physical_id}" during deletion'
        )
    return str(physical_id)


def is_complete(answer: Mapping[str, Any]) -> bool:
    """Returns the result of an `is_complete`. Raises `RuntimeError` for data before completion."""
    if not answer.get("IsComplete") and answer.get("Data"):
        raise RuntimeError('"Data" is not allowed if "IsComplete" is "False"')
    return bool(answer.get("IsComplete"))
