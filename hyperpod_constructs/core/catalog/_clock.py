"""The one clock of every rule that depends on the date, so that a check of today's config can be run for any day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

Clock = Callable[[], date]
"""Something that says which day it is (UTC, as the calendars of AWS are)."""


def _utc_today() -> date:
    return datetime.now(UTC).date()


_clock: ContextVar[Clock] = ContextVar("hyperpod_catalog_clock", default=_utc_today)


def today() -> date:
    """Today in UTC, or what the clock in use says."""
    return _clock.get()()


@contextmanager
def use_clock(clock: Clock | date) -> Iterator[None]:
    """Within this block, `today()` is what `clock` says: a function, or one fixed day.

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
