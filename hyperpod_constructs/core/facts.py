"""Stated facts: loads and validates them, and merges them over the catalog in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from .catalog import _files, suggest
from .documents import join
from .findings import Problem
from .spec.facts import Facts, StatedInstanceType, StatedRegion


class InvalidFacts(ValueError):
    """Raised if stated facts cannot be used; the text lists them with the reasons."""


def use_facts(*facts: Facts) -> None:
    """Merges facts over the catalog in this process, until the next call; without arguments, restores the catalog.

    Call it at the beginning of a CDK app, before constructs are created. A config's `facts` are used when it is loaded.

    Raises:
        InvalidFacts: a stated instance type or region is incomplete, or a folder cannot be read.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> from hyperpod_constructs.core.spec import Facts, StatedInstanceType
    >>> use_facts(Facts(instance_types={"ml.p9.48xlarge": StatedInstanceType(note="preview", like="ml.p5.48xlarge")}))
    >>> instance_type("ml.p9.48xlarge").accelerator.count
    8
    >>> use_facts()
    """
    _files.state(_usable(facts))


def use_also(facts: Facts) -> None:
    """Adds facts to those that are in use.

    Raises:
        InvalidFacts: for the reasons given in `use_facts`.
    """
    _files.state(_files.merged(_files.stated(), _usable([facts])))


def problems_of(facts: Facts) -> Iterator[Problem]:
    """Problems that prevent the use of stated facts: a folder that cannot be read, or an incomplete entry."""
    try:
        kept = _read(facts.folder)
    except InvalidFacts as refused:
        yield Problem("facts.folder", str(refused))
        return
    types = _shipped("instance_types", kept) if facts.instance_types else {}
    regions = _shipped("regions", kept) if facts.regions else {}
    for name, stated in facts.instance_types.items():
        path = join("facts.instance_types", name)
        if stated.like is not None and stated.like not in types:
            near = suggest(stated.like, types)
            yield Problem(f"{path}.like", f"{stated.like!r} is not a known instance type", _meant(near))
        elif not name.startswith("ml.") or name.count(".") != 2:
            yield Problem(path, f"{name!r} is not a valid instance type name; a valid example is ml.p5.48xlarge")
        elif name not in types and stated.like is None and (stated.vcpu is None or stated.memory_gib is None):
            yield Problem(path, "a new instance type requires `like`, or `vcpu` and `memory_gib`")
    for name, region in facts.regions.items():
        if name not in regions and region.zone_id_prefix is None:
            yield Problem(join("facts.regions", name), "a new region requires `zone_id_prefix`")


def _usable(facts: Iterable[Facts]) -> dict[str, Any]:
    """Stated facts in the format of the catalog's data files, to merge over them; later facts override earlier ones."""
    facts = list(facts)
    if problems := [problem for each in facts for problem in problems_of(each)]:
        raise InvalidFacts("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
    stated: dict[str, Any] = {}
    for each in facts:
        kept = _read(each.folder)
        stated = _files.merged(stated, kept)
        for file, entries in (("instance_types", each.instance_types), ("regions", each.regions)):
            if entries:
                known = _shipped(file, kept)
                made = {name: _entry(entry, known.get(name), known) for name, entry in entries.items()}
                stated = _files.merged(stated, {file: {file: made}})
    return stated


def notes() -> dict[str, dict[str, str]]:
    """The notes of stated instance types and regions that are in use, by kind and name."""
    return {
        file: {
            name: entry["stated"]
            for name, entry in _files.stated().get(file, {}).get(file, {}).items()
            if "stated" in entry
        }
        for file in ("instance_types", "regions")
    }


def _entry(stated: StatedInstanceType | StatedRegion, known: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    given = stated.model_dump(mode="json", exclude_none=True, exclude={"note", "like"})
    base = dict(known or {})
    if isinstance(stated, StatedRegion):
        base = base or {"hyperpod": True, "cluster_cfn": True}
    else:
        if stated.like is not None:
            base = dict(others[stated.like])
        # availability in a region is not inferred from another type
        base["regions"] = known["regions"] if known else []
    uncertain_fields = {**base.get("uncertain", {}), **dict.fromkeys(given, f"stated by the user: {stated.note}")}
    return {**base, **given, "uncertain": uncertain_fields, "stated": stated.note}


def _shipped(file: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    entries: dict[str, Any] = _files.merged(_files.shipped(file), kept.get(file, {}))[file]
    return entries


def _read(folder: str | None) -> dict[str, Any]:
    """The files of a folder of facts, by name."""
    if folder is None:
        return {}
    found = sorted(Path(folder).glob("*.json")) if Path(folder).is_dir() else []
    if not found:
        raise InvalidFacts(
            f"no facts in the folder {quote(folder)}; create them with `hyperpod catalog refresh --into "
            f"{quote(folder)}`"
        )
    read: dict[str, Any] = {}
    for file in found:
        if file.stem not in _files.names():
            raise InvalidFacts(f"{file} is not a data file of the catalog")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise InvalidFacts(f"{file} cannot be read: {problem}") from problem
        if not isinstance(content, dict):
            raise InvalidFacts(f"{file} is not a JSON object")
        read[file.stem] = content
    return read


def _meant(near: str | None) -> str | None:
    return f"did you mean {near!r}?" if near else None
