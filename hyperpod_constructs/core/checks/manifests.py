"""HP737 to HP739: Kubernetes objects that are deployed with jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Severity
from ..jobs.companions import companion_flaws, placed
from ..spec.base import is_token
from .context import Context, as_text
from .registry import Problem, rule

_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: scripts%s}, data: {run.sh: echo}}"


def _valid_manifests(manifests: tuple[Mapping[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and object, of those without a problem."""
    for index, manifest in enumerate(manifests):
        if not any(companion_flaws(manifest)):
            yield f"manifests[{index}]", placed(manifest)


@rule(
    "HP737",
    title="Manifests are Kubernetes objects other than jobs, each once.",
    severity=Severity.ERROR,
    why="The API server rejects the object, or two entries overwrite each other.",
    cure="Write a Kubernetes object with apiVersion, kind and metadata.name.",
    source="Kubernetes API",
    wrong="manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: scripts}, dat: {run.sh: echo}}]\n",
    right=f"manifests: [{_MAP % ''}]\n",
)
def objects(manifests: tuple[Mapping[str, Any], ...]) -> Iterator[Problem]:
    for index, manifest in enumerate(manifests):
        for flaw in companion_flaws(manifest):
            path = f"manifests[{index}].{flaw.path}" if flaw.path else f"manifests[{index}]"
            yield Problem(path, flaw.message, flaw.cure or None)
    seen: dict[tuple[str, ...], str] = {}
    for path, manifest in _valid_manifests(manifests):
        metadata = manifest["metadata"]
        key = (manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        if seen.setdefault(key, path) != path:
            yield Problem(path, f"{manifest['kind']} {metadata['name']} is also in {seen[key]}", "Remove one of them.")


@rule(
    "HP738",
    title="Namespaces of manifests exist.",
    severity=Severity.WARNING,
    complete=("governance",),
    why="The API server rejects the object until the namespace exists, and the deployment fails after ten minutes.",
    cure="Use a team's namespace or `default`, or add the namespace to `manifests`.",
    source="this project: a quota creates its team's namespace; other namespaces are not managed",
    wrong=f"manifests: [{_MAP % ', namespace: nobody'}]\n",
    right=f"manifests: [{_MAP % ', namespace: default'}]\n",
)
def namespaces(manifests: tuple[Mapping[str, Any], ...], ctx: Context) -> Iterator[Problem]:
    if ctx.governance is None and not ctx.whole:
        return
    known = {"default", "kube-system", "kube-public", "aws-hyperpod"}
    known |= {team.namespace for team in (ctx.governance.teams if ctx.governance else ())}
    known |= {
        manifest["metadata"]["name"] for _, manifest in _valid_manifests(manifests) if manifest["kind"] == "Namespace"
    }
    for path, manifest in _valid_manifests(manifests):
        namespace = manifest["metadata"].get("namespace", "default")
        if namespace not in known and not is_token(namespace):
            yield Problem(
                f"{path}.metadata.namespace",
                f"the namespace {as_text(namespace)} is neither `default` nor the namespace of a team",
            )


@rule(
    "HP739",
    title="Manifests contain no values of Secrets.",
    severity=Severity.WARNING,
    why="Principals that can read the template or its assets in S3 can read the values, also after the Secret is deleted.",
    cure="Create the Secret with kubectl or from AWS Secrets Manager (Secrets Store CSI driver), and refer to it in "
    "the job.",
    source="CloudFormation user guide: do not embed credentials in templates",
    wrong="manifests: [{apiVersion: v1, kind: Secret, metadata: {name: token}, stringData: {token: abc}}]\n",
    right=f"manifests: [{_MAP % ''}]\n",
)
def secrets(manifests: tuple[Mapping[str, Any], ...]) -> Iterator[Problem]:
    for path, manifest in _valid_manifests(manifests):
        values = {**(manifest.get("data") or {}), **(manifest.get("stringData") or {})}
        if manifest["kind"] == "Secret" and values and not all(map(is_token, values.values())):
            yield Problem(path, f"the values of the Secret {manifest['metadata']['name']} become part of the template")
