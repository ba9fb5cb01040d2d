"""ARNs: one set of rules for every field that contains one (`spec/arns.py` has the type of each field)."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import source_of
from ..findings import Finding, Severity
from ..spec import arns
from ..spec.addons import Addons
from ..spec.arns import Arn, Names
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.eks import Eks
from ..spec.governance import Governance
from .context import Context, as_text, skipped
from .groups import fragment
from .registry import Problem, active, rule

_KEY = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"
_PLAN = "arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine"


def _wrong(ctx: Context, *kinds: Names, under: str = "", outside: str = "\0") -> Iterator[Problem]:
    """Returns the problems of the ARNs of some types, at paths under `under` and not under `outside`."""
    for path, text, names in ctx.arns:
        if names in kinds and path.startswith(under) and not path.startswith(outside):
            yield from _about(ctx, path, text, names)


def _about(ctx: Context, path: str, text: str, names: Names) -> Iterator[Problem]:
    arn, region = Arn.parse(text), ctx.region_facts
    partition = region.partition if region is not None else "aws"
    form = f"Use the format {names.form(partition=partition, region=ctx.region or 'us-west-2')}."
    if is_token(text):
        yield skipped(path)
    elif any(mark in text for mark in ("${", "{{", "<")):
        cure = f"Specify the value itself: placeholders are not expanded in a config. {form}"
        yield Problem(path, f"{as_text(text)} contains a placeholder", cure)
    elif arn is not None and not arn.fits(names) and arn.fits(arns.KEY_OR_ALIAS):
        cure = "Specify the ARN of the key itself: `aws kms describe-key --key-id alias/...` prints it."
        yield Problem(path, f"{as_text(text)} is the ARN of an alias or of another resource, not of {names.what}", cure)
    elif arn is None or not arn.fits(names):
        yield Problem(path, f"{as_text(text)} is not the ARN of {names.what}", form)
    elif region is not None and arn.partition != region.partition:
        message = f"{as_text(text)} is in the partition {arn.partition}; {region.name} is in {region.partition}"
        yield Problem(path, message, f"Specify {names.what} in the partition {region.partition}.")
    elif arn.region and ctx.region is not None and arn.region != ctx.region:
        yield Problem(
            path,
            f"{as_text(text)} is in the region {arn.region}; the platform is in {ctx.region}",
            f"Specify {names.what} in {ctx.region}.",
        )
    elif names.account == "own" and arn.account != "aws" and ctx.account is not None and arn.account != ctx.account:
        message = f"{as_text(text)} is in the account {arn.account}; the platform is in {ctx.account}"
        yield Problem(path, message, f"Specify {names.what} in the account {ctx.account}.")


def findings_about_arns(context: Context) -> list[Finding]:
    """Returns the findings of the rules in this module."""
    own = [rule for rule in active() if rule.function is not None and rule.function.__module__ == __name__]
    return [rule.finding(problem) for rule in own if rule.applies_to(context) for problem in rule.problems(context)]


@rule(
    "HP025",
    title="The permissions boundary is the ARN of an existing managed policy.",
    severity=Severity.ERROR,
    why="IAM rejects every role that is created with it.",
    cure="Specify the ARN of a managed policy: arn:aws:iam::111122223333:policy/Boundary.",
    source="IAM: PermissionsBoundary of CreateRole",
    wrong="permissions_boundary_arn: Boundary\n",
    right="permissions_boundary_arn: arn:aws:iam::111122223333:policy/Boundary\n",
)
def permissions_boundary(permissions_boundary_arn: str, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.POLICY)


@rule(
    "HP214",
    title="Access entries specify IAM roles and users by ARN.",
    severity=Severity.ERROR,
    why="EKS rejects the access entry: it must be the ARN of one existing role or user.",
    cure="Specify the role itself, arn:aws:iam::111122223333:role/Name, not a session of it.",
    source="EKS: CreateAccessEntry.principalArn; IAM: names match [\\w+=,.@-]+",
    wrong="eks: {admins: [arn:aws:sts::111122223333:assumed-role/Admin/me]}\n",
    right="eks: {admins: [arn:aws:iam::111122223333:role/Admin]}\n",
)
def principals(eks: Eks, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.PRINCIPAL, under="eks")


@rule(
    "HP611",
    title="Members and viewers of teams are IAM roles and users, each listed once.",
    severity=Severity.ERROR,
    why="EKS rejects the access entry.",
    cure="Use the ARN of a role or user, such as arn:aws:iam::111122223333:role/Vision; for a session, that "
    "of its role.",
    source="EKS user guide, access entries: principal ARNs",
    wrong="addons: {task_governance: {}}\ngovernance: {teams: [{name: vision, members: "
    "['arn:aws:sts::111122223333:assumed-role/Vision/ada']}]}\n",
    right="addons: {task_governance: {}}\ngovernance: {teams: [{name: vision, members: "
    "['arn:aws:iam::111122223333:role/Vision']}]}\n",
)
def member_arns(governance: Governance, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.PRINCIPAL, under="governance")
    for index, team in enumerate(governance.teams if governance else ()):
        for place, arn in enumerate(team.viewers):
            if arn in team.members and not is_token(arn):
                path = f"governance.teams[{index}].viewers[{place}]"
                message = f"{as_text(arn)} is also a member of the team"
                why = "Members already have the permissions of viewers."
                yield Problem(path, message, "Remove it from viewers.", why, Severity.WARNING)


@rule(
    "HP217",
    title="The key for Kubernetes secrets is a KMS key in the region.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster.",
    cure="Specify the ARN of the key: arn:aws:kms:us-west-2:111122223333:key/...",
    source="EKS: Provider.keyArn, a symmetric key of the same region",
    wrong="eks: {secrets_key_arn: alias/eks}\n",
    right=f"eks: {{secrets_key_arn: '{_KEY}'}}\n",
)
def secrets_key(eks: Eks, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.KEY_OR_ALIAS, under="eks")


@rule(
    "HP318",
    title="Existing roles are specified by ARN, and are in the account.",
    severity=Severity.ERROR,
    why="The API rejects the role: a role can be passed to a service only in its own account.",
    cure="Specify the ARN of the role: arn:aws:iam::111122223333:role/Name.",
    source=source_of("patterns", "role_arn") + "; IAM user guide: iam:PassRole does not cross accounts",
    wrong="cluster: {execution_role_arn: HyperPodRole}\n",
    right="cluster: {execution_role_arn: arn:aws:iam::111122223333:role/HyperPodRole}\n",
)
def roles(ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.ROLE, arns.OIDC_PROVIDER)


@rule(
    "HP330",
    title="A training plan is specified by its ARN, in the region.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the group.",
    cure="Copy the ARN: arn:aws:sagemaker:us-west-2:111122223333:training-plan/name.",
    source=source_of("patterns", "training_plan_arn"),
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, training_plan_arn: my-plan"),
    right=fragment(f"instance_type: ml.p5.48xlarge, count: 2, training_plan_arn: '{_PLAN}'"),
)
def training_plans(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.PLAN)


@rule(
    "HP351",
    title="Keys are KMS keys in the region.",
    severity=Severity.ERROR,
    why="The service rejects the key. An IAM policy that specifies an alias instead of the key grants nothing.",
    cure="Specify the ARN of the key; its policy must allow the execution role and the service to create grants.",
    source="documentation page smcluster-cmk; KMS developer guide, cmks-in-iam-policies",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, root_volume: {kms_key_arn: alias/mine}"),
    right=fragment(f"instance_type: ml.p5.48xlarge, count: 2, root_volume: {{kms_key_arn: '{_KEY}'}}"),
)
def keys(ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.KEY, arns.PROMETHEUS_KEY, arns.KEY_OR_ALIAS, outside="eks")


@rule(
    "HP820",
    title="Workspaces and topics are specified by ARN, in the region.",
    severity=Severity.ERROR,
    why="The add-on, CloudWatch or EventBridge rejects it, or cannot write to it.",
    cure="Copy the ARN from the account; workspace and topic must be in the platform's region.",
    source="Amazon Managed Prometheus and SNS: forms of ARNs; CloudWatch user guide: an alarm's topic is in its region",
    wrong="addons: {observability: {workspace_arn: my-workspace}}\n",
    right="addons: {observability: {workspace_arn: 'arn:aws:aps:us-west-2:111122223333:workspace/ws-0123'}}\n",
)
def workspaces_and_topics(addons: Addons, ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.WORKSPACE, arns.TOPIC)


@rule(
    "HP512",
    title="Buckets and certificates are specified by ARN.",
    severity=Severity.ERROR,
    why="IAM or the add-on rejects it.",
    cure="Copy the ARN from the account: arn:aws:s3:::my-bucket, without an object prefix.",
    source="S3 user guide, bucketnamingrules; ACM user guide: a load balancer's certificate is in its region",
    wrong="addons: {mountpoint_s3_csi: {bucket_arns: ['arn:aws:s3:::My_Bucket']}}\n",
    right="addons: {mountpoint_s3_csi: {bucket_arns: ['arn:aws:s3:::my-bucket']}}\n",
)
def buckets_and_certificates(ctx: Context) -> Iterator[Problem]:
    yield from _wrong(ctx, arns.BUCKET, arns.CERTIFICATE)
