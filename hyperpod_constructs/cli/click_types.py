"""click's parameter types as base classes: generic for type checkers, and at run time only since click 8.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    Choice: TypeAlias = click.Choice[str]
    ParamType: TypeAlias = click.ParamType[Any]
else:
    Choice, ParamType = click.Choice, click.ParamType
