"""Preparation of restricted instance groups: a separate network agent and DNS servers.

The service documents this step as a script of its command line tool, which rewrites objects of EKS add-ons. Here the
add-ons keep their objects: the network add-on is configured not to run on restricted nodes, and modified copies of the
add-ons' own workloads run there instead, recreated with each version. The third part of the script, the EFA plugin, is
set with values of the dependency chart (`chart.chart_values`); the fourth, which allows operators on restricted nodes, is
not needed here, because they run on an ordinary group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aws_cdk import Duration
from constructs import Construct, IDependable

from ..core.catalog import label, load
from ..core.spec.base import deployed
from .arguments import checked
from .kubernetes import KubernetesCopy, KubernetesFields, KubernetesWait, daemon_set_ready

if TYPE_CHECKING:
    from .interfaces import EksCluster, IHyperPodCluster

NAMESPACE = "kube-system"
_COPY = "hyperpod-constructs.io/copy"
_COMPONENT = "eks.amazonaws.com/component"


class RestrictedNetwork(Construct):
    """`rig-aws-node`: the network agent of restricted nodes, which gets addresses from instance metadata only.

    It must exist before the HyperPod cluster, and the add-on's own agent must not run on restricted nodes. `adopt` adopts an
    existing DaemonSet of that name.
    """

    @checked
    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, adopt: bool = False) -> None:
        super().__init__(scope, id)
        addon = eks_cluster.network_addon
        if addon:
            addon.set_default("affinity", _affinity(restricted=False))
        name = "rig-aws-node"
        self.agent = KubernetesCopy(
            self,
            "Agent",
            kubernetes=eks_cluster.kubernetes,
            original=_workload("DaemonSet", "aws-node"),
            copy=_workload("DaemonSet", name) | {"spec": _network_agent(name)},
            rerun_on=addon.fingerprint if addon else "brought",
            adopt=adopt,
        )
        self.agent.node.add_dependency(eks_cluster.ready)


class RestrictedDns(Construct):
    """DNS servers on every node: `rig-coredns` on restricted nodes and `node-coredns` on the others.

    Pods on ordinary nodes cannot reach the DNS servers of restricted nodes, so requests to `kube-dns` must stay on the
    node (`internalTrafficPolicy: Local`); every node then requires a server, or its pods cannot resolve names. The policy
    is set when servers run on the nodes of the system group, and is restored before they are deleted.

    `CoreDnsAddon` creates it; use it separately for an EKS cluster that already has CoreDNS. `after` is the resource that
    installs CoreDNS; changing `version`, any text, recreates the copies.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        after: Sequence[IDependable] = (),
        version: str = "brought",
    ) -> None:
        super().__init__(scope, id)
        ready = KubernetesWait(
            self,
            "NodeServersReady",
            kubernetes=cluster.kubernetes,
            condition=lambda: daemon_set_ready(
                NAMESPACE, "node-coredns", minimum_ready=deployed(cluster.system_nodes), all_nodes=False
            ),
            timeout=Duration.minutes(15),
            rerun_on=version,
        )
        for name, restricted in (("rig-coredns", True), ("node-coredns", False)):
            servers = KubernetesCopy(
                self,
                name,
                kubernetes=cluster.kubernetes,
                original=_workload("Deployment", "coredns"),
                copy=_workload("DaemonSet", name) | {"spec": _dns_servers(name, restricted=restricted)},
                rerun_on=version,
                adopt=cluster.spec.adopt,
            )
            ready.node.add_dependency(servers)
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": NAMESPACE}}
        self.policy = KubernetesFields(
            self,
            "Policy",
            kubernetes=cluster.kubernetes,
            fields=service | {"spec": {"internalTrafficPolicy": "Local"}},
            rerun_on=version,
        )
        self.policy.node.add_dependency(ready)
        self.node.add_dependency(cluster.nodes_ready, *after)
        cluster.milestone("coredns").add(self)


def _workload(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}


def _network_agent(name: str) -> dict[str, Any]:
    """Returns the changes to the add-on's DaemonSet. Its label `k8s-app` is kept: tools find network agents by it."""
    mode = [{"name": key, "value": value} for key, value in load("restricted_nodes")["network_environment"].items()]
    pod = {"affinity": _affinity(restricted=True), "containers": [{"name": "aws-node", "env": mode}]}
    return _labeled({_COPY: name}, pod)


def _dns_servers(name: str, *, restricted: bool) -> dict[str, Any]:
    """Returns the changes that make the add-on's Deployment a DaemonSet.

    The pods keep `k8s-app`, by which the Service finds them. A different component label excludes them from the
    Deployment's selector and from its disruption budget, which cannot count a DaemonSet's pods and would block every
    eviction.
    """
    pod = {
        "affinity": _affinity(restricted=restricted) | {"podAntiAffinity": None},
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": None,
    }
    return _labeled({_COMPONENT: name}, pod) | {
        "replicas": None,
        "strategy": None,
        "progressDeadlineSeconds": None,
        # starts the new server before it deletes the old one: no other server responds to the pods of the node
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}},
    }


def _labeled(labels: dict[str, str], pod: dict[str, Any]) -> dict[str, Any]:
    """Returns a pod template and its selector, with labels that distinguish its pods from those of the original."""
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}


def _affinity(*, restricted: bool) -> dict[str, Any]:
    """Returns the affinity of the network add-on, limited to restricted nodes or to all others."""
    group_type = label("instance_group_type")
    group_term = {"key": group_type.key, "operator": "In" if restricted else "NotIn", "values": list(group_type.values)}
    terms = [*load("restricted_nodes")["network_affinity"], group_term]
    required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
