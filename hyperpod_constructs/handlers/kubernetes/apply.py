"""The handler of ``Custom::HyperPodKubernetesObjects``: returns the result for the framework, or raises one error."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.eks import ClusterGone
from ..shared.ownership import Claim, Owner, owner
from .errors import MESSAGE_BYTES, ApiError, HandlerError, clip
from .existing_objects import ExistingObjectFields, copied
from .group import Holder, ObjectGroup
from .manifest import load, references
from .objects import ObjectRef, legacy_group_id, parse, physical_id
from .services import Services, on_lambda
from .timing import Deadline, RetriesExhausted

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

DEFAULT_RETRY_SECONDS = 600.0

#: Reserved at the end: to delete the objects that a failed event created, and to respond.
CLEANUP_SECONDS = 60.0
ANSWER_SECONDS = 10.0


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point; the package documents the properties. Raises ``HandlerError``."""
    return handle(event, on_lambda(), context.get_remaining_time_in_millis() / 1000)


def handle(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    """Applies (Create, Update) or deletes the objects of an event within ``seconds_left``."""
    log.info("%s of %s (%s)", event["RequestType"], event["LogicalResourceId"], event["RequestId"])
    try:
        if event["RequestType"] == "Delete":
            return _delete(event, services, seconds_left)
        return _apply(event, services, seconds_left)
    except HandlerError as error:
        log.error("%s", error)
        raise
    except _EXPECTED as error:
        message = _error_message(error, event)
        log.error("%s", message)
        raise HandlerError(message) from None


_EXPECTED = (ApiError, RetriesExhausted, ClusterGone, ClientError, BotoCoreError)


def _error_message(error: Exception, event: Mapping[str, Any]) -> str:
    if isinstance(error, ClientError | BotoCoreError):
        return f"an AWS request failed: {error}"
    if isinstance(error, ApiError | RetriesExhausted):
        return f"EKS cluster {event['ResourceProperties']['ClusterName']}: {error}"
    return str(error)


def _apply(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    properties = event["ResourceProperties"]
    deadline = _work_deadline(properties, services, seconds_left)
    objects = load(properties, services, deadline)
    refs = [ObjectRef.of(item) for item in objects]
    new_id = physical_id(properties["ClusterName"], event["LogicalResourceId"], refs)
    group = _group(event, services, _holder(event), deadline)
    try:
        if "CopyOf" in properties:
            (changes,) = objects
            objects = [copied(group.read(ObjectRef.of(properties["CopyOf"])), changes)]
        group.apply(objects)
        if event["RequestType"] == "Update":
            _release_failed_event(event, services, deadline)
    except Exception as error:
        left = _clean_up(event, services, group)
        if not isinstance(error, (HandlerError, *_EXPECTED)):
            raise
        message = _error_message(error, event)
        raise HandlerError(
            f"{clip(message, MESSAGE_BYTES - 350)} (the cleanup also failed: {left})" if left else message
        ) from None
    return {
        "PhysicalResourceId": new_id,
        "Data": {"Count": str(len(refs)), "Name": refs[0].name, "Namespace": refs[0].namespace},
    }


def _release_failed_event(event: Mapping[str, Any], services: Services, deadline: Deadline) -> None:
    """Releases the objects of an Update's old properties if a failed event created them: its id is not the given one.

    Objects that remain after its cleanup are deleted, because no other event refers to them.
    """
    old = event["OldResourceProperties"]
    failed, now = owner_of(event, old), owner_of(event, event["ResourceProperties"])
    if event["PhysicalResourceId"] != id_of(event, old) and failed != now:
        group = _group(event, services, Holder(failed), deadline, old)
        group.release(reversed(references(old)), {failed}, wait=False)


def _delete(event: Mapping[str, Any], services: Services, seconds_left: float) -> dict[str, Any]:
    properties, given = event["ResourceProperties"], event["PhysicalResourceId"]
    legacy_id = legacy_group_id(properties["ClusterName"], event["LogicalResourceId"])
    legacy = _legacy_owner(event, properties)
    # the physical id is that of a group in the former version: the objects of its new properties have a separate mark
    own_owners = {legacy} if given == legacy_id else {owner_of(event, properties), legacy}
    try:
        deadline = _work_deadline(properties, services, seconds_left)
        group = _group(event, services, Holder(owner_of(event, properties)), deadline)
    except ClusterGone as gone:
        log.info("%s: nothing to delete", gone)
    else:
        retain = properties.get("DeletionPolicy") == "Retain"
        group.release(reversed(references(properties)), own_owners, retain=retain)
    return {"PhysicalResourceId": given}


def _clean_up(event: Mapping[str, Any], services: Services, failed: ObjectGroup) -> str:
    """Undoes the failed event, because no Delete follows a failed Create; returns the error, empty on success."""
    if all(claim is Claim.OURS for claim in failed.claims.values()):
        return ""
    deadline = Deadline.after(services.clock, CLEANUP_SECONDS - ANSWER_SECONDS)
    try:
        group = _group(event, services, failed.holder, deadline)
        group.claims = failed.claims
        group.undo()
    except (HandlerError, *_EXPECTED) as left:
        log.warning("the cleanup failed: %s", left)
        return clip(str(left), 300)
    return ""


def owner_of(event: Mapping[str, Any], properties: Mapping[str, Any]) -> Owner:
    """Returns the resource with these properties as an owner."""
    return owner(event["StackId"], event["LogicalResourceId"], id_of(event, properties))


def id_of(event: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Returns the physical id of the resource with these properties."""
    return physical_id(properties["ClusterName"], event["LogicalResourceId"], references(properties))


def _legacy_owner(event: Mapping[str, Any], properties: Mapping[str, Any]) -> Owner:
    refs = references(properties)
    if len(refs) == 1:
        return owner_of(event, properties)
    group_id = legacy_group_id(properties["ClusterName"], event["LogicalResourceId"])
    return owner(event["StackId"], event["LogicalResourceId"], group_id)


def _holder(event: Mapping[str, Any]) -> Holder:
    properties, old = event["ResourceProperties"], event.get("OldResourceProperties")
    also = {_legacy_owner(event, properties)}
    held: set[tuple[str, str, str, str]] = set()
    former: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    if old:
        also |= {owner_of(event, old), _legacy_owner(event, old)}
        held = {ref.key for ref in references(old)} if old["ClusterName"] == properties["ClusterName"] else set()
        if "Manifest" in old:
            former = {ObjectRef.of(item).key: item for item in parse(str(old["Manifest"]))}
    adopt = str(properties.get("Adopt", "")).lower() == "true"
    return Holder(owner_of(event, properties), frozenset(also), adopt, frozenset(held), former)


def _group(
    event: Mapping[str, Any],
    services: Services,
    holder: Holder,
    deadline: Deadline,
    properties: Mapping[str, Any] | None = None,
) -> ObjectGroup:
    properties = properties or event["ResourceProperties"]
    kind = ExistingObjectFields if str(properties.get("FieldsOnly", "")).lower() == "true" else ObjectGroup
    return kind(
        services.api(properties["ClusterName"], deadline),
        holder,
        propagation=properties.get("PropagationPolicy", "Foreground"),
        replace_on_immutable=str(properties.get("ReplaceOnImmutable", "")).lower() == "true",
    )


def _work_deadline(properties: Mapping[str, Any], services: Services, seconds_left: float) -> Deadline:
    wanted = float(properties.get("RetrySeconds", DEFAULT_RETRY_SECONDS))
    return Deadline.after(services.clock, max(1.0, min(wanted, seconds_left - CLEANUP_SECONDS)))
