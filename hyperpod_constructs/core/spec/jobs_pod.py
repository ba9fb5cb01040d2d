"""What a job's pods are made of besides their main container's resources: environment, volumes, containers, security."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from .base import Change, ListOf, QuotedText, SpecModel, field

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
DnsPolicy = Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]


class EnvSource(SpecModel):
    """Where the value of one environment variable comes from: exactly one of `secret`, `config_map`, `pod_field`.

    >>> EnvSource(secret="hub", key="token").key
    'token'
    """

    secret: str | None = field(None, change=Change.REPLACES, help="Name of a secret.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Name of a config map.")
    key: str | None = field(None, change=Change.REPLACES, help="Key in the secret or config map.")
    optional: bool = field(False, change=Change.REPLACES, help="Start even if the secret, config map or key is absent.")
    pod_field: str | None = field(None, change=Change.REPLACES, help="Field of the pod, such as `status.podIP`.")


class EnvFrom(SpecModel):
    """All keys of one secret or config map as environment variables."""

    secret: str | None = field(None, change=Change.REPLACES, help="Name of a secret.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Name of a config map.")
    prefix: str | None = field(None, change=Change.REPLACES, help="Put in front of every key.")
    optional: bool = field(False, change=Change.REPLACES, help="Start even if it is absent.")


Env = Mapping[str, QuotedText | EnvSource]
"""Environment: name to a value in quotes, or to where the value comes from."""


class EmptyDir(SpecModel):
    """A directory that lives as long as the pod, on disk or in memory."""

    memory: bool = field(False, change=Change.REPLACES, help="In memory: counts towards the memory limit.")
    size_gib: float | None = field(
        None, change=Change.REPLACES, help="Limit of its size in GiB.", gt=0, allow_inf_nan=False
    )


class Nfs(SpecModel):
    """A directory of an NFS server, such as an EFS mount target or a file gateway."""

    server: str = field(change=Change.REPLACES, help="Host name or address of the server.", min_length=1)
    path: str = field("/", change=Change.REPLACES, help="Absolute path that the server exports.")


class JobVolume(SpecModel):
    """A volume and where it is mounted. Exactly one source: host path, claim, fsx, nfs, empty_dir, secret or config map.

    A volume that is repeated with the same name and source is one volume with several mounts.
    """

    name: str = field(change=Change.REPLACES, help="Name of the volume, unique in the job.")
    mount_path: str | None = field(
        None,
        change=Change.REPLACES,
        help="Absolute path in the main container, and in containers that name the volume; default: not mounted.",
    )
    read_only: bool = field(False, change=Change.REPLACES, help="Mounted so that nothing can be written.")
    sub_path: str | None = field(None, change=Change.REPLACES, help="Directory of the volume instead of its root.")
    host_path: str | None = field(None, change=Change.REPLACES, help="Absolute path on the node.")
    host_path_type: (
        Literal["DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"] | None
    ) = field(None, change=Change.REPLACES, help="What must be at `host_path`; default: unchecked.")
    claim: str | None = field(None, change=Change.REPLACES, help="PersistentVolumeClaim in the job's namespace.")
    fsx: str | None = field(
        None, change=Change.REPLACES, help="Name of a file system in `storage.lustre`; its claim has the same name."
    )
    empty_dir: EmptyDir | None = field(None, change=Change.REPLACES, help="Directory that lives as long as the pod.")
    secret: str | None = field(None, change=Change.REPLACES, help="Secret whose keys become files.")
    config_map: str | None = field(None, change=Change.REPLACES, help="Config map whose keys become files.")
    nfs: Nfs | None = field(None, change=Change.REPLACES, help="Directory of an NFS server.")
    file_mode: str | None = field(
        None,
        change=Change.REPLACES,
        help='Mode of the files of a secret or config map, in octal digits and quotes, such as "0755".',
        pattern="^0?[0-7]{3}$",
    )
    files: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Keys of the secret or config map to their paths in the volume; default: every key by its name.",
    )

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are set; sound when it is one.

        >>> JobVolume(name="data", mount_path="/data", claim="data").sources
        ('claim',)
        """
        return tuple(name for name in SOURCES if getattr(self, name) is not None)

    def is_same_volume(self, other: Self) -> bool:
        """Whether another entry is a further mount of this volume."""
        names = ("name", *SOURCES, "host_path_type", "file_mode", "files")
        return all(getattr(self, name) == getattr(other, name) for name in names)


SOURCES = ("host_path", "claim", "fsx", "empty_dir", "secret", "config_map", "nfs")
"""The fields of a volume that say where it comes from."""


class Mount(SpecModel):
    """A volume of the job in a sidecar or init container, at a place of its own."""

    volume: str = field(change=Change.REPLACES, help="Name of one of the job's volumes, or `shared-memory`.")
    path: str = field(change=Change.REPLACES, help="Absolute path in the container.")
    sub_path: str | None = field(None, change=Change.REPLACES, help="Directory of the volume instead of its root.")
    read_only: bool = field(False, change=Change.REPLACES, help="Mounted so that nothing can be written.")


class TopologySpread(SpecModel):
    """How evenly pods are spread over the values of a node label."""

    topology_key: str = field(
        change=Change.REPLACES, help="Node label, such as kubernetes.io/hostname or topology.kubernetes.io/zone."
    )
    max_skew: int = field(
        1, change=Change.REPLACES, help="Largest difference between the numbers of pods.", ge=1, le=2**31 - 1
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = field(
        "DoNotSchedule", change=Change.REPLACES, help="What happens when they cannot be spread that evenly."
    )
    match_labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the pods that count; default: the job's own pods."
    )


class Toleration(SpecModel):
    """A taint that the pods put up with."""

    key: str | None = field(None, change=Change.REPLACES, help="Taint key; none tolerates every key.")
    operator: Literal["Equal", "Exists"] | None = field(
        None, change=Change.REPLACES, help="Default: Equal where a value is given, else Exists."
    )
    value: str | None = field(None, change=Change.REPLACES, help="Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = field(
        None, change=Change.REPLACES, help="Effect; none tolerates every effect."
    )
    seconds: int | None = field(None, change=Change.REPLACES, help="Seconds to stay under NoExecute.", ge=0)


class Port(SpecModel):
    """A port that a container opens."""

    port: int = field(change=Change.REPLACES, help="Port number.", ge=1, le=65535)
    name: str | None = field(None, change=Change.REPLACES, help="Name of the port.")
    protocol: Literal["TCP", "UDP", "SCTP"] = field("TCP", change=Change.REPLACES, help="Protocol.")


class SecurityContext(SpecModel):
    """Rights of a container's processes. Of a job, `fs_group` and `supplemental_groups` are the whole pod's."""

    run_as_user: int | None = field(None, change=Change.REPLACES, help="User id.", ge=0)
    run_as_group: int | None = field(None, change=Change.REPLACES, help="Group id.", ge=0)
    run_as_non_root: bool | None = field(None, change=Change.REPLACES, help="Refuse to start as root.")
    fs_group: int | None = field(None, change=Change.REPLACES, help="Group id that owns the volumes.", ge=0)
    supplemental_groups: ListOf[int] = field((), change=Change.REPLACES, help="Further group ids.")
    privileged: bool | None = field(None, change=Change.REPLACES, help="All rights on the node.")
    allow_privilege_escalation: bool | None = field(
        None, change=Change.REPLACES, help="Whether a process may gain more rights than its parent."
    )
    read_only_root_filesystem: bool | None = field(
        None, change=Change.REPLACES, help="Nothing written outside volumes."
    )
    add_capabilities: ListOf[str] = field((), change=Change.REPLACES, help="Linux capabilities, such as IPC_LOCK.")
    drop_capabilities: ListOf[str] = field((), change=Change.REPLACES, help="Capabilities taken away, such as ALL.")
    seccomp_profile: Literal["RuntimeDefault", "Unconfined"] | None = field(
        None, change=Change.REPLACES, help="System call filter."
    )


class Container(SpecModel):
    """A sidecar or an init container. Its vCPU and memory come out of the node's share of the pod."""

    name: str = field(change=Change.REPLACES, help="Name, unique in the pod.")
    image: str = field(change=Change.REPLACES, help="Image.")
    command: ListOf[str] = field((), change=Change.REPLACES, help="Command; default: the image's.")
    args: ListOf[str] = field((), change=Change.REPLACES, help="Arguments.")
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment.")
    env_from: ListOf[EnvFrom] = field((), change=Change.REPLACES, help="Whole secrets or config maps as environment.")
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="When the image is pulled.")
    working_dir: str | None = field(None, change=Change.REPLACES, help="Working directory.")
    vcpu: float | None = field(None, change=Change.REPLACES, help="vCPU requested.", gt=0, allow_inf_nan=False)
    vcpu_limit: float | None = field(
        None, change=Change.REPLACES, help="vCPU limit; default: none.", gt=0, allow_inf_nan=False
    )
    memory_gib: float | None = field(
        None, change=Change.REPLACES, help="Memory requested in GiB.", gt=0, allow_inf_nan=False
    )
    memory_limit_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["none"] | None = field(
        None, change=Change.REPLACES, help="Memory limit in GiB, `none` for no limit; default: what is requested."
    )
    ports: ListOf[Port] = field((), change=Change.REPLACES, help="Ports.")
    volumes: ListOf[str] = field((), change=Change.REPLACES, help="Names of the job's volumes that it mounts too.")
    mounts: ListOf[Mount] = field((), change=Change.REPLACES, help="Volumes mounted elsewhere than by the job.")
    restart_always: bool = field(
        False, change=Change.REPLACES, help="For init containers: keeps running beside the main container."
    )
    security: SecurityContext | None = field(None, change=Change.REPLACES, help="Rights of its processes.")
    patch: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Merged into the Kubernetes container last."
    )
