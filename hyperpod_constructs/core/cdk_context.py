"""The context of the CDK app, for whoever has to know what the synth knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DEFAULT_QUALIFIER = "hnb659fds"
SHIPPED = Path(__file__).with_name("cdk.json")
"""The cdk.json that `hyperpod init` writes, with the feature flags that the templates are tested with."""


def cdk_context() -> dict[str, Any]:
    """CDK context: given by the CDK CLI, else that of the cdk.json in this folder, else the one we ship.

    So the CLI, `python app.py` and `hyperpod synth` make the same templates.
    """
    given = os.environ.get("CDK_CONTEXT_JSON")
    if given:
        return dict(json.loads(given))
    file = Path("cdk.json")
    flags = json.loads((file if file.is_file() else SHIPPED).read_text(encoding="utf-8")).get("context", {})
    return {**flags, "aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}


def bootstrap_qualifier() -> str:
    """The qualifier of the CDK bootstrap that the app is deployed with."""
    return str(cdk_context().get("@aws-cdk/core:bootstrapQualifier") or DEFAULT_QUALIFIER)
