"""Random deployments of two stacks that share, rename and adopt names, with manual changes and faults.

A run knows CloudFormation's record (``Stack.live``) and what users created, and counts violations:

========  ============================================================================================================
count     meaning
========  ============================================================================================================
lost      an object that CloudFormation has a record of does not exist, or has other contents
orphaned  an object has the mark of a resource that CloudFormation has no record of
foreign   an object that a user created is missing or changed, although no resource adopts it
wrong     an event succeeded without the required result
stuck     an event fails repeatedly without a cause
killed    objects that a terminated function left behind: allowed, and removed by the run
========  ============================================================================================================

Other functions take part as another ``Participant``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cloudformation import FAILS, Cloud, Delivery, Event, Live, Provider, Resource, Stack

COUNTS = ("lost", "orphaned", "foreign", "wrong", "stuck")


class Participant(Protocol):
    """The objects of one custom resource: how a run uses them, and the state that it finds."""

    provider: str
    """Name of the provider in templates."""

    def on_event(self, event: Event) -> Any:
        """The function; may raise."""

    def functions(self) -> Provider:
        """The provider's functions."""

    def resource(self, rng: random.Random) -> Resource:
        """A resource with random properties."""

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        """The resource with other properties."""

    def manual_change(self, rng: random.Random) -> None:
        """Make a manual change."""

    def inject_faults(self, rng: random.Random) -> None:
        """Faults for the next deployment."""

    def remove_faults(self) -> None:
        """Remove all faults."""

    def problem(self, event: Event) -> str:
        """Return the missing results of an event that succeeded; empty if everything is correct."""

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        """Return the resources that should exist but do not (stack id, logical id, resource)."""

    def marked(self) -> Iterable[tuple[str, str, str]]:
        """Return each mark on an object: the key of the object, stack name and logical id, and the mark's digest."""

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        """Return digests of the owners that a live resource is."""

    def remove(self, key: str) -> None:
        """Remove an object that a stopped function left."""

    def foreign(self, adopted: bool) -> Iterable[str]:
        """Return the objects that users created and that have changed."""


@dataclass
class Run:
    """One run; ``counts`` at the end."""

    participants: list[Participant]
    rng: random.Random
    stacks: list[Stack] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)
    """Digests of owners whose function was stopped."""
    without_faults: bool = False

    def __post_init__(self) -> None:
        self.cloud = Cloud(
            {participant.provider: self._watched(participant) for participant in self.participants}, self._deliver
        )
        self.stacks = [self._stack(name) for name in ("One", "Two")]

    def _stack(self, name: str) -> Stack:
        return self.cloud.stack(name, rollback_of_replacement=self.rng.choice(["update", "delete"]))

    def _deliver(self, event: Event) -> Delivery:
        if self.without_faults:
            return Delivery.ONCE
        return self.rng.choices(list(Delivery), [88, 4, 4, 4])[0]

    def _watched(self, participant: Participant) -> Provider:
        functions = participant.functions()

        def checked(event: Event) -> None:
            self.counts["events"] += 1
            problem = participant.problem(event)
            if problem:
                self._report("wrong", f"{event['RequestType']} of {event['LogicalResourceId']}: {problem}")

        def recorded(event: Event, call: Callable[[Event], Any]) -> Any:
            try:
                return call(event)
            except Exception:
                self.counts["events"] += 1
                self.counts["failed"] += 1
                raise
            except BaseException:
                self.counts["events"] += 1
                self.counts["kills"] += 1
                for name in ("ResourceProperties", "OldResourceProperties"):
                    if name in event:
                        resource = Resource(participant.provider, event[name])
                        self.killed |= set(participant.digests(event["StackId"], event["LogicalResourceId"], resource))
                raise

        def on_event(event: Event) -> Any:
            answer = recorded(event, functions.on_event)
            if functions.is_complete is None:
                checked(event)
            return answer

        def is_complete(event: Event) -> Any:
            assert functions.is_complete is not None
            answer = recorded(event, functions.is_complete)
            if answer["IsComplete"]:
                checked(event)
            return answer

        complete = is_complete if functions.is_complete else None
        return Provider(on_event, complete, functions.wait, functions.polls)

    def _report(self, count: str, text: str) -> None:
        self.counts[count] += 1
        self.messages.append(f"{count} after {self.counts['events']} events: {text}")

    def until(self, events: int) -> None:
        """Deploy until this number of events is sent; then delete everything and check again."""
        while self.counts["events"] < events and not any(self.counts[name] for name in COUNTS):
            self._step()
        for stack in self.stacks:
            self._delete(stack)
        self._check()
        for participant in self.participants:
            for problem in participant.foreign(adopted=False):
                self._report("foreign", problem)

    def _step(self) -> None:
        rng = self.rng
        for participant in self.participants:
            participant.manual_change(rng)
            if rng.random() < 0.6:
                participant.inject_faults(rng)
        index = rng.randrange(len(self.stacks))
        stack = self.stacks[index]
        if stack.live and rng.random() < 0.12:
            self._run_and_retry(stack, stack.delete)
        else:
            self._run_and_retry(stack, lambda: stack.deploy(self._template(stack)))
        self.counts["deployments"] += 1
        if stack.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
            self.stacks[index] = self._stack(stack.name)
        self._check()

    def _run_and_retry(self, stack: Stack, action: Callable[[], str]) -> None:
        """Run the action; if it fails, retry it without faults, as a user would."""
        status = action()
        for participant in self.participants:
            participant.remove_faults()
        self.without_faults = True
        retry = {
            "ROLLBACK_FAILED": stack.delete,
            "DELETE_FAILED": stack.delete,
            "UPDATE_ROLLBACK_FAILED": stack.continue_rollback,
        }.get(status)
        if retry is not None:
            retried = retry()
            if retried.endswith("FAILED"):
                self._report("stuck", f"{stack.name} is {status}, then {retried}: {stack.reasons}")
                stack.status = "DELETE_COMPLETE"
        self.counts[stack.status] += 1
        self.without_faults = False

    def _delete(self, stack: Stack) -> None:
        if stack.live:
            self._run_and_retry(stack, stack.delete)

    def _template(self, stack: Stack) -> dict[str, Resource]:
        rng = self.rng
        template = {logical_id: live.resource for logical_id, live in stack.live.items()}
        for _ in range(rng.randint(1, 3)):
            choice = rng.random()
            if choice < 0.4 or not template:
                template[f"R{rng.randrange(6)}"] = rng.choice(self.participants).resource(rng)
            elif choice < 0.6:
                name = rng.choice(list(template))
                template[name] = self._participant_of(template[name]).changed(rng, template[name])
            elif choice < 0.8:  # the construct is renamed, or moved
                name = rng.choice(list(template))
                template[f"R{rng.randrange(6)}"] = template.pop(name)
            else:
                template.pop(rng.choice(list(template)))
        for name, live in stack.live.items():  # a resource never changes its provider
            if name in template and template[name].provider != live.resource.provider:
                template[name] = live.resource
        template = dict(rng.sample(list(template.items()), len(template)))
        if rng.random() < 0.3:
            template["Bad"] = FAILS
        return template

    def _participant_of(self, resource: Resource) -> Participant:
        return next(participant for participant in self.participants if participant.provider == resource.provider)

    def _check(self) -> None:
        for participant in self.participants:
            live = [(s.id, name, entry.resource) for s in self.stacks for name, entry in self._live(s, participant)]
            known = {digest for entry in live for digest in participant.digests(*entry)}
            for key, name, digest in list(participant.marked()):
                if digest in known:
                    continue
                if digest in self.killed:
                    self.counts["killed"] += 1
                    participant.remove(key)
                else:
                    self._report("orphaned", f"{key} has the mark of {name} ({digest})")
            for problem in participant.lost_objects(live):
                self._report("lost", problem)
            for problem in participant.foreign(adopted=True):
                self._report("foreign", problem)

    @staticmethod
    def _live(stack: Stack, participant: Participant) -> list[tuple[str, Live]]:
        return [(name, entry) for name, entry in stack.live.items() if entry.resource.provider == participant.provider]

    def report(self) -> str:
        """The counts, in one line."""
        return ", ".join(
            f"{self.counts[name]} {name}" for name in ("events", "deployments", "failed", *COUNTS, "killed")
        )
