"""The constructs of the Kubernetes provider: their resources, the order, and rejected arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import cdk8s
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from kubernetes_app import ARN, App, config_map, only, resources

from hyperpod_constructs.constructs.kubernetes import (
    KubernetesObjects,
    KubernetesProvider,
    KubernetesWait,
    addon_active,
)

pytestmark = pytest.mark.slow

OBJECTS = "Custom::HyperPodKubernetesObjects"
WAIT = "Custom::HyperPodKubernetesWait"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "out")


def statements(template: Mapping[str, Any], role: str = "KubernetesRoleDefaultPolicy") -> list[dict[str, Any]]:
    policies = resources(template, "AWS::IAM::Policy")
    (policy,) = [value for key, value in policies.items() if key.startswith(role)]
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def arn(text: str) -> dict[str, Any]:
    """An ARN as CDK writes it, with the pseudo parameters of ``text`` in it."""
    parts: list[Any] = []
    for piece in text.replace("}", "${").split("${"):
        parts.append({"Ref": piece} if piece.startswith("AWS::") else piece)
    return {"Fn::Join": ["", [part for part in parts if part != ""]]}


LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]


# The provider.


def test_the_role_may_do_what_the_functions_need_and_no_more(app: App) -> None:
    assert statements(app.template()) == [
        {"Action": "eks:DescribeCluster", "Effect": "Allow", "Resource": ARN},
        {"Action": LOGS, "Effect": "Allow", "Resource": {"Fn::GetAtt": ["KubernetesApplierLogs7040CA3F", "Arn"]}},
    ]


def test_waits_add_their_permissions(app: App) -> None:
    assert app.provider.wait_service_token == app.provider.wait_service_token
    policies = resources(app.template(), "AWS::IAM::Policy")
    (waiting,) = (policy for name, policy in policies.items() if "WaitRole" in name)
    described, *added = waiting["Properties"]["PolicyDocument"]["Statement"]
    assert described == {"Action": "eks:DescribeCluster", "Effect": "Allow", "Resource": ARN}
    region = "${AWS::Region}:${AWS::AccountId}"
    assert added[:2] == [
        {
            "Action": [
                "sagemaker:DescribeCluster",
                "sagemaker:DescribeClusterNode",
                "sagemaker:ListClusterEvents",
                "sagemaker:ListClusterNodes",
            ],
            "Effect": "Allow",
            "Resource": arn(f"arn:${{AWS::Partition}}:sagemaker:{region}:cluster/*"),
        },
        {
            "Action": "eks:DescribeAddon",
            "Effect": "Allow",
            "Resource": "arn:aws:eks:us-west-2:111122223333:addon/research/*",
        },
    ]
    assert [statement["Action"] for statement in added[2:]] == [LOGS, LOGS]


def test_functions_of_waits_are_created_only_for_waits(app: App) -> None:
    assert len(resources(app.template(), "AWS::Lambda::Function")) == 2
    assert not resources(app.template(), "AWS::StepFunctions::StateMachine")


def test_the_access_entry_is_cluster_admin(app: App) -> None:
    assert only(app.template(), "AWS::EKS::AccessEntry")["Properties"] == {
        "ClusterName": "research",
        "PrincipalArn": {"Fn::GetAtt": ["KubernetesRoleB851EC21", "Arn"]},
        "AccessPolicies": [
            {
                "AccessScope": {"Type": "cluster"},
                "PolicyArn": arn("arn:${AWS::Partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"),
            }
        ],
    }


def test_the_access_entry_can_exist(tmp_path: Path) -> None:
    assert not resources(App(tmp_path, create_access_entry=False).template(), "AWS::EKS::AccessEntry")


def test_functions_keep_their_logs_for_a_while(app: App) -> None:
    app.provider.wait_service_token  # noqa: B018 - makes the functions
    template = app.template()
    groups = resources(template, "AWS::Logs::LogGroup")
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {90}
    for function in resources(template, "AWS::Lambda::Function").values():
        assert function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_functions_run_in_the_vpc_and_those_of_the_framework_do_not(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Platform")
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
    provider = KubernetesProvider(stack, "Kubernetes", cluster_name="research", cluster_arn=ARN, vpc=vpc)
    provider.connections.allow_to(ec2.Peer.ipv4("10.0.0.0/8"), ec2.Port.tcp(443))
    template = dict(app.synth().get_stack_by_name("Platform").template)
    functions = resources(template, "AWS::Lambda::Function")
    placed = {name: function["Properties"].get("VpcConfig") for name, function in functions.items()}
    (applier,) = [config for name, config in placed.items() if "Applier" in name]
    assert len(applier["SubnetIds"]) == 2
    assert len(applier["SecurityGroupIds"]) == 1
    assert [name for name, config in placed.items() if config is None] == [
        name for name in placed if "framework" in name
    ]
    assert set(provider.function_placement) == {"vpc", "vpc_subnets", "security_groups"}
    assert "ec2:CreateNetworkInterface" in statements(template)[1]["Action"]


def test_subnets_need_a_vpc(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="require its vpc"):
        App(tmp_path, vpc_subnets=ec2.SubnetSelection())


def test_a_permissions_boundary_limits_every_role(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Platform")
    boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", "arn:aws:iam::111122223333:policy/limit")
    provider = KubernetesProvider(
        stack, "Kubernetes", cluster_name="research", cluster_arn=ARN, permissions_boundary=boundary
    )
    provider.wait_service_token  # noqa: B018 - makes the functions
    roles = resources(app.synth().get_stack_by_name("Platform").template, "AWS::IAM::Role")
    assert len(roles) == 7
    assert {role["Properties"]["PermissionsBoundary"] for role in roles.values()} == {boundary.managed_policy_arn}


# Objects.


def test_objects_are_one_resource(app: App) -> None:
    objects = KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[config_map("a", x="1")])
    cdk.CfnOutput(app.stack, "Name", value=objects.name)
    template = app.template()
    resource = only(template, OBJECTS)
    properties = resource["Properties"]
    assert properties.pop("ServiceToken") == {"Fn::GetAtt": ["KubernetesApplyframeworkonEventA3204D48", "Arn"]}
    assert json.loads(properties.pop("Manifest")) == [config_map("a", x="1")]
    assert properties == {"ClusterName": "research", "ServiceTimeout": 960}
    assert template["Outputs"]["Name"]["Value"] == {"Fn::GetAtt": ["Settings1CCB6159", "Name"]}


def test_objects_are_created_after_access_and_deleted_before_it(app: App) -> None:
    KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[config_map("a")])
    KubernetesWait(
        app.stack, "Wait", kubernetes=app.provider, condition=addon_active("x"), timeout=cdk.Duration.minutes(1)
    )
    template = app.template()
    kinds = ("AWS::EKS::AccessEntry", "AWS::IAM::Role", "AWS::IAM::Policy")
    found = [name for kind in kinds for name in resources(template, kind)]
    for kind, prefixes, count in (
        # also the access entry of the waiting functions: all callers have access before an object is applied
        (OBJECTS, ("KubernetesAccessEntry", "KubernetesRole", "KubernetesWaitAccessEntry"), 4),
        (WAIT, ("KubernetesWaitAccessEntry", "KubernetesWaitRole"), 3),
    ):
        expected = {name for name in found if name.startswith(prefixes)}
        assert len(expected) == count
        assert set(only(template, kind)["DependsOn"]) == expected


def test_waiting_only_reads(app: App) -> None:
    KubernetesWait(
        app.stack, "Wait", kubernetes=app.provider, condition=addon_active("x"), timeout=cdk.Duration.minutes(1)
    )
    template = app.template()
    policies = {
        name: str(entry["Properties"]["AccessPolicies"])
        for name, entry in resources(template, "AWS::EKS::AccessEntry").items()
    }
    assert len(policies) == 2
    for name, policy in policies.items():
        assert ("AmazonEKSAdminViewPolicy" if "Wait" in name else "AmazonEKSClusterAdminPolicy") in policy
    functions = resources(template, "AWS::Lambda::Function")
    roles = {name: function["Properties"]["Role"]["Fn::GetAtt"][0] for name, function in functions.items()}
    waiting = {role for name, role in roles.items() if name.startswith(("KubernetesWaiter", "KubernetesWaitStarter"))}
    assert len(waiting) == 1
    assert next(iter(waiting)).startswith("KubernetesWaitRole")


def test_the_adopt_setting_reaches_the_functions(app: App) -> None:
    KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[config_map("a")], adopt=True)
    assert only(app.template(), OBJECTS)["Properties"]["Adopt"] == "true"


def test_objects_of_another_stack_depend_on_the_providers_stack(app: App) -> None:
    jobs = cdk.Stack(app.app, "Jobs")
    KubernetesObjects(jobs, "Settings", kubernetes=app.provider, objects=[config_map("a")])
    assembly = app.app.synth()
    assert "Platform" in [artifact.id for artifact in assembly.get_stack_by_name("Jobs").dependencies]
    template = dict(assembly.get_stack_by_name("Jobs").template)
    assert "Platform" in json.dumps(only(template, OBJECTS)["Properties"]["ServiceToken"])


def test_choices_are_properties(app: App) -> None:
    KubernetesObjects(
        app.stack,
        "Settings",
        kubernetes=app.provider,
        objects=[config_map("a")],
        removal_policy=cdk.RemovalPolicy.RETAIN,
        replace_on_immutable=True,
        retry_seconds=60,
    )
    properties = only(app.template(), OBJECTS)["Properties"]
    assert {key: properties[key] for key in ("DeletionPolicy", "ReplaceOnImmutable", "RetrySeconds")} == {
        "DeletionPolicy": "Retain",
        "ReplaceOnImmutable": "true",
        "RetrySeconds": 60,
    }


def resolved(value: Any) -> str:
    """A manifest with its tokens written as ``<name>``."""
    if isinstance(value, str):
        return value
    return "".join(part if isinstance(part, str) else f"<{next(iter(part.values()))}>" for part in value["Fn::Join"][1])


def test_tokens_are_allowed_anywhere(app: App) -> None:
    count = cdk.CfnParameter(app.stack, "Count", type="Number")
    item = config_map(
        f"c-{cdk.Aws.REGION}",
        account=cdk.Aws.ACCOUNT_ID,
        part=f"arn:{cdk.Aws.PARTITION}:x",
        number=count.value_as_number,
        listed=[cdk.Aws.REGION, {"deep": cdk.Aws.STACK_NAME}],
        bare=cdk.Fn.ref("AWS::StackId"),
        object=count.value,
    )
    KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[item])
    text = resolved(only(app.template(), OBJECTS)["Properties"]["Manifest"])
    assert json.loads(text.replace("<Count>", "7"))[0] == config_map(
        "c-<AWS::Region>",
        account="<AWS::AccountId>",
        part="arn:<AWS::Partition>:x",
        number=7,
        listed=["<AWS::Region>", {"deep": "<AWS::StackName>"}],
        bare="<AWS::StackId>",
        object="7",
    )


def test_a_bare_token_object_is_resolved(app: App) -> None:
    item = config_map("a", role=cdk.Fn.get_att("KubernetesRoleB851EC21", "Arn"))
    KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[item])
    parts = only(app.template(), OBJECTS)["Properties"]["Manifest"]["Fn::Join"][1]
    assert {"Fn::GetAtt": ["KubernetesRoleB851EC21", "Arn"]} in parts


def test_a_cdk8s_chart_gives_its_objects(app: App) -> None:
    chart = cdk8s.Chart(cdk8s.App(), "chart")
    item = cdk8s.ApiObject(chart, "Map", api_version="v1", kind="ConfigMap", metadata={"name": "a"})
    item.add_json_patch(cdk8s.JsonPatch.add("/data", {"region": cdk.Aws.REGION}))
    objects = KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=chart)
    assert [str(ref) for ref in objects.refs] == ["ConfigMap a"]
    text = resolved(only(app.template(), OBJECTS)["Properties"]["Manifest"])
    assert json.loads(text)[0]["data"] == {"region": "<AWS::Region>"}


def test_a_token_that_cdk8s_did_not_keep_is_rejected(app: App) -> None:
    with pytest.raises(ValueError, match=r"^Platform/Settings: ConfigMap team/b contains <unresolved-token>"):
        KubernetesObjects(
            app.stack,
            "Settings",
            kubernetes=app.provider,
            objects=[config_map("a"), config_map("b", x="<unresolved-token>")],
        )


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "the manifest contains no object"),
        ([{"kind": "ConfigMap", "metadata": {"name": "a"}}], "requires apiVersion, kind and metadata.name"),
        ([{"apiVersion": "v1", "metadata": {"name": "a"}}], "requires apiVersion, kind and metadata.name"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}], "metadata.name"),
        ([config_map("a"), config_map("a")], "ConfigMap team/a is in the manifest twice"),
        ([config_map("a", x=object())], "ConfigMap team/a is not JSON: a object is not a valid value in a manifest"),
        ([config_map("a", x=float("nan"))], "ConfigMap team/a is not JSON"),
    ],
)
def test_an_object_that_is_not_in_a_list_is_rejected_with_its_name(app: App, objects: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^Platform/Settings: .*{message}"):
        KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=objects)


def test_a_removal_policy_is_to_keep_or_to_delete(app: App) -> None:
    with pytest.raises(ValueError, match="must be RETAIN or DESTROY, got SNAPSHOT"):
        KubernetesObjects(
            app.stack,
            "Settings",
            kubernetes=app.provider,
            objects=[config_map("a")],
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
        )


def test_retry_seconds_have_bounds(app: App) -> None:
    with pytest.raises(ValueError, match="between 1 and 780, got 781"):
        KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[config_map("a")], retry_seconds=781)


def test_large_objects_are_stored_in_an_asset(tmp_path: Path) -> None:
    app = App(tmp_path / "out", copied=True)
    large = config_map("large", x="y" * 1_400_000)
    KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[large, config_map("small")])
    template = app.template()
    resource = only(template, OBJECTS)
    properties = resource["Properties"]
    asset = properties["ManifestAsset"]
    (file,) = tmp_path.glob("out/asset.*.json")
    assert json.loads(file.read_text()) == [large, config_map("small")]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == asset["Sha256"]
    assert properties["Objects"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "team", "name": name} for name in ("large", "small")
    ]
    assert "Manifest" not in properties
    (statement,) = statements(template, "SettingsManifestAccess")
    assert statement["Action"] == "s3:GetObject"
    assert asset["Key"] in json.dumps(statement["Resource"])
    assert any(name.startswith("SettingsManifestAccess") for name in resource["DependsOn"])


def test_large_objects_with_tokens_are_rejected_with_the_name_of_the_largest(app: App) -> None:
    objects = [config_map("small"), config_map("large", x="y" * 300_000, region=cdk.Aws.REGION)]
    with pytest.raises(ValueError, match=r"^Platform/Settings: 300,\d+ bytes.* The largest is ConfigMap team/large"):
        KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=objects)


# The whole.


def test_two_synths_are_identical(tmp_path: Path) -> None:
    templates = []
    for round_ in ("first", "second"):
        app = App(tmp_path / round_, copied=True)
        big = config_map("large", x="y" * 300_000)
        KubernetesObjects(app.stack, "Settings", kubernetes=app.provider, objects=[big])
        KubernetesObjects(app.stack, "Tokens", kubernetes=app.provider, objects=[config_map("a", r=cdk.Aws.REGION)])
        KubernetesWait(
            app.stack, "Ready", kubernetes=app.provider, condition=addon_active("x"), timeout=cdk.Duration.minutes(1)
        )
        app.app.synth()
        templates.append({path.name: path.read_bytes() for path in (tmp_path / round_).glob("*.template.json")})
        templates[-1] |= {path.name: path.read_bytes() for path in (tmp_path / round_).glob("asset.*.json")}
    assert len(templates[0]) == 2
    assert templates[0] == templates[1]


def test_a_charts_like_is_anything_with_to_json(app: App) -> None:
    chart = SimpleNamespace(to_json=lambda: [config_map("a")])
    assert [str(ref) for ref in KubernetesObjects(app.stack, "S", kubernetes=app.provider, objects=chart).refs] == [
        "ConfigMap team/a"
    ]
