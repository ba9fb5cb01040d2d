"""The CloudFormation stacks of platforms, told from others by their tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLATFORM_TAG = "hyperpod-constructs:platform"
"""Tag of every stack of ours; its value is the name of the platform."""


def platform_of(stack: Mapping[str, Any]) -> str | None:
    """The platform that a stack belongs to, None for stacks that are not ours.

    >>> platform_of({"Tags": [{"Key": "hyperpod-constructs:platform", "Value": "research"}]})
    'research'
    """
    return next((tag["Value"] for tag in stack.get("Tags", ()) if tag["Key"] == PLATFORM_TAG), None)
