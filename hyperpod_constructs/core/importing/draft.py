"""A draft of a config, and the values of a source document, which record the names that are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import catalog

_PLACEHOLDER = re.compile(r"[a-z]+-1234567890abcdef0")
"""Placeholder IDs that are defaults in the official templates."""


@dataclass(slots=True)
class Draft:
    """A draft of a config.

    Attributes:
        data: data of the config.
        notes: decisions by path in the data, written as comments.
        losses: values that could not be imported, one sentence each.
        messages: other information, one sentence each.
        head: comment lines at the top of the file.
    """

    data: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)

    def put(self, path: str, value: Any, note: str = "") -> None:
        """Sets a value at a dotted path; None is ignored.

        >>> draft = Draft()
        >>> draft.put("eks.kubernetes_version", "1.35")
        >>> draft.data
        {'eks': {'kubernetes_version': '1.35'}}
        """
        if value is None:
            return
        *parents, key = path.split(".")
        section = self.data
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = value
        if note:
            self.notes[path] = note

    def get(self, path: str, default: Any = None) -> Any:
        """Returns the value at a dotted path."""
        value: Any = self.data
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a source format, and how its value is imported.

    Attributes:
        to: path of the value in the config; empty if there is no equivalent.
        why: the reason why there is no equivalent, or the condition under which the value is used.
        default: the default of the other tool.
    """

    to: str
    why: str
    default: Any


def names(section: str, *, default: str = "default") -> Mapping[str, Name]:
    """Returns the names in a section of the catalog's `importing` data.

    >>> names("parameters")["VpcCIDR"].to
    'network.vpc_cidr'
    """
    return {
        name: Name(entry.get("to", ""), entry.get("when", entry.get("why", "")), entry.get(default))
        for name, entry in catalog.load("importing")[section].items()
    }


class Values:
    """The values of a source document by the names of its format; records the names that are read.

    `given` contains the values of the document, and `spellings` the spelling of names in the document.
    """

    def __init__(
        self, known: Mapping[str, Name], given: Mapping[str, Any], spellings: Mapping[str, str] | None = None
    ) -> None:
        self._known = known
        self._given = given
        self._spellings = spellings or {}
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """Returns the value in the document, otherwise the default."""
        self._read.add(name)
        value = self._given.get(name)
        return self._known[name].default if value is None else value

    def is_set(self, name: str) -> bool:
        """Whether the document has a value for a name."""
        return self._given.get(name) not in (None, "")

    def shown(self, name: str) -> str:
        """Returns the spelling of a name in the document."""
        return self._spellings.get(name, name)

    def is_enabled(self, name: str) -> bool:
        """Whether a boolean, which can be a string, is true."""
        value = self[name]
        return value.strip().lower() == "true" if isinstance(value, str) else bool(value)

    def text(self, name: str) -> str:
        """Returns a string; empty if unset, and for placeholders of the official templates."""
        value = self[name]
        found = "" if value is None else str(value).strip()
        return "" if _PLACEHOLDER.fullmatch(found) else found

    def many(self, name: str) -> list[str]:
        """Returns a list, which can be a comma-separated string, without empty items and placeholders."""
        value = self[name]
        items = value if isinstance(value, list) else str(value or "").split(",")
        found = [str(item).strip() for item in items]
        return [item for item in found if item and not _PLACEHOLDER.fullmatch(item)]

    def number(self, name: str) -> int | None:
        """Returns a whole number, or None if unset."""
        value = self[name]
        found = str(value).strip() if value is not None else ""
        return int(found) if re.fullmatch(r"\d+", found) else None

    def account_for(self, draft: Draft) -> None:
        """Reports every value that was not used, with the reason."""
        unused: dict[str, list[str]] = {}
        for name, value in self._given.items():
            shown = self.shown(name)
            if name not in self._known:
                near = catalog.suggest(shown, map(self.shown, self._known))
                suggestion = f"; did you mean {near}?" if near else ""
                draft.losses.append(f"{shown} ({_short(value)}): not a name of this format{suggestion}")
                continue
            entry = self._known[name]
            if name in self._read or value in (None, "", []) or _is_placeholder(value):
                continue
            if str(value).lower() == str(entry.default).lower():
                if entry.why:
                    unused.setdefault(entry.why, []).append(shown)
            else:
                draft.losses.append(f"{shown} ({_short(value)}): {entry.why or 'has no effect in this config'}")
        draft.messages += [f"not required: {', '.join(shown)}: {why}" for why, shown in unused.items()]


def platform_name(prefix: str) -> str:
    """Converts a name to a platform name: letters, digits and single hyphens.

    >>> platform_name("My_Prefix!")
    'My-Prefix'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", prefix).strip("-")


def region_of(zones: Sequence[str]) -> str | None:
    """Returns the region of zone IDs, or None if they do not have exactly one region.

    >>> region_of(["use2-az1", "use2-az2"]), region_of(["us-east-2a"])
    ('us-east-2', None)
    """
    regions = {catalog.region_of_zone_id(zone) for zone in zones}
    region = regions.pop() if len(regions) == 1 else None
    return region.name if region else None


def kubernetes(draft: Draft, values: Values, name: str) -> None:
    """Sets the Kubernetes version, with extended support: EKS's default, which the other tools do not change."""
    if not values.is_set(name):
        message = f"is not set: this library's default is used, not the source's default ({values[name]})"
        draft.messages.append(f"{values.shown(name)} {message}")
        return
    version = values.text(name)
    draft.put("eks.kubernetes_version", version)
    facts = catalog.find_kubernetes_version(version)
    if facts is not None and facts.status() == "extended":
        note = "the version is no longer in standard support; the source uses EKS's default, which is EXTENDED"
        draft.put("eks.support", "EXTENDED", note)


def role_arn(role: str, account: str | None, region: str | None) -> str:
    """Returns the ARN of a role from its ARN or its name; an unknown account is written as `ACCOUNT`."""
    if role.startswith("arn:"):
        return role
    facts = catalog.find_region(region) if region else None
    return f"arn:{facts.partition if facts else 'aws'}:iam::{account or 'ACCOUNT'}:role/{role}"


def pairs(items: Iterator[str]) -> dict[str, str]:
    """Returns `key=value` items as a mapping; an item without `=` is a key with an empty value."""
    return {key.strip(): value.strip() for key, _, value in (item.partition("=") for item in items) if key.strip()}


def _is_placeholder(value: Any) -> bool:
    """Whether a value consists only of placeholder IDs of the official templates."""
    items = value if isinstance(value, list) else str(value).split(",")
    return all(_PLACEHOLDER.fullmatch(str(item).strip()) for item in items)


def _short(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
