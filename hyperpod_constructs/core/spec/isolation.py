"""What holds the pods of a team inside the team's namespace."""

from .base import Change, ListOf, SpecModel, field

NVME = "/opt/dlami/nvme"
"""Where the node image mounts the local NVMe volumes."""


class Isolation(SpecModel):
    """Limits on the pods of a team, enforced by the cluster. Every switch here opens one of them.

    >>> Isolation().privileged, Isolation(host_paths=["/opt/dlami/nvme", "/opt/sagemaker"]).host_paths[-1]
    (False, '/opt/sagemaker')
    """

    enabled: bool = field(
        True,
        change=Change.IN_PLACE,
        help="`false` removes every limit: members can then take over nodes, and with them the cluster.",
    )
    privileged: bool = field(
        False, change=Change.IN_PLACE, help="Allow privileged containers: root on the node, and with it the cluster."
    )
    host_network: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Allow the node's network and host ports: pods reach the credentials of the execution role.",
    )
    host_ipc: bool = field(False, change=Change.IN_PLACE, help="Allow the node's IPC namespace.")
    host_paths: ListOf[str] = field(
        (NVME,),
        change=Change.IN_PLACE,
        help="Host paths that pods may mount, each exactly as written; directories below one need `sub_path`.",
    )
    capabilities: ListOf[str] = field(
        ("IPC_LOCK",),
        change=Change.IN_PLACE,
        help="Linux capabilities that containers may add to those of the Pod Security baseline.",
    )
    service_accounts: ListOf[str] = field(
        ("default",), change=Change.IN_PLACE, help="Service accounts of the team's namespace that pods may use."
    )
    tolerations: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Taint keys that pods may tolerate, besides those of groups that hold an instance type of the team's quota.",
    )
    system_nodes: bool = field(
        False, change=Change.IN_PLACE, help="Allow pods on the nodes of the system group, where operators run."
    )
    network_policy: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Admit traffic from the team's own pods and from operators only, and none to the instance metadata service. "
        "Switches on network policies of the VPC CNI.",
    )
