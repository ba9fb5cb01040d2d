"""Errors whose messages appear in the events of the stack."""

from __future__ import annotations


class ChartError(Exception):
    """The chart is not available, or its digest differs from the pinned one."""


class TooLarge(ChartError):
    """An archive exceeds the limits for a chart."""
