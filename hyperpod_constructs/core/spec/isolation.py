"""Limits that isolate the pods of a team in the team's namespace."""

from .base import Change, ListOf, SpecModel, field

NVME = "/opt/dlami/nvme"
"""Path at which the node image mounts the local NVMe volumes."""


class Isolation(SpecModel):
    """Limits on the pods of a team, enforced in the Kubernetes cluster. Each option relaxes one limit.

    >>> Isolation().privileged, Isolation(host_paths=["/opt/dlami/nvme", "/opt/sagemaker"]).host_paths[-1]
    (False, '/opt/sagemaker')
    """

    enabled: bool = field(
        True,
        change=Change.IN_PLACE,
        help="`false` removes all limits: members can then take control of nodes, and therefore of the cluster.",
    )
    privileged: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Allow privileged containers, which have root access to the node and therefore to the cluster.",
    )
    host_network: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Allow the host network and host ports: pods can then read the credentials of the execution role.",
    )
    host_ipc: bool = field(False, change=Change.IN_PLACE, help="Allow the host IPC namespace.")
    host_paths: ListOf[str] = field(
        (NVME,),
        change=Change.IN_PLACE,
        help="Host paths that pods can mount, exactly as written; subdirectories require `sub_path`.",
    )
    capabilities: ListOf[str] = field(
        ("IPC_LOCK",),
        change=Change.IN_PLACE,
        help="Linux capabilities that containers can add, in addition to those of the Pod Security baseline.",
    )
    service_accounts: ListOf[str] = field(
        ("default",), change=Change.IN_PLACE, help="Service accounts of the team's namespace that pods can use."
    )
    tolerations: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Taint keys that pods can tolerate, in addition to those of groups that contain an instance "
        "type of the team's quota.",
    )
    system_nodes: bool = field(
        False, change=Change.IN_PLACE, help="Allow pods on the nodes of the system group, which run the operators."
    )
    network_policy: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Restrict ingress to traffic from the team's own pods and from operators, and block traffic to the "
        "instance metadata service. Enables network policies in the VPC CNI.",
    )
