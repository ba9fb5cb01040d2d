"""Refreshes the data files, and lists the changes.

`refresh` reads the files, derives the facts again and compares both. The lookup functions do not import this module.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperpod_constructs.core.catalog import _files
from hyperpod_constructs.core.catalog._clock import today
from hyperpod_constructs.live.facts import _derived, _live, _prices
from hyperpod_constructs.live.facts._derived import Contents

FILES = ("instance_types", "regions", "kubernetes", "addons", "quotas", "limits", "cloudformation", "prices")
"""Files with facts that can be derived. The others are maintained by hand."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that differs from its sources.

    Attributes:
        file: name of the data file without its suffix.
        path: path in it, such as "instance_types.ml.p5.48xlarge.regions".
        old: value in the file; None if there is none.
        new: value in the sources; None if there is none.
    """

    file: str
    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The result of a refresh, before it is written.

    Attributes:
        contents: the refreshed files, by name.
        differences: the facts that change.
        remarks: facts that could not be derived, and remarks on the sources, one sentence each.
    """

    contents: Contents
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


def refresh(
    session: Any = None, region: str | None = None, contents: Contents | None = None, *, prices_from: Any = None
) -> Refreshed:
    """Derives all facts, without writing files.

    Args:
        session: a boto3 session for read-only requests to AWS (`_live.CALLS`), or None for the installed libraries only.
        region: region of the requests; required with a session.
        contents: the files to start from; by default the packaged ones.
        prices_from: a boto3 session for the AWS price list, or None to keep the prices.

    Raises:
        ValueError: a session without a region.
        ModuleNotFoundError: cfn-lint is not installed (it is part of the `refresh` extra).
    """
    old = load_all() if contents is None else contents
    new = copy.deepcopy(old)
    remarks = []
    if session is not None:
        if region is None:
            raise ValueError("a refresh from AWS requires a region")
        remarks += _live.ask(new, session, region)
    if prices_from is not None:
        remarks += _prices.ask(new, prices_from)
    remarks += _derived.derive(new)
    return Refreshed(new, tuple(differences(old, new)), tuple(remarks))


def load_all() -> Contents:
    """A copy of the packaged files that a refresh can change."""
    return {name: copy.deepcopy(_files.load(name)) for name in FILES}


def differences(old: Contents, new: Contents) -> Iterator[Difference]:
    """The facts that differ between two sets of files; `source`, `date` and `notes` are ignored."""
    for name in new:
        before, after = (
            {section: items for section, items in content.items() if section not in ("source", "date", "notes")}
            for content in (old.get(name, {}), new[name])
        )
        for path, was, is_ in _walk((), before, after):
            yield Difference(name, ".".join(path), was, is_)


def write(refreshed: Refreshed, into: Path | None = None) -> tuple[str, ...]:
    """Writes the files with changed facts, with today's date, and clears their cache.

    Args:
        refreshed: the result to write.
        into: a folder for `facts.folder` of a config; only differences from the packaged files are written
            to it. Facts that the sources no longer have are kept, because a folder contains only new or different facts.

    Returns:
        The names of the files written.
    """
    names = sorted({difference.file for difference in refreshed.differences})
    for name in names:
        content = refreshed.contents[name] | {"date": today().isoformat()}
        if into is not None:
            into.mkdir(parents=True, exist_ok=True)
            content = _partial(_files.shipped(name), content) | {"date": content["date"]}
        path = (into or _files.DATA) / f"{name}.json"
        path.write_text(_files.dumps(content), encoding="utf-8")
    _files.load.cache_clear()
    return tuple(names)


def _partial(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The values that must be merged over `old` to get the values of `new`."""
    return {
        key: _partial(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
        if key not in old or old[key] != value
    }


def table(found: Iterable[Difference]) -> str:
    """Formats the differences, one file after the other, in columns.

    >>> print(table([Difference("kubernetes", "versions.1.37.released", None, "2026-09-01")]))
    kubernetes.json
      versions.1.37.released  -  ->  2026-09-01
    """
    lines: list[str] = []
    rows = sorted(found, key=lambda change: change.file)
    width = max((len(row.path) for row in rows), default=0)
    for index, row in enumerate(rows):
        if index == 0 or rows[index - 1].file != row.file:
            lines.append(f"{row.file}.json")
        lines.append(f"  {row.path:{width}}  {_change(row.old, row.new)}")
    return "\n".join(lines)


def _walk(path: tuple[str, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _walk((*path, key), old.get(key), new.get(key))
    elif old != new:
        yield path, old, new


def _change(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        gone, added = ([_text(key) for key in a if key not in b] for a, b in ((old, new), (new, old)))
        return ", ".join([*(f"-{key}" for key in gone), *(f"+{key}" for key in added)]) or "different order"
    return f"{_text(old)}  ->  {_text(new)}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict) and "version" in value:
        return f"{value['version']} ({value.get('kubernetes_min', '?')} to {value.get('kubernetes_max', '?')})"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
