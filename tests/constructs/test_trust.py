"""Which principals can assume the roles of a deployment, invoke its functions, and change its network interfaces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from assembly import Assembly
from aws_cdk import Stack
from platform_parts import SYSTEM, make_cluster, synthesize
from proving import every

from hyperpod_constructs.constructs.trust import INTERNAL_TAG
from hyperpod_constructs.core.spec import Cluster, RestrictedInstanceGroup

EXAMPLES = (
    "hyperpod.yaml",
    *(
        f"examples/{name}.yaml"
        for name in ("everything", "teams", "lustre", "restricted-groups", "observability-managed", "karpenter-spot")
    ),
)
WITHOUT_ACCOUNT = {
    "lambda.amazonaws.com": "Lambda documents no source account for execution roles; iam:PassRole takes own roles only",
    "sagemaker.amazonaws.com": "HyperPod is not among the features for which SageMaker AI documents it",
    "hyperpod.sagemaker.amazonaws.com": "the service documents no condition for the role of Karpenter",
}
"""Services that are not documented to send the account of the resource, and why their roles are safe all the same."""


def trusts(assembly: Assembly) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Role, service and condition of every statement that trusts a service."""
    for name, role in assembly.resources("AWS::IAM::Role").items():
        document = role["Properties"]["AssumeRolePolicyDocument"]
        for statement in document.get("Statement", ()):
            service = statement["Principal"].get("Service")
            if service:
                text = service if isinstance(service, str) else json.dumps(service)
                yield name, text, statement.get("Condition", {})


@pytest.mark.parametrize("config", EXAMPLES)
def test_roles_are_restricted_to_the_account_if_the_service_supports_it(
    config: str, assemble: Callable[[str], Assembly]
) -> None:
    found = list(trusts(assemble(config)))
    assert {service for _, service, _ in found} >= {"eks.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"}
    for role, service, condition in found:
        if service not in WITHOUT_ACCOUNT:
            assert condition["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}, f"{role}: {service}"


# ---- functions ----


@pytest.mark.parametrize("config", EXAMPLES)
def test_every_function_of_a_deployment_is_internal(config: str, assemble: Callable[[str], Assembly]) -> None:
    functions = assemble(config).resources("AWS::Lambda::Function")
    assert len(functions) > 5
    for name, function in functions.items():
        assert {"Key": INTERNAL_TAG, "Value": "true"} in function["Properties"].get("Tags", ()), name


def test_functions_are_internal_without_a_platform_too() -> None:
    found = synthesize(lambda stack: make_cluster(stack, Cluster(instance_groups=(SYSTEM,))))
    functions = found.of("AWS::Lambda::Function")
    assert functions
    for name, function in functions.items():
        assert {"Key": INTERNAL_TAG, "Value": "true"} in function.get("Tags", ()), name


def test_no_node_can_invoke_a_function_of_the_deployment() -> None:
    nova = RestrictedInstanceGroup(name="nova", instance_type="ml.p5.48xlarge", count=2, reward_functions=True)

    def build(stack: Stack) -> None:
        make_cluster(stack, Cluster(instance_groups=(SYSTEM,), restricted_instance_groups=(nova,)))

    found = synthesize(build)
    (statement,) = found.allows("ExecutionRoles", "lambda:InvokeFunction")
    assert statement["Condition"] == {"Null": {f"aws:ResourceTag/{INTERNAL_TAG}": "true"}}


# ---- interfaces ----


def test_nodes_touch_interfaces_of_their_vpc_only() -> None:
    found = synthesize(lambda stack: make_cluster(stack, Cluster(instance_groups=(SYSTEM,))))
    for action in ("AttachNetworkInterface", "DeleteNetworkInterface", "DetachNetworkInterface"):
        for statement in found.allows("ExecutionRoles", f"ec2:{action}"):
            if "network-interface/*" in json.dumps(statement["Resource"]):
                (condition,) = statement["Condition"]["ArnEquals"].items()
                assert condition[0] == "ec2:Vpc"
                assert ":vpc/" in json.dumps(condition[1])
                break
        else:
            pytest.fail(f"no statement on interfaces allows {action}")
    creating = found.allows("ExecutionRoles", "ec2:CreateNetworkInterface")
    assert every("subnet/" in json.dumps(item["Resource"]) for item in creating)


# ---- roles of nodes ----


def test_each_group_has_a_separate_role(assemble: Callable[[str], Assembly]) -> None:
    cluster = assemble("hyperpod.yaml").only("AWS::SageMaker::Cluster")
    roles = [json.dumps(group["ExecutionRole"]) for group in cluster["InstanceGroups"]]
    assert len(roles) == len(set(roles)) == 2


def test_a_deployed_cluster_keeps_its_shared_role() -> None:
    groups = (SYSTEM, SYSTEM.model_copy(update={"name": "more"}))
    found = synthesize(lambda stack: make_cluster(stack, Cluster(instance_groups=groups, execution_roles="shared")))
    cluster = found.only("AWS::SageMaker::Cluster")
    roles = [json.dumps(group["ExecutionRole"]) for group in cluster["InstanceGroups"]]
    assert len(set(roles)) == 1
    assert "ExecutionRolesShared" in roles[0]


def test_the_guard_gets_the_role_of_each_group(assemble: Callable[[str], Assembly]) -> None:
    default = assemble("hyperpod.yaml")
    cluster = default.only("AWS::SageMaker::Cluster")
    guard = default.only("Custom::HyperPodClusterGuard")
    expected = [
        {"Name": instance_group["InstanceGroupName"], "Role": instance_group["ExecutionRole"]}
        for instance_group in cluster["InstanceGroups"]
    ]
    assert guard["Roles"] == expected
