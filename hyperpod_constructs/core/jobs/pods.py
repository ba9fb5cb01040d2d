"""Builds the pod template of a job: containers, environment, volumes, scheduling and security."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from ...handlers.shared.merge import merge_patch
from ..catalog import find_instance_type, label
from ..catalog._files import load
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_pod import (
    Container,
    EnvFrom,
    EnvSource,
    JobVolume,
    Port,
    SecurityContext,
    Toleration,
    TopologySpread,
)
from .resources import MIG_READY, Share, share, uses_efa_preset
from .room import exact, number, quantity

MAIN_CONTAINER = {"HyperPodPyTorchJob": "pytorch-job-container", "PyTorchJob": "pytorch", "Job": "main"}
"""Name of the main container by kind: as in the official CLI, and as required by Kubeflow."""

SHARED_MEMORY = "shared-memory"
"""Name of the volume at /dev/shm."""


def some(**values: Any) -> dict[str, Any]:
    """Returns the values that are set, without None, False and empty collections.

    >>> some(name="a", args=(), env=None, count=0)
    {'name': 'a', 'count': 0}
    """
    return {
        key: value for key, value in values.items() if value is not None and value is not False and value not in _EMPTY
    }


_EMPTY: tuple[Any, ...] = ((), [], {})


def job_labels(job: Job) -> dict[str, str]:
    """Returns the labels of a job and its pods: queue and priority, followed by the user's labels."""
    queue, priority = job.effective_queue, job.effective_priority
    return {
        **({label("queue_name").key: queue} if queue else {}),
        **({label("priority_class").key: priority} if priority else {}),
        **job.labels,
    }


def job_annotations(job: Job) -> dict[str, str]:
    """Returns the annotations of a job and its pods: topology, followed by the user's annotations."""
    return {
        **({label("podset_preferred_topology").key: job.preferred_topology} if job.preferred_topology else {}),
        **({label("podset_required_topology").key: job.required_topology} if job.required_topology else {}),
        **job.annotations,
    }


def main_container(job: Job, part: ReplicaSpec) -> str:
    """Returns the name of the main container."""
    return part.container_name or MAIN_CONTAINER[job.kind]


def pod_template(job: Job, part: ReplicaSpec) -> dict[str, Any]:
    """Returns the pod template of a replica spec, with the patches merged last."""
    sized = share(part, job)
    first_entries = {volume.name: volume for volume in reversed(part.volumes)}
    volumes = [
        *(_volume(volume, part.volumes) for volume in reversed(first_entries.values())),
        *_shared_memory(job, part, sized),
    ]
    spec = some(
        serviceAccountName=part.service_account,
        schedulerName=part.scheduler_name,
        priorityClassName=part.pod_priority_class,
        restartPolicy=part.restart_pods if job.kind == "HyperPodPyTorchJob" else None,
        terminationGracePeriodSeconds=part.termination_grace_seconds,
        hostNetwork=part.host_network,
        hostIPC=part.host_ipc,
        dnsPolicy=part.dns_policy or ("ClusterFirstWithHostNet" if part.host_network else None),
        imagePullSecrets=[{"name": name} for name in part.pull_secrets],
        securityContext=_pod_security(part.security),
        nodeSelector=_node_selector(part),
        affinity=dict(part.affinity),
        tolerations=[_toleration(toleration) for toleration in part.tolerations],
        topologySpreadConstraints=[_spread(constraint, job) for constraint in part.topology_spread],
        initContainers=[_container(container, part) for container in part.init_containers],
        containers=[_main(job, part, sized), *(_container(container, part) for container in part.sidecars)],
        volumes=volumes,
    )
    if job.kind == "Job":
        spec = {"restartPolicy": part.restart_pods or "Never", **spec}
    shared_labels = job_labels(job) if job.kind == "HyperPodPyTorchJob" else job.labels
    labels = {"app": job.name, **shared_labels, **part.pod_labels}
    template = {
        "metadata": some(labels=labels, annotations={**job_annotations(job), **part.pod_annotations}),
        "spec": spec,
    }
    return merge_patch(template, part.patch, by_name=True) if part.patch else template


def _node_selector(part: ReplicaSpec) -> dict[str, str]:
    selector: dict[str, str] = {}
    if part.instance_type:
        selector[label("instance_type").key] = part.instance_type
    if part.instance_group:
        selector[label("instance_group_name").key] = part.instance_group
    selector |= part.node_selector
    if part.deep_health_check_passed_only:
        selector[label("deep_health_check_status").key] = "Passed"
    if part.mig_profile:
        selector[MIG_READY[0]] = MIG_READY[1]
    return selector


def _main(job: Job, part: ReplicaSpec, sized: Share) -> dict[str, Any]:
    mounts = [_mount(volume) for volume in part.volumes if volume.mount_path is not None]
    if _shm_size(job, part, sized) is not None:
        mounts.append({"name": SHARED_MEMORY, "mountPath": "/dev/shm"})
    built = some(
        name=main_container(job, part),
        image=part.image,
        imagePullPolicy=part.pull_policy,
        command=list(part.command),
        args=list(part.args),
        workingDir=part.working_dir,
        ports=_ports(part.ports),
        env=_env({**_preset_env(job, part), **part.env}),
        envFrom=[_env_from(source) for source in part.env_from],
        resources=sized.resources,
        volumeMounts=mounts,
        securityContext=_security(part.security, _preset_capabilities(job, part)),
    )
    return merge_patch(built, part.container_patch, by_name=True) if part.container_patch else built


def _container(container: Container, part: ReplicaSpec) -> dict[str, Any]:
    mounts = [
        _mount(volume) for volume in part.volumes if volume.name in container.volumes and volume.mount_path is not None
    ]
    mounts += [
        some(name=mount.volume, mountPath=mount.path, subPath=mount.sub_path, readOnly=mount.read_only)
        for mount in container.mounts
    ]
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if container.vcpu:
        requests["cpu"] = quantity(container.vcpu)
    if container.memory_gib:
        requests["memory"] = quantity(container.memory_gib, "Gi")
    memory_limit = number(
        container.memory_limit_gib if container.memory_limit_gib is not None else container.memory_gib
    )
    if memory_limit is not None:
        limits["memory"] = quantity(memory_limit, "Gi")
    if container.vcpu_limit:
        limits["cpu"] = quantity(container.vcpu_limit)
    built = some(
        name=container.name,
        image=container.image,
        imagePullPolicy=container.pull_policy,
        command=list(container.command),
        args=list(container.args),
        workingDir=container.working_dir,
        restartPolicy="Always" if container.restart_always else None,
        ports=_ports(container.ports),
        env=_env(container.env),
        envFrom=[_env_from(source) for source in container.env_from],
        resources=some(requests=requests, limits=limits),
        volumeMounts=mounts,
        securityContext=_security(container.security),
    )
    return merge_patch(built, container.patch, by_name=True) if container.patch else built


def _preset_env(job: Job, part: ReplicaSpec) -> dict[str, str]:
    if not uses_efa_preset(part, job):
        return {}
    preset = load("jobs")["efa_preset"]
    instance_type = find_instance_type(part.instance_type) if part.instance_type else None
    return {**preset["env"], **(preset["gpu_env"] if instance_type is not None and instance_type.is_gpu else {})}


def _env(env: Mapping[str, str | EnvSource]) -> list[dict[str, Any]]:
    return [
        {"name": name, "valueFrom": _env_source(value)}
        if isinstance(value, EnvSource)
        else {"name": name, "value": value}
        for name, value in env.items()
    ]


def _env_source(source: EnvSource) -> dict[str, Any]:
    if source.pod_field is not None:
        return {"fieldRef": {"fieldPath": source.pod_field}}
    key = some(name=source.secret or source.config_map, key=source.key, optional=source.optional)
    return {"secretKeyRef" if source.secret is not None else "configMapKeyRef": key}


def _env_from(source: EnvFrom) -> dict[str, Any]:
    reference = some(name=source.secret or source.config_map, optional=source.optional)
    kind = "secretRef" if source.secret is not None else "configMapRef"
    return {**some(prefix=source.prefix), kind: reference}


def _ports(ports: Iterable[Port]) -> list[dict[str, Any]]:
    return [
        some(name=port.name, containerPort=port.port, protocol=port.protocol if port.protocol != "TCP" else None)
        for port in ports
    ]


def _mount(volume: JobVolume) -> dict[str, Any]:
    return some(name=volume.name, mountPath=volume.mount_path, subPath=volume.sub_path, readOnly=volume.read_only)


def _volume(volume: JobVolume, mounts: Iterable[JobVolume]) -> dict[str, Any]:
    """Returns a volume; its claim is read-only if all its mounts are read-only."""
    source: dict[str, Any] = {}
    if volume.host_path is not None:
        source["hostPath"] = some(path=volume.host_path, type=volume.host_path_type)
    elif volume.claim is not None or volume.fsx is not None:
        source["persistentVolumeClaim"] = some(
            claimName=volume.claim or volume.fsx,
            readOnly=all(mount.read_only for mount in mounts if mount.name == volume.name),
        )
    elif volume.empty_dir is not None:
        size = volume.empty_dir.size_gib
        source["emptyDir"] = some(
            medium="Memory" if volume.empty_dir.memory else None, sizeLimit=quantity(size, "Gi") if size else None
        )
    elif volume.secret is not None:
        source["secret"] = {"secretName": volume.secret, **_files(volume)}
    elif volume.config_map is not None:
        source["configMap"] = {"name": volume.config_map, **_files(volume)}
    elif volume.nfs is not None:
        source["nfs"] = {"server": volume.nfs.server, "path": volume.nfs.path}
    return {"name": volume.name, **source}


def _files(volume: JobVolume) -> dict[str, Any]:
    return some(
        items=[{"key": key, "path": path} for key, path in volume.files.items()],
        defaultMode=int(volume.file_mode, 8) if volume.file_mode is not None else None,
    )


def _spread(spread: TopologySpread, job: Job) -> dict[str, Any]:
    return {
        "maxSkew": spread.max_skew,
        "topologyKey": spread.topology_key,
        "whenUnsatisfiable": spread.when_unsatisfiable,
        "labelSelector": {"matchLabels": dict(spread.match_labels) or {"app": job.name}},
    }


def _shared_memory(job: Job, part: ReplicaSpec, sized: Share) -> list[dict[str, Any]]:
    size = _shm_size(job, part, sized)
    if size is None:
        return []
    limit = {"sizeLimit": quantity(size, "Gi")} if size else {}
    return [{"name": SHARED_MEMORY, "emptyDir": {"medium": "Memory", **limit}}]


def _shm_size(job: Job, part: ReplicaSpec, sized: Share) -> Decimal | None:
    """Returns the size of /dev/shm in GiB; None for no volume, 0 for no limit other than the memory limit."""
    size = part.shared_memory_gib
    if size is None:
        if not uses_efa_preset(part, job) or any(volume.mount_path == "/dev/shm" for volume in part.volumes):
            return None
        size = "auto"
    if size != "auto":
        return exact(size)
    half = (sized.memory_gib or Decimal()) / 2
    return half.quantize(Decimal(1) if half >= 1 else Decimal("0.01"), rounding=ROUND_FLOOR)


def _toleration(toleration: Toleration) -> dict[str, Any]:
    return some(
        key=toleration.key,
        operator=toleration.operator or ("Exists" if toleration.value is None else "Equal"),
        value=toleration.value,
        effect=toleration.effect,
        tolerationSeconds=toleration.seconds,
    )


def _pod_security(security: SecurityContext | None) -> dict[str, Any]:
    if security is None:
        return {}
    return some(fsGroup=security.fs_group, supplementalGroups=list(security.supplemental_groups))


def _preset_capabilities(job: Job, part: ReplicaSpec) -> tuple[str, ...]:
    """Returns the capabilities of the EFA preset: EFA locks memory for registered buffers."""
    return tuple(load("jobs")["efa_preset"]["capabilities"]) if uses_efa_preset(part, job) else ()


def _security(security: SecurityContext | None, preset: tuple[str, ...] = ()) -> dict[str, Any]:
    if security is None:
        return some(capabilities=some(add=list(preset)))
    settings = {  # here, False differs from unset
        "runAsUser": security.run_as_user,
        "runAsGroup": security.run_as_group,
        "runAsNonRoot": security.run_as_non_root,
        "privileged": security.privileged,
        "allowPrivilegeEscalation": security.allow_privilege_escalation,
        "readOnlyRootFilesystem": security.read_only_root_filesystem,
    }
    return {key: value for key, value in settings.items() if value is not None} | some(
        capabilities=some(
            add=list(dict.fromkeys((*preset, *security.add_capabilities))), drop=list(security.drop_capabilities)
        ),
        seccompProfile={"type": security.seccomp_profile} if security.seccomp_profile else None,
    )
