"""A real API server instead of the in-memory server (`hyperpod rehearse --kubeconfig`).

Requests of the library's functions are sent to it. AWS is still modeled: nodes, the workloads and Services of add-ons
and charts, and the status of objects with pods are returned from memory. Namespaces, CustomResourceDefinitions and the
Secrets of Helm releases are created on the real server, because objects of the functions require them. All created
objects are deleted at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import urllib3

from .kinds import Json, Key, Refusal
from .kubernetes import Answer, ClusterServer, KubernetesCluster, Watched, refused
from .store import Clock, Store

PACE_SECONDS = 0.05
"""Longest real time, in seconds, of a sleep in virtual time: a real API server needs real time."""
MANAGER = "hyperpod-rehearse"
_NODES = ("", "nodes")
_WITH_PODS = (
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("sagemaker.amazonaws.com", "hyperpodpytorchjobs"),
    ("kubeflow.org", "pytorchjobs"),
)
_ADDON_RESOURCES = (*_WITH_PODS, ("", "services"))
_CREATED = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
}
"""Kinds of objects of add-ons and charts that are created on the real server, with their paths."""


class ApiEndpoint(Protocol):
    """The address of an API server with its credentials."""

    @property
    def host(self) -> str:
        """Its URL."""

    @property
    def pool(self) -> urllib3.PoolManager:
        """Connections that trust its certificate."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that authenticate."""


class NotDisposable(ValueError):
    """Raised for an API server that a rehearsal must not write to."""


@dataclass
class RealKubernetes:
    """An API server for a rehearsal, used for one EKS cluster at a time.

    Attributes:
        endpoint: the connection to it.
        cluster: the EKS cluster that currently uses it; None if none does.
    """

    endpoint: ApiEndpoint
    cluster: KubernetesCluster | None = None

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
        """Sends one request. Raises `OSError` if there is no response."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Accept": "application/json", "User-Agent": MANAGER, **(headers or {}), **self.endpoint.headers}
        timeout = urllib3.Timeout(connect=5.0, read=65.0)
        try:
            response = self.endpoint.pool.request(
                method,
                f"{self.endpoint.host}{target}",
                body=data,
                headers=given,
                timeout=timeout,
                redirect=False,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise OSError(f"no response from {self.endpoint.host}: {error}") from error
        return Answer(response.status, dict(response.headers), response.data)

    def check_disposable(self) -> None:
        """Checks the server before the first write. Raises `NotDisposable` for an EKS cluster or HyperPod nodes."""
        version = self.ask("GET", "/version")
        if version.status >= 300:
            raise NotDisposable(f"{self.endpoint.host} returned HTTP status {version.status}")
        nodes = self.ask("GET", "/api/v1/nodes?" + urlencode({"labelSelector": "sagemaker.amazonaws.com/cluster-name"}))
        is_eks = "-eks-" in json.loads(version.data).get("gitVersion", "") or ".eks.amazonaws.com" in self.endpoint.host
        if is_eks or (nodes.status < 300 and json.loads(nodes.data).get("items")):
            raise NotDisposable(
                f"{self.endpoint.host} is an EKS cluster: a rehearsal creates and deletes objects, and requires a "
                "disposable API server, such as a kind cluster"
            )


class Mirrored(Store):
    """The state of the models; objects that the functions require are also created on the real server."""

    def __init__(self, clock: Clock, server: RealServer) -> None:
        self._server: RealServer | None = None  # not for objects that every cluster has
        super().__init__(clock)
        self._server = server

    def put(self, item: Json, manager: str = "") -> Json:
        """Puts an object in memory and on the real server."""
        written = super().put(item, manager)
        if self._server is not None and item["kind"] in _CREATED:
            self._server.install_object(item, manager or MANAGER)
        return written

    def delete(self, key: Key, options: Json) -> Json:
        """Removes an object from memory and from the real server."""
        assert self._server is not None
        self._server.remove_object(key)
        return super().delete(key, options)


class RealServer(ClusterServer):
    """One EKS cluster whose objects are on a real API server."""

    def __init__(self, cluster: KubernetesCluster, real: RealKubernetes) -> None:
        super().__init__(cluster)
        self.store = Mirrored(self.clock, self)
        self.store.objects = Watched(self.store.objects, cluster)
        self._real = real
        self._paths: dict[Key, str] = {}
        """Paths of the objects that were created on the real server."""

    def request(self, method: str, url: str, role: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Returns the response to a request of a role."""
        key = place(urlsplit(url).path)
        if key is not None and (key[:2] == _NODES or self._is_model(key)):
            return super().request(method, url, role, body, headers)
        rejection = self.rejection(method, role)
        if rejection is not None:
            return rejection
        if key is not None and method in ("PATCH", "PUT"):
            try:
                self.cluster.admit(key)
            except Refusal as refusal:
                return refused(refusal)
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        answer = self._real.ask(method, target, headers, body)
        if key is None or answer.status >= 300:
            if key is not None and answer.status == 404 and key[3]:
                self._forget(key)
            return answer
        if key[3] and method != "GET" and parse_qs(parts.query).get("dryRun") != ["All"]:
            self._note(method, key, parts.path, answer)
        if key[:2] in _WITH_PODS and method == "GET":
            return self._with_models(key, answer, super().request(method, url, role, body, headers))
        return answer

    def install_object(self, item: Json, manager: str) -> None:
        """Creates an object of an add-on or a chart; an existing object is not changed."""
        metadata = item["metadata"]
        path = _CREATED[item["kind"]].format(namespace=metadata.get("namespace")) + f"/{metadata['name']}"
        key = place(path)
        assert key is not None
        if key not in self._paths and self._real.ask("GET", path).status < 300:
            return
        query = urlencode({"fieldManager": manager, "force": "true"})
        wanted: Json = {name: item[name] for name in ("apiVersion", "kind", "type", "data", "spec") if name in item}
        wanted["metadata"] = {name: metadata[name] for name in ("name", "namespace", "labels") if name in metadata}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = self._real.ask("PATCH", f"{path}?{query}", headers, wanted)
        if answer.status >= 300:
            raise OSError(f"{item['kind']} {metadata['name']} cannot be created: {answer.data.decode()[:300]}")
        self._paths[key] = path

    def remove_object(self, key: Key) -> None:
        """Deletes an object that was created on the real server."""
        path = self._paths.pop(key, None)
        if path is not None:
            self._real.ask("DELETE", path, {"Content-Type": "application/json"}, {"propagationPolicy": "Background"})

    def look(self) -> None:
        """Forgets the objects that no longer exist on the real server."""
        for key, path in list(self._paths.items()):
            if self._real.ask("GET", path).status == 404:
                self._forget(key)

    def clear(self) -> None:
        """Deletes all objects that were created on the real server."""
        for key in reversed(list(self._paths)):
            self.remove_object(key)

    def _is_model(self, key: Key) -> bool:
        return key[:2] in _ADDON_RESOURCES and key in self.store.objects and key not in self._paths

    def _note(self, method: str, key: Key, path: str, answer: Answer) -> None:
        if method == "DELETE":
            if self._real.ask("GET", path).status == 404:
                self._forget(key)
            return
        if key not in self._paths or key not in self.store.objects:
            self._paths[key] = path
            self.store.objects[key] = json.loads(answer.data)
        else:
            status = self.store.objects[key].get("status")
            self.store.objects[key] = {**json.loads(answer.data), **({"status": status} if status else {})}
        self.cluster.settle()

    def _forget(self, key: Key) -> None:
        self._paths.pop(key, None)
        self.store.objects.discard(key)

    def _with_models(self, key: Key, answer: Answer, from_memory: Answer) -> Answer:
        """Returns a response with the status of pods, which only the models have, and with the objects of add-ons."""
        content = json.loads(answer.data)
        if key[3]:
            self._report(key, content)
        else:
            for item in content.get("items") or []:
                self._report((*key[:2], item["metadata"].get("namespace", ""), item["metadata"]["name"]), item)
            written = [item["metadata"]["uid"] for item in content.get("items") or []]
            addon_objects = [
                item
                for item in json.loads(from_memory.data).get("items") or []
                if item["metadata"]["uid"] not in written
            ]
            content["items"] = [*(content.get("items") or []), *addon_objects]
        return Answer(answer.status, answer.headers, json.dumps(content).encode())

    def _report(self, key: Key, item: Json) -> None:
        known = self.store.objects.get(key)
        if known is not None and "status" in known:
            item["status"] = known["status"]


def place(path: str) -> Key | None:
    """The key of an object's path, with an empty name for a collection; None for discovery and subresources.

    >>> place("/apis/apps/v1/namespaces/a/deployments/b")
    ('apps', 'deployments', 'a', 'b')
    >>> place("/api/v1/nodes"), place("/apis/apps/v1")
    (('', 'nodes', '', ''), None)
    """
    parts = unquote(path).strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else ("".join(parts[1:2]), parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if len(rest) not in (1, 2):
        return None
    return group, rest[0], namespace, rest[1] if len(rest) == 2 else ""


def assign_cluster(real: RealKubernetes, cluster: KubernetesCluster) -> None:
    """Uses an API server for an EKS cluster; a second cluster at the same time stays in memory, which is reported."""
    former = real.cluster
    if former is not None and not former.deleted:
        what = (
            f"EKS cluster {cluster.name} is simulated in memory: the API server of the kubeconfig is used "
            f"for {former.name}"
        )
        cluster.services.record.find("HPR05", cluster.name, what)
        return
    real.cluster = cluster
    cluster.server = RealServer(cluster, real)
    cluster.store = cluster.server.store


def real_servers(clusters: Iterable[KubernetesCluster]) -> Iterator[RealServer]:
    """Returns the API servers of the clusters that use a real API server."""
    return (cluster.server for cluster in clusters if isinstance(cluster.server, RealServer))
