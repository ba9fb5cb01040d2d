"""Schemas for values that a config passes to CloudFormation and charts: names, types and allowed values.

They are sufficient to find misspelled properties; CloudFormation does the full validation.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.catalog._names import suggest

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": Mapping,
}

_QUOTED = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}


def mismatches(definition: str, value: Any, path: str = "") -> Iterator[tuple[str, str, str | None]]:
    """Values that CloudFormation rejects for a definition of AWS::SageMaker::Cluster.

    Yields the path in the value, the problem, and the closest property, if any.

    >>> list(mismatches("ClusterInstanceGroup", {"InstanceCont": 4}))
    [('.InstanceCont', 'CloudFormation has no such property', 'InstanceCount')]
    >>> list(mismatches("VpcConfig", {"Subnets": "subnet-1"}))
    [('.Subnets', 'must be a list', None)]
    >>> list(mismatches("ClusterInstanceGroup", {"InstanceCount": "three", "ThreadsPerCore": "2"}))
    [('.InstanceCount', "must be an integer, not 'three'", None)]
    """
    properties: Mapping[str, str | list[str]] = load("cloudformation")["cluster"][definition]
    for name, given in value.items():
        place = f"{path}.{name}"
        if name not in properties:
            yield place, "CloudFormation has no such property", suggest(name, properties)
        else:
            yield from _mismatch(properties[name], given, place)


def _mismatch(kind: str | list[str], value: Any, path: str) -> Iterator[tuple[str, str, str | None]]:
    if isinstance(value, str) and ("${Token[" in value or "{{resolve:" in value):
        return
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
        return
    if isinstance(kind, list):
        if value not in kind:
            near = suggest(value, kind) if isinstance(value, str) else None
            yield path, f"must be {' or '.join(kind)}, not {value!r}", near
    elif kind.endswith("[]"):
        if not isinstance(value, list | tuple):
            yield path, "must be a list", None
            return
        for index, item in enumerate(value):
            yield from _mismatch(kind.removesuffix("[]"), item, f"{path}[{index}]")
    elif kind in _KINDS:
        if isinstance(value, str) and re.fullmatch(_QUOTED.get(kind, "(?!)"), value):
            return  # CloudFormation accepts quoted numbers and booleans
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield path, f"must be {'an' if kind[0] in 'aeiou' else 'a'} {kind}, not {value!r}", None
    elif not isinstance(value, Mapping):
        yield path, "must be an object with properties", None
    else:
        yield from mismatches(kind, value, path)


def unread_values(values: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Values that a chart does not read: their keys, and the closest valid key, if any.

    `known` is a tree of keys as in `chart_values.json`; `true` matches anything.

    >>> list(unread_values({"image": {"tga": "1"}, "nodeSelector": {"a": "b"}},
    ...                    {"image": {"tag": True}, "nodeSelector": True}))
    [(('image', 'tga'), 'tag')]
    """
    for key, value in values.items():
        if key not in known:
            yield (key,), suggest(key, known)
        elif isinstance(known[key], Mapping) and isinstance(value, Mapping):
            for keys, near in unread_values(value, known[key]):
                yield (key, *keys), near
