"""The environment of ownership tests: a cluster, the Kubernetes provider's functions, and a simulated CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cloudformation import Cloud, Delivery, Event, Killed, Provider, Resource, Stack

from hyperpod_constructs.assembly.rehearsal.api_server import ApiServer
from hyperpod_constructs.handlers.kubernetes import apply
from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.shared.ownership import owners

LAMBDA_SECONDS = 840.0


class DirectClient(ApiClient):
    """The handlers' client, without a socket, so that thousands of events take seconds."""

    def __init__(self, server: ApiServer, deadline: Any, hook: Callable[[str, str], None]) -> None:
        self._server, self.deadline, self._hook = server, deadline, hook
        self.connection = _Direct(server)

    def _send(self, method: str, url: str, headers: dict[str, str], data: bytes | None, seconds: float) -> Any:
        self._hook(method, url)
        status, answer, response_headers = self._server.answer(method, url, headers, data or b"")
        if status == 0:
            raise OSError("Connection aborted.")
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        return _Response(status, response_headers, content)


@dataclass
class _Direct:
    server: ApiServer
    endpoint: str = ""
    ssl_context: None = None

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.token}"}

    def renew(self) -> None:
        pass


@dataclass
class _Response:
    status: int
    headers: dict[str, str]
    data: bytes


@dataclass(frozen=True)
class DirectServices(Services):
    """Services whose API client is a `DirectClient`."""

    server: ApiServer = field(default_factory=ApiServer)
    hook: Callable[[str, str], None] = lambda method, url: None

    def api(self, cluster_name: str, deadline: Any) -> ApiClient:
        return DirectClient(self.server, deadline, self.hook)


@dataclass
class World:
    """One cluster, and a simulated CloudFormation that accesses it."""

    server: ApiServer = field(default_factory=ApiServer)
    kill_at: int = -1
    """The request of the next event at which the function is killed; -1 for none."""

    hook: Callable[[str, str], None] = lambda method, url: None
    """Called before each request of the functions."""

    def __post_init__(self) -> None:
        self.services = DirectServices(
            lambda _: None, lambda _: _Direct(self.server), self.server.clock, self.server, self._hook
        )
        self.cloud = Cloud({"Objects": Provider(self.on_event)})
        self.put(namespace("team"))

    def on_event(self, event: Event) -> dict[str, Any]:
        return apply.handle(event, self.services, LAMBDA_SECONDS)

    def stack(self, name: str = "Platform", **options: Any) -> Stack:
        return self.cloud.stack(name, **options)

    def put(self, item: dict[str, Any], manager: str = "kubectl-create") -> dict[str, Any]:
        """An object that another owner creates."""
        return self.server.store.put(item, manager)

    def find(self, plural: str, name: str, namespace: str = "team") -> dict[str, Any] | None:
        """An object, by plural and name; ``namespace`` is empty for cluster-scoped objects."""
        self.server.clock.advance(1)  # the garbage collector runs
        return self.server.store.get(plural, name, namespace)

    def config_map(self, name: str) -> dict[str, Any] | None:
        return self.find("configmaps", name)

    def owners(self, plural: str, name: str, namespace: str = "team") -> list[str]:
        """Return the names of the owners of an object that must exist."""
        found = self.find(plural, name, namespace)
        assert found is not None, name
        return sorted(owner.name for owner in owners(found["metadata"].get("annotations")))

    def _hook(self, method: str, url: str) -> None:
        if self.kill_at == 0:
            self.kill_at = -1
            raise Killed
        if self.kill_at > 0:
            self.kill_at -= 1
        self.hook(method, url)

    @contextmanager
    def fault(self, **options: Any) -> Iterator[None]:
        """A fault of the API server for the duration of the block."""
        fault = self.server.fault(**options)
        try:
            yield
        finally:
            fault.times = 0


def objects(*items: dict[str, Any], **overrides: Any) -> Resource:
    """A resource with these objects."""
    return Resource("Objects", {"ClusterName": "research", "Manifest": json.dumps(items), **overrides})


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
    }


def config_map(name: str, space: str = "team", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def job(name: str, image: str = "a") -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "main", "image": image}], "restartPolicy": "Never"}}
    metadata = {"name": name, "namespace": "team"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def deployment(name: str, image: str = "a", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    spec = {"containers": [{"name": "main", "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def lose(cloud: Cloud, request: str, how: Delivery = Delivery.LOST) -> None:
    """The next event of this type is delivered differently."""
    remaining = [how]
    cloud.deliver = lambda event: remaining.pop() if remaining and event["RequestType"] == request else Delivery.ONCE


def image(world: World) -> str:
    found = world.find("deployments", "web")
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def as_before(item: dict[str, Any] | None, before: dict[str, Any]) -> bool:
    """The same object, with the same fields and the same owners of fields."""
    assert item is not None
    changing = ("resourceVersion", "generation", "managedFields")
    managed = [
        sorted(
            (e["manager"], e["operation"], json.dumps(e["fieldsV1"])) for e in i["metadata"].get("managedFields", [])
        )
        for i in (item, before)
    ]
    assert managed[0] == managed[1]
    strip = [{**i, "metadata": {k: v for k, v in i["metadata"].items() if k not in changing}} for i in (item, before)]
    assert strip[0] == strip[1]
    return True


def remove(world: World, name: str) -> None:
    world.server.store.delete(("", "configmaps", "team", name), {})


def scale(world: World, count: int) -> None:
    world.server.store.edit("deployments", "web", "team", manager="kube-controller-manager", spec={"replicas": count})
