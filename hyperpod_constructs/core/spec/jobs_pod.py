"""What a job's pods are made of besides their main container's resources: environment, volumes, containers, security."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .base import Change, QuotedText, SpecModel, field

PullPolicy = Literal["Always", "IfNotPresent", "Never"]


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
    size_gib: float | None = field(None, change=Change.REPLACES, help="Limit of its size in GiB.", gt=0)


class JobVolume(SpecModel):
    """A volume and where it is mounted. Exactly one source: host path, claim, fsx, empty_dir, secret or config map."""

    name: str = field(change=Change.REPLACES, help="Name of the volume, unique in the job.")
    mount_path: str = field(change=Change.REPLACES, help="Absolute path in the containers.")
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

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are set; sound when it is one.

        >>> JobVolume(name="data", mount_path="/data", claim="data").sources
        ('claim',)
        """
        names = ("host_path", "claim", "fsx", "empty_dir", "secret", "config_map")
        return tuple(name for name in names if getattr(self, name) is not None)


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
    """Rights of the containers' processes. `fs_group` and `supplemental_groups` are the pod's, the rest each container's."""

    run_as_user: int | None = field(None, change=Change.REPLACES, help="User id.", ge=0)
    run_as_group: int | None = field(None, change=Change.REPLACES, help="Group id.", ge=0)
    run_as_non_root: bool | None = field(None, change=Change.REPLACES, help="Refuse to start as root.")
    fs_group: int | None = field(None, change=Change.REPLACES, help="Group id that owns the volumes.", ge=0)
    supplemental_groups: tuple[int, ...] = field((), change=Change.REPLACES, help="Further group ids.")
    privileged: bool | None = field(None, change=Change.REPLACES, help="All rights on the node.")
    allow_privilege_escalation: bool | None = field(
        None, change=Change.REPLACES, help="Whether a process may gain more rights than its parent."
    )
    read_only_root_filesystem: bool | None = field(
        None, change=Change.REPLACES, help="Nothing written outside volumes."
    )
    add_capabilities: tuple[str, ...] = field((), change=Change.REPLACES, help="Linux capabilities, such as IPC_LOCK.")
    drop_capabilities: tuple[str, ...] = field((), change=Change.REPLACES, help="Capabilities taken away, such as ALL.")
    seccomp_profile: Literal["RuntimeDefault", "Unconfined"] | None = field(
        None, change=Change.REPLACES, help="System call filter."
    )


class Container(SpecModel):
    """A sidecar or an init container. Its vCPU and memory come out of the node's share of the pod."""

    name: str = field(change=Change.REPLACES, help="Name, unique in the pod.")
    image: str = field(change=Change.REPLACES, help="Image.")
    command: tuple[str, ...] = field((), change=Change.REPLACES, help="Command; default: the image's.")
    args: tuple[str, ...] = field((), change=Change.REPLACES, help="Arguments.")
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment.")
    env_from: tuple[EnvFrom, ...] = field(
        (), change=Change.REPLACES, help="Whole secrets or config maps as environment."
    )
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="When the image is pulled.")
    vcpu: float | None = field(None, change=Change.REPLACES, help="vCPU requested.", gt=0)
    memory_gib: float | None = field(None, change=Change.REPLACES, help="Memory in GiB, requested and the limit.", gt=0)
    ports: tuple[Port, ...] = field((), change=Change.REPLACES, help="Ports.")
    volumes: tuple[str, ...] = field((), change=Change.REPLACES, help="Names of the job's volumes that it mounts too.")
    restart_always: bool = field(
        False, change=Change.REPLACES, help="For init containers: keeps running beside the main container."
    )
    security: SecurityContext | None = field(None, change=Change.REPLACES, help="Rights of its processes.")
    patch: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Merged into the Kubernetes container last."
    )
