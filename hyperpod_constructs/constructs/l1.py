"""Sets properties of CDK's L1 constructs by their CloudFormation names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from aws_cdk import CfnResource, Token

_FREE_FORM = {"Labels"}
"""Properties whose keys are the user's, not CloudFormation's."""


def set_properties(resource: CfnResource, props: type, values: Mapping[str, Any]) -> None:
    """Sets the properties of an L1 construct from plain data with CloudFormation's names; values may contain tokens.

    A property that the L1 does not have yet, at any depth, becomes a property override. Property overrides of users are
    merged over it, regardless of when they are added. Tags are set in the tag manager, so `Tags.of` applies to them.

    Args:
        resource: the L1 construct.
        props: class of its properties, such as `aws_sagemaker.CfnClusterProps`.
        values: values by CloudFormation property name.
    """
    attributes, known = _attributes(props), _names(type(resource))
    for name, value in values.items():
        attribute = attributes.get(name.casefold())
        if name == "Tags":
            for tag in value:
                resource.cdk_tag_manager.set_tag(tag["Key"], tag["Value"])  # type: ignore[attr-defined]
        elif attribute is None:
            resource.add_property_override(name, value)
        else:
            setattr(resource, attribute, Token.as_any(_named(value, known)) if _is_data(value) else value)
            for path, newer in _newer(value, known, name):
                resource.add_property_override(path, newer)


def _is_data(value: Any) -> bool:
    return isinstance(value, list | tuple | Mapping)


def _named(value: Any, known: Mapping[str, str]) -> Any:
    """Returns the value with the property names of the L1; CDK converts them back to CloudFormation's."""
    if isinstance(value, Mapping):
        return {
            name: dict(inner) if key in _FREE_FORM else _named(inner, known)
            for key, inner in value.items()
            if (name := _name(key, known)) is not None
        }
    return [_named(inner, known) for inner in value] if isinstance(value, list | tuple) else value


def _newer(value: Any, known: Mapping[str, str], path: str) -> Iterator[tuple[str, Any]]:
    """Returns path and value of properties that the L1 does not have."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = f"{path}.{key.replace('.', chr(92) + '.')}"
            if _name(key, known) is None:
                yield place, inner
            elif key not in _FREE_FORM:
                yield from _newer(inner, known, place)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _newer(inner, known, f"{path}.{index}")


@cache
def _attributes(props: type) -> dict[str, str]:
    """Returns the attribute of the L1 for each CloudFormation name in lower case."""
    mapping: Mapping[str, str] = props.__jsii_name_mapping__  # type: ignore[attr-defined]
    return {name.casefold(): attribute for attribute, name in mapping.items()}


def _name(key: str, known: Mapping[str, str]) -> str | None:
    """Returns the L1's name of a property; None if the L1 does not have the property.

    CloudFormation has both `FSxLustreConfig` and `FsxLustreConfig`: an exact match takes precedence over one that differs
    in case (`VolumeSizeInGB` is `volumeSizeInGb`).
    """
    return known.get(key[:1].lower() + key[1:]) or known.get(key.casefold())


@cache
def _names(l1: type) -> dict[str, str]:
    """Returns the names in the property types of an L1, by the name itself and by the name in lower case."""
    structs = [value for name, value in vars(l1).items() if name.endswith("Property")]
    names = {name for struct in structs for name in struct.__jsii_name_mapping__.values()}
    return {**{name.casefold(): name for name in names}, **{name: name for name in names}}
