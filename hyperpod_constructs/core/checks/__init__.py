"""The rules: every known failure mode, reported before a deployment.

>>> from hyperpod_constructs.core.checks import Context, check
>>> from hyperpod_constructs.core.spec import Network
>>> [str(f.severity) for f in check(Context(network=Network(availability_zone_ids=["usw2-az1"]))) if f.rule == "HP110"]
['error']
"""

from .context import Context
from .engine import acknowledged, check, ensure, error_texts
from .registry import AREAS, Problem, Rule, describe, find, rule, rules

__all__ = [
    "AREAS",
    "Context",
    "Problem",
    "Rule",
    "acknowledged",
    "check",
    "describe",
    "ensure",
    "error_texts",
    "find",
    "rule",
    "rules",
]
