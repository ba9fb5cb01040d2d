"""Values that may be CDK tokens, used as construct ids or at synthesis."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import Stack
from constructs import Construct

from ..core.spec.base import is_token


def digest(scope: Construct, value: str) -> str:
    """Return eight digits that identify a value.

    The text of a token contains a counter that depends on the rest of the app; what it resolves to is used instead.
    """
    named = json.dumps(Stack.of(scope).resolve(value)) if is_token(value) else value
    return hashlib.sha256(named.encode()).hexdigest()[:8]


def known_id(scope: Construct, value: str) -> str:
    """Return a value as part of a construct id: itself, or a digest of a token, which ids cannot contain."""
    return digest(scope, value) if is_token(value) else value


def ensure_known(scope: Construct, path: str, why: str, *values: str) -> None:
    """Reject tokens where the value is required at synthesis.

    Raises:
        ValueError: a value is a token.
    """
    if any(map(is_token, values)):
        raise ValueError(
            f"{scope.node.path}: {path} is known only at deploy time (a CDK token), and {why} at synthesis: "
            "give the value itself"
        )
