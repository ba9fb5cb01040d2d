"""Images, charts and assets, with their digests if they are known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import service_images
from ..chart import pinned_chart, subchart_digests
from ..closed import image_copies
from ..spec.dependencies import GitChart, OciChart
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .subject import Subject
from .words import Words, as_list

_NO_DIGEST = Cell("by tag, no digest", "warn")


def section(subject: Subject, words: Words | None) -> Section:
    """Returns the section; without templates, assets are omitted."""
    head = ("Chart", "Source", "Version", "Digest")
    blocks: list[Block] = [
        *table("Helm charts", head, list(_charts(subject, words))),
        *table("Container images", ("Used by", "Image", "Digest"), list(_images(subject))),
    ]
    if words is None:
        blocks.append(Paragraph(f"Assets of functions and scripts are in the templates. {subject.left_out}"))
    else:
        blocks += table(
            "Assets of functions, layers and scripts",
            ("Resource", "SHA-256 of the asset"),
            list(_assets(words)),
            folded=True,
        )
    blocks.append(Paragraph("EKS selects the images of EKS add-ons by the versions of the add-ons."))
    return Section("artifacts", "Images and charts", tuple(blocks))


def _charts(subject: Subject, words: Words | None) -> Iterator[tuple[Content, ...]]:
    chart = subject.platform.dependencies
    if words is not None:
        for stack, name, release in words.all("Custom::HyperPodHelmRelease"):
            source = release.get("Chart") or {}
            where = next(
                (words.text(stack, source[key]) for key in ("ArchiveUrl", "Reference", "Bucket") if source.get(key)),
                "",
            )
            path = f" in {source['Path']}" if where and source.get("Path") not in (None, where) else ""
            yield (
                str(release.get("Release") or words.name(stack, name)),
                code(f"{where}{path}"),
                str(source.get("Version", "")),
                _digest(words.text(stack, source.get("Digest") or "")),
            )
    elif chart.enabled:
        source = chart.chart or pinned_chart()
        if isinstance(source, GitChart):
            where, version = source.repository, source.commit
        elif isinstance(source, OciChart):
            where, version = source.reference, source.version
        else:
            where, version = source.path, ""
        yield "HyperPod dependency chart", code(where), version, _digest(str(getattr(source, "digest", "") or ""))
    for name, digest in subchart_digests(chart).items() if chart.enabled else ():
        yield f"sub-chart {name}", code("repository in Chart.yaml"), "", _digest(digest)


def _digest(text: str) -> Content:
    return code(text) if text else Cell("no digest", "warn")


def _images(subject: Subject) -> Iterator[tuple[Content, ...]]:
    platform = subject.platform
    kueue = platform.addons.kueue
    for image_copy in image_copies(platform.dependencies, platform.cluster, kueue=kueue is not None and kueue.enabled):
        yield (
            image_copy.component,
            code(image_copy.target or image_copy.source),
            _image_digest(image_copy.target or image_copy.source),
        )
    for service in service_images().values():
        if "base" in service.needed_for and platform.dependencies.enabled:
            image = service.reference(platform.region)
            yield (
                f"{service.name} (provided by the service)",
                code(image or f"unknown in {platform.region}"),
                _image_digest(image) if image else "unknown",
            )
    for job in platform.completed_jobs:
        yield f"job {job.name}", code(job.image), _image_digest(job.image)


def _image_digest(image: str) -> Content:
    _, found, digest = image.partition("@")
    return code(digest) if found else _NO_DIGEST


_HASH = re.compile(r"\b([0-9a-f]{64})\b")


def _assets(words: Words) -> Iterator[tuple[Content, ...]]:
    for stack, name, resource in words.all(
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "Custom::CDKBucketDeployment",
        "Custom::HyperPodLifecycleScripts",
        "Custom::HyperPodKubernetesObjects",
    ):
        for digest in dict.fromkeys(_HASH.findall(json.dumps(_sources(resource), default=str))):
            yield code(words.name(stack, name)), code(digest)


def _sources(properties: Mapping[str, Any]) -> list[Any]:
    code_of = properties.get("Code") or {}
    content = properties.get("Content") or {}
    source = properties.get("Source") or {}
    keys = [code_of.get("S3Key"), content.get("S3Key"), source.get("Key"), *as_list(properties.get("SourceObjectKeys"))]
    return [key for key in keys if key]
