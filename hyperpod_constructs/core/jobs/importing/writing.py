"""Writes a job file: fields in a readable order, with the decisions of an import as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ...spec.jobs import Job
from ..text import to_yaml

_FIRST = (
    *("name", "kind", "on_change", "team", "namespace", "queue", "priority", "workload_priority_class", "image"),
    *("instance_type", "instance_group", "nodes", "replicas", "accelerators", "vcpu", "memory_gib", "memory_limit_gib"),
    *("efa", "command", "args", "env"),
)
_WIDTH = 110


def job_text(data: Mapping[str, Any], notes: Mapping[str, str], head: Sequence[str] = ()) -> str:
    """Returns the text of a job file.

    >>> print(job_text({"nodes": 2, "name": "a"}, {"nodes": "counted"}, ["From a.yaml."]), end="")
    # From a.yaml.
    name: a
    # counted
    nodes: 2
    """
    order = [*_FIRST, *(name for name in Job.model_fields if name not in _FIRST)]
    lines = [comment(line) for line in head]
    for key in [name for name in order if name in data]:
        if key in notes:
            lines.append(comment(notes[key]))
        lines.append(to_yaml([{key: data[key]}]))
    return "".join(lines)


def comment(text: str) -> str:
    """Formats a text as comment lines."""
    return "".join(
        f"# {line}\n" for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    )
