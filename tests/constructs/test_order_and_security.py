"""Order and security of the shipped examples, line by line, as a reviewed text.

Each line is a `DependsOn`, a retention, a policy statement or another security setting of one resource. A line of an example
that is also in an example before it is left out. A line that a construct no longer makes is therefore a line of the diff.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from assemblies import platform_of, templates
from assembly import ROOT
from syrupy.assertion import SnapshotAssertion

from hyperpod_constructs.core.report.words import Words, words_of

EXAMPLES = (
    *("hyperpod", "everything", "existing-vpc-and-eks", "closed-network", "lustre", "teams", "karpenter-spot"),
    *("observability-managed", "observability-self-hosted", "restricted-groups"),
)
POLICIES = ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy")
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "AWS::EC2::FlowLog": ("TrafficType", "ResourceId"),
    "AWS::EC2::SecurityGroup": ("SecurityGroupEgress", "SecurityGroupIngress"),
    "AWS::EC2::SecurityGroupEgress": ("",),
    "AWS::EC2::SecurityGroupIngress": ("",),
    "AWS::EC2::VPCEndpoint": ("ServiceName", "PrivateDnsEnabled", "SecurityGroupIds", "SubnetIds", "RouteTableIds"),
    "AWS::EKS::AccessEntry": ("",),
    "AWS::EKS::Addon": ("PodIdentityAssociations", "ServiceAccountRoleArn", "ResolveConflicts", "PreserveOnDelete"),
    "AWS::EKS::Cluster": ("AccessConfig", "EncryptionConfig", "Logging", "ResourcesVpcConfig", "DeletionProtection"),
    "AWS::EKS::PodIdentityAssociation": ("",),
    "AWS::FSx::FileSystem": ("KmsKeyId", "SecurityGroupIds", "SubnetIds"),
    "AWS::IAM::Role": ("ManagedPolicyArns", "PermissionsBoundary"),
    "AWS::Lambda::Function": ("VpcConfig",),
    "AWS::Lambda::Permission": ("",),
    "AWS::Logs::LogGroup": ("KmsKeyId", "RetentionInDays"),
    "AWS::S3::Bucket": (
        *("BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls", "VersioningConfiguration"),
        *("LoggingConfiguration", "ObjectLockEnabled", "LifecycleConfiguration"),
    ),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SageMaker::Cluster": ("VpcConfig", "TieredStorageConfig"),
    "AWS::StepFunctions::StateMachine": ("RoleArn", "LoggingConfiguration", "EncryptionConfiguration"),
    "Custom::HyperPodLifecycleScripts": ("",),
}
"""Properties by type; '' for all of them."""
TEXTS = {"Ref", "Fn::GetAtt", "Fn::GetStackOutput", "Fn::ImportValue", "Fn::Join"}
HASH = re.compile(r"\b[0-9a-f]{64}\b")


def flat(words: Words, stack: str, value: Any) -> Any:
    """A value in which references and joined texts are texts."""
    if isinstance(value, list):
        return [flat(words, stack, item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and value.keys() & TEXTS:
        return words.text(stack, value)
    return {key: flat(words, stack, item) for key, item in value.items()}


def lines(stacks: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """The order and the security settings of templates."""
    words = words_of(stacks)
    for stack, template in stacks.items():
        for name, resource in template["Resources"].items():
            title, type_ = words.name(stack, name), resource["Type"]
            after = resource.get("DependsOn", [])
            for other in [after] if isinstance(after, str) else after:
                yield f"{title} after {words.name(stack, other)}"
            kept = [resource.get(key) for key in ("DeletionPolicy", "UpdateReplacePolicy")]
            if any(kept) and kept != ["Delete", "Delete"]:
                yield f"{title} {type_} on deletion and replacement: {kept}"
            properties = flat(words, stack, resource.get("Properties", {}))
            for key in POLICIES:
                policy = properties.get(key, {})
                statements = policy.get("Statement", [policy]) if isinstance(policy, dict) else [policy]
                yield from (f"{title} {key}: {json.dumps(statement)}" for statement in statements if statement)
            for key in SETTINGS.get(type_, ()):
                value = properties.get(key) if key else properties
                if value is not None:
                    yield f"{title} {key or type_}: {json.dumps(value)}"


@pytest.fixture(scope="module")
def by_example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    seen: set[str] = set()
    found = {}
    for example in EXAMPLES:
        path = Path(f"{example}.yaml") if example == "hyperpod" else Path("examples", f"{example}.yaml")
        if example == "closed-network":  # its chart is downloaded: a stand-in, whose content is not in the template
            folder = tmp_path_factory.mktemp("closed")
            chart = folder / "vendor" / "hyperpod-chart" / "Chart.yaml"
            chart.parent.mkdir(parents=True)
            chart.write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
            path = Path(shutil.copy(ROOT / path, folder))
        written = sorted({HASH.sub("<asset>", line) for line in lines(templates(platform_of(path)))} - seen)
        found[example] = written
        seen.update(written)
    return found


@pytest.mark.parametrize("example", EXAMPLES)
def test_order_and_security_are_the_reviewed_ones(
    example: str, by_example: dict[str, list[str]], snapshot: SnapshotAssertion
) -> None:
    assert "\n".join(by_example[example]) == snapshot
