"""`python -m hyperpod_constructs.charts jobs/*.yaml -o dist/`: convert job files to Kubernetes YAML files with cdk8s."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hyperpod_constructs.core.checks.jobs import check_job
from hyperpod_constructs.core.findings import Severity, errors, ordered, summary
from hyperpod_constructs.core.jobs import Job
from hyperpod_constructs.core.jobs.files import read_jobs
from hyperpod_constructs.core.packaged_node import use_packaged_node


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the charts. Returns 0 on success and 1 if a job has errors; incorrect usage exits with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m hyperpod_constructs.charts",
        description="Convert job files to Kubernetes YAML files with cdk8s.",
    )
    parser.add_argument("files", nargs="+", type=Path, help="job files, or config.yaml of the official CLI")
    parser.add_argument("-o", "--output", type=Path, default=Path("dist"), help="folder to write to (default: dist)")
    parser.add_argument(
        "--kind",
        choices=("HyperPodPyTorchJob", "PyTorchJob", "Job"),
        help="kind of the jobs (default: the kind in the files)",
    )
    options = parser.parse_args(arguments)
    jobs = _read(options.files, options.kind)
    if jobs is None:
        return 1
    taken = [name for name, count in Counter(job.name for job in jobs).items() if count > 1]
    if taken:
        print(
            f"several jobs are named {taken[0]!r}; names must be unique because they are also the file names",
            file=sys.stderr,
        )
        return 1
    use_packaged_node()
    import cdk8s

    from .hyperpod_pytorch_job import HyperPodPyTorchJobChart

    app = cdk8s.App(outdir=str(options.output))
    for job in jobs:
        HyperPodPyTorchJobChart(app, job.name, job=job)
    app.synth()
    for job in jobs:
        print(options.output / f"{job.name}.k8s.yaml")
    return 0


def _read(files: Sequence[Path], kind: str | None) -> list[Job] | None:
    """Returns the jobs of the files, None if one has errors; prints all findings except notes."""
    jobs, found = [], []
    for loaded in [loaded for file in files for loaded in read_jobs(file)]:
        found += loaded.findings
        if loaded.job is not None:
            job = loaded.job.model_copy(update={"kind": kind}) if kind else loaded.job
            found += [loaded.locate(finding) for finding in check_job(job)]
            jobs.append(job)
    for finding in ordered(found):
        if finding.severity is not Severity.NOTE:
            print(finding, file=sys.stderr)
    if errors(found):
        print(f"{summary(found)}; nothing was written", file=sys.stderr)
        return None
    return jobs


if __name__ == "__main__":
    sys.exit(main())
