"""The handlers of ``Custom::HyperPodKubernetesWait``: record the start, then poll.

CDK's framework calls ``on_event`` once and ``is_complete`` every ``POLL_SECONDS``. The framework's timeout only reports
"Operation timed out", so ``is_complete`` fails with reasons at the last call before the timeout.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.eks import ClusterGone
from .addons import AddonActive
from .client import ApiClient
from .conditions import (
    Condition,
    CustomResourceEstablished,
    EndpointsReady,
    ObjectCondition,
    Sources,
    State,
    Workload,
)
from .errors import ApiError, HandlerError, clip
from .jobs import JobState
from .nodes import NodesReady
from .services import Services, on_lambda
from .timing import LONGEST_WAIT_SECONDS, POLL_SECONDS, Deadline, RetriesExhausted

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

#: Maximum seconds of one poll; a query for the reasons may follow.
CALL_SECONDS = 30.0

#: Maximum bytes of an error message with pods, nodes and events; CloudFormation's limit is 4,096 for the whole response.
REASON_BYTES = 2000


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: records the start; creates and deletes no objects."""
    return begin(event, on_lambda())


def is_complete(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: polls once. Raises ``HandlerError`` if the condition failed or the time limit is reached."""
    return poll(event, on_lambda())


def begin(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Returns the start time, which the framework passes to each call of ``is_complete``."""
    properties = event["ResourceProperties"]
    resource_id = event.get("PhysicalResourceId") or f"{properties['ClusterName']}/wait/{event['LogicalResourceId']}"
    return {"PhysicalResourceId": resource_id, "StartedAt": str(services.clock.now())}


def poll(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Returns whether the wait is complete. Raises ``HandlerError``."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    properties = event["ResourceProperties"]
    started = float(event["StartedAt"])
    end = started + min(float(properties["TimeoutSeconds"]), LONGEST_WAIT_SECONDS)
    last_call = services.clock.now() + POLL_SECONDS >= end
    condition = read(properties)
    try:
        state = condition.check(_sources(properties, services))
    except ClusterGone as error:
        raise HandlerError(str(error)) from None
    except (ApiError, RetriesExhausted, ClientError, BotoCoreError) as error:
        # A new access entry is effective on the API server after some seconds.
        waited = services.clock.now() - started
        if isinstance(error, ApiError) and not error.is_transient(waited):
            raise HandlerError(f"the wait cannot query the cluster: {error}") from None
        state = State(False, f"the cluster cannot be queried: {clip(str(error), 600)}")
    log.info("%s", state.text)
    if state.met:
        return {"IsComplete": True}
    if last_call:
        waited = services.clock.now() - started
        raise HandlerError(
            f"after {waited:.0f} s: {state.text}; {_reasons(condition, properties, services)}", limit=REASON_BYTES
        )
    return {"IsComplete": False}


def read(properties: Mapping[str, Any]) -> Condition:
    """Returns the condition of the properties. Raises ``HandlerError``."""
    given = properties["Condition"]
    match given["Type"]:
        case "CustomResourceEstablished":
            return CustomResourceEstablished.read(given)
        case "DeploymentAvailable":
            return Workload.deployment(given)
        case "DaemonSetReady":
            return Workload.daemon_set(given)
        case "ObjectCondition":
            return ObjectCondition.read(given)
        case "EndpointsReady":
            return EndpointsReady.read(given)
        case "JobStarted":
            return JobState.started_of(given)
        case "JobFinished":
            return JobState.finished_of(given)
        case "NodesReady":
            return NodesReady.read(given)
        case "AddonActive":
            return AddonActive.read(given, properties["ClusterName"])
        case unknown:
            raise HandlerError(f"unknown condition type {unknown!r}")


def _sources(properties: Mapping[str, Any], services: Services) -> Sources:
    deadline = Deadline.after(services.clock, CALL_SECONDS)
    return Sources(ApiClient(services.connect(properties["ClusterName"]), deadline), services.aws)


def _reasons(condition: Condition, properties: Mapping[str, Any], services: Services) -> str:
    try:
        return condition.explain(_sources(properties, services))
    except (ApiError, ClientError, BotoCoreError, ClusterGone) as error:
        return f"the reasons could not be determined: {clip(str(error), 300)}"
