"""The cluster guard in random runs: it creates nothing, and must never block a deployment."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from cloudformation import Event, Killed, Provider, Resource

from hyperpod_constructs.handlers.cluster.index import answer


@dataclass
class Guards:
    """The guard's function; ``provider`` is its name in templates."""

    provider: str = "Guards"
    refusals: int = 0
    kill: bool = False

    def functions(self) -> Provider:
        return Provider(self.on_event)

    def on_event(self, event: Event) -> Any:
        if self.kill:
            self.kill = False
            raise Killed
        return answer(event, cloudformation=self, sagemaker=self, sleep=lambda seconds: None)

    def describe_stack_resource(self, **request: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise ClientError(
                {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "DescribeStackResource"
            )
        raise ClientError(
            {"Error": {"Code": "ValidationError", "Message": "it does not exist"}}, "DescribeStackResource"
        )

    def resource(self, rng: random.Random) -> Resource:
        group = {"Name": "workers", "Count": str(rng.randint(1, 9))}
        properties = {"StackId": "x", "LogicalId": "HyperPod", "AllowReplacement": "false", "Groups": [group]}
        return Resource(self.provider, properties)

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        return self.resource(rng)

    def manual_change(self, rng: random.Random) -> None:
        pass

    def inject_faults(self, rng: random.Random) -> None:
        self.refusals, self.kill = rng.randint(0, 3), rng.random() < 0.1

    def remove_faults(self) -> None:
        self.refusals, self.kill = 0, False

    def problem(self, event: Event) -> str:
        return ""

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        return ()

    def marked(self) -> Iterable[tuple[str, str, str]]:
        return ()

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        return ()

    def remove(self, key: str) -> None:
        raise AssertionError("the guard creates no objects")

    def foreign(self, adopted: bool) -> Iterable[str]:
        return ()
