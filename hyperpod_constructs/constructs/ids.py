"""Values that may be CDK tokens, used as construct ids or at synthesis."""

from __future__ import annotations

import hashlib
import json
import re

from aws_cdk import Stack
from constructs import Construct

from ..core.spec import Network
from ..core.spec.base import is_token


def digest(scope: Construct, value: str) -> str:
    """Returns eight hexadecimal digits that identify a value.

    The text of a token contains a counter that depends on the rest of the app, so the resolved value is used instead.
    """
    content = json.dumps(Stack.of(scope).resolve(value)) if is_token(value) else value
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def known_id(scope: Construct, value: str) -> str:
    """Returns a value as part of a construct id: itself, or a digest of a token, which ids cannot contain."""
    return digest(scope, value) if is_token(value) else value


def ensure_known(scope: Construct, path: str, why: str, *values: str) -> None:
    """Rejects tokens where a value is required at synthesis; `why` is the reason, for the message.

    Raises:
        ValueError: a value is a token.
    """
    if any(map(is_token, values)):
        raise ValueError(
            f"{scope.node.path}: {path} is a CDK token, which is known only at deploy time, but synthesis "
            f"requires the value, because {why}; specify a literal value"
        )


def looked_up_later(network: Network) -> Network:
    """Returns an existing network with tokens, which rules skip, instead of the placeholder ids of CDK.

    `Vpc.from_lookup` has placeholder ids until the CLI has looked up the VPC, and an error about them would prevent that.

    >>> subnets = [{"subnet_id": "s-12345", "availability_zone_id": "usw2-az1"}]
    >>> looked_up_later(Network(existing={"vpc_id": "vpc-12345", "node_subnets": subnets})).existing.vpc_id
    '${Token[vpc-12345]}'
    """
    existing = network.existing
    if existing is None:
        return network
    subnets = [
        subnet.model_copy(update={"subnet_id": _without_placeholder(subnet.subnet_id)})
        for subnet in existing.node_subnets
    ]
    update = {
        "vpc_id": _without_placeholder(existing.vpc_id),
        "node_subnets": tuple(subnets),
        "control_plane_subnet_ids": tuple(map(_without_placeholder, existing.control_plane_subnet_ids)),
    }
    return network.model_copy(update={"existing": existing.model_copy(update=update)})


def _without_placeholder(id_: str) -> str:
    return f"${{Token[{id_}]}}" if _PLACEHOLDER.fullmatch(id_) else id_


_PLACEHOLDER = re.compile("(vpc|[sp])-(12345|67890)")
"""Placeholder ids of CDK for resources that it has not looked up."""
