"""Type checks of arguments against their annotations, so that an error names the argument.

Python does not check annotations, and errors of jsii do not name the argument.
"""

from __future__ import annotations

import builtins
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from ..core.spec.base import SpecModel, is_token

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Checks the types of a constructor's or method's arguments before it runs.

    For protocols of this package and CDK's interfaces, the required members are checked. For other types that are
    imported for the type checker only, any object is accepted, but no string, number, sequence or mapping. Values of a
    `Literal` are compared.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a string is not one of the allowed values of the argument.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python's own message names the argument
        hints = _hints(function)
        for name, value in given.items():
            if name in hints:
                problem = mismatch(value, hints[name], name)
                if problem is not None:
                    path, got, expected = problem
                    error = ValueError if _is_literal(expected) and isinstance(got, str) else TypeError
                    text = f"{path} must be {_type_text(expected)}, got {_value_text(got)}{_hint(got, expected)}"
                    raise error(f"{_where(given)}: {text}")
        return function(*args, **kwargs)

    return call


def mismatch(value: Any, hint: Any, path: str) -> tuple[str, Any, Any] | None:
    """Returns path, value and expected type of the first mismatch; None if the value has the type.

    >>> mismatch("finish", Literal["start", "completion"] | None, "wait_for")[:2]
    ('wait_for', 'finish')
    >>> mismatch([1, "2"], Sequence[int], "counts")[:2]
    ('counts[1]', '2')
    """
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        choices = [choice for choice in get_args(hint) if choice is not type(None)]
        if value is None and len(choices) < len(get_args(hint)):
            return None
        tried = [mismatch(value, choice, path) for choice in choices]
        if None in tried:
            return None
        deeper = [problem for problem in tried if problem is not None and problem[0] != path]
        return deeper[0] if deeper else (path, value, Union[tuple(choices)] if len(choices) > 1 else choices[0])  # noqa: UP007
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Literal:
        is_allowed = any(type(choice) is type(value) and choice == value for choice in args)
        return None if is_allowed else (path, value, hint)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return path, value, hint
        inner = [(f"{path}[{key!r}]", item, args[1]) for key, item in value.items()] if len(args) == 2 else []
    elif inspect.isclass(origin) and issubclass(origin, Iterable) and origin is not str and args:
        if isinstance(value, str | Mapping | SpecModel) or not isinstance(value, Iterable):
            return path, value, hint
        items = value if isinstance(value, Sequence) else ()
        inner = [(f"{path}[{index}]", item, args[0]) for index, item in enumerate(items)]
    else:
        return None if _is(value, origin) else (path, value, hint)
    return next((found for where, item, of in inner if (found := mismatch(item, of, where)) is not None), None)


def _is(value: Any, kind: Any) -> bool:
    """Whether a value has a type that has no type arguments."""
    if kind in (Any, object, _Later) or not inspect.isclass(kind):
        return True
    if issubclass(kind, _Unloaded):
        return not isinstance(value, str | int | float | Mapping | Sequence | None)
    if kind.__name__ == "Callable":
        return callable(value)
    if kind in (int, float):
        return (isinstance(value, int | kind) and not isinstance(value, bool)) or is_token(value)
    if hasattr(kind, "__jsii_type__") and not hasattr(kind, "__jsii_name_mapping__"):
        return isinstance(value, kind) if not _is_protocol(kind) else _has(value, kind)
    if hasattr(kind, "__jsii_name_mapping__"):  # a struct, for which CDK also accepts a mapping
        return isinstance(value, kind | Mapping)
    return _has(value, kind) if _is_protocol(kind) else isinstance(value, kind)


def _is_protocol(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _has(value: Any, protocol: type) -> bool:
    """Whether a value has the members of a protocol; dynamic proxies of jsii are accepted."""
    if value is None or isinstance(value, str | int | float | Mapping | Sequence | SpecModel):
        return False
    if type(value).__name__ == "InterfaceDynamicProxy":
        return True
    declared = {  # not always a dict: `type`, the type of a class, has a descriptor of this name
        name
        for base in type(value).__mro__
        if isinstance(annotations := vars(base).get("__annotations__"), dict)
        for name in annotations
    }
    return _members(protocol) <= {*dir(type(value)), *getattr(value, "__dict__", ()), *declared}


@cache
def _members(protocol: type) -> frozenset[str]:
    """Returns the public names that a protocol requires."""
    names: set[str] = set()
    for base in protocol.__mro__:
        if _is_protocol(base) and base.__name__ not in ("Protocol", "Generic"):
            names |= {name for name in {**vars(base), **vars(base).get("__annotations__", {})} if name[0] != "_"}
    return frozenset(names)


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the type of each argument; a type that is imported for the type checker only accepts any value."""
    names = _Names(vars(sys.modules[function.__module__]))
    hints = {}
    for name, text in function.__annotations__.items():
        if name not in ("return", "scope", "id"):
            hints[name] = eval(text, {}, names) if isinstance(text, str) else text
    return hints


class _Names(dict[str, Any]):
    """The names that annotations of a module can use."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        # protocols that the module imports for the type checker only, if `interfaces` is loaded
        return getattr(sys.modules.get(f"{__package__}.interfaces"), name, _Later)


class _Unloaded:
    """A class of a module that is imported for the type checker only: any object is accepted as its instance."""


class _Attributes(type):
    def __getattr__(cls, name: str) -> Any:
        return type(name, (_Unloaded,), {})


class _Later(metaclass=_Attributes):
    """A placeholder for a type that is imported for the type checker only; it accepts any value."""


def _where(given: Mapping[str, Any]) -> str:
    scope, id = given.get("scope"), given.get("id")
    if scope is not None and isinstance(id, str) and hasattr(scope, "node"):
        return f"{scope.node.path}/{id}".lstrip("/")
    owner: Any = given.get("self")
    return str(owner.node.path) if hasattr(owner, "node") else "hyperpod_constructs"


def _is_literal(hint: Any) -> bool:
    return get_origin(hint) is Literal


def _type_text(hint: Any) -> str:
    """Returns a type as text for messages.

    >>> _type_text(Sequence[Literal["a", "b"]]), _type_text(Mapping[str, int])
    ("a sequence of 'a' or 'b'", 'a mapping to int')
    >>> _type_text(Annotated[int, "a note"] | Mapping[str, Any])
    'int or a mapping'
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type_text(args[0])
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type_text(choice) for choice in args if choice is not type(None)))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping" if args[-1] is Any else f"a mapping to {_type_text(args[-1])}"
    if inspect.isclass(origin) and issubclass(origin, Iterable) and args:
        return f"a sequence of {_type_text(args[0])}"
    if hint is Any:
        return "any type"
    module = getattr(hint, "__module__", "")
    name = getattr(hint, "__name__", str(hint))
    return f"{module.rpartition('.')[2]}.{name}" if module.startswith("aws_cdk.") else name


def _value_text(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | None) else f"an object of type {type(value).__name__}"


def _hint(value: Any, expected: Any) -> str:
    """Returns how to pass a model instead of a mapping, or a sequence instead of a single model; empty otherwise."""
    models = [
        model for model in (expected, *get_args(expected)) if inspect.isclass(model) and issubclass(model, SpecModel)
    ]
    if not models:
        return ""
    if get_origin(expected) not in (None, Union, types.UnionType):
        return f": write [{models[0].__name__}(...)]"
    return f": write {models[0].__name__}(...)" if isinstance(value, Mapping) else ""


def renamed(**former: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accepts an argument also by its former name, with a deprecation warning: `renamed(former="new")`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in former.items():
                if old in kwargs:
                    message = f"argument {old} is deprecated: use {new}"
                    warnings.warn(message, DeprecationWarning, stacklevel=3)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
