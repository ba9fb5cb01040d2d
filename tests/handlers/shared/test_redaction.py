"""A message contains no form of a secret."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from hyperpod_constructs.handlers.shared.redaction import redact

SECRETS = ["hunter2hunter2", 'quo"te\\back', "two\nlines-of-it", "tab\tand <html> & more", "übergeheim", "it's"]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_encoding_of_a_secret_is_left(secret: str) -> None:
    data = secret.encode()
    forms = [
        secret,
        json.dumps(secret),
        json.dumps(json.dumps(secret)),
        json.dumps(secret, ensure_ascii=False),
        quote(secret),
        quote(secret, safe=""),
        html.escape(secret),
        data.hex(),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
    ]
    for form in forms:
        assert redact(f"refused: {form} is too long", [secret]).replace('\\"', '"').strip('"') in (
            "refused: *** is too long",
            'refused: "***" is too long',
            'refused: ""***"" is too long',
        ), form


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("", "***gYW5kIG1vcmU="),
        ("x", "eG***IGFuZCBtb3Jl"),
        ("xy", "eHl***iBhbmQgbW9yZQ=="),
        ("xyz", "eHl6***gYW5kIG1vcmU="),
    ],
)
def test_base64_of_a_text_that_contains_the_secret(before: str, message: str) -> None:
    text = base64.b64encode(f"{before}hunter2hunter2 and more".encode()).decode()
    assert redact(text, ["hunter2hunter2"]) == message


@pytest.mark.parametrize(("before", "text"), [("x", "eH***=="), ("xy", "eHl***=")])
def test_a_fragment_of_eight_characters_is_hidden(before: str, text: str) -> None:
    encoded = base64.b64encode(f"{before}s3cr3t".encode()).decode()
    assert redact(encoded, ["s3cr3t"]) == text
    assert redact(encoded, ["s3cr3"]) == encoded


def test_each_line_of_a_key_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    assert "hkiG9w0BAQEFAASC" not in redact("line 3: hkiG9w0BAQEFAASC: bad", [key])


def test_short_values_are_left() -> None:
    assert redact("1 is not valid", ["1", ""]) == "1 is not valid"
