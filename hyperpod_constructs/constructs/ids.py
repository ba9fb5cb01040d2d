"""Values that may be CDK tokens, where a construct id or the value itself is needed."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import Stack
from constructs import Construct

from ..core.spec.base import is_token


def digest(scope: Construct, value: str) -> str:
    """Eight digits that stand for a value.

    The text of a token holds a counter, which depends on what else is in the app: what it resolves to is used instead.
    """
    named = json.dumps(Stack.of(scope).resolve(value)) if is_token(value) else value
    return hashlib.sha256(named.encode()).hexdigest()[:8]


def known_id(scope: Construct, value: str) -> str:
    """A value as part of a construct id: itself, or a digest where it is a token, which ids cannot have."""
    return digest(scope, value) if is_token(value) else value


def ensure_known(scope: Construct, path: str, why: str, *values: str) -> None:
    """Refuse tokens where the value is needed at synthesis.

    Raises:
        ValueError: a value is a token.
    """
    if any(map(is_token, values)):
        raise ValueError(
            f"{scope.node.path}: {path} is known only at deploy time (a CDK token), and {why} at synthesis: "
            "give the value itself"
        )
