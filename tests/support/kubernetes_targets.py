"""Targets of the handler tests: an API server (fake, or of KUBECONFIG), and CloudFormation's part."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fake_api_server import FakeApiServer

from hyperpod_constructs.handlers.kubernetes import apply, wait
from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.eks import trust
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.kubernetes.timing import Deadline
from hyperpod_constructs.handlers.shared.eks import ClusterGone

STACK_ID = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
LAMBDA_SECONDS = 840.0


_trusting = cache(trust)  # a test connects for each poll, and reading certificates takes as long as the rest of one


@dataclass
class FakeConnection:
    """The connection to the fake server; counts how often its token was discarded."""

    server: FakeApiServer
    renewed: int = 0

    def __post_init__(self) -> None:
        self.endpoint = self.server.url
        self.ssl_context: ssl.SSLContext | None = _trusting(self.server.ca_pem)

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.server.token}"}

    def renew(self) -> None:
        self.renewed += 1


class KubeconfigConnection:
    """The connection to the API server of KUBECONFIG's current context."""

    def __init__(self) -> None:
        from kubernetes import config

        self._configuration = config.new_client_from_config().configuration
        self.endpoint = self._configuration.host
        context = ssl.create_default_context(cafile=self._configuration.ssl_ca_cert)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self._configuration.cert_file:
            context.load_cert_chain(self._configuration.cert_file, self._configuration.key_file)
        self.ssl_context: ssl.SSLContext | None = context if self.endpoint.startswith("https") else None

    def headers(self) -> Mapping[str, str]:
        settings = self._configuration.auth_settings()
        return {"Authorization": settings["BearerToken"]["value"]} if settings else {}

    def renew(self) -> None:
        pass


@dataclass
class Aws:
    """boto3 clients of a test, by service."""

    clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str) -> Any:
        return self.clients[service]


@dataclass
class Target:
    """An API server with the handlers' services, and a separate namespace."""

    services: Services
    namespace: str
    server: FakeApiServer | None = None
    aws: Aws = field(default_factory=Aws)

    @property
    def api(self) -> ApiClient:
        return self.services.api("research", Deadline.after(self.services.clock, 60))

    def find(self, path: str) -> dict[str, Any] | None:
        return self.api.find(path)

    def config_map(self, name: str) -> dict[str, Any] | None:
        return self.find(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")


def fake_target(server: FakeApiServer) -> Target:
    aws = Aws()
    return Target(Services(aws, lambda _: FakeConnection(server), server.clock), "team", server, aws)


class CloudFormation:
    """The events of CloudFormation and the framework for one resource: in order, with replacement and rollback."""

    _requests = itertools.count(1)

    def __init__(self, target: Target, logical_id: str = "Objects", **defaults: Any) -> None:
        self.target, self.logical_id, self.defaults = target, logical_id, defaults
        self.physical_id = ""
        self.properties: dict[str, Any] = {}

    def properties_of(self, objects: list[dict[str, Any]], **overrides: Any) -> dict[str, Any]:
        properties = {"ClusterName": "research", "Manifest": json.dumps(objects), **self.defaults, **overrides}
        return {name: value for name, value in properties.items() if value is not None}

    def event(self, request_type: str, properties: dict[str, Any], **overrides: Any) -> dict[str, Any]:
        return {
            "RequestType": request_type,
            "StackId": STACK_ID,
            "LogicalResourceId": self.logical_id,
            "RequestId": f"request-{next(self._requests)}",
            "ResponseURL": "https://example.com/secret-signature",
            "ResourceProperties": properties,
            **overrides,
        }

    def send(self, event: dict[str, Any]) -> dict[str, Any]:
        return apply.handle(event, self.target.services, LAMBDA_SECONDS)

    def create(self, objects: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
        properties = self.properties_of(objects, **extra)
        answer = self.send(self.event("Create", properties))
        self.physical_id, self.properties = answer["PhysicalResourceId"], properties
        return answer

    def update(self, objects: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
        """Send an update; with another physical id the old one is deleted afterwards, and a failed one is rolled back."""
        new, old, old_id = self.properties_of(objects, **extra), self.properties, self.physical_id
        physical_id = {"PhysicalResourceId": old_id}
        try:
            answer = self.send(self.event("Update", new, OldResourceProperties=old, **physical_id))
        except HandlerError:
            self.send(self.event("Update", old, OldResourceProperties=new, **physical_id))
            raise
        self.physical_id, self.properties = answer["PhysicalResourceId"], new
        if self.physical_id != old_id:
            self.send(self.event("Delete", old, **physical_id))
        return answer

    def delete(self) -> None:
        self.send(self.event("Delete", self.properties, PhysicalResourceId=self.physical_id))

    # A wait: the framework's loop.

    def wait(self, condition: dict[str, Any], timeout: float = 600) -> int:
        """Polls until the wait ends; returns the number of polls."""
        properties = {"ClusterName": "research", "Condition": condition, "TimeoutSeconds": str(timeout)}
        event = self.event("Create", properties)
        event |= wait.begin(event, self.target.services)
        for polls in itertools.count(1):
            if wait.poll(event, self.target.services)["IsComplete"]:
                return polls
            self.target.services.clock.sleep(wait.POLL_SECONDS)
        raise AssertionError


def cluster_gone(_: str) -> Any:
    raise ClusterGone("EKS cluster 'research' does not exist")
