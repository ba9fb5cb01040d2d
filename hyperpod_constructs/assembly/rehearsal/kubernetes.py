"""The content of one EKS cluster: nodes, add-ons, and webhooks that reject requests until they are ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...core.catalog import deployment_wait, find_addon
from . import addon_objects
from .account import Account
from .api_server import ApiServer
from .objects import Objects
from .plan import Record, Timing
from .store import Json, Key, Refusal, Resource
from .world import Steps, World

JOB_KINDS = {
    ("sagemaker.amazonaws.com", "hyperpodpytorchjobs"): "amazon-sagemaker-hyperpod-training-operator",
}
"""Kinds whose admission calls a webhook of an add-on."""
KUEUE = "amazon-sagemaker-hyperpod-taskgovernance"
_KUEUE_WATCHES = (("apps", "deployments"), ("batch", "jobs"), ("sagemaker.amazonaws.com", "hyperpodpytorchjobs"))
_FREE_NAMESPACES = ("kube-system", "kueue-system")
TEAM_PREFIX = "hyperpod-ns-"
_WRITERS = ("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSEditPolicy")
_READERS = ("AmazonEKSAdminViewPolicy", "AmazonEKSViewPolicy")


class ClusterServices(Protocol):
    """The environment of a cluster: an account, and a rehearsal's time and record."""

    @property
    def world(self) -> World:
        """Virtual time."""

    @property
    def account(self) -> Account:
        """The resources of the account."""

    @property
    def timing(self) -> Timing:
        """Durations of operations."""

    @property
    def record(self) -> Record:
        """The record of findings."""


@dataclass
class Installed:
    """An add-on in the cluster."""

    name: str
    ready: bool = False
    status: str = "CREATING"
    issue: str = ""
    since: float = 0.0
    available: set[str] = field(default_factory=set)
    """Its Deployments that have ready pods."""


@dataclass
class Answer:
    """A response in urllib3's format."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class ClusterServer(ApiServer):
    """An API server that authorizes the caller and calls webhooks before it accepts an object."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        super().__init__(cluster.services.world.clock)  # type: ignore[arg-type]
        self.cluster = cluster
        self.store.objects = Watched(self.store.objects, cluster)  # starts new jobs

    def request(self, method: str, url: str, role: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Returns the response to a request of a role."""
        rejection = self.rejection(method, role)
        if rejection is not None:
            return rejection
        target = url.partition(".eks.amazonaws.com")[2] or url
        given = {**headers, "Authorization": f"Bearer {self.token}"}
        status, answer, more = self.answer(method, target, given, body or b"")
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        return Answer(status, more, data)

    def rejection(self, method: str, role: str) -> Answer | None:
        """Returns the rejection of a caller without access. Raises `OSError` if the endpoint is deleted."""
        if self.cluster.deleted:
            raise OSError(f"the endpoint of EKS cluster {self.cluster.name} is deleted")
        failure_text = self.cluster.denies(role, reads=method == "GET")
        return None if failure_text is None else refused(failure_text)

    def _object(
        self, method: str, resource: Resource, key: Key, query: dict[str, str], headers: Any, body: Any
    ) -> tuple[int, Any]:
        if method in ("PATCH", "PUT"):
            self.cluster.admit(key)
        return super()._object(method, resource, key, query, headers, body)


class Watched(Objects):
    """The objects; jobs start when they are written."""

    def __init__(self, objects: Objects, cluster: KubernetesCluster) -> None:
        self._cluster: KubernetesCluster | None = None
        super().__init__(objects.items())
        self._cluster = cluster

    def __setitem__(self, key: Key, item: Json) -> None:
        new = key not in self
        super().__setitem__(key, item)
        if new and self._cluster is not None and not self.is_dry:
            self._cluster.appeared(key, item)


@dataclass(eq=False)
class KubernetesCluster:
    """The state of one EKS cluster. `owned` is false for an existing cluster that the app did not create."""

    name: str
    services: ClusterServices
    owned: bool = True
    deleted: bool = False
    addons: dict[str, Installed] = field(default_factory=dict)
    failure_text: dict[str, str] = field(default_factory=dict)
    """What was missing when an add-on was requested, by the path of its resource."""

    def __post_init__(self) -> None:
        self.server: ClusterServer = ClusterServer(self)
        self.store = self.server.store

    @property
    def has_release(self) -> bool:
        """Whether a Helm release is deployed in it."""
        return any(
            (item["metadata"].get("labels") or {}).get("status") == "deployed"
            for _, item in self.store.objects.of("", "secrets")
        )

    # Access

    def denies(self, role: str, *, reads: bool = False) -> Refusal | None:
        """Returns why a role has no access; None if an access entry allows it, to write or only to read."""
        if not self.owned:
            return None
        for entry in self.services.account.of_kind("AWS::EKS::AccessEntry"):
            if entry.properties["ClusterName"] == self.name and entry.properties["PrincipalArn"] == role:
                policies = [
                    policy["PolicyArn"].rpartition("/")[2] for policy in entry.properties.get("AccessPolicies") or ()
                ]
                enough = (*_WRITERS, *_READERS) if reads else _WRITERS
                if any(policy in enough for policy in policies) or entry.properties.get("KubernetesGroups"):
                    return None
                return Refusal(403, "Forbidden", f"{role} has no access policy for this")
        return Refusal(401, "Unauthorized", "Unauthorized")

    # Nodes

    def nodes(self) -> list[Json]:
        """Nodes that are ready."""
        return [item for _, item in self.store.objects.of("", "nodes")]

    def join(self, name: str, kind: str, cluster: str) -> None:
        """Adds a node, with the documented labels."""
        labels = {
            "node.kubernetes.io/instance-type": kind,
            "sagemaker.amazonaws.com/node-health-status": "Schedulable",
            "sagemaker.amazonaws.com/cluster-name": cluster,
        }
        self.store.put(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": labels},
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]},
            }
        )
        self.settle()

    def leave(self, name: str) -> None:
        """Removes a node."""
        key = ("", "nodes", "", name)
        if key in self.store.objects:
            self.store.delete(key, {})
        self.settle()

    # Add-ons

    def install(self, addon: Installed, path: str, failure_text: str) -> Steps:
        """Installs an add-on: objects immediately, pods when nodes exist. Ends when CloudFormation receives the result.

        `failure_text` describes a missing requirement, without which its pods do not become ready.
        """
        self.addons[addon.name] = addon
        addon.since = self.services.world.now
        known = find_addon(addon.name)
        if failure_text:
            addon.status, addon.issue = "DEGRADED", failure_text
            return
        self._objects(addon.name)
        if known is not None and known.kind == "daemonset":
            addon.status = "CREATING" if self.nodes() else "ACTIVE"  # without nodes, EKS does not wait
            self.services.world.start(self._become_ready(addon))
            return
        if self.nodes():
            addon.status = "ACTIVE"
            self.services.world.start(self._become_ready(addon))
            return
        # CloudFormation accepts DEGRADED, after EKS has waited for pods.
        self.services.world.start(self._become_ready(addon))
        yield self.services.timing.seconds(deployment_wait("addon_degraded"))
        if not addon.ready:
            addon.status, addon.issue = "DEGRADED", "InsufficientNumberOfReplicas: no node can run its pods"
            self.services.record.find("HPR02", path, f"{addon.name} was installed without a node")

    def _become_ready(self, addon: Installed) -> Steps:
        while not (self.store.objects.count("", "nodes") or _is_daemon_set(addon.name)):
            yield 15.0
            if self.addons.get(addon.name) is not addon:
                return
        # ACTIVE requires the first pods only; other deployments become available some time later.
        seconds = self.services.timing.seconds(deployment_wait("addon_ready"), "addon_ready")
        yield seconds / 2
        if self.addons.get(addon.name) is not addon:
            return
        names = getattr(find_addon(addon.name), "deployments", ())
        if names:
            addon.status, addon.issue = "ACTIVE", ""
        self._crds(addon.name)
        for name in names or ("",):
            yield seconds / 2 / max(1, len(names))
            addon.available.add(name)
            self.settle()
        if self.addons.get(addon.name) is addon:
            addon.ready, addon.status, addon.issue = True, "ACTIVE", ""
            self.settle()

    def remove(self, name: str, preserve: bool) -> None:
        """Removes an add-on; its objects are retained on request."""
        self.addons.pop(name, None)
        known = find_addon(name)
        if preserve or known is None:
            return
        for key, item in list(self.store.objects.items()):
            if (item["metadata"].get("labels") or {}).get("eks.amazonaws.com/addon") == name:
                self.store.delete(key, {})

    def missing(self, name: str) -> str:
        """Returns the prerequisite of an add-on that is not ready, such as a webhook or credentials; empty if all are."""
        known = find_addon(name)
        for other in known.prerequisites if known else ():
            installed = self.addons.get(other)
            if self.owned and (installed is None or not installed.ready):
                return f"{name} was installed before {other} was ready"
        kueue = self.addons.get(KUEUE)
        if kueue is not None and name != KUEUE and not kueue.ready and not _in_kube_system(name):
            return (
                f"{name} was installed while Kueue's webhook was starting: "
                'no endpoints available for service "kueue-webhook-service"'
            )
        if known is not None and known.standalone_association and self.owned and not self._association(name):
            return f"{name} was installed before its pod identity association: its pods start without credentials"
        return ""

    def _association(self, name: str) -> bool:
        known = find_addon(name)
        accounts = known.service_accounts if known else ()
        return any(
            association.properties["ClusterName"] == self.name and association.properties["ServiceAccount"] in accounts
            for association in self.services.account.of_kind("AWS::EKS::PodIdentityAssociation")
        )

    def _objects(self, name: str) -> None:
        known = find_addon(name)
        if known is None:
            return
        labels = {"eks.amazonaws.com/addon": name}
        namespace = known.namespace or "kube-system"
        if ("", "namespaces", "", namespace) not in self.store.objects:
            self.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for workload in known.deployments:
            self.workload("Deployment", namespace, workload, labels)
        if name == "coredns":
            self.store.put(addon_objects.service("kube-system", "kube-dns", labels))
        if name == "vpc-cni":
            self.workload("DaemonSet", namespace, "aws-node", labels)

    def _crds(self, name: str) -> None:
        known = find_addon(name)
        for crd in known.crds if known else ():
            self.define(crd, {"eks.amazonaws.com/addon": name})

    # Objects of add-ons and charts

    def workload(self, kind: str, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        """Creates a Deployment or a DaemonSet of an add-on or chart; its pods require nodes."""
        self.store.put(addon_objects.workload(kind, namespace, name, labels))
        self.settle()

    def define(self, name: str, labels: Mapping[str, str]) -> None:
        """Creates a CustomResourceDefinition of an add-on or chart."""
        self.store.put(addon_objects.definition(name, labels))

    def settle(self) -> None:
        """Runs the pods of workloads if nodes exist and their add-on is ready."""
        count = self.store.objects.count("", "nodes")
        for key, item in [*self.store.objects.of("apps", "deployments"), *self.store.objects.of("apps", "daemonsets")]:
            addon = self.addons.get((item["metadata"].get("labels") or {}).get("eks.amazonaws.com/addon", ""))
            running = count if addon is None or addon.ready or key[3] in addon.available else 0
            generation = item["metadata"].get("generation", 1)
            if key[1] == "deployments":
                ready = int(item["spec"].get("replicas", 1)) if running else 0
                state = "True" if ready else "False"
                item["status"] = {
                    "observedGeneration": generation,
                    "updatedReplicas": ready,
                    "availableReplicas": ready,
                    "conditions": [{"type": "Available", "status": state}],
                }
            else:
                item["status"] = {
                    "observedGeneration": generation,
                    "desiredNumberScheduled": running,
                    "updatedNumberScheduled": running,
                    "numberReady": running,
                }

    def appeared(self, key: Key, item: Json) -> None:
        """Lets controllers process a new object."""
        if key[:2] in JOB_KINDS or key[:2] == ("kubeflow.org", "pytorchjobs"):
            if key[:2] in JOB_KINDS:
                item["metadata"].setdefault("finalizers", [])
            seconds = self.services.timing.seconds(deployment_wait("job_start"))
            self.services.world.after(seconds, lambda: self._run(key))
        elif key[1] in ("deployments", "daemonsets"):
            self.services.world.after(20.0, self.settle)

    def _run(self, key: Key) -> None:
        item = self.store.objects.get(key)
        if item is not None and self.store.objects.count("", "nodes"):
            item["status"] = {
                "conditions": [{"type": "Running", "status": "True"}, {"type": "PodsRunning", "status": "True"}]
            }

    # Admission

    def admit(self, key: Key) -> None:
        """Calls the webhooks of add-ons. Raises `Refusal`."""
        where = key[:2]
        operator = JOB_KINDS.get(where)
        if operator is not None:
            self._serving(operator, "hp-training-operator-webhook-service")
        kueue = self.addons.get(KUEUE)
        if kueue is not None and where in _KUEUE_WATCHES and key[2] not in _FREE_NAMESPACES:
            self._serving(KUEUE, "kueue-webhook-service")

    def _serving(self, addon: str, service: str) -> None:
        installed = self.addons.get(addon)
        if self.owned and (installed is None or not installed.ready):
            raise Refusal(
                500, "InternalError", f'failed calling webhook: no endpoints available for service "{service}"'
            )

    # Teams

    def team(self, name: str, exists: bool) -> None:
        """Lets task governance create or delete a team's namespace and queue."""
        namespace = f"{TEAM_PREFIX}{name}"
        if exists:
            self.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        elif ("", "namespaces", "", namespace) in self.store.objects:
            inside = [key for key in self.store.objects if key[2] == namespace and key[:2] in JOB_KINDS]
            for key in inside:
                self.services.record.find(
                    "HPR04", f"{namespace}/{key[3]}", "a job was deleted with its team's namespace"
                )
            self.store.delete(("", "namespaces", "", namespace), {})


def _is_daemon_set(name: str) -> bool:
    known = find_addon(name)
    return known is not None and known.kind == "daemonset"


def _in_kube_system(name: str) -> bool:
    known = find_addon(name)
    return known is not None and known.namespace == "kube-system"


def refused(refusal: Refusal) -> Answer:
    """Returns a rejection as an HTTP response."""
    body = {"kind": "Status", "status": "Failure", "reason": refusal.reason, "message": refusal.message}
    return Answer(refusal.status, {}, json.dumps({**body, "code": refusal.status}).encode())
