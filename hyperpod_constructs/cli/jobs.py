"""`hyperpod jobs`: training jobs. The module of a subcommand is imported when it is used."""

from __future__ import annotations

import click

from .lazy import Commands, LazyGroup

COMMANDS: Commands = {
    "init": ("jobs_init", "Write a commented job file."),
    "render": ("jobs_render", "Print the manifests that would be applied."),
    "import": ("jobs_import", "Convert manifests and other tools' files to job files."),
    "diff": ("jobs_import", "Compare a job file with a manifest, field by field."),
    "submit": ("jobs_submit", "Create jobs in a cluster."),
    "list": ("jobs_day2", "List jobs of all kinds."),
    "describe": ("jobs_day2", "Describe a job: conditions, pods and events."),
    "pods": ("jobs_day2", "List the pods of a job, or all."),
    "logs": ("jobs_logs", "Print the logs of a job's pods."),
    "wait": ("jobs_day2", "Wait until a job has started or finished."),
    "suspend": ("jobs_day2", "Suspend a job."),
    "resume": ("jobs_day2", "Resume a suspended job."),
    "delete": ("jobs_day2", "Delete jobs."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def jobs() -> None:
    """Training jobs: write, render, submit and monitor them."""
