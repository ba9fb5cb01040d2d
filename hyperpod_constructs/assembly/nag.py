"""cdk-nag's AwsSolutions rules over a platform, with the findings that are as they should be explained and taken out.

cdk-nag wants every single finding acknowledged by an id that has logical ids in it, which nobody can write down ahead. Here
a finding is accepted by rule, construct path and what was found, each with its reason; everything else fails the synth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)
from constructs import IConstruct


@dataclass(frozen=True)
class Justified:
    """Findings that are accepted.

    Attributes:
        rule: such as `AwsSolutions-IAM5`.
        path: what the construct path has in it, a regular expression.
        reason: why that is as it should be.
        finding: what a finding of the rule has in it, a regular expression; default: anything.
    """

    rule: str
    path: str
    reason: str
    finding: str = ""
    used: set[str] = field(default_factory=set, compare=False, repr=False)

    def covers(self, rule_name: str, path: str) -> bool:
        """Whether it accepts a finding at a construct."""
        rule, _, found = rule_name.partition("[")
        hit = rule == self.rule and bool(re.search(self.finding, found)) and bool(re.search(self.path, path))
        if hit:
            self.used.add(path)
        return hit


_IAM4, _IAM5 = "AwsSolutions-IAM4", "AwsSolutions-IAM5"
_FRAMEWORK = r"/(framework-\w+|waiter-state-machine|Custom::\w+)/"
_NODES = r"/ExecutionRoles/[^/]+/(DefaultPolicy|Policy\w+)/Resource$"

JUSTIFIED: tuple[Justified, ...] = (
    # CDK's own functions
    Justified(_IAM4, _FRAMEWORK, "CDK's functions write their logs with it", "AWSLambdaBasicExecutionRole"),
    Justified(_IAM5, _FRAMEWORK, "CDK's functions call any version of one function", r"<\w+\.Arn>:\*"),
    Justified(_IAM5, "/Custom::CDKBucketDeployment", "CDK copies from the bootstrap bucket to one bucket", "s3:"),
    Justified(_IAM5, "/Custom::CDKBucketDeployment", "all objects of one bucket", r"Bucket\w+\.Arn>/\*"),
    Justified("AwsSolutions-L1", "/Custom::", "the runtime of CDK's own function is CDK's choice"),
    Justified(
        "AwsSolutions-SF1", "/waiter-state-machine/", "CDK's waiter logs its errors; each of its polls is no event"
    ),
    Justified("AwsSolutions-SF2", "/waiter-state-machine/", "CDK's waiter is a poll of one function: nothing to trace"),
    # roles that have to have AWS's own policies
    Justified(_IAM4, "/Eks/Cluster/Role/", "the policy that EKS asks for", "AmazonEKSClusterPolicy"),
    Justified(_IAM4, "/ExecutionRoles/", "documented for nodes", "AmazonSageMakerClusterInstanceRolePolicy"),
    Justified(
        _IAM4, "/TrainingOperator/", "documented for the add-on", "AmazonSageMakerHyperPodTrainingOperatorAccess"
    ),
    Justified(
        _IAM4, "/InferenceOperatorAccess/", "documented for the add-on", "AmazonSageMakerHyperPodInferenceAccess"
    ),
    Justified(_IAM4, "/Spaces/", "made by AWS for the add-on", "AmazonSageMakerSpaces"),
    Justified(_IAM4, "/EbsCsi/", "made by AWS for the driver", "AmazonEBSCSIDriverPolicy"),
    Justified(_IAM4, "/CloudWatchObservability/", "made by AWS for the agent", "CloudWatchAgentServerPolicy"),
    # nodes
    Justified(
        _IAM5,
        _NODES,
        "interfaces and instances are made by the service, any of them",
        r":(instance|network-interface)/\*",
    ),
    Justified(
        _IAM5,
        _NODES,
        "describe calls, tokens and mounts take no resource; instances may be in the service's account",
        r"Resource::\*\]",
    ),
    Justified(_IAM5, _NODES, "images of the service lie in accounts of the service", r":ecr:\*:\*:repository/\*"),
    Justified(
        _IAM5,
        _NODES,
        "CDK grants on one bucket: scripts, storage",
        r"s3:(Abort|DeleteObject|GetBucket|GetObject|List)\*",
    ),
    Justified(_IAM5, _NODES, "all objects of one bucket: lifecycle scripts, storage", r"Bucket\w+\.Arn>/\*"),
    Justified(_IAM5, _NODES, "what the config names of buckets", r"arn:aws[\w-]*:s3:::[^*]+\*"),
    Justified(
        _IAM5, _NODES, "reward functions and queues are known by a word in their names", r":(function:)?\*SageMaker\*"
    ),
    Justified(_IAM5, _NODES, "access points of the service for gated recipes", r":accesspoint/advanced-model-"),
    Justified(_IAM5, _NODES, "any HyperPod cluster of the account: the cluster comes after its role", r":cluster/\*"),
    # functions of ours
    Justified(_IAM5, "/Kubernetes/Role/", "any HyperPod cluster, read-only: it comes after this stack", r":cluster/\*"),
    Justified(_IAM5, "/Kubernetes/Role/", "any add-on of one EKS cluster, read-only", ":addon/"),
    Justified(
        _IAM5,
        "/Kubernetes/Role/",
        "network interfaces of functions in a VPC take no narrower resource",
        r"Resource::\*\]",
    ),
    Justified(_IAM5, "/ChartAccess/", "a token of ECR takes no resource", r"Resource::\*\]"),
    Justified(
        _IAM5, "/Guard/Role/", "any HyperPod cluster, read-only: the guard comes before this one", r":cluster/\*"
    ),
    # add-ons
    Justified(_IAM5, "/ClusterRole/", "any cluster of the role's own account: the role comes first", r":cluster/\*"),
    Justified(_IAM5, "/FsxCsi/Role/", "describing file systems has no resource-level permissions", r"Resource::\*\]"),
    Justified(_IAM5, "/KedaRole/", "reading metrics has no resource-level permissions", r"Resource::\*\]"),
    Justified(_IAM5, "/LoadBalancerRole/", "the controller's own policy, held to what carries its tag"),
    Justified(_IAM5, "/InferenceOperatorAccess/Role/", "all objects of one bucket; certificates that it will make"),
    Justified(_IAM5, "/MountpointS3CsiRole/", "all objects of the buckets that the config names", r":s3:::[^*]+/\*"),
    # teams, storage, observability
    Justified(
        _IAM5,
        "/HyperPodGovernanceProvider[^/]*/Role/",
        "the service makes up the ids of quotas and scheduler configs, lists take no resource; entries of one EKS cluster",
        r"Resource::\*\]|:(compute-quota|cluster-scheduler-config)/\*|:access-entry/.*/\*",
    ),
    Justified(
        "AwsSolutions-S1", "/Storage/Bucket-", "access logs go to the bucket that the config names: log_bucket_name"
    ),
    Justified(
        _IAM5,
        "/Observability[^/]*/(Grafana/)?Role/",
        "reading metrics and tags takes no resource; log groups of HyperPod clusters have ids of the service",
        r"Resource::\*\]|:log-group:/aws/sagemaker/Clusters/\*",
    ),
    # choices of the config
    Justified("AwsSolutions-S1", "/(LifecycleScripts/Bucket|TlsBucket)/", "an access log needs a bucket of its own"),
    Justified("AwsSolutions-VPC7", "/Network/Vpc", "`network.flow_logs` is a switch: flow logs cost by volume"),
)
"""What a platform of ours is known to have; a test keeps every row in use."""


@jsii.implements(IPolicyValidationPlugin)
class JustifiedNag:
    """A validation plugin: `Validations.of(app).add_plugins(JustifiedNag(app))`.

    Args:
        scope: the app or stage.
        more: what your own app accepts besides.
    """

    def __init__(self, scope: IConstruct, *, more: Sequence[Justified] = ()) -> None:
        from cdk_nag import AwsSolutionsChecks

        self._scope = scope
        self._nag = AwsSolutionsChecks(scope)
        self._justified = (*JUSTIFIED, *more)

    @property
    def name(self) -> str:
        """As `IPolicyValidationPlugin`."""
        return "AwsSolutions"

    @property
    def version(self) -> str | None:
        """As `IPolicyValidationPlugin`."""
        return None

    @property
    def rule_ids(self) -> list[str] | None:
        """As `IPolicyValidationPlugin`."""
        return None

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Findings that nothing justifies, as CDK's report."""
        violations = [
            PolicyViolation(
                rule_name=rule_name,
                description=description,
                severity=severity,
                violating_resources=[PolicyViolatingResource(construct_path=path, locations=[])],
            )
            for rule_name, path, description, severity in self._unjustified()
        ]
        return PolicyValidationPluginReport(success=not violations, violations=violations)

    def findings(self) -> list[str]:
        """Findings that nothing justifies, one line each."""
        return [f"{rule_name} at {path}: {description}" for rule_name, path, description, _ in self._unjustified()]

    def _unjustified(self) -> Iterator[tuple[str, str, str, str | None]]:
        for violation in self._nag.validate_scope(self._scope).violations:
            for resource in violation.violating_resources:
                path = resource.construct_path or ""
                if not any(one.covers(violation.rule_name, path) for one in self._justified):
                    yield violation.rule_name, path, violation.description, violation.severity
