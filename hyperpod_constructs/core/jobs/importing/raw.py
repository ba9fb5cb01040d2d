"""Manifests that are submitted unchanged: jobs and other objects, validated by the same rules as job files."""

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
    """The manifests in documents.

    Attributes:
        jobs: manifests of jobs, each with its namespace.
        companions: other objects of known kinds, each with its namespace.
        findings: problems of the manifests.
    """

    jobs: list[dict[str, Any]] = field(default_factory=list)
    companions: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def raw_manifests(documents: list[Document]) -> Raw:
    """Validates the manifests in documents against the schemas of Kubernetes and its operators, and this library's rules."""
    raw = Raw()
    for document in documents:
        raw.findings += document.findings
        octal(document)
        is_list = isinstance(document.value, dict) and document.value.get("kind") == "List"
        for index, manifest in enumerate(objects(document.value)):
            prefix = join("items", index) if is_list else ""
            _add(manifest, raw, document, prefix)
    return raw


def _add(manifest: Any, raw: Raw, document: Document, prefix: str) -> None:
    kind = job_kind(manifest)
    known = type_of(str(manifest.get("kind"))) if isinstance(manifest, Mapping) else None
    if kind is None and known is None:
        other = foreign(manifest, file=document.file)
        message = other.message if other else "is not a Kubernetes manifest"
        cure = other.cure if other else "Submit job files and manifests in separate files."
        finding = Finding(rule="HP792", severity=Severity.ERROR, path=prefix, message=message, cure=cure)
        raw.findings.append(document.located(finding))
        return
    found = [_finding(flaw, document, prefix) for flaw in _flaws(manifest, str(kind or known))]
    raw.findings += found
    if kind is not None:
        if not found:
            raw.findings += list(_checked(manifest, document, prefix))
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
        yield Flaw("kind", f"{manifest['kind']!r} is not a valid kind", f"Use {kind}.")
    if not isinstance(manifest.get("metadata"), Mapping) or not manifest["metadata"].get("name"):
        yield Flaw("metadata", "the manifest has no name", "Set metadata.name.")
        return
    found = [flaw for flaw in flaws(manifest, kind) if not flaw.path.startswith("status")]
    yield from found
    if not found:
        for place, template in pod_templates(manifest):
            for flaw in template_flaws(template):
                yield Flaw(f"{place}.{flaw.path}", flaw.message, flaw.cure, flaw.kind)


def _finding(flaw: Flaw, document: Document, prefix: str) -> Finding:
    path = f"{prefix}.{flaw.path}" if prefix else flaw.path
    finding = Finding(rule="HP722", severity=Severity.ERROR, path=path, message=flaw.message, cure=flaw.cure)
    return document.located(finding, key=flaw.kind == "unknown-key")


_SKIPPED = ("HP721", "HP722", "HP790")
"""Rules whose findings are not reported: about the format of a job file, or already applied to the manifest."""


def _checked(manifest: dict[str, Any], document: Document, prefix: str) -> Iterator[Finding]:
    """Yields the findings of the job rules about the imported job, with the position of the manifest."""
    single = Document(file=document.file)
    single.value = manifest
    (job,) = import_documents([single]).jobs
    for finding in job.findings:
        if finding.rule not in _SKIPPED:
            message = f"{finding.path}: {finding.message}" if finding.path else finding.message
            yield document.located(replace(finding, path=prefix, message=message))
