"""HP7xx: training jobs."""

from __future__ import annotations

from ..findings import Finding, Severity, ordered
from ..spec.jobs import Job
from . import job_containers, job_placement, job_policy, job_resources, job_shape, job_template
from .context import Context
from .engine import acknowledged
from .job_rule import example
from .registry import active, describe

__all__ = [
    "check_job",
    "check_jobs",
    "job_containers",
    "job_placement",
    "job_policy",
    "job_resources",
    "job_shape",
    "job_template",
]


def check_job(job: Job) -> list[Finding]:
    """Returns every finding about a job alone, with paths in the job.

    >>> [f.rule for f in check_job(Job(name="a", image="b", instance_type="ml.p5.48xlarge", accelerators=9))]
    ['HP713', 'HP733']
    """
    alone = (rule for rule in active() if rule.about_a_job_alone)
    return ordered(rule.finding(problem) for rule in alone for problem in rule.problems_of_job(job))


def check_jobs(context: Context) -> list[Finding]:
    """Returns every finding about the jobs of a context, and none about its other parts."""
    about_jobs = (rule for rule in active() if rule.id.startswith("HP7") and rule.applies_to(context))
    found = [rule.finding(problem) for rule in about_jobs for problem in rule.problems(context)]
    return acknowledged(found, context.acknowledge, stale=False)


describe(
    "HP790",
    title="A config of the official CLI has the same meaning here.",
    severity=Severity.NOTE,
    why="The object differs from the one that the CLI would submit.",
    cure="Set the field for another value.",
    source="The official CLI (sagemaker-hyperpod 3.12.0), compared field by field",
    wrong="jobs:\n  - {job_name: train, image: registry/train:v1, max_retry: 3}\n",
    right=example("run_policy: {max_retries: 3}"),
)
describe(
    "HP792",
    title="Files of other tools are imported first.",
    severity=Severity.ERROR,
    why="The keys of other formats are not keys of a job, and each would be a separate error.",
    cure="Run `hyperpod jobs import FILE`, which writes a job file.",
    source="Kubernetes manifests; the official CLI's cluster-stack, start-job and recipe files",
    wrong="jobs:\n  - {apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: train}}\n",
    right=example("kind: PyTorchJob"),
)
describe(
    "HP791",
    title="A config of the official CLI is unambiguous.",
    severity=Severity.ERROR,
    why="One of the settings would be ignored.",
    cure="Set one of the two.",
    source="The official CLI's schemas 1.0 and 1.1; Kubernetes: device limits equal requests",
    wrong="jobs:\n  - {job_name: train, image: registry/train:v1, accelerators: 4, accelerators_limit: 8}\n",
    right="jobs:\n  - {job_name: train, image: registry/train:v1, accelerators: 4, instance_type: ml.p5.48xlarge}\n",
)
