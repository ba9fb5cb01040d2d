"""Events of the Kubernetes provider against the in-memory API server, with what the function logs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from ownership_world import World

from hyperpod_constructs.handlers.kubernetes import apply
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.shared.ownership import owner

Json = dict[str, Any]
STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
A = "ConfigMap team/a"


def me(logical_id: str, *identity: str) -> str:
    """An owner's text: the resource of one object, or of another identity."""
    return owner(STACK, logical_id, *(identity or ("research/ConfigMap/team/a",))).text


class Events:
    """Sends events; ``messages`` is the log of the last one."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.world, self.caplog = World(), caplog

    @property
    def clock(self) -> Any:
        return self.world.server.clock

    @property
    def messages(self) -> list[str]:
        return self.caplog.messages

    def send(self, type_: str, *objects: Json, id: str = "A", services: Any = None, **extra: Any) -> Json:
        """An event of the resource ``id``; more properties, or other keys of the event in lower case."""
        self.caplog.clear()
        self.clock.slept.clear()
        keys = {"old": "OldResourceProperties", "physical_id": "PhysicalResourceId"}
        event = {keys[name]: extra.pop(name) for name in keys if name in extra}
        properties = properties_of(*objects, **extra)
        event |= {"RequestType": type_, "StackId": STACK, "LogicalResourceId": id, "RequestId": "1"}
        event["ResourceProperties"] = properties
        if type_ == "Delete":
            event.setdefault("PhysicalResourceId", "made-up")
        return apply.handle(event, services or self.world.services, 840)

    def fails(self, type_: str, *objects: Json, **extra: Any) -> str:
        with pytest.raises(HandlerError) as failure:
            self.send(type_, *objects, **extra)
        return str(failure.value)


def properties_of(*objects: Json, **overrides: Any) -> Json:
    return {"ClusterName": "research", "Manifest": json.dumps(objects), **overrides}
