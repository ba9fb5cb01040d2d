"""Names and policies of the VPC endpoints of a network."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, Fn
from constructs import Construct

from ..core.endpoint_policies import endpoint_policy, published_image_accounts
from ..core.spec import Network
from .validation import region_of

GATEWAYS = ("s3",)
"""Services with a gateway endpoint."""


def service_name(service: str) -> str:
    """Returns the name of a service's endpoints in the stack's region."""
    return Fn.join(".", ["com.amazonaws", Aws.REGION, service])


def policy_of(scope: Construct, network: Network, service: str) -> dict[str, Any] | None:
    """Returns the policy of an endpoint in a closed network; others have AWS's default policy, which allows everything."""
    if network.mode != "closed" or not network.endpoint_policies:
        return None
    return endpoint_policy(
        service,
        account=Aws.ACCOUNT_ID,
        partition=Aws.PARTITION,
        region=Aws.REGION,
        accounts=network.endpoint_accounts,
        organization_id=network.organization_id,
        image_accounts=[*published_image_accounts(region_of(scope)), *network.image_accounts],
        plain_region=Fn.join("", Fn.split("-", Aws.REGION)) if network.functions_in_vpc else None,
    )
