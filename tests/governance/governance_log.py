"""Events of a quota against the local service, with what the function logs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ownership_quotas import CLUSTER, DirectClient, GovernanceService, quota

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.handlers.governance import index
from hyperpod_constructs.handlers.governance.api import GovernanceError

Json = dict[str, Any]
STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
ID = f"{CLUSTER}/ComputeQuota/vision/vision"


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Events:
    """Sends events of quotas; ``messages`` is the log of the last call."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.caplog, self.clock = caplog, Clock()
        self.faults: list[Exception | None] = []
        self.operations: list[str] = []
        self.client = DirectClient(self._hook)
        self.service = GovernanceService(self.client)  # type: ignore[arg-type]

    def _hook(self, operation: str) -> None:
        self.operations.append(operation)
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault

    @property
    def messages(self) -> list[str]:
        return self.caplog.messages

    def event(self, type_: str, properties: Json, *, id: str = "A", **overrides: Any) -> Json:
        return {
            "RequestType": type_, "StackId": STACK, "LogicalResourceId": id, "ResourceProperties": properties, **overrides
        }  # fmt: skip

    def begin(self, event: Json) -> Json:
        self.caplog.clear()
        self.operations.clear()
        self.clock.slept.clear()
        return {**event, **index.begin(event, self.client, self.clock)}

    def poll(self, event: Json) -> Json:
        self.caplog.clear()
        self.operations.clear()
        return index.poll(event, self.client, self.clock)

    def run(self, event: Json) -> Json:
        """Begin, and poll every 15 seconds until it is complete."""
        started = self.begin(event)
        while not (answer := self.poll(started))["IsComplete"]:
            self.clock.sleep(15)
        return answer

    def fails(self, event: Json) -> str:
        with pytest.raises(GovernanceError) as failure:
            self.run(event)
        return str(failure.value)


def properties(count: int = 4, **overrides: str) -> Json:
    return {**quota("vision", count).properties, **overrides}


def request(count: int = 4) -> Json:
    found: Json = json.loads(properties(count)["Request"])
    return found
