"""Parts of a job's pods other than resources: environment, volumes, sidecars, scheduling and security."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from .base import Change, ListOf, QuotedText, SpecModel, field

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
DnsPolicy = Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]


class EnvSource(SpecModel):
    """The source of the value of one environment variable: exactly one of `secret`, `config_map`, `pod_field`.

    >>> EnvSource(secret="hub", key="token").key
    'token'
    """

    secret: str | None = field(None, change=Change.REPLACES, help="Name of a Secret.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Name of a ConfigMap.")
    key: str | None = field(None, change=Change.REPLACES, help="Key in the secret or config map.")
    optional: bool = field(
        False, change=Change.REPLACES, help="Start even if the secret, config map or key does not exist."
    )
    pod_field: str | None = field(None, change=Change.REPLACES, help="Field of the pod, such as `status.podIP`.")


class EnvFrom(SpecModel):
    """All keys of one secret or config map as environment variables."""

    secret: str | None = field(None, change=Change.REPLACES, help="Name of a Secret.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Name of a ConfigMap.")
    prefix: str | None = field(None, change=Change.REPLACES, help="Prefix of every variable name.")
    optional: bool = field(False, change=Change.REPLACES, help="Start even if it does not exist.")


Env = Mapping[str, QuotedText | EnvSource]
"""Environment variables: name to a value in quotes, or to the source of the value."""


class EmptyDir(SpecModel):
    """A directory with the lifetime of the pod, on disk or in memory."""

    memory: bool = field(False, change=Change.REPLACES, help="Store in memory; counts toward the memory limit.")
    size_gib: float | None = field(None, change=Change.REPLACES, help="Size limit in GiB.", gt=0, allow_inf_nan=False)


class Nfs(SpecModel):
    """A directory of an NFS server, such as an EFS mount target or a file gateway."""

    server: str = field(change=Change.REPLACES, help="Host name or address of the server.", min_length=1)
    path: str = field("/", change=Change.REPLACES, help="Absolute path of the export on the server.")


class JobVolume(SpecModel):
    """A volume and its mount path. Exactly one source: host path, claim, fsx, nfs, empty_dir, secret or config map.

    Entries with the same name and source are one volume with several mounts.
    """

    name: str = field(change=Change.REPLACES, help="Name of the volume, unique in the job.")
    mount_path: str | None = field(
        None,
        change=Change.REPLACES,
        help="Absolute path in the main container, and in containers that list the volume. Default: not mounted.",
    )
    read_only: bool = field(False, change=Change.REPLACES, help="Mount the volume read-only.")
    sub_path: str | None = field(
        None, change=Change.REPLACES, help="Directory of the volume to mount instead of its root."
    )
    host_path: str | None = field(None, change=Change.REPLACES, help="Absolute path on the node.")
    host_path_type: (
        Literal["DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"] | None
    ) = field(None, change=Change.REPLACES, help="What must exist at `host_path`. Default: not checked.")
    claim: str | None = field(
        None, change=Change.REPLACES, help="Name of a PersistentVolumeClaim in the job's namespace."
    )
    fsx: str | None = field(
        None, change=Change.REPLACES, help="Name of a file system in `storage.lustre`; its claim has the same name."
    )
    empty_dir: EmptyDir | None = field(None, change=Change.REPLACES, help="Directory with the lifetime of the pod.")
    secret: str | None = field(None, change=Change.REPLACES, help="Name of a secret whose keys become files.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Name of a config map whose keys become files.")
    nfs: Nfs | None = field(None, change=Change.REPLACES, help="Directory of an NFS server.")
    file_mode: str | None = field(
        None,
        change=Change.REPLACES,
        help='File mode for a secret or config map, in octal digits and quotes, such as "0755".',
        pattern="^0?[0-7]{3}$",
    )
    files: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Paths in the volume by key of the secret or config map. Default: all keys, each with its name as "
        "the path.",
    )

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are set; valid if there is exactly one.

        >>> JobVolume(name="data", mount_path="/data", claim="data").sources
        ('claim',)
        """
        return tuple(name for name in SOURCES if getattr(self, name) is not None)

    def is_same_volume(self, other: Self) -> bool:
        """Whether another entry is an additional mount of this volume."""
        names = ("name", *SOURCES, "host_path_type", "file_mode", "files")
        return all(getattr(self, name) == getattr(other, name) for name in names)


SOURCES = ("host_path", "claim", "fsx", "empty_dir", "secret", "config_map", "nfs")
"""The fields that identify the source of a volume."""


class Mount(SpecModel):
    """A volume of the job in a sidecar or init container, with its own mount path."""

    volume: str = field(change=Change.REPLACES, help="Name of one of the job's volumes, or `shared-memory`.")
    path: str = field(change=Change.REPLACES, help="Absolute path in the container.")
    sub_path: str | None = field(
        None, change=Change.REPLACES, help="Directory of the volume to mount instead of its root."
    )
    read_only: bool = field(False, change=Change.REPLACES, help="Mount the volume read-only.")


class TopologySpread(SpecModel):
    """A topology spread constraint: how evenly pods are distributed over the values of a node label."""

    topology_key: str = field(
        change=Change.REPLACES, help="Node label, such as kubernetes.io/hostname or topology.kubernetes.io/zone."
    )
    max_skew: int = field(
        1,
        change=Change.REPLACES,
        help="Maximum difference in the number of pods between two values of the label.",
        ge=1,
        le=2**31 - 1,
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = field(
        "DoNotSchedule", change=Change.REPLACES, help="What happens if the pods cannot be spread within `max_skew`."
    )
    match_labels: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Labels of the pods that are counted. Default: the job's own pods.",
    )


class Toleration(SpecModel):
    """A taint that the pods tolerate."""

    key: str | None = field(None, change=Change.REPLACES, help="Taint key. Default: all keys.")
    operator: Literal["Equal", "Exists"] | None = field(
        None, change=Change.REPLACES, help="Operator. Default: Equal if a value is set, otherwise Exists."
    )
    value: str | None = field(None, change=Change.REPLACES, help="Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = field(
        None, change=Change.REPLACES, help="Taint effect. Default: all effects."
    )
    seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds that the pod stays on the node under NoExecute.", ge=0
    )


class Port(SpecModel):
    """A port of a container."""

    port: int = field(change=Change.REPLACES, help="Port number.", ge=1, le=65535)
    name: str | None = field(None, change=Change.REPLACES, help="Name of the port.")
    protocol: Literal["TCP", "UDP", "SCTP"] = field("TCP", change=Change.REPLACES, help="Protocol.")


class SecurityContext(SpecModel):
    """Security context of a container. For a job, `fs_group` and `supplemental_groups` apply to the whole pod."""

    run_as_user: int | None = field(None, change=Change.REPLACES, help="User ID.", ge=0)
    run_as_group: int | None = field(None, change=Change.REPLACES, help="Group ID.", ge=0)
    run_as_non_root: bool | None = field(None, change=Change.REPLACES, help="Do not start the container as root.")
    fs_group: int | None = field(None, change=Change.REPLACES, help="Group ID that owns the volumes.", ge=0)
    supplemental_groups: ListOf[int] = field((), change=Change.REPLACES, help="Additional group IDs.")
    privileged: bool | None = field(None, change=Change.REPLACES, help="Run privileged, with full access to the node.")
    allow_privilege_escalation: bool | None = field(
        None, change=Change.REPLACES, help="Whether a process can gain more privileges than its parent."
    )
    read_only_root_filesystem: bool | None = field(
        None, change=Change.REPLACES, help="Make the root file system read-only; volumes stay writable."
    )
    add_capabilities: ListOf[str] = field(
        (), change=Change.REPLACES, help="Linux capabilities to add, such as IPC_LOCK."
    )
    drop_capabilities: ListOf[str] = field((), change=Change.REPLACES, help="Linux capabilities to drop, such as ALL.")
    seccomp_profile: Literal["RuntimeDefault", "Unconfined"] | None = field(
        None, change=Change.REPLACES, help="Seccomp profile."
    )


class Container(SpecModel):
    """A sidecar or init container. Its vCPU and memory are part of the pod's share of the node."""

    name: str = field(change=Change.REPLACES, help="Name, unique in the pod.")
    image: str = field(change=Change.REPLACES, help="Image.")
    command: ListOf[str] = field((), change=Change.REPLACES, help="Command. Default: the image's.")
    args: ListOf[str] = field((), change=Change.REPLACES, help="Arguments.")
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment.")
    env_from: ListOf[EnvFrom] = field(
        (), change=Change.REPLACES, help="Secrets or config maps whose keys all become environment variables."
    )
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="Image pull policy.")
    working_dir: str | None = field(None, change=Change.REPLACES, help="Working directory.")
    vcpu: float | None = field(None, change=Change.REPLACES, help="vCPU requested.", gt=0, allow_inf_nan=False)
    vcpu_limit: float | None = field(
        None, change=Change.REPLACES, help="vCPU limit. Default: none.", gt=0, allow_inf_nan=False
    )
    memory_gib: float | None = field(
        None, change=Change.REPLACES, help="Memory requested in GiB.", gt=0, allow_inf_nan=False
    )
    memory_limit_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["none"] | None = field(
        None, change=Change.REPLACES, help="Memory limit in GiB, `none` for no limit. Default: the memory requested."
    )
    ports: ListOf[Port] = field((), change=Change.REPLACES, help="Ports.")
    volumes: ListOf[str] = field(
        (), change=Change.REPLACES, help="Names of the job's volumes to mount at the same paths."
    )
    mounts: ListOf[Mount] = field(
        (), change=Change.REPLACES, help="Volumes mounted at different paths than in the main container."
    )
    restart_always: bool = field(
        False, change=Change.REPLACES, help="For init containers: keep running during the main container."
    )
    security: SecurityContext | None = field(None, change=Change.REPLACES, help="Security context.")
    patch: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Escape hatch: merged into the Kubernetes container last."
    )
