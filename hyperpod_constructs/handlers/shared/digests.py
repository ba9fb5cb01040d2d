"""Keys of digest tables, for the function that installs charts and for the library that pins them."""

from __future__ import annotations


def digest_key(name: str, version: str) -> str:
    """Returns the key of a sub-chart in a table of digests; a leading `v` of the version is ignored.

    >>> digest_key("cert-manager", "v1.18.2")
    'cert-manager 1.18.2'
    """
    return f"{name} {version.removeprefix('v')}"
