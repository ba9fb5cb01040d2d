"""Compiles a job to the Kubernetes object that is applied, for the command line, the charts and the constructs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ..findings import Finding, InvalidSpec, errors
from ..spec.base import is_token
from ..spec.jobs import Job
from .manifest import manifest_of
from .names import HASH_LENGTH


def compile_job(job: Job, *, resolve: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Returns the manifest of a job, exactly as it is applied, as plain data in a fixed order.

    Args:
        job: the job; CDK tokens are passed through unchanged.
        resolve: resolves tokens to their template values, so that a hashed name does not depend on token numbers.

    Raises:
        InvalidSpec: the job has errors; its text lists the findings.
        ValueError: the name contains a hash of content with CDK tokens, and `resolve` is not set.

    >>> job = Job(name="smoke", image="registry/train:v1", instance_type="ml.g5.8xlarge", on_change="replace")
    >>> compile_job(job)["spec"]["replicaSpecs"][0]["template"]["spec"]["containers"][0]["resources"]["requests"]
    {'cpu': '29', 'memory': '104Gi', 'nvidia.com/gpu': 1, 'vpc.amazonaws.com/efa': 1}
    """
    from ..checks.jobs import check_job

    found = check_job(job)
    if errors(found):
        raise InvalidSpec(found)
    manifest = manifest_of(job)
    content = manifest if resolve is None else resolve(manifest)
    if resolve is not None and (found := _dynamic_references(content)):
        raise InvalidSpec(found)  # dynamic references in resolved tokens
    if job.on_change == "new-object":
        if resolve is None and is_token(json.dumps(content)):
            raise ValueError(_TOKENS.format(job.name if not is_token(job.name) else "a job"))
        manifest["metadata"]["name"] = f"{job.name}-{content_hash(content)}"
    return manifest


_TOKENS = (
    "{}: some values are known only at deploy time (CDK tokens), and the hash in the name must not depend on the numbers "
    "of tokens: use TrainingJob, pass resolve=stack.resolve, or set on_change to replace"
)


def _dynamic_references(content: Any) -> list[Finding]:
    from ..checks.job_containers import references
    from ..checks.registry import find

    rule = find("HP730")
    assert rule is not None
    return [rule.finding(problem) for problem in references(content, "")]


def content_hash(content: Any) -> str:
    """Returns the hash for a job's name; equal content has equal hashes, regardless of the order of keys.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
