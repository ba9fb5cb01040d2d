"""Builds the Kubernetes object of a job as plain data in a fixed order, without validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...handlers.shared.merge import merge_patch
from ..catalog import label
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_policy import Elastic, Gang, LogRule, RestartPolicy, RunPolicy
from .pods import job_annotations, job_labels, pod_template, some

API_VERSIONS = {"HyperPodPyTorchJob": "sagemaker.amazonaws.com/v1", "PyTorchJob": "kubeflow.org/v1", "Job": "batch/v1"}
"""API versions by kind."""


def manifest_of(job: Job) -> dict[str, Any]:
    """Returns the manifest of a job, not validated, and with a name without the content hash."""
    annotations = job_annotations(job) | _auto_resume(job) | dict(job.job_annotations)
    metadata = {
        "name": job.name,
        "namespace": job.effective_namespace,
        **some(labels=job_labels(job) | dict(job.job_labels), annotations=annotations),
    }
    built = {
        "apiVersion": API_VERSIONS[job.kind],
        "kind": job.kind,
        "metadata": metadata,
        "spec": _SPECS[job.kind](job),
    }
    return merge_patch(built, job.job_patch, by_name=True) if job.job_patch else built


def _auto_resume(job: Job) -> dict[str, str]:
    if not job.auto_resume:
        return {}
    retries = job.auto_resume_retries
    if retries is None:
        retries = job.run_policy.max_retries
    count = {} if retries is None else {label("job_max_retry_count").key: str(retries)}
    return {label("auto_resume").key: "true", **count}


def _hyperpod(job: Job) -> dict[str, Any]:
    replica_specs = []
    for index, part in enumerate(job.parts):
        largest = job.elastic.max_replicas if job.elastic and index == 0 else None
        numbers = some(replicas=part.count, maxReplicas=largest, spares=part.spares)
        replica_specs.append({"name": part.name, **numbers, "template": pod_template(job, part)})
    return {
        "nprocPerNode": job.processes_per_node or "auto",
        "replicaSpecs": replica_specs,
        **some(
            runPolicy=_run_policy(job), elasticPolicy=_elastic(job.elastic, job.parts[0].count) if job.elastic else None
        ),
    }


def _run_policy(job: Job) -> dict[str, Any]:
    policy: RunPolicy = job.run_policy
    return some(
        cleanPodPolicy=policy.clean_pods,
        jobMaxRetryCount=policy.max_retries,
        activeDeadlineSeconds=policy.active_deadline_seconds,
        startupDeadlineSeconds=policy.startup_deadline_seconds,
        faultDeadlineSeconds=policy.fault_deadline_seconds,
        ttlSecondsAfterFinished=policy.ttl_seconds,
        suspend=job.suspend,
        workloadMode=policy.workload_mode,
        restartPolicy=_restart(policy.restart) if policy.restart else None,
        logMonitoringConfiguration=[_log_rule(rule) for rule in policy.log_rules],
    )


def _restart(restart: RestartPolicy) -> dict[str, Any]:
    return some(
        evalPeriodSeconds=restart.evaluation_seconds,
        numRestartBeforeFullJobRestart=restart.restarts_before_full_restart,
        maxFullJobRestarts=restart.max_full_restarts,
        maxNumRepeatOffendersToAvoid=restart.max_repeat_offenders,
        scaleUpSnoozeTimeInSeconds=restart.scale_up_snooze_seconds,
    )


def _log_rule(rule: LogRule) -> dict[str, Any]:
    return some(
        name=rule.name,
        logPattern=rule.pattern,
        expectedStartCutOffInSeconds=rule.starts_within_seconds,
        expectedRecurringFrequencyInSeconds=rule.recurs_within_seconds,
        metricThreshold=rule.threshold,
        operator=rule.operator,
        metricEvaluationDataPoints=rule.data_points,
        stopPattern=rule.stop_pattern,
        faultOnMatch=rule.fault_on_match,
    )


def _elastic(elastic: Elastic, count: int) -> dict[str, Any]:
    return some(
        minReplicas=elastic.min_replicas or count,
        maxReplicas=elastic.max_replicas,
        replicaIncrementStep=elastic.step,
        replicaDiscreteValues=list(elastic.discrete_values),
        scalingTimeoutInSeconds=elastic.scaling_timeout_seconds,
        gracefulShutdownTimeoutInSeconds=elastic.graceful_shutdown_seconds,
        faultyScaleDownTimeoutInSeconds=elastic.faulty_scale_down_seconds,
    )


def _kubeflow(job: Job) -> dict[str, Any]:
    policy = job.run_policy
    run_policy = some(
        cleanPodPolicy=policy.clean_pods,
        backoffLimit=policy.max_retries,
        activeDeadlineSeconds=policy.active_deadline_seconds,
        ttlSecondsAfterFinished=policy.ttl_seconds,
        suspend=job.suspend,
        schedulingPolicy=_gang(policy.gang) if policy.gang else None,
        managedBy=policy.managed_by,
    )
    return {
        **some(nprocPerNode=job.processes_per_node, elasticPolicy=_torchrun(job.elastic) if job.elastic else None),
        "pytorchReplicaSpecs": {
            role: {"replicas": count, **some(restartPolicy=part.restart_pods), "template": pod_template(job, part)}
            for role, count, part in _roles(job)
        },
        **some(runPolicy=run_policy),
    }


def _roles(job: Job) -> list[tuple[str, int, ReplicaSpec]]:
    """Returns roles with count and replica spec: as named, otherwise one master and workers, or only workers if elastic."""
    if job.replica_specs:
        return [(part.name.capitalize(), part.count, part) for part in job.parts]
    part = job.parts[0]
    if job.elastic is not None:
        return [("Worker", part.count, part)]
    return [("Master", 1, part), *([("Worker", part.count - 1, part)] if part.count > 1 else [])]


def _torchrun(elastic: Elastic) -> dict[str, Any]:
    return some(
        minReplicas=elastic.min_replicas,
        maxReplicas=elastic.max_replicas,
        rdzvBackend=elastic.rdzv_backend,
        rdzvHost=elastic.rdzv_host,
        rdzvPort=elastic.rdzv_port,
        rdzvId=elastic.rdzv_id,
        rdzvConf=[{"key": key, "value": value} for key, value in elastic.rdzv_conf.items()],
        standalone=elastic.standalone,
        nProcPerNode=elastic.processes_per_node,
        maxRestarts=elastic.max_restarts,
        metrics=[dict(metric) for metric in elastic.metrics],
    )


def _gang(gang: Gang) -> dict[str, Any]:
    return some(
        minAvailable=gang.min_available,
        queue=gang.queue,
        priorityClass=gang.priority_class,
        minResources=dict(gang.min_resources),
        scheduleTimeoutSeconds=gang.schedule_timeout_seconds,
    )


def _batch(job: Job) -> dict[str, Any]:
    policy, part = job.run_policy, job.parts[0]
    return {
        "parallelism": part.count,
        "completions": part.count,
        **some(
            completionMode="Indexed" if part.count > 1 else None,
            backoffLimit=policy.max_retries,
            activeDeadlineSeconds=policy.active_deadline_seconds,
            ttlSecondsAfterFinished=policy.ttl_seconds,
            suspend=job.suspend,
        ),
        "template": pod_template(job, part),
    }


_SPECS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "HyperPodPyTorchJob": _hyperpod,
    "PyTorchJob": _kubeflow,
    "Job": _batch,
}


def pod_templates(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the pod templates in a job's manifest, with their paths.

    >>> [path for path, _ in pod_templates({"spec": {"pytorchReplicaSpecs": {"Worker": {"template": {}}}}})]
    ['spec.pytorchReplicaSpecs.Worker.template']
    """
    spec = manifest.get("spec") or {}
    for index, replica_spec in enumerate(spec.get("replicaSpecs") or ()):
        yield f"spec.replicaSpecs[{index}].template", replica_spec.get("template") or {}
    for role, replica_spec in (spec.get("pytorchReplicaSpecs") or {}).items():
        yield f"spec.pytorchReplicaSpecs.{role}.template", (replica_spec or {}).get("template") or {}
    if isinstance(spec.get("template"), Mapping):
        yield "spec.template", spec["template"]
