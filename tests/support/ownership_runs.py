"""Random deployments of two stacks that share, rename and adopt names, with manual changes and faults.

A run knows CloudFormation's record (``Stack.live``) and what people created, and counts violations:

========  ============================================================================================================
count     meaning
========  ============================================================================================================
lost      CloudFormation believes that something is there, and it is not, or has other contents
orphaned  something carries the mark of a resource that CloudFormation does not know (any more)
foreign   an object that a person created is missing or changed, although no resource adopts it (any more)
wrong     an event succeeded without the required result
stuck     an event fails repeatedly without a cause
killed    objects that a terminated function left behind: allowed, and removed by the run
========  ============================================================================================================

Other functions take part as another ``Things``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cloudformation import FAILS, Cloud, Delivery, Event, Live, Provider, Resource, Stack

COUNTS = ("lost", "orphaned", "foreign", "wrong", "stuck")


class Things(Protocol):
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

    def people(self, rng: random.Random) -> None:
        """Make a manual change."""

    def failure_text(self, rng: random.Random) -> None:
        """Faults for the next deployment."""

    def calm(self) -> None:
        """Remove all faults."""

    def done(self, event: Event) -> str:
        """Return the missing results of an event that succeeded; empty if everything is correct."""

    def lost(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        """Return the resources that should exist but do not (stack id, logical id, resource)."""

    def marked(self) -> Iterable[tuple[str, str, str]]:
        """Return each mark on a thing: the thing, stack name and logical id, and the mark's digest."""

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        """Return digests of the owners that a live resource is."""

    def remove(self, thing: str) -> None:
        """Remove an object that a stopped function left."""

    def foreign(self, adopted: bool) -> Iterable[str]:
        """Return the objects that people created and that have changed."""


@dataclass
class Run:
    """One run; ``counts`` at the end."""

    things: list[Things]
    rng: random.Random
    stacks: list[Stack] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)
    """Digests of owners whose function was stopped."""
    quiet: bool = False

    def __post_init__(self) -> None:
        self.cloud = Cloud({thing.provider: self._watched(thing) for thing in self.things}, self._deliver)
        self.stacks = [self._stack(name) for name in ("One", "Two")]

    def _stack(self, name: str) -> Stack:
        return self.cloud.stack(name, rollback_of_replacement=self.rng.choice(["update", "delete"]))

    def _deliver(self, event: Event) -> Delivery:
        if self.quiet:
            return Delivery.ONCE
        return self.rng.choices(list(Delivery), [88, 4, 4, 4])[0]

    def _watched(self, things: Things) -> Provider:
        functions = things.functions()

        def checked(event: Event) -> None:
            self.counts["events"] += 1
            problem = things.done(event)
            if problem:
                self._count("wrong", f"{event['RequestType']} of {event['LogicalResourceId']}: {problem}")

        def noted(event: Event, call: Callable[[Event], Any]) -> Any:
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
                        resource = Resource(things.provider, event[name])
                        self.killed |= set(things.digests(event["StackId"], event["LogicalResourceId"], resource))
                raise

        def on_event(event: Event) -> Any:
            answer = noted(event, functions.on_event)
            if functions.is_complete is None:
                checked(event)
            return answer

        def is_complete(event: Event) -> Any:
            assert functions.is_complete is not None
            answer = noted(event, functions.is_complete)
            if answer["IsComplete"]:
                checked(event)
            return answer

        complete = is_complete if functions.is_complete else None
        return Provider(on_event, complete, functions.wait, functions.polls)

    def _count(self, what: str, text: str) -> None:
        self.counts[what] += 1
        self.said.append(f"{what} after {self.counts['events']} events: {text}")

    def until(self, events: int) -> None:
        """Deploy until so many events were sent; then delete everything and check once more."""
        while self.counts["events"] < events and not any(self.counts[name] for name in COUNTS):
            self._step()
        for stack in self.stacks:
            self._delete(stack)
        self._look()
        for things in self.things:
            for problem in things.foreign(adopted=False):
                self._count("foreign", problem)

    def _step(self) -> None:
        rng = self.rng
        for things in self.things:
            things.people(rng)
            if rng.random() < 0.6:
                things.failure_text(rng)
        index = rng.randrange(len(self.stacks))
        stack = self.stacks[index]
        if stack.live and rng.random() < 0.12:
            self._settled(stack, stack.delete)
        else:
            self._settled(stack, lambda: stack.deploy(self._template(stack)))
        self.counts["deployments"] += 1
        if stack.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
            self.stacks[index] = self._stack(stack.name)
        self._look()

    def _settled(self, stack: Stack, action: Callable[[], str]) -> None:
        """Run it; a failure is retried without faults, as a person would."""
        status = action()
        for things in self.things:
            things.calm()
        self.quiet = True
        again = {
            "ROLLBACK_FAILED": stack.delete,
            "DELETE_FAILED": stack.delete,
            "UPDATE_ROLLBACK_FAILED": stack.continue_rollback,
        }.get(status)
        if again is not None:
            retried = again()
            if retried.endswith("FAILED"):
                self._count("stuck", f"{stack.name} is {status}, then {retried}: {stack.reasons}")
                stack.status = "DELETE_COMPLETE"
        self.counts[stack.status] += 1
        self.quiet = False

    def _delete(self, stack: Stack) -> None:
        if stack.live:
            self._settled(stack, stack.delete)

    def _template(self, stack: Stack) -> dict[str, Resource]:
        rng = self.rng
        template = {logical_id: live.resource for logical_id, live in stack.live.items()}
        for _ in range(rng.randint(1, 3)):
            choice = rng.random()
            if choice < 0.4 or not template:
                template[f"R{rng.randrange(6)}"] = rng.choice(self.things).resource(rng)
            elif choice < 0.6:
                name = rng.choice(list(template))
                template[name] = self._of(template[name]).changed(rng, template[name])
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

    def _of(self, resource: Resource) -> Things:
        return next(thing for thing in self.things if thing.provider == resource.provider)

    def _look(self) -> None:
        for things in self.things:
            live = [(s.id, name, entry.resource) for s in self.stacks for name, entry in self._live(s, things)]
            known = {digest for entry in live for digest in things.digests(*entry)}
            for thing, name, digest in list(things.marked()):
                if digest in known:
                    continue
                if digest in self.killed:
                    self.counts["killed"] += 1
                    things.remove(thing)
                else:
                    self._count("orphaned", f"{thing} has the mark of {name} ({digest})")
            for problem in things.lost(live):
                self._count("lost", problem)
            for problem in things.foreign(adopted=True):
                self._count("foreign", problem)

    @staticmethod
    def _live(stack: Stack, things: Things) -> list[tuple[str, Live]]:
        return [(name, entry) for name, entry in stack.live.items() if entry.resource.provider == things.provider]

    def report(self) -> str:
        """The counts, in one line."""
        return ", ".join(
            f"{self.counts[name]} {name}" for name in ("events", "deployments", "failed", *COUNTS, "killed")
        )
