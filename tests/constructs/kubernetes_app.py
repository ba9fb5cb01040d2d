"""An app with a Kubernetes provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from assembly import UNCOPIED

from hyperpod_constructs.constructs.kubernetes import KubernetesProvider

ARN = "arn:aws:eks:us-west-2:111122223333:cluster/research"


def config_map(name: str, namespace: str = "team", **data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


class App:
    """An app with one stack and a provider in it; `copied`: with copies of its assets."""

    def __init__(self, outdir: Path, *, copied: bool = False, **provider: Any) -> None:
        self.app = cdk.App(outdir=str(outdir), context={} if copied else UNCOPIED)
        self.stack = cdk.Stack(self.app, "Platform")
        arguments = {"cluster_name": "research", "cluster_arn": ARN, **provider}
        self.provider = KubernetesProvider(self.stack, "Kubernetes", **arguments)

    def template(self, stack: str = "Platform") -> dict[str, Any]:
        return dict(self.app.synth().get_stack_by_name(stack).template)


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {key: value for key, value in template["Resources"].items() if value["Type"] == kind}


def only(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    return dict(found)
