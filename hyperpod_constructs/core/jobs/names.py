"""Kubernetes names that must be DNS labels."""

from __future__ import annotations

from ..catalog import limit, matches

LONGEST_NAME = limit("kubernetes_name_length").value
HASH_LENGTH = 8
"""Number of hexadecimal digits of the content hash in a name."""


def is_label(text: str) -> bool:
    """Whether a text is a DNS label.

    >>> is_label("pytorch"), is_label("My_Pods"), is_label("a" * 64)
    (True, False, False)
    """
    return len(text) <= LONGEST_NAME and matches("dns_label", text)
