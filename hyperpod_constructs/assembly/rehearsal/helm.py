"""Simulated Helm: the function's code (`release.py`) with models of the helm binary and of a chart's objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.catalog import deployment_wait, load
from ...handlers.helm.binary import HelmError
from ...handlers.helm.index import Properties, Run
from ...handlers.helm.release import Runner
from ...handlers.helm.retries import with_retries
from ...handlers.kubernetes.client import ApiClient
from ...handlers.kubernetes.timing import Deadline
from .call import Call
from .connection import connect
from .kinds import Json
from .kubernetes import KubernetesCluster


class ModeledHelm:
    """Executes the helm commands of the function on the state of a cluster; a revision is a Secret, as helm stores it."""

    def __init__(self, call: Call, cluster: KubernetesCluster, connection: Any, chart: Mapping[str, Any]) -> None:
        self._call, self._cluster, self._chart, self._role = call, cluster, chart, call.role
        clock: Any = call.services.world.clock
        self._clock = clock
        self.api = ApiClient(connection, Deadline.after(clock, call.limit))
        self.seconds_left: Callable[[], float] = call.left

    def run(self, arguments: Sequence[str], /) -> str:
        """Returns helm's output. Raises `HelmError`."""
        if self._cluster.denies(self._role) is not None:
            raise HelmError(
                "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials"
            )
        namespace = arguments[arguments.index("--namespace") + 1]
        verb, name = arguments[0], arguments[1]
        history = self._records(namespace, name)
        self._clock.sleep(self._call.services.timing.seconds(deployment_wait("helm")))
        if verb == "uninstall":
            if not history:
                raise HelmError("Error: uninstall: Release not loaded: release: not found")
            self._uninstall(namespace, name)
            return "release uninstalled"
        if verb == "rollback":
            target = history[int(arguments[2]) - 1]["metadata"]["labels"]
            self._write(namespace, name, len(history) + 1, "deployed", target)
            return "Rollback was a success!"
        return self._upgrade(namespace, name, history, arguments)

    def _upgrade(self, namespace: str, name: str, history: list[Json], arguments: Sequence[str]) -> str:
        store = self._cluster.store
        if ("", "namespaces", "", namespace) not in store.objects:
            if "--create-namespace" not in arguments:
                raise HelmError(f'Error: create: failed to create: namespaces "{namespace}" not found')
            store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        number = len(history) + 1
        given = next((argument[9:] for argument in arguments if argument.startswith("--labels=")), "")
        former = history[-1]["metadata"]["labels"] if history else {}
        labels = {**former, **dict(pair.split("=", 1) for pair in given.split(",") if pair)}
        self._write(namespace, name, number, "pending-upgrade" if history else "pending-install", labels)
        self._install(namespace, name)
        timeout = next(float(argument[10:-1]) for argument in arguments if argument.startswith("--timeout="))
        waited = 0.0
        while "--wait" in arguments and not self._cluster.nodes():
            if waited >= timeout:
                self._write(namespace, name, number, "failed", labels)
                raise HelmError("Error: context deadline exceeded: no node can run the release's pods")
            self._clock.sleep(10.0)
            waited += 10.0
        for secret in history:
            old = {**secret["metadata"]["labels"], "status": "superseded"}
            self._write(namespace, name, int(old["version"]), "superseded", old)
        self._write(namespace, name, number, "deployed", labels)
        return json.dumps({"name": name, "version": number})

    def _records(self, namespace: str, name: str) -> list[Json]:
        wanted = {"owner": "helm", "name": name}.items()
        found = [
            item
            for key, item in self._cluster.store.objects.of("", "secrets")
            if key[2] == namespace and wanted <= (item["metadata"].get("labels") or {}).items()
        ]
        return sorted(found, key=lambda item: int(item["metadata"]["labels"]["version"]))

    def _write(self, namespace: str, name: str, number: int, status: str, labels: Mapping[str, str]) -> None:
        helm_labels = {"owner": "helm", "name": name, "status": status, "version": str(number)}
        metadata = {
            "name": f"sh.helm.release.v1.{name}.v{number}",
            "namespace": namespace,
            "labels": {**labels, **helm_labels},
        }
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": metadata}
        self._cluster.store.put(secret, "helm")

    def _install(self, namespace: str, name: str) -> None:
        labels = {"app.kubernetes.io/managed-by": "Helm", "release": name}
        chart = str(self._chart.get("Path") or self._chart.get("Reference") or self._chart.get("Key"))
        lists = load("deployment")["charts"]
        vendored = next((resource_list for resource_list in lists.values() if resource_list["release"] == name), None)
        addon_objects = lists.get(chart.rpartition("/")[2], vendored)
        record = self._call.services.record
        if addon_objects is None:
            what = f"the chart {chart} is not modeled: the release {name} creates one Deployment of that name"
            record.find("HPR05", f"{namespace}/{name}", what)
            self._cluster.workload("Deployment", namespace, name, labels)
            return
        record.not_run[
            f"Helm: the release {name} creates the objects in a list for the chart {chart}; the chart's "
            "templates, values and digest are not read"
        ] = None
        for other in addon_objects["namespaces"]:
            if ("", "namespaces", "", other) not in self._cluster.store.objects:
                metadata = {"name": other, "labels": labels}
                self._cluster.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        for crd in addon_objects["crds"]:
            self._cluster.define(crd, labels)
        for where, workload in addon_objects["daemonsets"]:
            self._cluster.workload("DaemonSet", where, workload, labels)
        for where, workload in addon_objects["deployments"]:
            self._cluster.workload("Deployment", where, workload, labels)

    def _uninstall(self, namespace: str, name: str) -> None:
        store = self._cluster.store
        for key, item in list(store.objects.items()):
            labels = item["metadata"].get("labels") or {}
            ours = labels.get("release") == name and labels.get("app.kubernetes.io/managed-by") == "Helm"
            if ours and key in store.objects and key[1] != "namespaces":
                store.delete(key, {})
        for record in self._records(namespace, name):
            store.delete(("", "secrets", namespace, record["metadata"]["name"]), {})


class ModeledRun(Run):
    """The library's function for one event, without the download and the digest of its chart."""

    def prepared(self, wanted: Properties) -> tuple[Path, list[Path]]:
        """Returns no chart files: a list defines the chart's objects."""
        return Path("chart"), []

    def runner(self, wanted: Properties) -> Runner:
        """Returns the model of helm, on the cluster in memory."""
        call: Call = self.helm  # type: ignore[assignment]
        sleep = call.services.world.clock.sleep
        connection = with_retries(lambda: connect(call, wanted.cluster), seconds_left=call.left, sleep=sleep)
        return ModeledHelm(call, connection.pool.cluster, connection, wanted.chart)


def run_helm(event: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The function of a Helm release."""
    wanted = Properties.of(event["ResourceProperties"])
    clock: Any = call.services.world.clock
    run = ModeledRun(event, Path(), call, None, clock.sleep, clock.now)  # type: ignore[arg-type]
    return run.delete(wanted) if event["RequestType"] == "Delete" else run.apply(wanted)
