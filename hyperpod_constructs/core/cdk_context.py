"""The context of the CDK app, for whoever has to know what the synth knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DEFAULT_QUALIFIER = "hnb659fds"


def cdk_context() -> dict[str, Any]:
    """CDK context: given by the CLI, else that of the cdk.json beside us, so that both ways give the same templates."""
    given = os.environ.get("CDK_CONTEXT_JSON")
    if given:
        return dict(json.loads(given))
    file = Path("cdk.json")
    flags = json.loads(file.read_text())["context"] if file.is_file() else {}
    return {**flags, "aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}


def bootstrap_qualifier() -> str:
    """The qualifier of the CDK bootstrap that the app is deployed with."""
    return str(cdk_context().get("@aws-cdk/core:bootstrapQualifier") or DEFAULT_QUALIFIER)
