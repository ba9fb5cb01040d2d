"""Kueue from its Helm chart, for clusters whose Kubernetes version task governance does not support."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Duration
from constructs import Construct

from ...core.catalog._files import load
from ...core.overlay import overlay
from ...core.spec import Kueue
from ...core.spec.dependencies import ChartSource, GitChart
from ..arguments import checked
from ..kubernetes import KubernetesWait, deployment_available
from ..kubernetes.helm_release import HelmRelease

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class KueueAddon(Construct):
    """Kueue from its repository at a pinned commit, ready when its webhook is available.

    It manages the kinds that Kueue of the task governance add-on manages, including HyperPodPyTorchJob, and only jobs
    with a queue. `chart` is a different source, such as a vendored folder in a closed network.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        settings: Kueue | None = None,
        chart: ChartSource | None = None,
    ) -> None:
        super().__init__(scope, id)
        settings, pin = settings or Kueue(), load("kueue")
        cluster.kubernetes.parts.add_addon("kueue", settings, self)
        source = chart or settings.chart
        self.release = HelmRelease(
            self,
            "Release",
            kubernetes=cluster.kubernetes,
            chart=source or GitChart(**{key: pin[key] for key in ("repository", "path", "commit", "digest")}),
            release=pin["release"],
            namespace=pin["namespace"],
            values=overlay(kueue_values(), settings.values),
            timeout=Duration.minutes(10),
            adopt=settings.adopt,
        )
        self.release.node.add_dependency(
            cluster.nodes_ready, cluster.milestone("coredns"), cluster.milestone("cert_manager")
        )
        self.ready = KubernetesWait(
            self,
            "Available",
            kubernetes=cluster.kubernetes,
            condition=deployment_available(pin["namespace"], pin["deployment"]),
            timeout=Duration.minutes(15),
        )
        self.ready.node.add_dependency(self.release)
        # resources that require queues or the pod webhook depend on this milestone, with either Kueue
        cluster.milestone("task_governance").add(self)
        cluster.jobs_ready.add(self)


def kueue_values() -> dict[str, Any]:
    """Returns the library's values of the chart: the released image, and the kinds of jobs that are queued.

    >>> kueue_values()["controllerManager"]["manager"]["image"]["tag"]
    'v0.19.2'
    """
    pin = load("kueue")
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "manageJobsWithoutQueueName": False,
        "managedJobsNamespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", pin["namespace"]],
                }
            ]
        },
        "integrations": {"frameworks": pin["frameworks"], "externalFrameworks": pin["external_frameworks"]},
    }
    return {
        "controllerManager": {
            "manager": {"image": {**pin["image"], "pullPolicy": "IfNotPresent"}},
            "tolerations": [{"operator": "Exists"}],
        },
        # JSON is valid YAML
        "managerConfig": {"controllerManagerConfigYaml": json.dumps(configuration)},
    }
