"""A flag for every field of a job, from the model. Lists are repeated flags, mappings KEY=VALUE, others YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..core.documents import parse
from ..core.spec.jobs import Job
from .click_types import ParamType

Command = TypeVar("Command", bound=Callable[..., Any])
_MARK = "field__"
"""Prefix of these flags' parameter names, so that they do not conflict with a command's own."""


def job_flags(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Adds a flag for every field to a command; `stated` reads them."""

    def decorate(command: Command) -> Command:
        for path, info in reversed([field for field in _fields(Job) if field[0][0] not in without]):
            command = _option(path, info)(command)
        return command

    return decorate


def stated(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the job's data from the flags.

    >>> stated({"field__nodes": 2, "field__env": (("A", "b"),), "field__run_policy__max_retries": 0, "field__image": None})
    {'nodes': 2, 'env': {'A': 'b'}, 'run_policy': {'max_retries': 0}}
    """
    data: dict[str, Any] = {}
    for name, value in parameters.items():
        if not name.startswith(_MARK) or value is None or value is False or value == ():
            continue
        *around, last = name.removeprefix(_MARK).split("__")
        place = data
        for part in around:
            place = place.setdefault(part, {})
        place[last] = dict(value) if _is_pairs(value) else list(value) if isinstance(value, tuple) else value
    return data


def _is_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, tuple) for item in value)


def _fields(model: type[BaseModel], around: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, info in model.model_fields.items():
        inner = [
            annotation
            for annotation in _kinds(info.annotation)
            if isinstance(annotation, type) and issubclass(annotation, BaseModel)
        ]
        if inner:
            yield from _fields(inner[0], (*around, name))
        else:
            yield (*around, name), info


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation, without None."""
    alternatives = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(alternative for alternative in alternatives if alternative is not NoneType)


def _option(path: tuple[str, ...], info: FieldInfo) -> Callable[[Command], Command]:
    flag = "--" + ".".join(part.replace("_", "-") for part in path)
    settings: dict[str, Any] = {"help": info.description, "default": None}
    kind, *others = _kinds(info.annotation)
    origin = get_origin(kind)
    if kind is bool:
        settings.update(is_flag=True, default=False)
    elif origin is Literal and not others:
        settings.update(type=click.Choice(get_args(kind)))
    elif origin is tuple:
        item = get_args(kind)[0]
        simple = item in (str, int)
        settings.update(multiple=True, type=item if simple else _Yaml(), default=())
    elif origin is not None and issubclass(origin, Mapping):
        pairs = get_args(kind)[1] is not Any
        settings.update(multiple=True, type=_Pair(), default=()) if pairs else settings.update(type=_Yaml())
    elif others:
        settings.update(type=_Yaml())
    else:
        settings.update(type=kind if kind in (int, float) else str)
    return click.option(flag, _MARK + "__".join(path), **settings)


class _Yaml(ParamType):
    """A value in YAML, such as `{name: data, claim: data, mount_path: /data}`."""

    name = "yaml"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parses the value as in a job file."""
        document = parse(value)
        if document.findings:
            self.fail(f"{value!r} {document.findings[0].message}", param, ctx)
        return document.value


class _Pair(ParamType):
    """KEY=VALUE; the value is literal text."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Parses key and value. For `env`, a value in braces is its source, such as `{secret: hub, key: token}`."""
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        if text.startswith("{") and param is not None and param.name in (f"{_MARK}env",):
            source = parse(text)
            if not source.findings and isinstance(source.value, dict) and source.value.keys() <= _SOURCE_KEYS:
                return key, source.value
        return key, text


_SOURCE_KEYS = {"secret", "config_map", "key", "optional", "pod_field"}
