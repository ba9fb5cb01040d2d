"""A complete platform in order: the cases of all rules in one template, with the edges that the rules require."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from order_cases import BASE, CASES, JOB, PVC_SPEC, addon, k8s_object, objects, wait


def platform() -> dict[str, Any]:
    resources = deepcopy(BASE)
    for rule, (resources_of_rule, *_) in CASES.items():
        if rule != "control-plane-before-cluster":
            resources.update(
                deepcopy({name: body for name, body in resources_of_rule.items() if name not in ("Ready", "Metrics")})
            )
    resources |= deepcopy(
        {
            "NodesReady": wait(Type="NodesReady", Count=1),
            "ServersReady": wait(Type="DaemonSetReady", Name="node-coredns"),
            "CertsReady": wait(Type="DeploymentAvailable", Name="cert-manager-webhook"),
            "KueueReady": wait(Type="DeploymentAvailable", Name="kueue-controller-manager"),
            "OperatorReady": wait(Type="CrdEstablished", Name="hyperpodpytorchjobs.sagemaker.amazonaws.com"),
            "Job": JOB,
            "Kubeflow": objects(k8s_object("PyTorchJob", namespace="x")),
            "Metrics": addon("metrics-server"),
            "Volume": objects(k8s_object("PersistentVolume", "data", spec={"csi": {"driver": "fsx.csi.aws.com"}})),
            "Claim": objects(k8s_object("PersistentVolumeClaim", "mine", "hyperpod-ns-blue", **PVC_SPEC)),
        }
    )
    order = {
        "Subnet": ["Block"],
        "Out": ["Attached"],
        "Chart": ["Entry", "Policy", "FnPolicy", "Association", "Route", "End", "In", "PlaneIn", "Out"],
        "RigAgent": ["Chart", "Cni"],
        "HyperPod": ["Up", "Agent", "RigAgent"],
        "NodesReady": ["HyperPod"],
        "Dns": ["NodesReady"],
        "Servers": ["Dns"],
        "ServersReady": ["Servers"],
        "Local": ["ServersReady"],
        "Certs": ["Local"],
        "CertsReady": ["Certs"],
        "Governance": ["CertsReady"],
        "KueueReady": ["Governance"],
        "Metrics": ["KueueReady"],
        "Driver": ["KueueReady", "AddonPolicy"],
        "Operator": ["KueueReady", "Pod"],
        "Inference": ["Metrics", "Driver"],
        "OperatorReady": ["Operator"],
        "Config": ["KueueReady"],
        "Quota": ["Config"],
        "Space": ["NodesReady"],
        "Map": ["Space"],
        "Volume": ["Driver"],
        "Claim": ["Volume", "Space", "Quota"],
        "Job": ["OperatorReady", "Quota", "Claim", "Map"],
        "Kubeflow": ["NodesReady"],
    }
    for later, earlier in order.items():
        resources[later].setdefault("DependsOn", []).extend(earlier)
    return {"Platform": {"Resources": resources}}
