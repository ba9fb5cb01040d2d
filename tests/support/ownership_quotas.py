"""Compute quotas in ownership tests: the governance functions, a local service, and random runs over a few teams."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from cloudformation import Event, Killed, Provider, Resource
from fake_aws import AwsFault

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.core.governance_properties import compute_quota_properties
from hyperpod_constructs.core.spec import QuotaResource, Team
from hyperpod_constructs.handlers.governance.api import api_of
from hyperpod_constructs.handlers.governance.index import begin, poll
from hyperpod_constructs.handlers.shared.ownership import TAG_NAMESPACE, owners

sys.path.append(str(Path(__file__).parent.parent / "governance"))
from governance_service import CLUSTER, GovernanceService

TEAMS = ("vision", "speech", "robots")


@dataclass
class DirectClient:
    """SageMaker's client for the local service, without a socket; faults and stops by ``hook``."""

    hook: Callable[[str], None] = lambda operation: None
    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)

    class exceptions:
        ClientError = ClientError

    def on(self, service: str, operation: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.answers[operation] = answer

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **request: self.call(operation, request)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self.hook(operation)
            return json.loads(json.dumps(self.answers[operation](request), default=str))  # type: ignore[no-any-return]
        except AwsFault as fault:
            error = {"Code": fault.fault.code, "Message": fault.fault.message}
            raise ClientError({"Error": error}, operation) from None

    def get_paginator(self, name: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
                yield getattr(client, name)(**request)

        return Pages()


@dataclass
class Quotas:
    """The governance functions, on a separate service."""

    provider: str = "Quotas"
    clock: Clock = field(default_factory=Clock)
    foreign_objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What people created, by name: its request."""
    missing: set[tuple[str, str]] = field(default_factory=set)
    """What was removed manually since the last event of an owner (its digest)."""
    kill_at: int = -1
    faults: list[str] = field(default_factory=list)
    """Error codes of the next calls."""
    counts: int = 0

    def __post_init__(self) -> None:
        self.client = DirectClient(self._hook)
        self.service = GovernanceService(self.client)  # type: ignore[arg-type]

    def _hook(self, operation: str) -> None:
        if self.kill_at == 0:
            self.kill_at = -1
            raise Killed
        self.kill_at -= self.kill_at > 0
        if self.faults:
            raise AwsFault(self.faults.pop())

    def functions(self) -> Provider:
        return Provider(self.on_event, self.is_complete, lambda: self.clock.sleep(15))

    def on_event(self, event: Event) -> Any:
        return begin(event, self.client, self.clock)  # type: ignore[arg-type]

    def is_complete(self, event: Event) -> Any:
        return poll(event, self.client, self.clock)  # type: ignore[arg-type]

    # State for tests.

    def find(self, team: str) -> Any:
        self.settle()
        return next((t for t in self.service.items.values() if t.request["Name"] == team), None)

    def settle(self) -> None:
        for item in list(self.service.items.values()):
            for _ in range(3):
                self.service._settle(item)
            if item.status == "Deleted":
                self.service.items.pop(item.id, None)

    def count(self, team: str) -> int:
        found = self.find(team)
        assert found is not None
        return int(found.request["ComputeQuotaConfig"]["ComputeQuotaResources"][0]["Count"])

    # Random deployments.

    def resource(self, rng: random.Random) -> Resource:
        return self._quota(rng.choice(TEAMS), adopt=rng.random() < 0.5)

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        name = json.loads(resource.properties["Request"])["Name"]
        return self._quota(name if rng.random() < 0.6 else rng.choice(TEAMS), adopt="Adopt" in resource.properties)

    def manual_change(self, rng: random.Random) -> None:
        team = rng.choice(TEAMS)
        if self.find(team) is None and rng.random() < 0.2:
            self.counts += 1
            self.foreign_objects[team] = json.loads(quota(team, self.counts).properties["Request"])
            self.service.put(self.foreign_objects[team])

    def inject_faults(self, rng: random.Random) -> None:
        if rng.random() < 0.75:
            codes = ("ThrottlingException", "InternalFailure", "ConflictException", "ServiceUnavailable")
            self.faults = [rng.choice(codes) for _ in range(rng.randint(1, 4))]
        else:
            self.kill_at = rng.randrange(20)

    def remove_faults(self) -> None:
        self.faults, self.kill_at = [], -1

    def problem(self, event: Event) -> str:
        api = api_of(event, None)
        found = self.find(api.name)
        owned = found is not None and api.me in owners(found.tags)
        if event["RequestType"] == "Delete":
            return f"{api.name} is still owned" if owned else ""
        self.missing.discard((api.name, api.me.digest))
        if not owned:
            return f"{api.name} does not exist or is not owned"
        return "" if _config(found.request) == _config(api.request) else f"{api.name} is {_config(found.request)}"

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        expected: dict[str, list[Any]] = {}
        for stack_id, logical_id, resource in live:
            request = json.loads(resource.properties["Request"])
            (digest,) = self.digests(stack_id, logical_id, resource)
            if (request["Name"], digest) in self.missing:
                continue
            expected.setdefault(request["Name"], []).append(_config(request))
        for name, configs in expected.items():
            found = self.find(name)
            if found is None or _config(found.request) not in configs:
                yield f"quota {name} is {found and _config(found.request)}, expected {configs}"

    def marked(self) -> Iterable[tuple[str, str, str]]:
        self.settle()
        for item in list(self.service.items.values()):
            for mark in owners(item.tags):
                yield item.request["Name"], mark.name, mark.digest

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        event = {"StackId": stack_id, "LogicalResourceId": logical_id, "ResourceProperties": resource.properties}
        yield api_of(event, None).me.digest

    def remove(self, name: str) -> None:
        """Remove the mark of a stopped function, and objects that only it created, as a user would."""
        found = self.find(name)
        if found is not None:
            self.missing |= {(name, mark.digest) for mark in owners(found.tags)}
            self.service.items.pop(found.id)
            self.foreign_objects.pop(name, None)

    def foreign(self, adopted: bool) -> Iterable[str]:
        for name, request in list(self.foreign_objects.items()):
            found = self.find(name)
            if found is None:
                yield f"quota {name} of a user does not exist"
            elif owners(found.tags):
                if not adopted:
                    yield f"quota {name} of a user still has marks"
            elif _config(found.request) != _config(request):
                yield f"quota {name} of a user is {_config(found.request)}, was {_config(request)}"
            elif any(key.startswith(TAG_NAMESPACE) for key in found.tags):
                yield f"quota {name} of a user has the tags {found.tags}"

    def _quota(self, team: str, *, adopt: bool) -> Resource:
        self.counts += 1
        return quota(team, self.counts, **({"Adopt": "true"} if adopt else {}))


def quota(team: str, count: int = 1, **overrides: str) -> Resource:
    """A team's quota as a resource of a template; its name is the team's."""
    spec = Team(name=team, quota=[QuotaResource(instance_type="ml.p5.48xlarge", count=count)])
    request = compute_quota_properties(spec, name=team, cluster_arn=CLUSTER)
    properties = {"Kind": "ComputeQuota", "Request": json.dumps(request), "ClusterArn": CLUSTER, **overrides}
    return Resource("Quotas", properties)


def _config(request: dict[str, Any]) -> Any:
    return request["ComputeQuotaConfig"]
