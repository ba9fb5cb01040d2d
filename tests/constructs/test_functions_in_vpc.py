"""All functions of a deployment in the VPC, for organizations that reject functions outside a VPC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT, UNCOPIED, Assembly, read_assembly
from aws_cdk import App, Environment, Stack, assertions
from aws_cdk import aws_lambda as lambda_
from proving import proved

from hyperpod_constructs.assembly.graph import Graph
from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.constructs.kubernetes.provider import VPC_ACTIONS
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.closed import endpoint_services
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.endpoint_policies import endpoint_policy
from hyperpod_constructs.core.spec import Platform

pytestmark = pytest.mark.slow


def platform() -> Platform:
    """An example with waits, releases, buckets that are emptied, quotas of the handler, and dashboards."""
    spec = load(ROOT / "examples" / "everything.yaml").platform
    assert spec is not None
    return spec.model_copy(update={"network": spec.network.model_copy(update={"functions_in_vpc": True})})


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("inside") / "out"
    build([platform()], context={**cdk_context(), **UNCOPIED}, outdir=str(folder), validate=False).synth()
    return read_assembly(folder)


def outside(resources: dict[str, Any]) -> list[str]:
    """Functions without a VPC."""
    functions = {name: resource for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Function"}
    return [
        name for name, resource in functions.items() if "SubnetIds" not in resource["Properties"].get("VpcConfig", {})
    ]


def test_every_function_is_in_the_vpc(assembly: Assembly) -> None:
    assert len(assembly.resources("AWS::Lambda::Function")) > 12
    assert outside(assembly.resources()) == []


def test_without_the_field_only_functions_that_need_the_vpc_are_inside(assemble: Any) -> None:
    assert outside(assemble("examples/everything.yaml").resources())


def test_every_role_of_a_function_may_have_interfaces(assembly: Assembly) -> None:
    roles = {
        name: role["Properties"]
        for name, role in assembly.resources("AWS::IAM::Role").items()
        if "lambda.amazonaws.com" in json.dumps(role["Properties"]["AssumeRolePolicyDocument"])
    }
    assert len(roles) > 10
    for name, properties in roles.items():
        inline = [policy["PolicyDocument"]["Statement"] for policy in properties.get("Policies", [])]
        assert [list(VPC_ACTIONS)] == [statement["Action"] for statements in inline for statement in statements], name


def test_functions_have_network_access_while_they_are_called(assembly: Assembly) -> None:
    proved(assembly.folder, "routes-before-handlers", "security-group-rules-before-handlers")


def test_a_closed_network_allows_responses_of_custom_resources() -> None:
    spec = platform()
    closed = spec.model_copy(update={"network": spec.network.model_copy(update={"mode": "closed"})})
    assert {"lambda", "states", "cloudformation"} <= set(endpoint_services(closed))
    policy = endpoint_policy("s3", account="1", region="us-west-2", plain_region="uswest2")
    (respond,) = [statement for statement in policy["Statement"] if statement["Sid"] == "RespondToCloudFormation"]
    assert respond["Action"] == ["s3:PutObject"]
    assert respond["Resource"] == ["arn:aws:s3:::cloudformation-custom-resource-response-uswest2/*"]
    without = endpoint_policy("s3", account="1", region="us-west-2")
    assert "RespondToCloudFormation" not in [statement["Sid"] for statement in without["Statement"]]


def test_functions_of_others_in_the_stack_stay_where_they_are() -> None:
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region="us-west-2"))
    code = lambda_.Code.from_inline("def handler(event, context): pass")
    user_function = lambda_.Function(
        stack, "Mine", runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=code
    )
    loaded = load(ROOT / "hyperpod.yaml").platform
    assert loaded is not None
    network = loaded.network.model_copy(update={"functions_in_vpc": True})
    HyperPodPlatform(stack, "Platform", platform=loaded.model_copy(update={"network": network}))
    template = assertions.Template.from_stack(stack).to_json()
    resources, outsider = template["Resources"], stack.get_logical_id(user_function.node.default_child)  # type: ignore[arg-type]
    assert outside(resources) == [outsider]
    order = Graph.of({"Test": template})
    routes = [name for name, resource in resources.items() if "NatGatewayId" in resource.get("Properties", {})]
    functions = [
        name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Function" and name != outsider
    ]
    assert (len(routes), len(functions) > 8) == (2, True)
    early = [(route, f) for route in routes for f in functions if not order.before(f"Test.{route}", f"Test.{f}")]
    assert early == [], "functions without network access"


def test_the_page_mentions_the_field() -> None:
    assert "functions_in_vpc: true" in (Path(ROOT) / "docs" / "closed-network.md").read_text()
