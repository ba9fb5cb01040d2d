"""Look-up of names; errors contain the closest known name."""

from collections.abc import Iterable, Mapping
from typing import TypeVar


class UnknownName(LookupError):
    """Raised if a name is not in the catalog.

    The message has the kind, the name, and the closest known name, if any.

    Attributes:
        kind: kind of entry, such as "instance type".
        name: the name that was looked up.
        suggestion: the closest known name, or None.
    """

    def __init__(self, kind: str, name: str, suggestion: str | None = None, reason: str = "") -> None:
        self.kind, self.name, self.suggestion = kind, name, suggestion
        message = f"unknown {kind} {name!r}"
        if reason:
            message += f": {reason}"
        if suggestion is not None:
            message += f"; did you mean {suggestion!r}?"
        super().__init__(message)


T = TypeVar("T")


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Returns the entry of a name.

    Raises:
        UnknownName: there is none; the message has the closest name.

    >>> look_up("color", "blue", {"blue": 1})
    1
    """
    if name not in table:
        raise UnknownName(kind, name, suggest(name, table))
    return table[name]


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that `name` most likely means, or None if none is close.

    Case, surrounding space, the `ml.` prefix of instance types and `_` for `-` are ignored before spelling is compared.

    >>> suggest("p5.48xlarge", ["ml.p5.48xlarge", "ml.p5e.48xlarge"])
    'ml.p5.48xlarge'
    >>> suggest("ml.p5.48xlage", ["ml.p5.48xlarge", "ml.p5e.48xlarge"])
    'ml.p5.48xlarge'
    >>> suggest("HP31O", ["HP931", "HP310"])
    'HP310'
    >>> suggest("bicycle", ["ml.p5.48xlarge"]) is None
    True
    """
    plain = {_plain(candidate): candidate for candidate in candidates}
    wanted = _plain(name)
    if wanted in plain:
        return plain[wanted]
    # Imported here because most look-ups succeed and do not use the modules.
    from difflib import SequenceMatcher, get_close_matches
    from os.path import commonprefix  # of strings, not of paths

    def nearness(candidate: str) -> tuple[float, int]:
        return SequenceMatcher(None, candidate, wanted).ratio(), len(commonprefix((candidate, wanted)))  # noqa: RUF071

    cutoff = 0.65 if len(wanted) < 5 else 0.7  # two transposed letters are a large part of a short name
    nearest = get_close_matches(wanted, plain, n=5, cutoff=cutoff)
    return plain[max(nearest, key=nearness)] if nearest else None


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").removeprefix("ml.")
