"""Redaction of secrets in messages: a service that rejects a value often quotes it, escaped or encoded."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_SHORTEST = 3
"""Shorter values can occur by chance in any text, so they are not hidden."""
_SHORTEST_LINE = 8
"""From this length on, a line of a multi-line value and a fragment of base64 are hidden."""


def redact(text: str, secrets: Iterable[str]) -> str:
    r"""Returns ``text`` without the secrets, in any common encoding: escaped for JSON, Go, URLs or HTML, in base64 or hex.

    Base64 is detected if only the secret was encoded, and if it was part of a longer text.

    >>> redact('Invalid value: "a\\"b-secret": too long', ['a"b-secret'])
    'Invalid value: "***": too long'
    >>> redact("data: cGFzc3dvcmQxMjM=", ["password123"])
    'data: ***'
    """
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> Iterator[str]:
    whole = [secret, secret.strip()]
    if len(secret.splitlines()) > 1:
        whole += [line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE]
    for value in whole:
        if len(value) < _SHORTEST:
            continue
        data = value.encode()
        yield value
        for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            yield escaped
            yield json.dumps(escaped)[1:-1]  # a text that quotes JSON, quoted again
            for sign in "<>&":
                escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")  # as Go writes JSON
            yield escaped
        yield value.replace("'", "''")  # as YAML quotes
        yield from (quote(value), quote(value, safe=""), quote_plus(value), html.escape(value), data.hex())
        yield from _base64(data)


def _base64(data: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(data).decode()
        yield from (encoded, encoded.rstrip("="))
        # inside a longer text the bytes begin at any of three offsets; the characters at the ends depend on the neighbors
        for offset in (1, 2):
            part = encode(b"\0" * offset + data).decode().rstrip("=")[offset + 1 :]
            yield from (form for form in (part, part[:-1]) if len(form) >= _SHORTEST_LINE)
        if len(encoded.rstrip("=")) - 1 >= _SHORTEST_LINE:
            yield encoded.rstrip("=")[:-1]
