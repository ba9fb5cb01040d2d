"""References between stacks that do not block the removal of their target; `exports` explains their use."""

from __future__ import annotations

from aws_cdk import CfnResource, CrossStackReferences, ReferenceStrength
from constructs import IConstruct


def refer_weakly(construct: IConstruct) -> None:
    """Allows other stacks to read the attributes of a resource without blocking its removal."""
    for child in construct.node.find_all():
        if isinstance(child, CfnResource):
            CrossStackReferences.of(child).produce(ReferenceStrength.BOTH)
