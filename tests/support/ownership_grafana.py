"""Dashboards of an Amazon Managed Grafana workspace in random runs."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from cloudformation import Event, Killed, Provider, Resource
from grafana_server import WORKSPACE, FakeClock, Grafana

from hyperpod_constructs.handlers.grafana import index
from hyperpod_constructs.handlers.grafana.objects import GrafanaObject
from hyperpod_constructs.handlers.shared.ownership import owner

SECONDS = 270.0


class _Aws:
    """A client of the service, without a connection; also the calls of `Grafana` to a fake AWS."""

    def __init__(self) -> None:
        self._answers: dict[str, Any] = {}
        self.busy = 0

    def on(self, service: str, operation: str, answer: Any) -> None:
        self._answers[operation] = answer

    def __getattr__(self, name: str) -> Any:
        operation = "".join(part.title() for part in name.split("_"))

        def call(**request: Any) -> Any:
            if self.busy > 0:
                self.busy -= 1
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, operation)
            answer = self._answers[operation]
            return answer(request) if callable(answer) else answer

        return call


@dataclass
class Dashboards:
    """The function of the dashboards, in a separate workspace."""

    provider: str = "Grafana"
    foreign_objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Dashboards that users created, by uid."""
    versions: int = 0
    kill_at: int = -1
    refuse_at: int = -1
    outage_until: float = 0.0
    killed: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.aws, self.clock = _Aws(), FakeClock()
        self.grafana = Grafana(self.aws)  # type: ignore[arg-type]
        self.grafana.hook = self._hook
        self.grafana.sources["theirs"] = {
            "uid": "theirs",
            "name": "HyperPod",
            "url": "https://theirs",
            "isDefault": True,
        }
        self._source = copy.deepcopy(self.grafana.sources["theirs"])

    def functions(self) -> Provider:
        return Provider(self.on_event)

    def on_event(self, event: Event) -> Any:
        began = self.clock.time
        if event["RequestType"] == "Delete" or event["RequestId"] in self.succeeded:
            # A deletion that is rejected permanently leaves the objects, and CloudFormation reports it. A repeated event
            # that succeeded before also leaves them: whether the first response arrived is unknown.
            self.refuse_at, self.outage_until = -1, 0.0
        me = owner(event["StackId"], event["LogicalResourceId"], f"{WORKSPACE}/dashboards")
        self.killed.discard(me.tag_key)
        try:
            answer = index.handle(event, self.aws, self.grafana.http, self.clock, SECONDS)  # type: ignore[arg-type]
            self.succeeded.add(event["RequestId"])
            return answer
        except Killed:
            self.grafana.accounts.clear()  # its token expires in ten minutes; the next event deletes it then
            self.killed.add(me.tag_key)
            raise
        finally:
            assert self.clock.time - began <= SECONDS, "one deadline for all calls"

    def _hook(self, method: str, path: str) -> None:
        self.kill_at -= 1
        self.refuse_at -= 1
        if self.kill_at == 0:
            raise Killed
        if self.refuse_at == 0:
            self.grafana.faults.insert(0, 403)
        elif self.clock.time < self.outage_until:
            self.grafana.faults.insert(0, 503)

    def resource(self, rng: random.Random) -> Resource:
        return self._resource(rng, rng.choice(["ws-1", "ws-2"]))

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        url = json.loads(resource.properties["DataSource"])["url"]
        return self._resource(
            rng, url.rpartition("/")[2] if rng.random() < 0.8 else rng.choice(["ws-1", "ws-2", "ws-3"])
        )

    def _resource(self, rng: random.Random, prometheus: str) -> Resource:
        self.versions += 1
        variable = {"name": "datasource", "type": "datasource", "query": "prometheus"}
        boards = [
            {
                "uid": uid,
                "title": f"Board {uid}",
                "tags": ["hyperpod"],
                "v": self.versions,
                "templating": {"list": [variable]},
            }
            for uid in rng.sample(["b0", "b1", "b2"], rng.randint(1, 3))
        ]
        source = {
            "uid": "hyperpod",
            "name": "HyperPod",
            "type": "prometheus",
            "url": f"https://aps/{prometheus}",
            "isDefault": True,
        }
        properties = {"DataSource": json.dumps(source), "Dashboards": json.dumps(boards), "Marks": "tags"}
        return Resource("Grafana", {"WorkspaceId": WORKSPACE, **properties})

    def manual_change(self, rng: random.Random) -> None:
        uid = rng.choice(["b0", "b1", "b2", "x0", "x1"])
        if uid not in self.grafana.boards and rng.random() < 0.2:
            board = {"uid": uid, "title": f"Board {rng.choice(['b0', 'b1', uid])}", "tags": ["team"], "version": 1}
            if any(item["title"] == board["title"] for item in self.grafana.boards.values()):
                board["title"] += " of ours"
            self.grafana.boards[uid] = board
            self.foreign_objects[uid] = copy.deepcopy(board)

    def inject_faults(self, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.4:
            self.grafana.faults = [rng.choice([0, 429, 500, 502, 503]) for _ in range(rng.randint(1, 4))]
            self.aws.busy = rng.randrange(3)
        elif choice < 0.6:
            self.refuse_at = rng.randint(1, 20)
        elif choice < 0.75:
            self.outage_until = self.clock.time + rng.randint(20, 200)
        else:
            self.kill_at = rng.randint(1, 30)

    def remove_faults(self) -> None:
        self.grafana.faults, self.aws.busy, self.kill_at, self.refuse_at = [], 0, -1, -1
        self.outage_until = 0.0

    def problem(self, event: Event) -> str:
        ((stack_id, logical_id), properties) = (
            (event["StackId"], event["LogicalResourceId"]),
            event["ResourceProperties"],
        )
        me = owner(stack_id, logical_id, f"{WORKSPACE}/dashboards").digest
        if event["RequestType"] == "Delete":
            remaining = [key for key, _, digest in self.marked() if digest == me]
            return f"{remaining} are still owned" if remaining else ""
        return next((problem for problem in self._missing(me, properties, exact=True)), "")

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        for account in self.grafana.accounts.values():
            yield f"the service account {account} remains"
        for stack_id, logical_id, resource in live:
            me = owner(stack_id, logical_id, f"{WORKSPACE}/dashboards").digest
            yield from self._missing(me, resource.properties, exact=False)

    def _missing(self, me: str, properties: Mapping[str, Any], *, exact: bool) -> Iterable[str]:
        url = json.loads(properties["DataSource"])["url"]
        for board in json.loads(properties["Dashboards"]):
            found = [
                item
                for item in self.grafana.boards.values()
                if item["uid"].startswith(board["uid"]) and any(mark.endswith(me) for mark in item.get("tags") or [])
            ]
            if len(found) != 1:
                yield f"{board['uid']} of {me} exists {len(found)} times"
                continue
            source = self.grafana.sources.get(found[0]["templating"]["list"][0]["current"]["value"])
            if source is None or source["url"] != url:
                yield f"{board['uid']} of {me} is on {source}, expected {url}"
            if exact and found[0]["v"] != board["v"]:
                yield f"{board['uid']} of {me} is {found[0]['v']}, expected {board['v']}"

    def marked(self) -> Iterable[tuple[str, str, str]]:
        for kind, contents in (("board", self.grafana.boards), ("source", self.grafana.sources)):
            for uid, content in list(contents.items()):
                for mark in GrafanaObject(kind, uid, content).owners:
                    yield f"{kind}/{uid}", "", mark.digest

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        yield owner(stack_id, logical_id, f"{WORKSPACE}/dashboards").digest

    def remove(self, key: str) -> None:
        kind, _, uid = key.partition("/")
        contents = self.grafana.boards if kind == "board" else self.grafana.sources
        found = GrafanaObject(kind, uid, contents[uid])
        remaining = [mark.tag_key for mark in found.owners if mark.tag_key not in self.killed]
        contents[uid] = found.marked(remaining)
        if not remaining:
            del contents[uid]

    def foreign(self, adopted: bool) -> Iterable[str]:
        for uid, board in self.foreign_objects.items():
            if self.grafana.boards.get(uid) != board:
                yield f"dashboard {uid} of a user is {self.grafana.boards.get(uid)}, was {board}"
        if self.grafana.sources.get("theirs") != self._source:
            yield f"the data source of a user is {self.grafana.sources.get('theirs')}"
