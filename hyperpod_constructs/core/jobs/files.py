"""Reads job files: this library's format, or a config of the official CLI. Problems are findings with their line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..documents import Document, read, read_all
from ..findings import Finding, Severity, ordered
from ..shape import shaped
from ..spec.jobs import Job
from .foreign import foreign, is_hyp_config

_PLATFORM_KEYS = ("network", "cluster", "eks")
"""Keys of a platform config that a job file does not have."""


class LoadedJob(NamedTuple):
    """The result of reading a job file.

    Attributes:
        job: the job, if the structure of the file is valid; it may still have errors.
        findings: problems of the file and its structure, and notes on configs of the official CLI.
        document: the file, to locate findings of later rules with `locate`.
        keys: the file's key by this library's key, if they differ.
        prefix: path of the job in the document; empty for a separate file.
    """

    job: Job | None
    findings: list[Finding]
    document: Document
    keys: Mapping[str, str] = MappingProxyType({})
    prefix: str = ""

    def locate(self, finding: Finding, *, key: bool = False) -> Finding:
        """Returns a finding about the job, whose path is relative to the job or the document, with its position."""
        path_in_job = finding.path.removeprefix(self.prefix).removeprefix(".")
        first = re.split(r"[.\[]", path_in_job, maxsplit=1)[0]
        path = self.keys.get(first, path_in_job)
        joined = f"{self.prefix}.{path}" if self.prefix and path else self.prefix or path
        return self.document.located(finding, path=joined, key=key)


def read_job(path: Path) -> LoadedJob:
    """Reads a file that contains one job."""
    return _loaded(read(path))


def read_jobs(path: Path) -> list[LoadedJob]:
    """Reads the jobs in a file, one per document."""
    return [_loaded(document) for document in read_all(path)]


def _loaded(document: Document) -> LoadedJob:
    if document.value is None and document.findings:
        return LoadedJob(job=None, findings=document.findings, document=document)
    return job_in(document.value, document)


def job_in(data: Any, document: Document, *, prefix: str = "") -> LoadedJob:
    """Reads a job from data at `prefix` in the document."""
    keys: Mapping[str, str] = {}
    found: list[Finding] = list(document.findings) if not prefix else []
    platform_key = next((key for key in _PLATFORM_KEYS if isinstance(data, dict) and key in data), None)
    if platform_key is not None:
        path = f"{prefix}.{platform_key}" if prefix else platform_key
        message = "this is a platform config, not a job"
        cure = "Validate it with `hyperpod validate`, or specify a job file, such as one that is listed under `jobs`."
        finding = Finding(rule="HP012", severity=Severity.ERROR, path=path, message=message, cure=cure)
        return LoadedJob(job=None, findings=[*found, document.located(finding, key=True)], document=document)
    comments = None if prefix else _comments(document)
    not_a_job = foreign(data, file=document.file, comments=comments)
    if not_a_job is not None:
        path = f"{prefix}.{not_a_job.path}" if prefix and not_a_job.path else prefix or not_a_job.path
        finding = document.located(replace(not_a_job, path=path), key=True)
        return LoadedJob(job=None, findings=[*found, finding], document=document)
    if is_hyp_config(data):
        from .hyp import job_from_mapping

        start = len(prefix) + 1 if prefix else 0
        written = {path[start:]: text for path, text in document.written.items() if path.startswith(prefix)}
        converted = job_from_mapping(data, comments=comments, written=written)
        data, keys = converted.data, converted.keys
        for finding in converted.findings:
            path = f"{prefix}.{finding.path}" if prefix else finding.path
            found.append(document.located(replace(finding, path=path)))
    shape = shaped(Job, data, document, prefix=prefix)
    loaded = LoadedJob(job=shape.value, findings=[], document=document, keys=keys, prefix=prefix)
    located = [loaded.locate(finding) if keys else finding for finding in shape.findings]
    return loaded._replace(findings=ordered([*found, *located]))


def _comments(document: Document) -> str | None:
    """Returns the text of a job file, whose comments can identify the tool that wrote it."""
    if document.file is None or not Path(document.file).is_file():
        return None
    return Path(document.file).read_text(encoding="utf-8-sig")
