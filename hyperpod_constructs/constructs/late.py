"""Values that are computed at synthesis, because their inputs may be added after their construct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsii
from aws_cdk import IResolvable, IStableAnyProducer, Lazy


@jsii.implements(IStableAnyProducer)
class _Late:
    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute

    def produce(self) -> Any:
        return self._compute()


def late(compute: Callable[[], Any]) -> IResolvable:
    """Returns a value that is computed at synthesis; for an empty list, the property is omitted."""
    return Lazy.any(_Late(compute), omit_empty_array=True)
