"""The context of the CDK app, for code that depends on how the app is synthesized."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DEFAULT_QUALIFIER = "hnb659fds"
SHIPPED = Path(__file__).with_name("cdk.json")
"""The cdk.json that `hyperpod init` writes, with the feature flags that the templates are tested with."""


def cdk_context() -> dict[str, Any]:
    """CDK context from the CDK CLI, otherwise from the cdk.json in this folder, otherwise the cdk.json in this package.

    Therefore the CDK CLI, `python app.py` and `hyperpod synth` create the same templates.
    """
    given = os.environ.get("CDK_CONTEXT_JSON")
    if given:
        return dict(json.loads(given))
    file = Path("cdk.json")
    flags = json.loads((file if file.is_file() else SHIPPED).read_text(encoding="utf-8")).get("context", {})
    return {**flags, "aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}


def bootstrap_qualifier() -> str:
    """The qualifier of the CDK bootstrap stack that the app is deployed with."""
    return str(cdk_context().get("@aws-cdk/core:bootstrapQualifier") or DEFAULT_QUALIFIER)
