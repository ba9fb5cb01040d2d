"""The base of all spec models: frozen, no unknown keys, with a change policy on every field.

The same object is built from YAML, from keyword arguments of a construct and from the official CLI's config files.
Models define structure and types; rules in `checks` validate meaning.

Modules of specs have no `from __future__ import annotations`: pydantic would evaluate 700 annotations from strings, a
fifth of the import time of these modules.
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
    """What editing a field does to a deployed cluster, from least to most disruptive."""

    IN_PLACE = "in-place"
    """Applied without interrupting running nodes or pods."""
    DRAINS = "drains"
    """Restarts, drains or replaces nodes or pods; running workloads are interrupted."""
    REPLACES = "replaces"
    """CloudFormation replaces the one resource that the field belongs to (not the HyperPod or EKS cluster)."""
    REPLACES_GROUP = "replaces-group"
    """Immutable per instance group: requires a new group with a new name."""
    REPLACES_CLUSTER = "replaces-cluster"
    """CloudFormation replaces the HyperPod or the EKS cluster, with all its nodes."""
    LEAVES_BEHIND = "leaves-behind"
    """The deployed resources are unchanged and still billed; the config creates others, such as a second platform."""
    REFUSED = "refused"
    """CloudFormation or the service's API rejects the change."""
    LOSES_DATA = "loses-data"
    """Replacing the resource deletes its data."""
    NONE = "none"
    """Read only by this library's tools; deployed resources are unchanged."""


class DeployTimeNumber(int):
    """A number that is known only at deploy time: a CDK token, such as the value of a CloudFormation parameter.

    As a number it is its minimum; rules also run with its maximum, and a finding requires both (`checks.engine`).
    `deployed` returns the token for templates.
    """

    token: float
    maximum: int

    def __new__(cls, token: float, minimum: int, maximum: int) -> Self:
        """Creates a number for a token whose value is between `minimum` and `maximum`."""
        made = super().__new__(cls, minimum)
        made.token, made.maximum = token, maximum
        return made


def deployed(value: int) -> float:
    """Returns a number as it appears in a template: the token if it is known only at deploy time.

    >>> deployed(2), deployed(DeployTimeNumber(-1.8e289, 1, 100))
    (2, -1.8e+289)
    """
    return value.token if isinstance(value, DeployTimeNumber) else value


def may_be_token(*fields: str, minimum: int, maximum: int) -> Any:
    """A validator that accepts CDK tokens for numeric fields; the value is between two bounds."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return (
            DeployTimeNumber(value, minimum, maximum)
            if isinstance(value, float) and is_token(value)
            else handler(value)
        )

    return field_validator(*fields, mode="wrap")(validate)


class SpecModel(BaseModel):
    """Frozen; unknown keys are an error, so that a misspelled key is never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)

    takes_tokens: ClassVar[tuple[str, ...]] = ()
    """Numeric fields that can be CDK tokens."""

    # not a "before" validator: it would convert JSON to Python lists, and the fields require tuples
    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **values: Any) -> Any:
            """Rejects tokens for numbers that are required at synthesis, and suggests the field for a misspelled key."""
            if not values.keys() <= cls.model_fields.keys():
                _ensure_known(cls, values)
            for name, value in values.items():
                if isinstance(value, float) and is_token(value) and name not in cls.takes_tokens:
                    raise ValueError(
                        f"{cls.__name__}: {name} is a CDK token, which is known only at deploy time, but "
                        "synthesis requires the value: specify a literal number"
                    )
            return super().__new__(cls)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Returns a copy with other values of some fields; cached values are computed again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


def _ensure_known(model: type[SpecModel], values: Mapping[str, Any]) -> None:
    """Rejects keyword arguments that are not fields, and suggests the closest field or lists all."""
    from ..catalog import suggest

    names = {*model.model_fields, *(info.alias for info in model.model_fields.values() if info.alias)}
    problems: list[InitErrorDetails] = []
    for name in values:
        if name not in names:
            near = suggest(name, names) or next((each for each in sorted(names) if each.endswith(f"_{name}")), None)
            cure = f"did you mean {near!r}?" if near else f"valid fields: {', '.join(sorted(names))}"
            text = "is not a field of {model}: {cure}"
            error = PydanticCustomError("unknown_field", text, {"model": model.__name__, "cure": cure})
            problems.append(InitErrorDetails(type=error, loc=(name,), input=values[name]))
    if problems:
        raise ValidationError.from_exception_data(model.__name__, problems)


Model = TypeVar("Model", bound=SpecModel)


def field(default: Any = PydanticUndefined, *, change: Change, help: str, at: str = "", **options: Any) -> Any:
    """A pydantic field with its description and its change policy (both required).

    `at` is the path of the field in an add-on's configuration, such as `env.WARM_IP_TARGET`; several paths are
    separated by spaces. `options` are those of `pydantic.Field` (bounds, alias, default_factory, examples).
    """
    extra: dict[str, Any] = {"x-change": change.value}
    if at:
        extra["x-configuration"] = at
    return Field(default, description=help, json_schema_extra=extra, **options)


def defaults(model: type[Model]) -> Model:
    """A model with all its defaults, as the default of a field.

    Equivalent to calling the model, but without building its validator at import, which would double the start-up time.

    >>> class Size(SpecModel):
    ...     gib: int = field(1, change=Change.IN_PLACE, help="GiB.")
    >>> defaults(Size) == Size()
    True
    """
    return model.model_construct()


def change_of(info: FieldInfo) -> Change | None:
    """Returns the change policy of a model field, None if it has none."""
    extra = info.json_schema_extra
    return Change(str(extra["x-change"])) if isinstance(extra, dict) and "x-change" in extra else None


def configuration_of(model: SpecModel) -> dict[str, Any]:
    """The add-on configuration values that a model's fields set (`at` of `field`); unset fields are omitted.

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
            into = values
            for parent in parents:
                into = into.setdefault(parent, {})
            into[key] = _configured(value, as_text=parents[-1:] == ["env"])
    return values


def places_of(info: FieldInfo) -> list[str]:
    """Paths of a field in an add-on's configuration; empty for most fields."""
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
    """Rejects numbers where text is required: YAML reads `1.30` as 1.3, and the lost digit cannot be recovered."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    raise ValueError(f"must be text: write {str(value)!r} with quotes, because the number 1.30 is 1.3")


QuotedText = Annotated[str, BeforeValidator(_text)]
"""Text that looks like a number, such as a Kubernetes version; must be quoted in YAML."""

if TYPE_CHECKING:
    ListOf = Sequence
else:

    class ListOf:
        """The type of a list field: accepts any sequence and stores a tuple."""

        def __class_getitem__(cls, item: Any) -> Any:
            return tuple[item, ...]


Tags = Mapping[str, str]
"""AWS tags: key to value."""
