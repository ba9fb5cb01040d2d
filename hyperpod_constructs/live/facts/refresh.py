"""Bringing the data files up to date, and saying what that changes.

`differences(load_all(), refreshed)` is the whole idea: read the files, derive again what can be derived, compare. The
look-ups never import this module.
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
"""Files with facts that can be derived. All others are written by hand from the sources that they name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not as the sources have it now.

    Attributes:
        file: name of the data file without its suffix.
        path: where in it, such as "instance_types.ml.p5.48xlarge.regions".
        old: what the file has; None when it has nothing there.
        new: what the sources have; None when they have nothing there.
    """

    file: str
    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The outcome of a refresh, not written yet.

    Attributes:
        contents: the refreshed files, by name.
        differences: the facts that change.
        remarks: what could not be derived, or what else the sources say, one sentence each.
    """

    contents: Contents
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


def refresh(
    session: Any = None, region: str | None = None, contents: Contents | None = None, *, prices_from: Any = None
) -> Refreshed:
    """Derive all that can be derived, without writing anything.

    Args:
        session: a boto3 session for read-only calls to AWS (`_live.CALLS`), or None for the installed libraries only.
        region: where to ask AWS; needed with a session.
        contents: the files to start from; by default the shipped ones.
        prices_from: a boto3 session to ask the AWS price list with, or None to leave the prices as they are.

    Raises:
        ValueError: a session without a region.
        ModuleNotFoundError: cfn-lint is not installed (it comes with the `refresh` extra).
    """
    old = load_all() if contents is None else contents
    new = copy.deepcopy(old)
    remarks = []
    if session is not None:
        if region is None:
            raise ValueError("a refresh from AWS needs a region to ask in")
        remarks += _live.ask(new, session, region)
    if prices_from is not None:
        remarks += _prices.ask(new, prices_from)
    remarks += _derived.derive(new)
    return Refreshed(new, tuple(differences(old, new)), tuple(remarks))


def load_all() -> Contents:
    """The shipped files that a refresh can change; a copy, free to be changed."""
    return {name: copy.deepcopy(_files.load(name)) for name in FILES}


def differences(old: Contents, new: Contents) -> Iterator[Difference]:
    """The facts in which two sets of files differ; their texts (`source`, `date`, `notes`) do not count."""
    for name in new:
        before, after = (
            {section: items for section, items in content.items() if section not in ("source", "date", "notes")}
            for content in (old.get(name, {}), new[name])
        )
        for path, was, is_ in _walk((), before, after):
            yield Difference(name, ".".join(path), was, is_)


def write(refreshed: Refreshed, into: Path | None = None) -> tuple[str, ...]:
    """Write the files that have changed facts, dated today, and forget what was loaded of them.

    Args:
        refreshed: what to write.
        into: a folder of the user's, for `facts.folder` of a config: it gets what differs from the shipped files. What the
            sources do not have any more stays, since a folder says only what is new or different.

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
    """What has to be merged over `old` to get the values of `new`."""
    return {
        key: _partial(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
        if key not in old or old[key] != value
    }


def table(found: Iterable[Difference]) -> str:
    """The differences as text, one file after the other, in columns.

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
        return ", ".join([*(f"-{key}" for key in gone), *(f"+{key}" for key in added)]) or "another order"
    return f"{_text(old)}  ->  {_text(new)}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict) and "version" in value:
        return f"{value['version']} ({value.get('kubernetes_min', '?')} to {value.get('kubernetes_max', '?')})"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
