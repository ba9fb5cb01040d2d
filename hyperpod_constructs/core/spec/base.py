"""The base of all spec models: frozen, without unknown keys, and with a change policy on every field.

The same models are created from YAML, from keyword arguments of constructs and from the official CLI's config files.
Models validate structure and types; rules in `checks` validate the meaning of values.

Spec modules do not use `from __future__ import annotations`: pydantic would have to evaluate 700 annotations from
strings, which takes a fifth of the import time of these modules.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticUndefined


class Change(StrEnum):
    """The effect of editing a field on a deployed cluster."""

    IN_PLACE = "in-place"
    """Applied without interrupting running nodes or pods."""
    DRAINS = "drains"
    """Restarts, drains or replaces nodes or pods; running workloads are interrupted."""
    REPLACES = "replaces"
    """CloudFormation replaces the resource that the field belongs to, but not the HyperPod or EKS cluster."""
    REPLACES_GROUP = "replaces-group"
    """Immutable for an instance group: a change requires a new group with a new name."""
    REPLACES_CLUSTER = "replaces-cluster"
    """CloudFormation replaces the HyperPod or EKS cluster with all its nodes."""
    LEAVES_BEHIND = "leaves-behind"
    """The deployed resources are retained and still billed; the config creates new resources, such as a second platform."""
    REFUSED = "refused"
    """CloudFormation or the service's API rejects the change."""
    LOSES_DATA = "loses-data"
    """Replacing the resource deletes its data."""
    NONE = "none"
    """Read only by this library's tools; deployed resources are unchanged."""


class DeployTimeNumber(int):
    """A number that is known only at deploy time: a CDK token, such as the value of a CloudFormation parameter.

    Its numeric value is its minimum. Rules run with the minimum and with the maximum, and only findings of both are
    reported (`checks.engine`). `deployed` returns the token for templates.
    """

    token: float
    maximum: int

    def __new__(cls, token: float, minimum: int, maximum: int) -> Self:
        """Creates a number for a token whose value is between `minimum` and `maximum`."""
        number = super().__new__(cls, minimum)
        number.token, number.maximum = token, maximum
        return number


def deployed(value: int) -> float:
    """Returns a number for a template: the token if the number is known only at deploy time.

    >>> deployed(2), deployed(DeployTimeNumber(-1.8e289, 1, 100))
    (2, -1.8e+289)
    """
    return value.token if isinstance(value, DeployTimeNumber) else value


def may_be_token(*fields: str, minimum: int, maximum: int) -> Any:
    """Returns a validator that accepts CDK tokens for numeric fields, whose values are between two bounds."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return (
            DeployTimeNumber(value, minimum, maximum)
            if isinstance(value, float) and is_token(value)
            else handler(value)
        )

    return field_validator(*fields, mode="wrap")(validate)


class SpecModel(BaseModel):
    """The base class of all spec models: frozen; unknown keys are errors, so that misspelled keys are not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)

    token_fields: ClassVar[tuple[str, ...]] = ()
    """Numeric fields that can be CDK tokens."""

    # not a "before" validator, which would convert JSON arrays to lists; the fields require tuples
    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **values: Any) -> Any:
            """Rejects tokens for numbers that synthesis requires, and suggests the correct field for a misspelled key."""
            if not values.keys() <= cls.model_fields.keys():
                _ensure_known(cls, values)
            for name, value in values.items():
                if isinstance(value, float) and is_token(value) and name not in cls.token_fields:
                    raise ValueError(
                        f"{cls.__name__}: {name} is a CDK token, which is known only at deploy time, but "
                        "synthesis requires the value: specify a literal number"
                    )
            return super().__new__(cls)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Returns a copy with some fields replaced, without cached values."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


def _ensure_known(model: type[SpecModel], values: Mapping[str, Any]) -> None:
    """Rejects keyword arguments that are not fields, and suggests the closest field or lists all fields."""
    from ..catalog import suggest

    names = {*model.model_fields, *(info.alias for info in model.model_fields.values() if info.alias)}
    problems: list[InitErrorDetails] = []
    for name in values:
        if name not in names:
            near = suggest(name, names) or next((known for known in sorted(names) if known.endswith(f"_{name}")), None)
            cure = f"did you mean {near!r}?" if near else f"valid fields: {', '.join(sorted(names))}"
            text = "is not a field of {model}: {cure}"
            error = PydanticCustomError("unknown_field", text, {"model": model.__name__, "cure": cure})
            problems.append(InitErrorDetails(type=error, loc=(name,), input=values[name]))
    if problems:
        raise ValidationError.from_exception_data(model.__name__, problems)


Model = TypeVar("Model", bound=SpecModel)


def field(default: Any = PydanticUndefined, *, change: Change, help: str, at: str = "", **options: Any) -> Any:
    """Returns a pydantic field with a description and a change policy (both required).

    `at` is the path of the field in an add-on's configuration, such as `env.WARM_IP_TARGET`; several paths are
    separated by spaces. `options` are passed to `pydantic.Field` (bounds, alias, default_factory, examples).
    """
    extra: dict[str, Any] = {"x-change": change.value}
    if at:
        extra["x-configuration"] = at
    return Field(default, description=help, json_schema_extra=extra, **options)


def defaults(model: type[Model]) -> Model:
    """Returns a model with all its defaults, for use as the default of a field.

    Equivalent to calling the model, but does not build its validator at import, which would double the startup time.

    >>> class Size(SpecModel):
    ...     gib: int = field(1, change=Change.IN_PLACE, help="GiB.")
    >>> defaults(Size) == Size()
    True
    """
    return model.model_construct()


def change_of(info: FieldInfo) -> Change | None:
    """Returns the change policy of a model field, or None if it has no change policy."""
    extra = info.json_schema_extra
    return Change(str(extra["x-change"])) if isinstance(extra, dict) and "x-change" in extra else None


def configuration_of(model: SpecModel) -> dict[str, Any]:
    """Returns the add-on configuration values that a model's fields set (`at` of `field`), without unset fields.

    >>> class Agent(SpecModel):
    ...     addresses: int | None = field(None, change=Change.DRAINS, help="Addresses.", at="env.WARM_IP_TARGET")
    ...     replicas: int | None = field(None, change=Change.DRAINS, help="Pods.", at="replicas webhook.replicas")
    >>> configuration_of(Agent(addresses=5)), configuration_of(Agent(replicas=2))
    ({'env': {'WARM_IP_TARGET': '5'}}, {'replicas': 2, 'webhook': {'replicas': 2}})
    """
    values: dict[str, Any] = {}
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None or value == {}:
            continue
        for place in places_of(info):
            *parents, key = place.split(".")
            section = values
            for parent in parents:
                section = section.setdefault(parent, {})
            section[key] = _configured(value, as_text=parents[-1:] == ["env"])
    return values


def places_of(info: FieldInfo) -> list[str]:
    """Returns the paths of a field in an add-on's configuration; empty for most fields."""
    extra = info.json_schema_extra
    return str(extra.get("x-configuration", "")).split() if isinstance(extra, dict) else []


def _configured(value: Any, *, as_text: bool) -> Any:
    if isinstance(value, SpecModel):
        return configuration_of(value)
    if isinstance(value, Mapping):
        return {key: _configured(item, as_text=as_text) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_configured(item, as_text=as_text) for item in value]
    # environment variables are strings: "true" and "5"
    return str(value).lower() if as_text and not isinstance(value, str) else value


def is_token(value: object) -> bool:
    """Whether a value contains a CDK token (known only at deploy time), detected by its string form.

    >>> is_token("${Token[AWS.AccountId.4]}"), is_token("arn:${Token[AWS.Partition.3]}:iam"), is_token("ml.p5.48xlarge")
    (True, True, False)
    """
    if isinstance(value, str):
        return "${Token[" in value or "#{Token[" in value
    if isinstance(value, float):
        return value < -1e288  # CDK encodes number tokens as huge negative numbers
    return False


def _text(value: object) -> object:
    """Rejects numbers where a string is required: YAML reads `1.30` as 1.3, and the lost digit cannot be recovered."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    raise ValueError(f"must be a string in quotes, such as {str(value)!r}: YAML reads the number 1.30 as 1.3")


QuotedText = Annotated[str, BeforeValidator(_text)]
"""A string that looks like a number, such as a Kubernetes version; requires quotes in YAML."""

if TYPE_CHECKING:
    ListOf = Sequence
else:

    class ListOf:
        """The type of a list field: accepts any sequence and stores a tuple."""

        def __class_getitem__(cls, item: Any) -> Any:
            return tuple[item, ...]


Tags = Mapping[str, str]
"""AWS tags: key to value."""
