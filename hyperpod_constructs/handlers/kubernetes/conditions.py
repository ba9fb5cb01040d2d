"""Conditions of a wait for Kubernetes objects. Each returns its state and, if the wait fails, the reasons.

=========================  ====================================================================================
Type                       arguments of the property ``Condition``
=========================  ====================================================================================
CustomResourceEstablished  Name
DeploymentAvailable        Namespace, Name
DaemonSetReady             Namespace, Name, MinimumReady (default 1), AllNodes (default true)
ObjectCondition            ApiVersion, Kind, Namespace, Name, ConditionType, ConditionStatus (default True)
EndpointsReady             Namespace, Service, MinimumReady (default 1)
=========================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from .client import ApiClient
from .diagnosis import Item, condition, last_condition, pods_and_events
from .discovery import Discovery
from .errors import HandlerError
from .group import CRDS, established
from .objects import ObjectRef


@dataclass(frozen=True)
class State:
    """Whether a condition is met, and the current state as text."""

    met: bool
    text: str


@dataclass(frozen=True)
class Sources:
    """The clients that a condition can use."""

    client: ApiClient
    aws: Callable[[str], Any]


class Condition(Protocol):
    """A condition that can become true, or fail."""

    def check(self, sources: Sources) -> State:
        """Returns the current state. Raises ``HandlerError`` if it can no longer become true."""

    def explain(self, sources: Sources) -> str:
        """Returns the reasons why it is not true: states of pods and nodes, and events."""


@dataclass(frozen=True)
class CustomResourceEstablished:
    """The API server serves the kinds of a CustomResourceDefinition."""

    name: str

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> CustomResourceEstablished:
        """Returns the condition of the property ``Condition``."""
        return cls(given["Name"])

    def check(self, sources: Sources) -> State:
        """Checks that the condition ``Established`` is true."""
        crd = sources.client.find(f"{CRDS}/{self.name}")
        missing = "does not exist" if crd is None else established(crd)
        return State(missing is None, f"CustomResourceDefinition {self.name}: {missing or 'established'}")

    def explain(self, sources: Sources) -> str:
        """Returns the condition that changed last."""
        return last_condition(sources.client.find(f"{CRDS}/{self.name}") or {})


@dataclass(frozen=True)
class Workload:
    """A Deployment or a DaemonSet whose pods all have the latest version and are ready."""

    kind: str
    namespace: str
    name: str
    minimum: int = 1
    all_nodes: bool = True

    @classmethod
    def deployment(cls, given: Mapping[str, Any]) -> Workload:
        """Returns the condition of the property ``Condition``."""
        return cls("Deployment", given["Namespace"], given["Name"])

    @classmethod
    def daemon_set(cls, given: Mapping[str, Any]) -> Workload:
        """Returns the condition of the property ``Condition``."""
        minimum, all_nodes = int(given.get("MinimumReady", 1)), str(given.get("AllNodes", "true")).lower() == "true"
        return cls("DaemonSet", given["Namespace"], given["Name"], minimum, all_nodes)

    def check(self, sources: Sources) -> State:
        """Compares the number of ready pods of the latest version with the desired number."""
        item = self._read(sources)
        if item is None:
            return State(False, f"{self._what} does not exist")
        status, current = item.get("status") or {}, item["metadata"].get("generation", 0)
        if self.kind == "Deployment":
            wanted = int(item["spec"].get("replicas", 1))
            updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
            available = condition(item, "Available").get("status") == "True"
        else:
            wanted = max(self.minimum, status.get("desiredNumberScheduled", 0) if self.all_nodes else 0)
            updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
            available = True
        met = available and status.get("observedGeneration", 0) >= current and min(updated, ready) >= wanted
        return State(met, f"{self._what}: {ready} of {wanted} pods ready, {updated} of the latest version")

    def explain(self, sources: Sources) -> str:
        """Returns the states of the pods."""
        item = self._read(sources)
        if item is None:
            return "it does not exist yet"
        labels = item["spec"]["selector"].get("matchLabels") or {}
        return pods_and_events(sources.client, self.namespace, self.name, lambda _: True, labels)

    def _read(self, sources: Sources) -> dict[str, Any] | None:
        plural = f"{self.kind.lower()}s"
        return sources.client.find(f"/apis/apps/v1/namespaces/{self.namespace}/{plural}/{quote(self.name, safe='')}")

    @property
    def _what(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class ObjectCondition:
    """A condition of any object has a status, for the latest generation if the condition states a generation."""

    ref: ObjectRef
    type: str
    status: str

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> ObjectCondition:
        """Returns the condition of the property ``Condition``."""
        ref = ObjectRef.of({"apiVersion": given["ApiVersion"], "kind": given["Kind"], **_named(given)})
        return cls(ref, given["ConditionType"], given.get("ConditionStatus", "True"))

    def check(self, sources: Sources) -> State:
        """Checks that the condition exists and has the status."""
        item = find(sources.client, self.ref)
        if item is None:
            return State(False, f"{self.ref} does not exist")
        found = condition(item, self.type)
        generation = item["metadata"].get("generation", 0)
        fresh = found.get("observedGeneration", generation) >= generation
        text = f"{self.ref}: {self.type}={found.get('status', 'unset')}{'' if fresh else ' for an older generation'}"
        return State(found.get("status") == self.status and fresh, f"{text}, expected {self.status}")

    def explain(self, sources: Sources) -> str:
        """Returns the condition that changed last."""
        return last_condition(find(sources.client, self.ref) or {})


@dataclass(frozen=True)
class EndpointsReady:
    """A Service has ready endpoints, which a webhook requires before objects of its kinds are applied."""

    namespace: str
    service: str
    minimum: int

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> EndpointsReady:
        """Returns the condition of the property ``Condition``."""
        return cls(given["Namespace"], given["Service"], int(given.get("MinimumReady", 1)))

    def check(self, sources: Sources) -> State:
        """Counts the ready addresses in the Service's endpoint slices."""
        slices = sources.client.items(
            f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices",
            labelSelector=f"kubernetes.io/service-name={self.service}",
        )
        # The EndpointSlice API treats an unset "ready" as ready.
        ready = sum(
            1
            for endpoint_slice in slices
            for endpoint in endpoint_slice.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") is not False
        )
        text = f"Service {self.namespace}/{self.service}: {ready} of {self.minimum} endpoints ready"
        return State(ready >= self.minimum, text)

    def explain(self, sources: Sources) -> str:
        """Returns the states of the pods behind the Service."""
        service = sources.client.find(f"/api/v1/namespaces/{self.namespace}/services/{self.service}")
        if service is None:
            return "the Service does not exist"
        labels = service["spec"].get("selector") or {}
        return pods_and_events(sources.client, self.namespace, self.service, lambda _: True, labels)


def find(client: ApiClient, ref: ObjectRef) -> dict[str, Any] | None:
    """Returns an object, ``None`` if it does not exist. Raises ``KindUnknown``."""
    return client.find(Discovery(client).find(ref.api_version, ref.kind).path(ref))


def selected(item: Item, name: str) -> bool:
    """Whether a pod belongs to a job: by owner, or by a label with the job's name (operators differ)."""
    metadata = item["metadata"]
    owners = {owner.get("name") for owner in metadata.get("ownerReferences") or []}
    return name in owners or name in (metadata.get("labels") or {}).values()


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"metadata": {"name": given["Name"], "namespace": given.get("Namespace", "")}}
    except KeyError:
        raise HandlerError("the condition requires a Name") from None
