"""click's parameter types as base classes: generic for type checkers, but at run time only in click 8.2 and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    Choice: TypeAlias = click.Choice[str]
    ParamType: TypeAlias = click.ParamType[Any]
else:
    Choice, ParamType = click.Choice, click.ParamType
