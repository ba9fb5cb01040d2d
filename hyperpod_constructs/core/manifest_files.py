"""The entries of `manifests` in a config: files of Kubernetes objects, or inline objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .documents import Document, join, read_all, within
from .findings import Finding, Severity


@dataclass(eq=False, repr=False)
class Manifests:
    """The objects of a config.

    Attributes:
        objects: all objects, in order; the items of a List separately.
        findings: files and objects that could not be read.
        complete: whether everything could be read.
    """

    objects: tuple[Mapping[str, Any], ...] = ()
    findings: list[Finding] = field(default_factory=list)
    complete: bool = True
    _places: list[tuple[Document, str]] = field(default_factory=list)
    """Position and config path of each object."""

    def placed(self, finding: Finding) -> Finding | None:
        """A finding about one of the objects with its position; None for others."""
        for index, (document, path) in enumerate(self._places):
            around = join("manifests", index)
            if within(finding.path, around):
                inside = finding.path[len(around) :].removeprefix(".")
                found = document.located(finding, path=f"{path}.{inside}" if path and inside else path or inside)
                return replace(found, path=finding.path)
        return None

    def _add(self, value: Any, document: Document, path: str) -> None:
        if isinstance(value, Mapping) and value.get("kind") == "List" and isinstance(value.get("items"), list):
            for index, item in enumerate(value["items"]):
                self._add(item, document, join(join(path, "items") if path else "items", index))
        elif isinstance(value, Mapping):
            self.objects = (*self.objects, value)
            self._places.append((document, path))
        else:
            self._reject(
                document, path, "must be a Kubernetes object", "Write a mapping with apiVersion, kind and metadata."
            )

    def _reject(self, document: Document, path: str, message: str, cure: str) -> None:
        finding = Finding(rule="HP012", severity=Severity.ERROR, path=path, message=message, cure=cure)
        self.findings.append(document.located(finding))
        self.complete = False


def read(entries: Any, folder: Path, document: Document) -> Manifests:
    """The objects of the entries. File paths are relative to the folder; all documents of a file are read."""
    manifests = Manifests()
    if entries is None:
        return manifests
    if not isinstance(entries, list):
        cure = (
            f"Write it in brackets: [{entries}]." if isinstance(entries, str) else "Write a list of paths or objects."
        )
        manifests._reject(document, "manifests", "must be a list of manifest paths or objects", cure)
        return manifests
    for index, entry in enumerate(entries):
        path = join("manifests", index)
        if not isinstance(entry, str):
            manifests._add(entry, document, path)
            continue
        for read in read_all(folder / entry):
            for finding in read.findings:
                if finding.rule == "HP002":  # the file itself: reported at its path in the config
                    finding = document.located(
                        replace(finding, path=path, message=f"{folder / entry}: {finding.message}")
                    )
                manifests.findings.append(finding)
            manifests.complete = manifests.complete and not read.findings
            if read.value is not None:
                manifests._add(read.value, read, "")
    return manifests
