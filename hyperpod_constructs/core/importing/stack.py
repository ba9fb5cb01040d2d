"""Reads and converts parameters of the official CloudFormation templates, in the formats of several tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .documents import known_parameter
from .draft import Draft, Values, names
from .parameters import Stated, from_parameters


def parameters_in(content: Any) -> dict[str, Any] | None:
    """Returns the parameters of a parameter file; None for other files.

    Formats: a list of `ParameterKey` and `ParameterValue` (the AWS CLI), an object with `Parameters` (CodePipeline,
    SAM), a list of `key=value` (`aws cloudformation deploy`), or a plain object of names and values.

    >>> parameters_in([{"ParameterKey": "VpcCIDR", "ParameterValue": "10.1.0.0/16"}])
    {'VpcCIDR': '10.1.0.0/16'}
    """
    if isinstance(content, list):
        if content and all(isinstance(item, dict) and "ParameterKey" in item for item in content):
            return {str(item["ParameterKey"]): item.get("ParameterValue") for item in content}
        if content and all(isinstance(item, str) and "=" in item for item in content):
            return {key: value for key, _, value in (item.partition("=") for item in content)}
        return None
    if not isinstance(content, dict):
        return None
    inner = content.get("Parameters")
    if isinstance(inner, dict) and not any(isinstance(item, dict) for item in inner.values()):
        return dict(inner)
    if isinstance(inner, list):
        return parameters_in(inner)
    return dict(content) if any(known_parameter(str(key)) for key in content) else None


def import_stack(given: Mapping[str, Any], stated: Stated | None = None) -> Draft:
    """Converts the parameters of `main-stack-eks-based-template.yaml`.

    >>> import_stack({"ResourceNamePrefix": "lab", "AvailabilityZoneIds": "use2-az1,use2-az2"}).data["region"]
    'us-east-2'
    """
    known = names("parameters")
    found = {name: value for name, value in given.items() if not re.match(r"(InstanceGroup|Rig)Settings\d+$", name)}
    for kind in ("InstanceGroupSettings", "RigSettings"):
        numbered = {name: given[name] for name in given if re.fullmatch(rf"{kind}\d+", name)}
        ordered = [numbered[name] for name in sorted(numbered, key=lambda name: int(name.removeprefix(kind)))]
        if ordered:
            found[kind] = [*([found[kind]] if kind in found else []), *ordered]
    values = Values(known, found)
    draft = Draft()
    from_parameters(values, draft, stated or Stated())
    values.account_for(draft)
    draft.losses[:] = [_in_pascal(text) for text in draft.losses]
    draft.messages[:] = [_in_pascal(text) for text in draft.messages]
    return draft


def _in_pascal(text: str) -> str:
    """Returns a message with the template's names in place of keys of the official CLI.

    The fix, after the semicolon, is not changed: it refers to fields of this library's config.
    """
    entries = {entry["cli"]: name for name, entry in _entries().items() if "cli" in entry}
    problem, separator, fix = text.partition("; ")
    problem = re.sub(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", lambda match: entries.get(match[0], match[0]), problem)
    return f"{problem}{separator}{fix}"


def _entries() -> Mapping[str, Any]:
    from ..catalog import load

    entries: Mapping[str, Any] = load("importing")["parameters"]
    return entries
