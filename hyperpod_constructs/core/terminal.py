"""Sanitizes text from a cluster, AWS or a file for a terminal."""

from __future__ import annotations

import re

_COLOR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def readable(text: str, *, keep: str = "") -> str:
    r"""The text without colors and with all other control characters escaped, so that it cannot control the terminal.

    Characters that reverse or hide text are treated as control characters. `keep` lists those to keep, such as line
    breaks.

    >>> readable("\x1b[31mred\x1b[0m \x1b]0;title\x07 a\nb")
    'red \\x1b]0;title\\x07 a\\nb'
    >>> readable("a\n\tb", keep="\n\t")
    'a\n\tb'
    """

    def shown(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in keep else character.encode("unicode_escape").decode()

    return _CONTROL.sub(shown, _COLOR.sub("", text))


def paragraph(text: str) -> str:
    r"""`readable` for text of several lines: line breaks and tabs are kept.

    >>> paragraph("a\r\nb\x1b[2J")
    'a\\r\nb\\x1b[2J'
    """
    return readable(text, keep="\n\t")
