"""What an edit does to a deployed platform, reported before it is deployed.

Two comparisons: `edits` compares two configs field by field, each field by its change policy (`configs`, with the cases
that depend on more than one field in `consequences`); `deployment` compares the templates of two apps as CloudFormation
does (`deployments`).
"""

from ..stack_templates import Stacks, matched
from .configs import edits
from .deployments import Deployment, Step, deployment
from .edit import MEANING, REPLACING, WORST_FIRST, Edit, replaces

__all__ = [
    "MEANING",
    "REPLACING",
    "WORST_FIRST",
    "Deployment",
    "Edit",
    "Stacks",
    "Step",
    "deployment",
    "edits",
    "matched",
    "replaces",
]
