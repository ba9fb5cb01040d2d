"""Lookup of the subnet of a zone id in an existing VPC."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import custom_resources as cr
from constructs import Construct

from .framework_logs import framework_logs
from .ids import known_id
from .trust import keep_calling_internal


def subnet_in_zone(scope: Construct, availability_zone_id: str, subnet_ids: Sequence[str]) -> str:
    """Returns the id of the subnet of `subnet_ids` that is in a zone, found at deploy time.

    Zone names map to different zones in each account, so the subnet of a CDK VPC in `use1-az6` is not known at synthesis.
    The lookup is one read-only EC2 call per zone; the deployment fails if no subnet is in the zone. Pass `node_subnets`
    to the cluster to avoid it.
    """
    id = f"SubnetIn-{known_id(scope, availability_zone_id)}"
    found = scope.node.try_find_child(id)
    if found is None:
        call = cr.AwsSdkCall(
            service="EC2",
            action="describeSubnets",
            parameters={
                "SubnetIds": list(subnet_ids),
                "Filters": [{"Name": "availability-zone-id", "Values": [availability_zone_id]}],
            },
            physical_resource_id=cr.PhysicalResourceId.of(availability_zone_id),
            output_paths=["Subnets.0.SubnetId"],
        )
        found = cr.AwsCustomResource(
            scope,
            id,
            on_create=call,
            on_update=call,
            install_latest_aws_sdk=False,
            log_group=framework_logs(scope),
            policy=cr.AwsCustomResourcePolicy.from_statements(
                [iam.PolicyStatement(actions=["ec2:DescribeSubnets"], resources=["*"])]
            ),
        )
        _share_role(scope, found)
        keep_calling_internal(scope)
    assert isinstance(found, cr.AwsCustomResource)
    return found.get_response_field("Subnets.0.SubnetId")


def _share_role(scope: Construct, lookup: cr.AwsCustomResource) -> None:
    """Makes each lookup in a scope depend on the policies of the others, because they share one role."""
    for other in scope.node.children:
        if isinstance(other, cr.AwsCustomResource) and other is not lookup:
            for resource, policy_of in ((lookup, other), (other, lookup)):
                resource.node.find_child("Resource").node.add_dependency(
                    policy_of.node.find_child("CustomResourcePolicy")
                )
