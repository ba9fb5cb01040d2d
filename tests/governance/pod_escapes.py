"""Attempts to escape from a team's namespace, and pods that training requires, as changes of one ordinary pod."""

from __future__ import annotations

import copy
from typing import Any

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "train-0", "namespace": "hyperpod-ns-vision"},
    "spec": {
        "serviceAccountName": "default",
        "nodeSelector": {"node.kubernetes.io/instance-type": "ml.p5.48xlarge"},
        "containers": [{"name": "main", "image": "registry/train:v1"}],
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            },
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            },
        ],
    },
}


def pod(
    spec: dict[str, Any] | None = None, *, container: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    """The ordinary pod with changes; None removes a field."""
    changed = copy.deepcopy(POD)
    for key, value in (spec or {}).items():
        if value is None:
            del changed["spec"][key]
        else:
            changed["spec"][key] = value
    changed["spec"]["containers"][0] |= container or {}
    changed["metadata"] |= metadata
    return changed


def _mount(source: dict[str, Any]) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


def _affinity(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {
        "nodeSelector": None,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
    }


_TYPE = "node.kubernetes.io/instance-type"
_SYSTEM = "ml.m5.4xlarge"
_EXTRA = {"name": "extra", "image": "registry/extra:v1"}

ESCAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "privileged": ("privileged", pod(container={"securityContext": {"privileged": True}})),
    "privileged init container": (
        "privileged",
        pod({"initContainers": [{**_EXTRA, "securityContext": {"privileged": True}}]}),
    ),
    "privileged debug container": (
        "privileged",
        pod({"ephemeralContainers": [{**_EXTRA, "securityContext": {"privileged": True}}]}),
    ),
    "privileged second container": (
        "privileged",
        pod({"containers": [POD["spec"]["containers"][0], {**_EXTRA, "securityContext": {"privileged": True}}]}),
    ),
    "host network": ("host-network", pod({"hostNetwork": True})),
    "host PID": ("host-pid", pod({"hostPID": True})),
    "host IPC": ("host-ipc", pod({"hostIPC": True})),
    "host port": ("host-ports", pod(container={"ports": [{"containerPort": 80, "hostPort": 80}]})),
    "root of the node": ("host-paths", pod(_mount({"hostPath": {"path": "/"}}))),
    "tokens of the kubelet": ("host-paths", pod(_mount({"hostPath": {"path": "/var/lib/kubelet"}}))),
    "container runtime socket": (
        "host-paths",
        pod(_mount({"hostPath": {"path": "/run/containerd/containerd.sock", "type": "Socket"}})),
    ),
    "devices of the node": ("host-paths", pod(_mount({"hostPath": {"path": "/dev"}}))),
    "path that climbs": ("host-paths", pod(_mount({"hostPath": {"path": "/opt/dlami/nvme/../../../etc"}}))),
    "symbolic link below the NVMe": ("host-paths", pod(_mount({"hostPath": {"path": "/opt/dlami/nvme/link"}}))),
    "path that begins alike": ("host-paths", pod(_mount({"hostPath": {"path": "/opt/dlami/nvme-other"}}))),
    "second volume": (
        "host-paths",
        pod({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/etc"}}]}),
    ),
    "inline CSI volume": ("volumes", pod(_mount({"csi": {"driver": "s3.csi.aws.com"}}))),
    "NFS": ("volumes", pod(_mount({"nfs": {"server": "10.0.0.1", "path": "/"}}))),
    "SYS_ADMIN": ("capabilities", pod(container={"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}})),
    "SYS_PTRACE": ("capabilities", pod(container={"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}})),
    "NET_ADMIN": (
        "capabilities",
        pod(container={"securityContext": {"capabilities": {"add": ["IPC_LOCK", "NET_ADMIN"]}}}),
    ),
    "all capabilities": ("capabilities", pod(container={"securityContext": {"capabilities": {"add": ["ALL"]}}})),
    "capability under its long name": (
        "capabilities",
        pod(container={"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}}),
    ),
    "no seccomp for the pod": ("seccomp", pod({"securityContext": {"seccompProfile": {"type": "Unconfined"}}})),
    "no seccomp for a container": (
        "seccomp",
        pod(container={"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ),
    "no AppArmor": ("apparmor", pod(container={"securityContext": {"appArmorProfile": {"type": "Unconfined"}}})),
    "no AppArmor by annotation": (
        "apparmor",
        pod(annotations={"container.apparmor.security.beta.kubernetes.io/main": "unconfined"}),
    ),
    "SELinux type": ("selinux", pod({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}})),
    "SELinux role": ("selinux", pod(container={"securityContext": {"seLinuxOptions": {"role": "system_r"}}})),
    "unmasked /proc": ("proc-mount", pod(container={"securityContext": {"procMount": "Unmasked"}})),
    "kernel parameter": (
        "sysctls",
        pod({"securityContext": {"sysctls": [{"name": "kernel.core_pattern", "value": "|/bin/sh"}]}}),
    ),
    "service account of somebody else": ("service-account", pod({"serviceAccountName": "builder"})),
    "every taint": ("tolerations", pod({"tolerations": [{"operator": "Exists"}]})),
    "every taint of an effect": ("tolerations", pod({"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]})),
    "taint of another group": ("tolerations", pod({"tolerations": [{"key": "speech", "operator": "Exists"}]})),
    "restricted nodes": (
        "tolerations",
        pod({"tolerations": [{"key": "sagemaker.amazonaws.com/RestrictedNode", "operator": "Exists"}]}),
    ),
    "nodes under health checks": (
        "tolerations",
        pod({"tolerations": [{"key": "sagemaker.amazonaws.com/node-health-status", "operator": "Exists"}]}),
    ),
    "priority over the cluster": ("priority", pod({"priorityClassName": "system-node-critical"})),
    "node by its name": ("node-name", pod({"nodeName": "hyperpod-i-0123456789abcdef0"})),
    "any node": ("system-nodes", pod({"nodeSelector": None})),
    "nodes of operators by type": ("system-nodes", pod({"nodeSelector": {_TYPE: _SYSTEM}})),
    "nodes of operators by group": (
        "system-nodes",
        pod({"nodeSelector": {"sagemaker.amazonaws.com/instance-group-name": "system"}}),
    ),
    "nodes of operators by affinity": (
        "system-nodes",
        pod(_affinity([{"key": _TYPE, "operator": "In", "values": ["ml.p5.48xlarge", _SYSTEM]}])),
    ),
    "a term of an affinity": (
        "system-nodes",
        pod(
            _affinity(
                [{"key": _TYPE, "operator": "In", "values": ["ml.p5.48xlarge"]}],
                [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}],
            )
        ),
    ),
    "the other way around": (
        "system-nodes",
        pod(_affinity([{"key": _TYPE, "operator": "NotIn", "values": ["ml.p5.48xlarge"]}])),
    ),
}
"""What it is to the limit that refuses it and the pod."""

NEEDED: dict[str, dict[str, Any]] = {
    "ordinary": POD,
    "GPUs, EFA and huge pages": pod(
        container={
            "resources": {
                "limits": {"nvidia.com/gpu": "8", "vpc.amazonaws.com/efa": "32", "hugepages-2Mi": "5120Mi"},
            }
        }
    ),
    "IPC_LOCK": pod(container={"securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}}),
    "no capabilities": pod(container={"securityContext": {"capabilities": {"drop": ["ALL"]}}}),
    "root with the runtime's own limits": pod(
        {"securityContext": {"fsGroup": 1000, "supplementalGroups": [44]}},
        container={"securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": True}},
    ),
    "shared memory": pod(_mount({"emptyDir": {"medium": "Memory", "sizeLimit": "512Gi"}})),
    "huge pages as a directory": pod(_mount({"emptyDir": {"medium": "HugePages-2Mi"}})),
    "NVMe": pod(_mount({"hostPath": {"path": "/opt/dlami/nvme"}})),
    "NVMe with a slash": pod(_mount({"hostPath": {"path": "/opt/dlami/nvme/", "type": "Directory"}})),
    "file system": pod(_mount({"persistentVolumeClaim": {"claimName": "data"}})),
    "secret": pod(_mount({"secret": {"secretName": "hub"}})),
    "config map": pod(_mount({"configMap": {"name": "settings"}})),
    "credentials by pod identity": pod(
        _mount(
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"audience": "pods.eks.amazonaws.com", "path": "token"}}]
                }
            }
        )
    ),
    "toleration that the API server adds for GPUs": pod(
        {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]}
    ),
    "MIG": pod({"tolerations": [{"key": "nvidia.com/mig-1g.10gb", "operator": "Exists"}]}),
    "taint of the team's group": pod({"tolerations": [{"key": "vision", "operator": "Equal", "value": "yes"}]}),
    "priority class": pod({"priorityClassName": "high"}),
    "host name and port": pod(container={"ports": [{"containerPort": 8080, "hostPort": 0}]}),
    "group of the nodes": pod({"nodeSelector": {"sagemaker.amazonaws.com/instance-group-name": "workers"}}),
    "types by affinity": pod(
        _affinity([{"key": _TYPE, "operator": "In", "values": ["ml.p5.48xlarge", "ml.p4d.24xlarge"]}])
    ),
    "safe kernel parameter": pod(
        {"securityContext": {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "32768 60999"}]}}
    ),
    "seccomp of the runtime": pod({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
}
"""What it is to the pod."""
