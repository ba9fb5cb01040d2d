"""IAM roles of the platform, each with only the permissions that the documentation lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aws_cdk import ArnFormat, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ..core import catalog
from ..core.spec import InstanceGroup, RestrictedInstanceGroup
from .trust import INTERNAL_TAG

if TYPE_CHECKING:
    from .interfaces import OidcIdentity

_TOKEN = "ecr:GetAuthorizationToken"
_CREATE = "ec2:CreateNetworkInterface"
_ALSO_ELSEWHERE = ("ec2:AttachNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute")
"""Actions on interfaces that are also checked against an instance, a subnet or a security group."""


def _network_actions(*, describing: bool) -> list[str]:
    """Returns the nodes' actions on network interfaces: the Describe actions, which support no resources, or the others."""
    return [
        action
        for action in catalog.role("execution").actions["network"]
        if action.startswith("ec2:Describe") == describing
    ]


def execution_role(
    scope: Construct,
    id: str,
    *,
    eks_cluster_arn: str,
    vpc_id: str,
    subnet_ids: Sequence[str],
    security_group_ids: Sequence[str],
) -> iam.Role:
    """Creates an execution role of instance groups.

    The service's documentation lists the permissions on `*`; here interfaces can be created only in the subnets and with
    the security groups in use, as in the official template, and actions on an interface are limited to the VPC. EC2 supports
    `ec2:Vpc` for an existing interface, but not for an interface that is being created, or for an instance. Describe
    calls do not support resource-level permissions, and interfaces are detached from instances of any account: those of
    the service may belong to its own account.
    """
    stack, fact = Stack.of(scope), catalog.role("execution")
    ec2, partition = _ec2(stack), stack.partition
    role = iam.Role(
        scope,
        id,
        assumed_by=iam.ServicePrincipal(fact.principals[0]),
        description="Execution role of HyperPod instance groups",
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in fact.managed_policies],
    )
    changing, detaching = _network_actions(describing=False), fact.actions["network_detach"]
    placement = [
        *(f"{ec2}:subnet/{subnet}" for subnet in subnet_ids),
        *(f"{ec2}:security-group/{group}" for group in security_group_ids),
    ]
    _allow(role, _CREATE, on=[f"{ec2}:network-interface/*", *placement])
    _allow(role, *(action for action in changing if action in _ALSO_ELSEWHERE), on=[f"{ec2}:instance/*", *placement])
    _allow(role, *detaching, on=[f"arn:{partition}:ec2:*:*:instance/*"])
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[*(action for action in changing if action != _CREATE), *detaching],
            resources=[f"{ec2}:network-interface/*"],
            conditions={"ArnEquals": {"ec2:Vpc": f"{ec2}:vpc/{vpc_id}"}},
        )
    )
    _allow(role, *_network_actions(describing=True), *fact.actions["network_identity"], _TOKEN, on=["*"])
    # images of the service are in its own accounts, and a job may use an image in another region
    images = [action for action in fact.actions["images"] if action != _TOKEN]
    _allow(role, *images, on=[f"arn:{partition}:ecr:*:*:repository/*"])
    allow_catalog_actions(
        role,
        "execution",
        network_tags=[f"{ec2}:network-interface/*"],
        # the cluster depends on its role, so its ARN is unknown here
        network_attach=[stack.format_arn(service="sagemaker", resource="cluster", resource_name="*")],
        pod_identity=[eks_cluster_arn],
    )
    return role


def grant_subnet(role: iam.IRole, subnet_id: str) -> None:
    """Allows an execution role to place network interfaces in another subnet."""
    _allow(role, *_network_actions(describing=False), on=[f"{_ec2(Stack.of(role))}:subnet/{subnet_id}"])


def grant_group_needs(role: iam.IRole, group: InstanceGroup | RestrictedInstanceGroup) -> None:
    """Grants what one group requires in addition to the common permissions: subnets, mounts, alarms, volume keys."""
    stack = Stack.of(role)
    if group.subnet_ids or group.security_group_ids:
        ec2 = _ec2(stack)
        placement = [
            *(f"{ec2}:subnet/{subnet}" for subnet in group.subnet_ids),
            *(f"{ec2}:security-group/{group_id}" for group_id in group.security_group_ids),
        ]
        _allow(role, _CREATE, "ec2:ModifyNetworkInterfaceAttribute", on=placement)
    if isinstance(group, RestrictedInstanceGroup):
        _restricted_needs(role, group)
        return
    if group.lustre or group.open_zfs:
        allow_catalog_actions(role, "execution", fsx=["*"])
    updates = (group.scheduled_update, group.auto_patch)
    if any(update and update.deployment and update.deployment.alarms for update in updates):
        allow_catalog_actions(role, "execution", rolling_update_alarms=["*"])
    keys = [v.kms_key_arn for v in (group.root_volume, group.volume) if v and v.kms_key_arn]
    if keys:
        grant_volume_keys(role, list(dict.fromkeys(keys)))


def _restricted_needs(role: iam.IRole, group: RestrictedInstanceGroup) -> None:
    for buckets, actions in ((group.input_bucket_arns, "rig_inputs"), (group.output_bucket_arns, "rig_outputs")):
        if buckets:
            objects = [f"{bucket}/*" for bucket in buckets]
            allow_catalog_actions(role, "execution", rig_list=buckets, **{actions: objects})
    stack, facts = Stack.of(role), catalog.load("restricted_nodes")
    if group.reward_functions:
        function = stack.format_arn(
            service="lambda",
            resource="function",
            resource_name=facts["reward_names"],
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        queue = stack.format_arn(service="sqs", resource=facts["reward_names"])
        allow_catalog_actions(role, "execution", rig_reward_queues=[queue])
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=list(catalog.role("execution").actions["rig_reward_functions"]),
                resources=[function],
                # the pattern can match this library's functions: their names start with that of their stack
                conditions={"Null": {f"aws:ResourceTag/{INTERNAL_TAG}": "true"}},
            )
        )
    if group.gated_recipes:
        names, account = facts["gated_recipes"]["names"], facts["gated_recipes"]["account"]
        recipes = [
            f"arn:{stack.partition}:s3:*:{account}:accesspoint/{names}-*/*",
            f"arn:{stack.partition}:s3:::{names}*/*",
        ]
        allow_catalog_actions(role, "execution", rig_gated_recipes=recipes)


def cluster_role(scope: Construct, id: str, *, key_arns: Sequence[str] = ()) -> iam.Role:
    """Creates the role with which managed Karpenter adds and removes nodes.

    The cluster depends on its role, so its ARN is unknown here: the policy allows any cluster of the role's own account.
    """
    role = iam.Role(
        scope,
        id,
        assumed_by=iam.ServicePrincipal(catalog.role("cluster").principals[0]),
        description="Karpenter of a HyperPod cluster",
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=list(catalog.role("cluster").actions["scaling"]),
            resources=[Stack.of(scope).format_arn(service="sagemaker", resource="cluster", resource_name="*")],
            conditions={"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
        )
    )
    if key_arns:
        grant_volume_keys(role, key_arns)
    return role


def grant_volume_key(grantee: iam.IGrantable, key: kms.IKey) -> None:
    """Allows a role to pass a volume's key to the service, which encrypted volumes require.

    A key that CDK creates trusts its account's policies, so this is sufficient. The key's own policy must not have a
    condition on the encryption context: the service does not send one.
    """
    for actions, conditions in _KEY_PERMISSIONS:
        iam.Grant.add_to_principal(grantee=grantee, actions=actions, resource_arns=[key.key_arn], conditions=conditions)


_KEY_PERMISSIONS: tuple[tuple[list[str], dict[str, dict[str, str]] | None], ...] = (
    (["kms:DescribeKey"], None),
    (["kms:CreateGrant"], {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
)


def grant_volume_keys(role: iam.IRole, key_arns: Sequence[str]) -> None:
    """Allows a role to pass volume keys, specified by ARN, to the service; see `grant_volume_key`."""
    for actions, conditions in _KEY_PERMISSIONS:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=actions, resources=list(key_arns), conditions=conditions)
        )


def grant_read_of_prefix(role: iam.IRole, address: str) -> None:
    """Allows a role to read objects under `s3://bucket/prefix`, and to list only these.

    For a bucket of another account, its owner must allow this as well.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    arn = f"arn:{Stack.of(role).partition}:s3:::{bucket}"
    _allow(role, "s3:GetObject", on=[f"{arn}/{prefix}*"])
    role.add_to_principal_policy(
        iam.PolicyStatement(
            actions=["s3:ListBucket"], resources=[arn], conditions={"StringLike": {"s3:prefix": f"{prefix}*"}}
        )
    )


def pod_identity_role(
    scope: Construct, id: str, *, eks_cluster_arn: str, managed_policies: Sequence[str] = ()
) -> iam.Role:
    """Creates a role that only pods of one EKS cluster get, through EKS Pod Identity, with AWS managed policies by name."""
    principal = iam.ServicePrincipal(
        "pods.eks.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
            "ArnEquals": {"aws:SourceArn": eks_cluster_arn},
        },
    )
    policies = [iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in managed_policies]
    return iam.Role(scope, id, assumed_by=principal.with_session_tags(), managed_policies=policies or None)


def service_account_role(
    scope: Construct, id: str, *, oidc: OidcIdentity, service_account: str, service: str | None = None, **options: Any
) -> iam.Role:
    """Creates a role that one service account (`namespace/name`) of one EKS cluster gets through OIDC (IRSA).

    The AWS service `service` can also assume it. The trust policy is a string in the template: the keys of its conditions
    contain the issuer, which is known only at deploy time, and CloudFormation does not support functions in keys.
    """
    namespace, name = service_account.split("/")
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Principal": {"Federated": "${Provider}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    "${Issuer}:aud": "sts.amazonaws.com",
                    "${Issuer}:sub": f"system:serviceaccount:{namespace}:{name}",
                }
            },
        }
    ]
    if service:
        statements.append({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    role = iam.Role(scope, id, assumed_by=iam.WebIdentityPrincipal(oidc.provider_arn), **options)
    resource = role.node.default_child
    assert isinstance(resource, iam.CfnRole)
    resource.assume_role_policy_document = Fn.sub(text, {"Provider": oidc.provider_arn, "Issuer": oidc.issuer})
    return role


def allow_catalog_actions(role: iam.IRole, name: str, **resources: Sequence[str]) -> None:
    """Grants a role the actions that the catalog lists for `name`: each keyword is a group of actions and its resources."""
    fact = catalog.role(name)
    for group, on in resources.items():
        _allow(role, *fact.actions[group], on=on)


def _ec2(stack: Stack) -> str:
    """Returns the common prefix of the ARNs of EC2 resources."""
    return f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}"


def _allow(role: iam.IRole, *actions: str, on: Sequence[str]) -> None:
    statement = iam.PolicyStatement(actions=list(actions), resources=list(on))
    if isinstance(role, iam.Role):
        role.add_to_policy(statement)  # one call to Node.js; for the other method, jsii also reads two properties
    else:
        role.add_to_principal_policy(statement)
