"""Detects by their keys files that are not job files or configs: manifests and other files of the official CLI."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from ..findings import Finding, Severity
from ..importing.documents import FORMATS, format_of
from .schema import type_of

JOB_KINDS = ("HyperPodPyTorchJob", "PyTorchJob", "Job")


def job_kind(data: object) -> str | None:
    """Returns the kind of a job's manifest, matched case-insensitively; None for other data.

    >>> job_kind({"apiVersion": "sagemaker.amazonaws.com/v1", "kind": "HyperPodPytorchJob"})
    'HyperPodPyTorchJob'
    """
    if not isinstance(data, Mapping) or "apiVersion" not in data:
        return None
    kind = str(data.get("kind")).lower()
    return next((job_kind for job_kind in JOB_KINDS if job_kind.lower() == kind), None)


def is_manifest(data: object) -> bool:
    """Whether data is a Kubernetes object."""
    return isinstance(data, Mapping) and "apiVersion" in data and "kind" in data


def is_hyp_config(data: object) -> bool:
    """Whether data is a job config of the official CLI.

    >>> is_hyp_config({"job_name": "a", "image": "b"}), is_hyp_config({"name": "a", "image": "b"})
    (True, False)
    """
    return isinstance(data, Mapping) and ("job_name" in data or "template" in data)


def is_start_job(data: object) -> bool:
    """Whether data is a config of `hyperpod start-job`, the official CLI before version 3."""
    return isinstance(data, Mapping) and isinstance(data.get("training_cfg"), Mapping) and "cluster" in data


def is_recipe(data: object) -> bool:
    """Whether data is a HyperPod recipe or a config of the official CLI's recipe jobs."""
    if not isinstance(data, Mapping):
        return False
    recipe_keys = {"trainer", "model", "recipes", "training_config"} & data.keys()
    return data.get("template") == "hyp-recipe-job" or ("run" in data and bool(recipe_keys)) or "recipes" in data


def foreign(data: Any, *, file: str | None = None, comments: str | None = None) -> Finding | None:
    """Returns a finding with the type of the file and how to use it; None for job files and job configs of `hyp`."""
    name = file or "FILE"
    quoted = quote(name)
    if is_manifest(data):
        kind = job_kind(data) or str(data["kind"])
        message = f"this is a Kubernetes manifest of kind {kind}, not a job file or config"
        if job_kind(data):
            cure = (
                f"Convert it to a job file with `hyperpod jobs import {quoted}`, or submit it unchanged "
                f"with `hyperpod jobs submit {quoted}`."
            )
        else:
            cure = f"Create it with `kubectl apply -f {quoted}`."
            if type_of(kind):
                cure = f"Submit it together with a job (`hyperpod jobs submit`), or use `kubectl apply -f {quoted}`."
        return _finding("kind", message, cure)
    other = "tfvars" if name.endswith(".tfvars") else format_of(data, comments or "")
    if other is not None:
        message = f"this is a file with {FORMATS[other]}, not a platform config"
        return _finding("", message, f"Convert it to a hyperpod.yaml with `hyperpod import {other} {quoted}`.")
    if is_start_job(data):
        message = "this is a config of `hyperpod start-job`, the official CLI before version 3"
        return _finding("training_cfg", message, f"Convert it to a job file with `hyperpod jobs import {quoted}`.")
    if is_recipe(data):
        message = "this is a recipe; the official launcher creates a job from it"
        cure = (
            "Render it with the official launcher (sagemaker-hyperpod-recipes, or `hyp create "
            "hyp-recipe-job`), then convert the manifest to a job file with `hyperpod jobs import MANIFEST`."
        )
        return _finding("template" if "template" in data else "", message, cure)
    return None


def _finding(path: str, message: str, cure: str) -> Finding:
    return Finding(rule="HP792", severity=Severity.ERROR, path=path, message=message, cure=cure)
