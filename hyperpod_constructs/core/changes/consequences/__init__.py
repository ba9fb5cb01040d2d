"""Edits whose effect depends on more than the field: on direction, value, or other parts of the config."""

from . import cluster as _cluster
from . import storage as _storage
from . import workloads as _workloads
from .members import added, addon_removed, removed
from .platform import of_platforms
from .registry import Versions, special
from .workloads import followed_jobs

_RULES = (_cluster, _storage, _workloads)  # importing registers them

__all__ = ["Versions", "added", "addon_removed", "followed_jobs", "of_platforms", "removed", "special"]
