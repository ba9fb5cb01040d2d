"""CloudFormation and the provider framework of CDK, as far as a custom resource can observe them.

    cloud = Cloud({"Objects": Provider(on_event), "Quota": Provider(on_event, is_complete)})
    stack = cloud.stack("Platform")
    stack.deploy({"Team": Resource("Objects", {"Manifest": "..."})})      # "CREATE_COMPLETE"
    stack.deploy({"Team2": Resource("Objects", {...}), "Bad": FAILS})     # "UPDATE_ROLLBACK_COMPLETE"
    stack.delete()                                                        # "DELETE_COMPLETE"

What is modeled (aws-cdk-lib, custom-resources/lib/provider-framework/runtime; CloudFormation's user guide, "Custom resource
reference"):

* Order: a deployment creates and updates in the order of the template, then, in its cleanup phase, deletes what was
replaced or removed, in reverse order. Nothing is deleted before everything else succeeded.
* A failed creation of a stack is rolled back by deleting what it created. A failed update is rolled back by an Update
with the old properties for each resource that was updated, then by deleting new resources. The stack can be deleted, or
continue its rollback, if that failed.
* An Update that returns another physical id is a replacement: the old id is deleted, with the old properties, in the
cleanup phase. Sources disagree about the rollback of a successful replacement: an Update back and a Delete of the new id,
or only the Delete (``Stack.rollback_of_replacement``).
* A Create that fails in ``on_event`` gets the framework's marker as its physical id, and the framework itself answers the
Delete that follows. One that fails in ``is_complete`` has its own id, and its Delete arrives.
* A Delete that returns another physical id fails.
* The response to an event can be lost (``Delivery.LOST``): CloudFormation times out, and a Create is then deleted with a
physical id that CloudFormation generated. An event can be delivered again, after its response was lost (``RETRIED``) or
although it arrived (``TWICE``): the framework invokes a function again if the connection breaks, and Lambda retries
asynchronous events.
* Not modeled: parallel events, drift, imports, and the attributes of a template.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hyperpod_constructs.assembly.rehearsal import events
from hyperpod_constructs.assembly.rehearsal.events import CREATE_FAILED, Event

Answer = Mapping[str, Any]


class Killed(BaseException):
    """Lambda stopped the function: raised inside a handler, which must not catch it."""


class Delivery(Enum):
    """How an event and its response are delivered."""

    ONCE = "once"
    LOST = "lost"
    RETRIED = "retried"
    TWICE = "twice"


@dataclass(frozen=True)
class Provider:
    """The functions of a custom resource. ``wait`` is called between two calls of ``is_complete``."""

    on_event: Callable[[Event], Answer | None]
    is_complete: Callable[[Event], Answer] | None = None
    wait: Callable[[], None] = lambda: None
    polls: int = 240


@dataclass(frozen=True)
class Resource:
    """A resource of a template: the name of its provider, and its properties."""

    provider: str
    properties: Mapping[str, Any]


FAILS = Resource("(fails)", {})
"""A resource whose creation or update fails."""


@dataclass
class Live:
    """A resource in CloudFormation's record."""

    resource: Resource
    physical_id: str


@dataclass(frozen=True)
class Sent:
    """An event as CloudFormation records it. ``reason`` is empty if it succeeded."""

    stack: str
    logical_id: str
    request: str
    physical_id: str
    reason: str
    killed: bool = False


class Failed(Exception):
    """The event failed for CloudFormation."""

    def __init__(self, reason: str, physical_id: str) -> None:
        super().__init__(reason)
        self.physical_id = physical_id


@dataclass
class Cloud:
    """Stacks of one account. ``deliver`` determines how each event is delivered."""

    providers: Mapping[str, Provider]
    deliver: Callable[[Event], Delivery] = lambda event: Delivery.ONCE
    sent: list[Sent] = field(default_factory=list)
    invocations: int = 0
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def stack(self, name: str, **options: Any) -> Stack:
        """Return a stack that does not exist yet; its id differs from that of any other, even of the same name."""
        arn = f"arn:aws:cloudformation:us-west-2:111122223333:stack/{name}/{next(self._ids):08x}-0000-0000-0000-000000000000"
        return Stack(self, name, arn, **options)

    def send(self, stack: Stack, request: str, logical_id: str, provider: str, **fields: Any) -> str:
        """Send an event; return the physical id of the response. Raises `Failed`."""
        event = events.event(
            request,
            request_id=f"request-{next(self._ids)}",
            stack_id=stack.id,
            logical_id=logical_id,
            kind=f"Custom::{provider}",
            properties=fields["ResourceProperties"],
            physical_id=fields.get("PhysicalResourceId"),
            old=fields.get("OldResourceProperties"),
        )
        killed = False
        try:
            if provider == FAILS.provider:
                if request != "Delete":
                    raise Failed("it always fails", fields.get("PhysicalResourceId") or CREATE_FAILED)
                physical_id = str(fields["PhysicalResourceId"])
            else:
                physical_id, killed = self._deliver(event, self.providers[provider])
        except Failed as failed:
            killed = isinstance(failed.__cause__, Killed)
            self.sent.append(Sent(stack.name, logical_id, request, failed.physical_id, str(failed), killed))
            raise
        self.sent.append(Sent(stack.name, logical_id, request, physical_id, "", killed))
        return physical_id

    def _deliver(self, event: Event, provider: Provider) -> tuple[str, bool]:
        """Return the physical id of the response that counts, and whether a run was stopped."""
        how = self.deliver(event)
        killed = False
        if how in (Delivery.LOST, Delivery.RETRIED):
            try:
                self._framework(event, provider)
            except Failed as failed:
                killed = isinstance(failed.__cause__, Killed)
        if how is Delivery.LOST:
            made_up = events.generated_id(event["StackId"].split("/")[1], event["LogicalResourceId"], next(self._ids))
            failed = Failed(events.NO_ANSWER, event.get("PhysicalResourceId", made_up))
            raise failed from (Killed() if killed else None)
        physical_id = self._framework(event, provider)
        if how is Delivery.TWICE:
            try:
                self._framework(event, provider)
            except Failed as late:
                killed = isinstance(late.__cause__, Killed)
        return physical_id, killed

    def _framework(self, event: Event, provider: Provider) -> str:
        event = copy.deepcopy(event)
        previous_id = event.get("PhysicalResourceId")
        if event["RequestType"] == "Delete" and previous_id == CREATE_FAILED:
            return CREATE_FAILED
        try:
            self.invocations += 1
            answer = dict(provider.on_event(copy.deepcopy(event)) or {})
            physical_id = events.answered_id(event, answer)
            event |= {**answer, "PhysicalResourceId": physical_id}
            for _ in range(provider.polls if provider.is_complete else 0):
                self.invocations += 1
                complete = provider.is_complete(copy.deepcopy(event))  # type: ignore[misc]
                if events.is_complete(complete):
                    return physical_id
                provider.wait()
            if provider.is_complete:
                raise RuntimeError("Operation timed out")
            return physical_id
        except (Exception, Killed) as error:
            reason = str(error) or type(error).__name__
            raise Failed(reason, event.get("PhysicalResourceId") or CREATE_FAILED) from error


@dataclass
class Stack:
    """One stack: its record of live resources, and its status."""

    cloud: Cloud
    name: str
    id: str
    rollback_of_replacement: str = "update"
    """``update``: an Update back to the old properties, then the Delete of the new id; ``delete``: the Delete alone."""
    live: dict[str, Live] = field(default_factory=dict)
    status: str = ""
    reasons: list[str] = field(default_factory=list)
    _back: dict[str, tuple[Live | None, Live | None]] = field(default_factory=dict)
    _waste: list[tuple[str, Live]] = field(default_factory=list)

    def deploy(self, template: Mapping[str, Resource]) -> str:
        """Create or update the stack; return its final status. A rolled back creation can only be deleted."""
        assert self.status not in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")
        creating = self.status in ("", "DELETE_COMPLETE")
        self.reasons, self._back, self._waste = [], {}, []
        try:
            for logical_id, resource in template.items():
                self._forward(logical_id, resource)
        except Failed as failed:
            self.reasons.append(str(failed))
            self.status = self._undo_creation() if creating else self.continue_rollback()
            return self.status
        removed = [(logical_id, live) for logical_id, live in self.live.items() if logical_id not in template]
        for logical_id, _ in removed:
            del self.live[logical_id]
        self._clean(self._waste + removed)
        self.status = "CREATE_COMPLETE" if creating else "UPDATE_COMPLETE"
        return self.status

    def delete(self) -> str:
        """Delete the stack; resources that could not be deleted remain in it, and can be deleted again."""
        failed = False
        for logical_id, live in reversed(list(self.live.items())):
            try:
                self._send_delete(logical_id, live)
                del self.live[logical_id]
            except Failed as error:
                self.reasons.append(str(error))
                failed = True
                break
        self.status = "DELETE_FAILED" if failed else "DELETE_COMPLETE"
        return self.status

    def continue_rollback(self) -> str:
        """Roll back the failed update: updated resources first, then delete new ones."""
        for logical_id, (before, after) in reversed(list(self._back.items())):
            if before is None:
                continue
            try:
                self._update_back(logical_id, before, after)
            except Failed as failed:
                self.reasons.append(str(failed))
                self.status = "UPDATE_ROLLBACK_FAILED"
                return self.status
            del self._back[logical_id]
        new = [(logical_id, after) for logical_id, (_, after) in self._back.items() if after is not None]
        for logical_id, _ in new:
            self.live.pop(logical_id, None)
        self._clean(self._waste + new)
        self._back, self._waste = {}, []
        self.status = "UPDATE_ROLLBACK_COMPLETE"
        return self.status

    # One resource.

    def _forward(self, logical_id: str, resource: Resource) -> None:
        before = self.live.get(logical_id)
        if before is None:
            self._create(logical_id, resource)
        elif before.resource != resource:
            self._update(logical_id, resource, before)

    def _create(self, logical_id: str, resource: Resource) -> None:
        try:
            response = self._send("Create", logical_id, resource)
        except Failed as failed:
            self._back[logical_id] = None, Live(resource, failed.physical_id)
            raise
        self.live[logical_id] = Live(resource, response)
        self._back[logical_id] = None, self.live[logical_id]

    def _update(self, logical_id: str, resource: Resource, before: Live) -> None:
        assert before.resource.provider == resource.provider, "a resource cannot change its service token"
        try:
            response = self._send(
                "Update",
                logical_id,
                resource,
                PhysicalResourceId=before.physical_id,
                OldResourceProperties=dict(before.resource.properties),
            )
        except Failed:
            self._back[logical_id] = before, Live(resource, before.physical_id)
            raise
        after = Live(resource, response)
        self._back[logical_id] = before, after
        self.live[logical_id] = after
        if response != before.physical_id:
            self._waste.append((logical_id, before))

    def _update_back(self, logical_id: str, before: Live, after: Live | None) -> None:
        assert after is not None
        replaced = after.physical_id != before.physical_id
        self._waste = [(name, live) for name, live in self._waste if live is not before]
        if replaced and self.rollback_of_replacement == "delete":
            self.live[logical_id] = before
            self._waste.append((logical_id, after))
            return
        response = self._send(
            "Update",
            logical_id,
            before.resource,
            PhysicalResourceId=after.physical_id,
            OldResourceProperties=dict(after.resource.properties),
        )
        self.live[logical_id] = Live(before.resource, response)
        if response != after.physical_id:
            self._waste.append((logical_id, after))

    def _clean(self, waste: list[tuple[str, Live]]) -> None:
        """The cleanup phase: if a deletion fails, the resource remains and the stack's status is still successful."""
        for logical_id, live in reversed(waste):
            try:
                self._send_delete(logical_id, live)
            except Failed as failed:
                self.reasons.append(str(failed))

    def _undo_creation(self) -> str:
        for logical_id, (_, after) in self._back.items():
            if after is not None:
                self.live[logical_id] = after
        return {"DELETE_COMPLETE": "ROLLBACK_COMPLETE", "DELETE_FAILED": "ROLLBACK_FAILED"}[self.delete()]

    def _send_delete(self, logical_id: str, live: Live) -> None:
        self._send("Delete", logical_id, live.resource, PhysicalResourceId=live.physical_id)

    def _send(self, request: str, logical_id: str, resource: Resource, **fields: Any) -> str:
        return self.cloud.send(
            self, request, logical_id, resource.provider, ResourceProperties=dict(resource.properties), **fields
        )
