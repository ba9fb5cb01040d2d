"""The clock of all rules that depend on the date; it can be set, to validate a config for any day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

Clock = Callable[[], date]
"""Returns the current day (UTC, as in AWS's calendars)."""


def _utc_today() -> date:
    return datetime.now(UTC).date()


_clock: ContextVar[Clock] = ContextVar("hyperpod_catalog_clock", default=_utc_today)


def today() -> date:
    """Today in UTC, or the day of the clock in use."""
    return _clock.get()()


@contextmanager
def use_clock(clock: Clock | date) -> Iterator[None]:
    """Sets the clock of `today()` within this block: a function, or a fixed day.

    >>> with use_clock(date(2026, 11, 26)):
    ...     today()
    datetime.date(2026, 11, 26)
    """

    def fixed() -> date:
        return clock if isinstance(clock, date) else clock()

    token = _clock.set(fixed)
    try:
        yield
    finally:
        _clock.reset(token)
