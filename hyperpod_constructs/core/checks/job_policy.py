"""HP708 and HP72x: elastic training, log rules, replica specs, retries and spares of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import label
from ..findings import Severity
from ..jobs.names import is_label
from ..plural import count
from ..spec.jobs import Job
from .job_rule import example, opaque, pods
from .registry import Problem, rule


@rule(
    "HP708",
    title="Replica counts of an elastic job are consistent.",
    why="The operator rejects the job or never scales it.",
    cure="Set min_replicas and max_replicas so that the number of nodes or replicas is in their range.",
    source="HyperPodPyTorchJob schema; AWS documentation of elastic training; Kubeflow training operator: validation",
    wrong=example("nodes: 4, elastic: {max_replicas: 2}"),
    right=example("nodes: 2, elastic: {max_replicas: 4, step: 2}"),
)
def elastic(job: Job) -> Iterator[Problem]:
    if job.elastic is None:
        return
    if job.kind == "PyTorchJob":
        yield from _kubeflow(job)
    start = sum(part.count for part in job.parts if part.name != "master") if job.kind == "PyTorchJob" else None
    start = job.parts[0].count if start is None else start
    values = job.elastic.discrete_values
    maximum = job.elastic.max_replicas or (max(values) if values else None)
    if maximum is None and job.kind == "HyperPodPyTorchJob":
        yield Problem("elastic", "max_replicas is not set", "Set max_replicas, the maximum number of replicas.")
    default = (maximum or start) if job.kind == "PyTorchJob" else start
    minimum = job.elastic.min_replicas or default
    maximum = maximum or minimum
    if maximum < minimum:
        yield Problem("elastic.max_replicas", f"{maximum} is less than the minimum of {count(minimum, 'replica')}")
    elif not minimum <= start <= maximum:
        yield Problem(
            "elastic", f"the job starts with {count(start, 'replica')}, outside the range {minimum} to {maximum}"
        )
    if values and job.elastic.step:
        yield Problem("elastic.discrete_values", "conflicts with step", "Remove one of the two.")
    outside = [value for value in values if not minimum <= value <= maximum]
    if outside:
        yield Problem(
            "elastic.discrete_values",
            f"outside the range {minimum} to {maximum}: {', '.join(map(str, outside))}",
            "Remove the values outside the range, or change min_replicas and max_replicas.",
        )


def _kubeflow(job: Job) -> Iterator[Problem]:
    assert job.elastic is not None
    if job.replica_specs and not any(part.name == "worker" for part in job.parts):
        yield Problem("replica_specs", "an elastic PyTorchJob requires a worker", "Add a replica spec named worker.")
    if job.elastic.processes_per_node and job.processes_per_node:
        message = "conflicts with the job's processes_per_node"
        yield Problem("elastic.processes_per_node", message, "Remove elastic.processes_per_node, which is deprecated.")
    stated = [name for name in ("rdzv_backend", "rdzv_host", "rdzv_port", "rdzv_id") if getattr(job.elastic, name)]
    if job.elastic.standalone and stated:
        message = f"conflicts with {', '.join(stated)}, which torchrun then ignores"
        cure = f"Remove standalone, or remove {', '.join(stated)}."
        yield Problem("elastic.standalone", message, cure, "Each pod trains alone.", Severity.WARNING)


@rule(
    "HP723",
    title="A log rule has a valid regular expression and a condition.",
    why="The agent compiles the patterns with Python's `re`. One invalid pattern disables all monitoring of "
    "the log, with one line in the agent's own log.",
    cure="Correct the pattern, and set a time, a threshold or fault_on_match.",
    source="AWS page sagemaker-eks-operator-usage; the HyperPod elastic agent",
    wrong=example('run_policy: {log_rules: [{name: loss, pattern: "([0-9", starts_within_seconds: 60}]}'),
    right=example('run_policy: {log_rules: [{name: loss, pattern: "loss: ([0-9.]+)", starts_within_seconds: 60}]}'),
)
def log_rules(job: Job) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, log_rule in enumerate(job.run_policy.log_rules):
        path = f"run_policy.log_rules[{index}]"
        groups = None
        for field in ("pattern", "stop_pattern"):
            pattern = getattr(log_rule, field)
            if opaque(pattern):
                continue
            try:
                compiled = re.compile(pattern)
            except re.error as problem:
                at = "" if problem.pos is None else f" at character {problem.pos + 1}"
                yield Problem(f"{path}.{field}", f"{pattern!r} is not a valid regular expression: {problem.msg}{at}")
            else:
                groups = compiled.groups if field == "pattern" else groups
        if log_rule.name in seen:
            why = "Two rules with one name cannot be distinguished in logs and events."
            message = f"{log_rule.name!r} is already used"
            yield Problem(f"{path}.name", message, "Use another name.", why, Severity.WARNING)
        seen.add(log_rule.name)
        if log_rule.threshold is not None and groups == 0:
            message = "the pattern has no group, so no value can be compared with the threshold"
            cure = "Put parentheses around the part of the pattern that matches the number."
            yield Problem(f"{path}.pattern", message, cure, "The agent cannot apply the rule.")
        watches = (log_rule.starts_within_seconds, log_rule.recurs_within_seconds, log_rule.threshold)
        if all(value is None for value in watches) and not log_rule.fault_on_match:
            message = "no effect: no time, threshold or fault_on_match is set"
            cure = "Set starts_within_seconds, recurs_within_seconds, threshold or fault_on_match."
            yield Problem(path, message, cure, "A rule without a condition reports no fault.", Severity.WARNING)


@rule(
    "HP725",
    title="Replica specs have unique names that their kind supports.",
    why="Kubernetes or the operator rejects the object.",
    cure="Use lowercase letters, digits and hyphens; in a PyTorchJob `master` and `worker`.",
    source="Kubernetes: names are DNS labels; Kubeflow training operator: validation",
    wrong=example("replica_specs: [{name: a, nodes: 1}, {name: a, nodes: 2}]"),
    right=example("replica_specs: [{name: a, nodes: 1}, {name: b, nodes: 2}]"),
)
def replica_specs(job: Job) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, spec in enumerate(job.replica_specs):
        path = f"replica_specs[{index}]"
        if job.kind == "PyTorchJob":
            if spec.name not in ("master", "worker"):
                yield Problem(f"{path}.name", f"{spec.name!r} is not a role of a PyTorchJob", "Use master or worker.")
            elif spec.name == "master" and job.parts[index].count != 1:
                field = "nodes" if job.parts[index].nodes else "replicas"
                message = f"a PyTorchJob has one master, not {job.parts[index].count}"
                yield Problem(f"{path}.{field}", message, f"Set {field}: 1.")
        elif not opaque(spec.name) and not is_label(spec.name):
            yield Problem(f"{path}.name", f"{spec.name!r} is not a valid Kubernetes name")
        if spec.name in seen:
            message = f"{spec.name!r} is also the name of replica_specs[{seen[spec.name]}]"
            yield Problem(f"{path}.name", message, "Use another name.")
        seen.setdefault(spec.name, index)


@rule(
    "HP726",
    title="A retry limit applies to the way in which the job restarts.",
    severity=Severity.WARNING,
    why="Kubeflow's operator counts restarts of containers. If containers do not restart, the limit is never "
    "reached; if auto-resume restarts pods, the limit ends the job.",
    cure="Set restart_pods: OnFailure, or auto_resume_retries for auto-resume.",
    source="Kubeflow training operator: PastBackoffLimit; kubeflow/training-operator issue 2045",
    wrong=example("kind: PyTorchJob, restart_pods: ExitCode, run_policy: {max_retries: 3}"),
    right=example("kind: PyTorchJob, restart_pods: OnFailure, run_policy: {max_retries: 3}"),
)
def retries(job: Job) -> Iterator[Problem]:
    if job.kind != "PyTorchJob" or job.run_policy.max_retries is None:
        return
    uncounted = sorted({part.restart_pods for part in job.parts if part.restart_pods in ("ExitCode", "Never")} - {None})
    if uncounted and all(part.restart_pods in ("ExitCode", "Never") for part in job.parts):
        message = f"no effect: with restart_pods {' and '.join(map(str, uncounted))} no container restarts"
        cure = "Set restart_pods: OnFailure, or remove max_retries."
        yield Problem("run_policy.max_retries", message, cure)
    if job.auto_resume and job.auto_resume_retries is None:
        message = (
            f"{job.run_policy.max_retries} limits restarts by auto-resume and restarts of containers together "
            "(backoffLimit)"
        )
        cure = "Set auto_resume_retries, and max_retries only to limit restarts of containers."
        yield Problem("run_policy.max_retries", message, cure)


@rule(
    "HP727",
    title="A job with spare pods has a queue.",
    why="Kueue allocates spare nodes: without a queue the job fails.",
    cure="Set `team` or `queue`, or remove spares.",
    source="AWS page sagemaker-eks-operator-usage: spare nodes require Kueue",
    wrong=example("nodes: 2, spares: 1"),
    right=example("nodes: 2, spares: 1, team: vision"),
    certain=False,
)
def spares(job: Job) -> Iterator[Problem]:
    if job.kind != "HyperPodPyTorchJob" or job.effective_queue or label("queue_name").key in job.labels:
        return
    for index, part in enumerate(job.parts):
        if part.spares:
            prefix = f"replica_specs[{index}]." if job.replica_specs else ""
            yield Problem(f"{prefix}spares", f"{count(part.spares, 'spare')}, but the job has no queue")


@rule(
    "HP732",
    title="The scheduler of a job runs in the cluster.",
    severity=Severity.WARNING,
    why="Pods with the name of a scheduler that does not run stay pending.",
    cure="Remove scheduler_name, and set `queue` or `team` for Kueue.",
    source="Kueue: jobs are queued by the label kueue.x-k8s.io/queue-name, pods are placed by Kubernetes' scheduler",
    wrong=example("scheduler_name: kueue"),
    right=example("queue: research"),
)
def scheduler(job: Job) -> Iterator[Problem]:
    for prefix, pod in pods(job):
        if pod.scheduler_name and pod.scheduler_name.lower() == "kueue":
            yield Problem(f"{prefix}scheduler_name", "Kueue is not a pod scheduler")
