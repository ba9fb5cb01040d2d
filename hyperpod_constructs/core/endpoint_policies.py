"""Policies of VPC endpoints in closed networks: allowed principals and resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .catalog import find_region, load, regions

ANY_ACCOUNT = "*"
"""Value of `network.image_accounts` that allows any account."""


def endpoint_policy(
    service: str,
    *,
    account: str,
    partition: str = "aws",
    region: str,
    accounts: Sequence[str] = (),
    organization_id: str | None = None,
    image_accounts: Sequence[str] = (),
    plain_region: str | None = None,
) -> dict[str, Any]:
    """The policy of one endpoint: your own principals and resources, and read access to AWS's own resources.

    Requests with the credentials of another account are denied, and so are requests for resources of another account.
    This prevents data exfiltration with foreign credentials or to a public bucket of another account.

    Args:
        service: such as `s3` or `ecr.api`.
        account: account of the platform.
        partition: AWS partition.
        region: region of the endpoint.
        accounts: additional accounts whose principals and resources are allowed.
        organization_id: organization whose accounts are allowed.
        image_accounts: additional accounts whose images can be pulled from ECR; `*` for any account.
        plain_region: the region without hyphens, as in the name of the bucket through which functions respond to
            CloudFormation (S3 endpoint).

    >>> policy = endpoint_policy("logs", account="111122223333", region="us-west-2")
    >>> policy["Statement"][0]["Condition"]["StringEquals"]
    {'aws:PrincipalAccount': ['111122223333']}
    """
    account_ids = [account, *accounts]
    statements = [
        _allow(
            "OwnAccounts",
            StringEquals={"aws:PrincipalAccount": account_ids},
            # a few actions do not have a resource account in their request context
            StringEqualsIfExists={"aws:ResourceAccount": account_ids},
        ),
        _allow("ServicesOfAws", Bool={"aws:PrincipalIsAWSService": "true"}),
    ]
    if organization_id:
        statements.append(
            _allow(
                "OwnOrganization",
                StringEquals={"aws:PrincipalOrgID": organization_id},
                StringEqualsIfExists={"aws:ResourceOrgID": organization_id},
            )
        )
    known = load("endpoint_policies")["read"].get(service)
    if known:
        whose = {} if known.get("anonymous") else {"StringEquals": {"aws:PrincipalAccount": account_ids}}
        pulled = [ANY_ACCOUNT] if ANY_ACCOUNT in image_accounts else [*account_ids, *image_accounts]
        resources = [
            resource.format(partition=partition, region=region, image_account=image_account)
            for resource in known["resources"]
            for image_account in pulled
        ]
        sid = known.get("sid", "ReadWhatAwsOwns")
        statements.append(_allow(sid, known["actions"], list(dict.fromkeys(resources)), **whose))
    if service == "s3" and plain_region is not None:
        response = load("endpoint_policies")["respond"]["s3"]
        resources = [
            resource.format(partition=partition, plain_region=plain_region) for resource in response["resources"]
        ]
        statements.append(_allow("RespondToCloudFormation", response["actions"], resources))
    if service == "sts":  # requests with a web identity are not signed
        roles = [f"arn:{partition}:iam::{account_id}:role/*" for account_id in account_ids]
        statements.append(_allow("WebIdentities", ["sts:AssumeRoleWithWebIdentity"], roles))
    return {"Version": "2012-10-17", "Statement": statements}


def published_image_accounts(region: str | None) -> list[str]:
    """Accounts in which AWS hosts images, as published in its documentation and the dependency chart.

    These are the accounts of the EKS add-ons, the health monitoring agent, the inference operator and the GPU operator;
    for every region if the region is None.

    >>> published_image_accounts("us-west-2")
    ['602401143452', '905418368575', '861276088053', '586794468202']
    """
    found = [find_region(region)] if region else list(regions().values())
    accounts = [getattr(known, field) for known in found if known for field in _IMAGE_ACCOUNTS]
    return list(dict.fromkeys(account for account in accounts if account))


def assumed_images() -> tuple[str, ...]:
    """Add-ons whose images are assumed to be in the registry of EKS add-ons; no source confirms it for each.

    >>> "training_operator" in assumed_images()
    True
    """
    return tuple(load("endpoint_policies")["assumed_images"])


_IMAGE_ACCOUNTS = (
    *("eks_images_account", "health_monitoring_agent_account", "inference_operator_account", "gpu_operator_account"),
)


def _allow(
    sid: str, actions: Sequence[str] = ("*",), resources: Sequence[str] = ("*",), **condition: Mapping[str, Any]
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return {**statement, "Condition": condition} if condition else statement


def endpoints_without_policy(templates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """VPC endpoints without a policy or with an unrestricted one, as `Stack.LogicalId`.

    >>> endpoint = {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"ServiceName": "com.amazonaws.us-west-2.s3"}}
    >>> endpoints_without_policy({"Network": {"Resources": {"S3": endpoint}}})
    ['Network.S3']
    """
    return [
        f"{stack}.{name}"
        for stack, template in templates.items()
        for name, resource in template.get("Resources", {}).items()
        if resource["Type"] == "AWS::EC2::VPCEndpoint" and _open(resource["Properties"].get("PolicyDocument"))
    ]


def _open(policy: Mapping[str, Any] | None) -> bool:
    statements = policy["Statement"] if policy else []
    return not statements or any(
        statement["Effect"] == "Allow" and "Condition" not in statement and "*" in _list(statement["Resource"])
        for statement in statements
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
