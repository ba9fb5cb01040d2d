"""Manifests that are submitted unchanged: jobs and their companion objects, validated like job files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...documents import Document, join
from ...findings import Finding, Severity
from ..foreign import foreign, job_kind
from ..manifest import pod_templates
from ..pod_rules import template_flaws
from ..schema import Flaw, flaws, type_of
from .importer import import_documents, objects, octal


@dataclass(slots=True)
class Raw:
    """The manifests of documents.

    Attributes:
        jobs: manifests of jobs, each with its namespace.
        companions: other objects of known kinds, each with its namespace.
        findings: their problems.
    """

    jobs: list[dict[str, Any]] = field(default_factory=list)
    companions: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def raw_manifests(documents: list[Document]) -> Raw:
    """Validates the manifests of documents: what Kubernetes, the operators or this library's rules reject."""
    raw = Raw()
    for document in documents:
        raw.findings += document.findings
        octal(document)
        of_list = isinstance(document.value, dict) and document.value.get("kind") == "List"
        for index, manifest in enumerate(objects(document.value)):
            around = join("items", index) if of_list else ""
            _take(manifest, raw, document, around)
    return raw


def _take(manifest: Any, raw: Raw, document: Document, around: str) -> None:
    kind = job_kind(manifest)
    known = type_of(str(manifest.get("kind"))) if isinstance(manifest, Mapping) else None
    if kind is None and known is None:
        other = foreign(manifest, file=document.file)
        message = other.message if other else "is not a Kubernetes manifest"
        cure = other.cure if other else "Submit job files and manifests in separate files."
        finding = Finding(rule="HP792", severity=Severity.ERROR, path=around, message=message, cure=cure)
        raw.findings.append(document.located(finding))
        return
    found = [_finding(flaw, document, around) for flaw in _flaws(manifest, str(kind or known))]
    raw.findings += found
    if kind is not None:
        if not found:
            raw.findings += list(_checked(manifest, document, around))
        raw.jobs.append(_placed(manifest))
    else:
        raw.companions.append(_placed(manifest))


def _placed(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest.get("metadata") or {}
    if manifest["kind"] == "PersistentVolume":
        return manifest
    return {**manifest, "metadata": {**metadata, "namespace": metadata.get("namespace") or "default"}}


def _flaws(manifest: Mapping[str, Any], kind: str) -> Iterator[Flaw]:
    if manifest["kind"] != kind:
        yield Flaw("kind", f"{manifest['kind']!r} is not a kind of the API server", f"Write {kind}.")
    if not isinstance(manifest.get("metadata"), Mapping) or not manifest["metadata"].get("name"):
        yield Flaw("metadata", "the manifest has no name", "Set metadata.name.")
        return
    found = [flaw for flaw in flaws(manifest, kind) if not flaw.path.startswith("status")]
    yield from found
    if not found:
        for place, template in pod_templates(manifest):
            for flaw in template_flaws(template):
                yield Flaw(f"{place}.{flaw.path}", flaw.message, flaw.cure, flaw.kind)


def _finding(flaw: Flaw, document: Document, around: str) -> Finding:
    path = f"{around}.{flaw.path}" if around else flaw.path
    finding = Finding(rule="HP722", severity=Severity.ERROR, path=path, message=flaw.message, cure=flaw.cure)
    return document.located(finding, key=flaw.kind == "unknown-key")


_OURS = ("HP721", "HP722", "HP790")
"""Rules about the format of a job file, and rules that were applied to the manifest itself."""


def _checked(manifest: dict[str, Any], document: Document, around: str) -> Iterator[Finding]:
    """Findings of the job rules about the same job, with positions in the manifest."""
    alone = Document(file=document.file)
    alone.value = manifest
    (job,) = import_documents([alone]).jobs
    for finding in job.findings:
        if finding.rule not in _OURS:
            message = f"{finding.path}: {finding.message}" if finding.path else finding.message
            yield document.located(replace(finding, path=around, message=message))
