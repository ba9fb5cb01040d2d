"""The sections of a platform's report, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from ..findings import Finding, errors
from . import (
    access,
    artifacts,
    changes,
    cluster,
    cost,
    exposure,
    jobs,
    network,
    overview,
    quotas,
    removal,
    support,
    timeline,
    workloads,
)
from .model import Part
from .subject import Subject
from .words import words_of


def platform_part(subject: Subject, *, id: str) -> Part:
    """Returns the report of a platform; if the config has errors, only its findings."""
    platform = subject.platform
    if errors(subject.findings):
        return unreadable_part(platform.name, subject.path, subject.findings, id=id)
    words = words_of(subject.stacks) if subject.stacks is not None else None
    found = [
        changes.section(subject, subject.before) if subject.before is not None else None,
        overview.section(subject),
        overview.findings(subject.findings),
        network.section(subject),
        cluster.section(subject),
        workloads.section(subject),
        jobs.section(subject),
        timeline.section(subject, words),
        cost.section(subject),
        quotas.section(subject),
        access.section(subject, words),
        exposure.section(subject, words),
        artifacts.section(subject, words),
        support.section(subject),
        removal.section(subject, words),
        support.assumptions(subject),
    ]
    subtitle = f"HyperPod on EKS in {platform.region}, from {subject.path}"
    return Part(id, platform.name, subtitle, tuple(section for section in found if section is not None))


def unreadable_part(title: str, path: str, found: Sequence[Finding], *, id: str) -> Part:
    """Returns only the findings, for a config that cannot be read or deployed."""
    return Part(id, title, f"from {path}: cannot be deployed", (overview.findings(found),))
