"""The sources of our Lambda functions as an asset."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import IgnoreMode
from aws_cdk import aws_lambda as lambda_

_PACKAGE = Path(__file__).parents[2]


def handler_code(*sources: str) -> lambda_.AssetCode:
    """The asset that holds these packages of `hyperpod_constructs.handlers`, importable as `handlers.<source>`.

    Its hash depends on the sources alone: what Python or a tool writes beside them is left out.
    """
    return lambda_.Code.from_asset(
        str(_PACKAGE),
        ignore_mode=IgnoreMode.GIT,
        exclude=[
            *("/*", "!/handlers", "/handlers/*", "!/handlers/__init__.py"),
            *(f"!/handlers/{source}" for source in sources),
            *("__pycache__", "*.pyc", ".*"),
        ],
    )
