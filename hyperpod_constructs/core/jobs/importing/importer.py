"""Imports the documents of a file: jobs are converted, companion objects are kept, and losses are listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...documents import Document, parse_all
from ...findings import Finding, Severity, errors
from ...spec.jobs import Job
from ..files import job_in
from ..foreign import foreign, is_hyp_config, is_manifest, is_start_job, job_kind
from ..hyp import job_from_mapping
from ..manifest import API_VERSIONS, manifest_of
from ..schema import Flaw, flaws
from .manifest import Read, read_manifest
from .meaning import Difference, compare, meaning
from .start_job import read_start_job
from .templates import Filled, fill
from .writing import job_text


@dataclass(slots=True)
class ImportedJob:
    """An imported job.

    Attributes:
        data: data of the job file, in its shortest form.
        job: the job; None if the structure of the data is invalid.
        notes: decisions by field.
        losses: parts that could not be imported, one line each.
        differences: differences in meaning between the rendered job and the manifest, including expected ones.
        findings: findings about the job.
        head: comment lines of the file.
        manifest: the source manifest; None for other files.
    """

    data: dict[str, Any]
    job: Job | None = None
    notes: dict[str, str] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    manifest: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the job."""
        return str(self.data.get("name"))

    @property
    def is_equal(self) -> bool:
        """Whether the rendered job is equivalent to the manifest."""
        return not self.losses and self.job is not None and not errors(self.findings)

    @property
    def text(self) -> str:
        """The content of the job file."""
        lost_lines = [f"Not imported: {loss}" for loss in self.losses]
        return job_text(self.data, self.notes, [*self.head, *lost_lines])


@dataclass(slots=True)
class Imported:
    """The result of importing a file: jobs, other Kubernetes objects, and errors."""

    jobs: list[ImportedJob] = field(default_factory=list)
    companions: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    filled: Filled | None = None


def import_text(
    text: str,
    *,
    file: str | None = None,
    stated: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Imported:
    """Imports the jobs in a text, which can be a template with `${NAME}`.

    >>> text = '''
    ... apiVersion: batch/v1
    ... kind: Job
    ... metadata: {name: smoke}
    ... spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: "${IMAGE}"}]}}}
    ... '''
    >>> (job,) = import_text(text, stated={"IMAGE": "registry/smoke:v1"}).jobs
    >>> job.data["image"], job.is_equal
    ('registry/smoke:v1', True)
    """
    filled = fill(text, {} if stated is None else stated, {} if environment is None else environment)
    documents = parse_all(filled.text, file=file)
    if "{{" in filled.text and any(document.value is None and document.findings for document in documents):
        message = "this is a Helm or Jinja template, which must be rendered before it is imported"
        cure = "Render it, for example with `helm template` or the official launcher, and import the result."
        finding = Finding(rule="HP792", severity=Severity.ERROR, path="", message=message, cure=cure)
        return Imported(findings=[Document(file=file).located(finding)], filled=filled)
    imported = import_documents(documents, comments=filled.text)
    imported.filled = filled
    return imported


def import_documents(documents: Iterable[Document], *, comments: str | None = None) -> Imported:
    """Imports the jobs in documents: manifests, configs of `hyp` and of `start-job`."""
    found = Imported()
    for document in documents:
        found.findings += document.findings
        octal(document)
        for data in objects(document.value):
            kind = job_kind(data)
            if kind is not None and (broken := _broken(data, kind, document)):
                found.findings += broken
            elif kind is not None:
                found.jobs.append(_from_manifest(data, kind, document))
            elif is_manifest(data):
                found.companions.append(data)
            elif is_start_job(data):
                found.jobs.append(_finished(read_start_job(data), None, document))
            elif is_hyp_config(data) and foreign(data, file=document.file, comments=comments) is None:
                converted = job_from_mapping(data, comments=comments)
                spec_key = {source_key: name for name, source_key in converted.keys.items()}
                read = Read(converted.data)
                for finding in converted.findings:
                    if finding.severity is Severity.NOTE:
                        read.notes[spec_key.get(finding.path, finding.path)] = f"{finding.message}; {finding.cure}"
                found.findings += [document.located(finding) for finding in errors(converted.findings)]
                found.jobs.append(_finished(read, None, document))
            else:
                found.findings.append(_unknown(data, document, comments))
    return found


def octal(document: Document) -> None:
    """Converts numbers such as 0755, which Kubernetes' tools read as octal (YAML 1.1)."""
    for path, text in document.written.items():
        if not re.fullmatch(r"0[0-7]+", text):
            continue
        *parents, key = [
            int(found[2]) if found[2] else json.loads(f'"{found[1]}"') if found[1] is not None else found[3]
            for found in re.finditer(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)', path)
        ]
        container = document.value
        for parent in parents:
            container = container[parent]
        container[key] = int(text, 8)


def objects(value: Any) -> Iterator[Any]:
    """Yields the objects in a document, including the items of a List."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        yield from value["items"]
    elif value is not None:
        yield value


def _unknown(data: Any, document: Document, comments: str | None) -> Finding:
    other = foreign(data, file=document.file, comments=comments)
    if other is not None:
        return document.located(other, key=True)
    message = "is not a manifest of a job or a job config of the official CLI"
    finding = Finding(
        rule="HP792", severity=Severity.ERROR, path="", message=message, cure="Specify a file of one of these types."
    )
    return document.located(finding)


def _broken(data: Mapping[str, Any], kind: str, document: Document) -> list[Finding]:
    """Returns the errors that prevent reading a manifest: values of the wrong type and missing required keys.

    Unknown keys are kept in patches, and numbers where Kubernetes requires strings are read as strings.
    """
    return [
        document.located(
            Finding(rule="HP722", severity=Severity.ERROR, path=flaw.path, message=flaw.message, cure=flaw.cure)
        )
        for flaw in flaws(data, kind)
        if flaw.kind in ("type", "missing") and not _is_plain_text(flaw)
    ]


_TEXTS = re.compile(r"\.value$|\.(labels|annotations|nodeSelector|matchLabels)[.\[]|\.(command|args)\[\d+\]$")


def _is_plain_text(flaw: Flaw) -> bool:
    """Whether a number or boolean is used where a value, a label or a command requires a string, and is read as a string."""
    expected = flaw.message.removeprefix("must be text, not ")
    return expected.startswith(("the number", "true", "false")) and _TEXTS.search(flaw.path) is not None


def _from_manifest(data: Mapping[str, Any], kind: str, document: Document) -> ImportedJob:
    read = read_manifest(data, kind)
    head = []
    if data["kind"] != kind:
        head.append(f"The manifest's kind is {data['kind']}; the API server uses {kind}.")
    if data["apiVersion"] != API_VERSIONS[kind]:
        head.append(f"The manifest's API version is {data['apiVersion']}; {API_VERSIONS[kind]} is used.")
    return _finished(read, data, document, head)


def _finished(
    read: Read, manifest: Mapping[str, Any] | None, document: Document, head: Sequence[str] = ()
) -> ImportedJob:
    """Shortens and validates the job, and compares it with the manifest if there is one."""
    origin = [f"Imported from {document.file}." if document.file else "Imported.", *head]
    if read.data.get("kind") == "HyperPodPyTorchJob":
        del read.data["kind"]
    found = ImportedJob(read.data, notes=dict(read.notes), losses=list(read.losses), head=origin, manifest=manifest)
    loaded = job_in(read.data, Document(file=document.file))
    found.findings += loaded.findings
    found.job = loaded.job
    if loaded.job is None:
        found.losses += [f"{finding.path}: {finding.message}" for finding in errors(loaded.findings)]
        return found
    found.data = shortened(read.data)
    found.job = Job.model_validate(found.data)
    found.notes = {key: note for key, note in found.notes.items() if key in found.data}
    from ...checks.jobs import check_job

    found.findings += check_job(found.job)
    if manifest is not None:
        found.differences = compare(manifest, manifest_of(found.job))
        found.losses += [str(difference) for difference in found.differences if not difference.expected]
    return found


_DROPPED = (
    *("vcpu", "memory_gib", "memory_limit_gib", "vcpu_limit", "efa", "restart_pods", "pull_policy", "dns_policy"),
    *("termination_grace_seconds", "scheduler_name"),
)
"""Fields that are removed if the job is equivalent without them."""


def shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Returns equivalent data in its shortest form: whole nodes if possible, and no default values.

    >>> shortened({"name": "a", "image": "b", "instance_type": "ml.p5.48xlarge", "replicas": 2, "accelerators": 8,
    ...     "vcpu": 179, "memory_gib": 1890, "memory_limit_gib": 1890, "efa": 32})
    {'name': 'a', 'image': 'b', 'instance_type': 'ml.p5.48xlarge', 'nodes': 2}
    """
    expected = _meaning(data)
    short = dict(data)
    if "replica_specs" not in data and "instance_type" in data:
        for kept in (("vcpu", "memory_gib"), ()) if data.get("vcpu") == data.get("memory_gib") == "none" else ((),):
            share = ("replicas", "accelerators", "vcpu", "memory_gib", "memory_limit_gib", "efa")
            whole = {key: value for key, value in data.items() if key not in share or key in kept}
            whole["nodes"] = data.get("replicas", 1)
            if _meaning(whole) == expected:
                short = whole
    for key in _DROPPED:
        if key in short:
            without = {name: value for name, value in short.items() if name != key}
            if _meaning(without) == expected:
                short = without
    return short


def _meaning(data: Mapping[str, Any]) -> dict[str, Any]:
    return meaning(manifest_of(Job.model_validate(data)))
