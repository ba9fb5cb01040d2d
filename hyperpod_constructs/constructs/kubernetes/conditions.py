"""Conditions of a `KubernetesWait`. Plain data: the functions below create it, the handler reads it.

>>> deployment_available("kueue-system", "kueue-controller-manager").properties()
{'Type': 'DeploymentAvailable', 'Namespace': 'kueue-system', 'Name': 'kueue-controller-manager'}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WaitCondition:
    """The type of a condition and its arguments, as in the handler's property `Condition`."""

    type: str
    arguments: Mapping[str, Any]

    def properties(self) -> dict[str, Any]:
        """Returns the property `Condition`, without arguments that are not set."""
        return {"Type": self.type, **{key: value for key, value in self.arguments.items() if value not in (None, "")}}


def crd_established(name: str) -> WaitCondition:
    """A CRD is established; `name` is its name, such as `hyperpodpytorchjobs.sagemaker.amazonaws.com`."""
    return WaitCondition("CustomResourceEstablished", {"Name": name})


def deployment_available(namespace: str, name: str) -> WaitCondition:
    """All replicas of a Deployment have its latest version and are available."""
    return WaitCondition("DeploymentAvailable", {"Namespace": namespace, "Name": name})


def daemon_set_ready(namespace: str, name: str, *, minimum_ready: float = 1, all_nodes: bool = True) -> WaitCondition:
    """A DaemonSet's pods have its latest version and are ready on all its nodes, and on at least `minimum_ready` nodes.

    With `all_nodes=False`, `minimum_ready` nodes are sufficient, so one node that is not ready does not block a deployment.
    """
    arguments = {"Namespace": namespace, "Name": name, "MinimumReady": minimum_ready}
    return WaitCondition("DaemonSetReady", arguments if all_nodes else {**arguments, "AllNodes": "false"})


def nodes_ready(
    *,
    count: float,
    cluster_arn: str | None = None,
    instance_types: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> WaitCondition:
    """At least `count` nodes are Ready.

    Args:
        count: the number of nodes.
        cluster_arn: ARN (or name) of the HyperPod cluster of the nodes: if nodes do not join, its groups, instances and
            events are reported; if the cluster is Failed, the wait fails immediately.
        instance_types: only nodes of these types count, such as `ml.m5.4xlarge`.
        labels: only nodes with these labels count.
    """
    terms = [f"{key}={value}" for key, value in (labels or {}).items()]
    if instance_types:
        terms.insert(0, f"node.kubernetes.io/instance-type in ({','.join(instance_types)})")
    arguments = {"Count": count, "LabelSelector": ",".join(terms), "HyperPodCluster": cluster_arn}
    return WaitCondition("NodesReady", arguments)


def job_started(*, api_version: str, kind: str, namespace: str, name: str) -> WaitCondition:
    """A HyperPodPyTorchJob, PyTorchJob or Job runs, or is complete; its failure fails the wait."""
    return WaitCondition("JobStarted", _object(api_version, kind, namespace, name))


def job_finished(*, api_version: str, kind: str, namespace: str, name: str) -> WaitCondition:
    """A HyperPodPyTorchJob, PyTorchJob or Job succeeded; its failure fails the wait."""
    return WaitCondition("JobFinished", _object(api_version, kind, namespace, name))


def object_condition(
    *, api_version: str, kind: str, name: str, condition: str, namespace: str = "", status: str = "True"
) -> WaitCondition:
    """An object's `status.conditions` has this condition with this status, for its latest generation."""
    arguments = {**_object(api_version, kind, namespace, name), "ConditionType": condition, "ConditionStatus": status}
    return WaitCondition("ObjectCondition", arguments)


def addon_active(addon_name: str) -> WaitCondition:
    """An EKS add-on is ACTIVE; CloudFormation also accepts DEGRADED."""
    return WaitCondition("AddonActive", {"AddonName": addon_name})


def endpoints_ready(namespace: str, service: str, *, minimum_ready: int = 1) -> WaitCondition:
    """A Service has ready endpoints, which a webhook requires before objects of its kinds can be applied."""
    return WaitCondition("EndpointsReady", {"Namespace": namespace, "Service": service, "MinimumReady": minimum_ready})


def _object(api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
    return {"ApiVersion": api_version, "Kind": kind, "Namespace": namespace, "Name": name}
