"""Handler of ``Custom::HyperPodKubernetesObjects``: one event in, the framework's answer or one clear failure out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.eks import ClusterGone
from .borrowed import BorrowedFields, copied
from .errors import MESSAGE_BYTES, ApiError, HandlerError, clip
from .group import ObjectGroup
from .manifest import load, references
from .objects import ObjectRef, owner_name, physical_id
from .services import Services, on_lambda
from .timing import Deadline, GaveUp

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

DEFAULT_RETRY_SECONDS = 600.0

#: Kept back from the function's time: to remove what a failed event created, and to answer.
CLEANUP_SECONDS = 60.0
ANSWER_SECONDS = 10.0


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point; see the package for the properties. Raises ``HandlerError``."""
    return handle(event, on_lambda(), context.get_remaining_time_in_millis() / 1000)


def handle(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    """Apply (Create, Update) or delete the objects of an event within ``seconds_left``."""
    log.info("%s of %s (%s)", event["RequestType"], event["LogicalResourceId"], event["RequestId"])
    try:
        if event["RequestType"] == "Delete":
            return _delete(event, services, seconds_left)
        return _apply(event, services, seconds_left)
    except HandlerError as error:
        log.error("%s", error)
        raise
    except ClusterGone as error:
        raise HandlerError(str(error)) from None
    except (ClientError, BotoCoreError) as error:
        raise HandlerError(f"an AWS request failed: {error}") from None
    except (ApiError, GaveUp) as error:
        raise HandlerError(f"EKS cluster {event['ResourceProperties']['ClusterName']}: {error}") from None


def _apply(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    properties = event["ResourceProperties"]
    deadline = _work_deadline(properties, services, seconds_left)
    objects = load(properties, services, deadline)
    refs = [ObjectRef.of(item) for item in objects]
    new_id = physical_id(properties["ClusterName"], event["LogicalResourceId"], refs)
    group = _group(event, services, new_id, deadline)
    try:
        if "CopyOf" in properties:
            (changes,) = objects
            objects = [copied(group.read(ObjectRef.of(properties["CopyOf"])), changes)]
        group.apply(objects)
        if event["RequestType"] == "Update" and event["PhysicalResourceId"] == new_id and not _retains(properties):
            kept = {ref.key for ref in refs}
            dropped = [ref for ref in references(event["OldResourceProperties"]) if ref.key not in kept]
            group.delete(reversed(dropped), keep=group.record.uids)
    except HandlerError as error:
        reserve = Deadline.after(services.clock, CLEANUP_SECONDS - ANSWER_SECONDS)
        raise HandlerError(_after_cleanup(error, event, services, group, new_id, reserve)) from None
    return {
        "PhysicalResourceId": new_id,
        "Data": {"Count": str(len(refs)), "Name": refs[0].name, "Namespace": refs[0].namespace},
    }


def _delete(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    properties, old_id = event["ResourceProperties"], event["PhysicalResourceId"]
    if _retains(properties):
        log.info("the objects are retained")
        return {"PhysicalResourceId": old_id}
    refs = references(properties)
    try:
        group = _group(event, services, old_id, _work_deadline(properties, services, seconds_left))
    except ClusterGone as gone:
        log.info("%s: nothing to delete", gone)
    else:
        group.delete(reversed(refs))
    return {"PhysicalResourceId": old_id}


def _after_cleanup(
    error: HandlerError,
    event: Mapping[str, Any],
    services: Services,
    failed: ObjectGroup,
    new_id: str,
    deadline: Deadline,
) -> str:
    """Remove what the failed event created: no Delete follows a failed Create. The message says what could not be."""
    # An earlier run of the same Create may have stopped half-way; what it left carries our mark.
    mark = failed.owner if event["RequestType"] == "Create" else None
    created = failed.record.created(mark)
    if not created:
        return str(error)
    try:
        _group(event, services, new_id, deadline).delete(reversed(created))
    except (HandlerError, ApiError, GaveUp, ClusterGone, ClientError, BotoCoreError) as left:
        log.warning("clean-up: %s", left)
        return f"{clip(str(error), MESSAGE_BYTES - 350)} (and cleaning up failed: {clip(str(left), 300)})"
    return str(error)


def _group(event: Mapping[str, Any], services: Services, resource_id: str, deadline: Deadline) -> ObjectGroup:
    properties = event["ResourceProperties"]
    kind = BorrowedFields if str(properties.get("FieldsOnly", "")).lower() == "true" else ObjectGroup
    return kind(
        services.api(properties["ClusterName"], deadline),
        owner_name(event["StackId"], event["LogicalResourceId"], resource_id),
        propagation=properties.get("PropagationPolicy", "Foreground"),
        replace_on_immutable=str(properties.get("ReplaceOnImmutable", "")).lower() == "true",
    )


def _work_deadline(properties: Mapping[str, Any], services: Services, seconds_left: float) -> Deadline:
    wanted = float(properties.get("RetrySeconds", DEFAULT_RETRY_SECONDS))
    return Deadline.after(services.clock, max(1.0, min(wanted, seconds_left - CLEANUP_SECONDS)))


def _retains(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("DeletionPolicy", "Delete")) == "Retain"
