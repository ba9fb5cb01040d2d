"""Jobs from texts, read like files."""

from __future__ import annotations

from hyperpod_constructs.core.documents import parse
from hyperpod_constructs.core.jobs.files import LoadedJob, job_in


def parse_job(text: str, *, file: str | None = None) -> LoadedJob:
    """The job in a text."""
    document = parse(text, file=file)
    if document.value is None and document.findings:
        return LoadedJob(job=None, findings=document.findings, document=document)
    return job_in(document.value, document)
