"""Redaction of the secrets of a release in messages: values that may be secret, and the content of Secrets.

CloudFormation resolves references to Secrets Manager in a resource's properties, and a chart can use such values
anywhere. An API server that rejects an object quotes them in its message. Therefore any longer text among the values is
hidden, not only values of keys such as `password`; the message contains the name of the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..shared.redaction import HIDDEN, redact

_SECRET_KEY = re.compile(r"pass|secret|token|credential|api_?key|private|auth|cert|salt|license|webhook_?url", re.I)
_SHORTEST = 8
"""Shorter values are hidden only if their key indicates a secret: the others are words such as `info` or `1000m`."""

# The words after the quoted text indicate that it is the name of an object.
_NAME = re.compile(
    r'"([^"\\]+)\\?" (?:not found|is invalid|is forbidden|already exists|in namespace|exists and|is being|in the)'
)
_CONTENT = re.compile(r'(\\*"(?:data|stringData)\\*":\s*)\{[^{}]*\}')
_INVALID = re.compile(r'(Secret \\*"[^"]*" is invalid:.*?Invalid value: )"(?:[^"\\]|\\.)*"', re.DOTALL)


def redactor(values: Mapping[str, Any]) -> Callable[[str], str]:
    r"""Returns a function that hides values of a release, and the content of Secrets, in errors of helm or an API server.

    >>> redactor({"db": {"password": "hunter2"}})('Secret "db" is invalid: data: Invalid value: "aHVudGVyMg=="')
    'Secret "db" is invalid: data: Invalid value: "***"'
    >>> redactor({"namespace": "aws-hyperpod"})('namespaces "aws-hyperpod" not found')
    'namespaces "aws-hyperpod" not found'
    """
    secrets = frozenset(_secrets(values))

    def hide(text: str) -> str:
        names = set(_NAME.findall(text))
        text = _INVALID.sub(rf'\1"{HIDDEN}"', _CONTENT.sub(rf"\1{HIDDEN}", text))
        return redact(text, secrets - names)

    return hide


def _secrets(value: Any, secret_key: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, secret_key or _SECRET_KEY.search(str(key)) is not None)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, secret_key)
    elif isinstance(value, str) or (secret_key and isinstance(value, int) and not isinstance(value, bool)):
        text = str(value)
        if secret_key or len(text) >= _SHORTEST:
            yield text
