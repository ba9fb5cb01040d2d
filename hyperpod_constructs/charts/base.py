"""A chart of plain objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cdk8s
from constructs import Construct


class ObjectsChart(cdk8s.Chart):
    """A chart that contains objects as given, in their order.

    cdk8s' own `ApiObject` does not accept a `spec` from Python, and would require one call to Node for each object.
    """

    def __init__(self, scope: Construct, id: str, *, objects: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(scope, id)
        self.objects: list[dict[str, Any]] = [dict(manifest) for manifest in objects]

    def to_json(self) -> list[Any]:
        """Returns the objects as cdk8s writes them and as CDK applies them."""
        return self.objects
