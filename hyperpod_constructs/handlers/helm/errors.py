"""What can go wrong, in words for the person who reads the stack's events."""

from __future__ import annotations


class ChartError(Exception):
    """The chart cannot be had, or is not what was pinned."""


class TooLarge(ChartError):
    """An archive is larger than a chart's can reasonably be."""
