"""The order of resources, by parts of their logical ids."""

from __future__ import annotations

import re

from hyperpod_constructs.assembly.graph import Graph
from hyperpod_constructs.assembly.graph._assembly import Source


class Waiting:
    """Return the order of a set of templates; every pattern must match one resource."""

    def __init__(self, source: Source) -> None:
        self._graph = Graph.of(source)

    def only(self, pattern: str) -> str:
        """Return the only resource whose id, `Stack.LogicalId`, matches the pattern up to CDK's hash."""
        found = [id_ for id_ in self._graph.resources if re.fullmatch(rf".*\.{pattern}(?:[0-9A-F]{{8}})?", id_)]
        assert len(found) == 1, f"{pattern}: {found or sorted(self._graph.resources)}"
        return found[0]

    def after(self, later: str, earlier: str) -> bool:
        """Whether `then` waits for `first`, directly or indirectly."""
        return self._graph.before(self.only(earlier), self.only(later))
