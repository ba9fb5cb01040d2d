"""Stacks: only those of this project are listed, retained resources are shown, and the deletion order."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import boto3
import pytest
from accounts import NOW
from fake_aws import AwsFault
from proving import every

from hyperpod_constructs.cli import nodes as nodes_cli
from hyperpod_constructs.cli import stacks as stacks_cli
from hyperpod_constructs.core.stack_names import DEPLOY_ORDER
from hyperpod_constructs.core.stack_templates import imports_of
from hyperpod_constructs.live.operations import stacks as stacks_module


@pytest.fixture
def clock(monkeypatch):
    from day2 import FakeTime

    fake_time = FakeTime()
    monkeypatch.setattr(nodes_cli, "time", fake_time)
    monkeypatch.setattr(stacks_cli, "time", fake_time)
    return fake_time


def stack(name, platform="research", *, created=1, exports=(), **overrides):
    tags = [{"Key": "hyperpod-constructs:platform", "Value": platform}] if platform else []
    return {
        "StackName": name,
        "StackId": f"arn:aws:cloudformation:us-west-2:111122223333:stack/{name}/1",
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": datetime(2026, 11, created, tzinfo=UTC),
        "Tags": tags,
        "Outputs": [{"OutputKey": export, "OutputValue": "v", "ExportName": export} for export in exports],
        **overrides,
    }


class Account:
    """CloudFormation with stacks that can be deleted."""

    def __init__(self, aws, stacks, templates):
        self.stacks = {item["StackName"]: item for item in stacks}
        self.templates, self.deleted, self.aws = templates, [], aws
        self.asked_for: dict[str, int] = {}
        aws.on("cloudformation", "DescribeStacks", self.describe)
        aws.on(
            "cloudformation",
            "GetTemplate",
            lambda item: {"TemplateBody": json.dumps(self.templates[item["StackName"]])},
        )
        aws.on("cloudformation", "DeleteStack", self.delete)
        aws.on("cloudformation", "ListStackResources", self.resources)

    def named(self, name):
        return name.split("/")[1] if name.startswith("arn:") else name

    def describe(self, request):
        if not request.get("StackName"):
            return {"Stacks": list(self.stacks.values())}
        name = self.named(request["StackName"])
        if name not in self.stacks:
            raise AwsFault("ValidationError", f"Stack with id {name} does not exist")
        found = self.stacks[name]
        if found["StackStatus"] == "DELETE_IN_PROGRESS":
            self.asked_for[name] = self.asked_for.get(name, 0) + 1
            if self.asked_for[name] > 1:
                found = self.stacks.pop(name) | {"StackStatus": "DELETE_COMPLETE"}
        return {"Stacks": [found]}

    def delete(self, request):
        name = self.named(request["StackName"])
        self.deleted.append((name, request.get("RetainResources") or []))
        if self.stacks[name]["StackStatus"] != "DELETE_FAILED" or request.get("RetainResources"):
            self.stacks[name]["StackStatus"] = "DELETE_IN_PROGRESS"
        return {}

    def resources(self, request):
        name = self.named(request["StackName"])
        failed = self.stacks[name]["StackStatus"] == "DELETE_FAILED"
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": logical,
                    "PhysicalResourceId": f"{logical.lower()}-1",
                    "ResourceType": resource["Type"],
                    "LastUpdatedTimestamp": NOW,
                    "ResourceStatus": "DELETE_FAILED" if failed else "CREATE_COMPLETE",
                    "ResourceStatusReason": "it is in use" if failed else "",
                }
                for logical, resource in self.templates[name]["Resources"].items()
            ]
        }


def needs(*exports, **resources):
    using = {
        "Using": {
            "Type": "A::B::C",
            "Properties": {str(n): {"Fn::ImportValue": export} for n, export in enumerate(exports)},
        }
    }
    return {"Resources": {**(using if exports else {}), **resources}}


@pytest.fixture
def account(aws):
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    stacks = [
        stack("research-Eks", created=2, exports=["eks"]),
        stack("research-Network", created=5, exports=["vpc"]),  # recreated later: the order is by imports, not by age
        stack("research-Addons", created=4),
        stack("research-HyperPod", created=3, exports=["cluster"]),
        stack("other-Network", "other"),
        stack("alien", None),
    ]
    templates = {
        "research-Network": needs(),
        "research-Eks": needs("vpc"),
        "research-HyperPod": needs("vpc", "eks", Scripts=bucket),
        "research-Addons": needs("eks", "cluster"),
        "other-Network": needs(),
        "alien": needs(Thing={"Type": "AWS::SNS::Topic"}),
    }
    return Account(aws, stacks, templates)


def test_stacks_list_has_only_stacks_of_the_library(account, run):
    account.aws.page_size = 2
    names = [line.split()[0] for line in run("stacks", "list").stdout.splitlines()[1:]]
    assert names == ["research-Eks", "research-Network", "research-Addons", "research-HyperPod", "other-Network"]
    all_stacks = json.loads(run("stacks", "list", "--all", "-o", "json").stdout)
    assert {item["name"]: item["platform"] for item in all_stacks}["alien"] is None
    assert run("stacks", "list", "--status", "DELETE_FAILED").stdout.startswith("no stacks of hyperpod-constructs")


def test_stacks_describe(account, run):
    data = json.loads(run("stacks", "describe", "research-HyperPod", "-o", "json").stdout)
    assert data["outputs"] == {"cluster": "v"}
    assert {"type": "AWS::S3::Bucket", "id": "scripts-1", "status": "CREATE_COMPLETE"} in data["resources"]
    assert "scripts-1" in run("stacks", "describe", "research-HyperPod").stdout


def test_stacks_delete_shows_what_stays_and_asks(account, run):
    result = run("stacks", "delete", "research", input="n\n")
    assert result.exit_code == 1
    assert account.deleted == []
    rows = [line.split() for line in result.stderr.splitlines()]
    assert ["3", "research-Eks"] in rows
    assert ["scripts-1", "AWS::S3::Bucket", "is", "retained"] in rows
    assert "Delete 4 stacks in this order?" in result.output


def test_stacks_delete_follows_the_order(account, run, clock):
    result = run("stacks", "delete", "research", "--yes")
    assert result.exit_code == 0, result.output
    order = ["research-Addons", "research-HyperPod", "research-Eks", "research-Network"]
    assert [name for name, _ in account.deleted] == order
    assert result.stdout.splitlines() == [f"{name}: deleted" for name in order]
    assert set(account.stacks) == {"other-Network", "alien"}


def test_stacks_delete_of_one_stack(account, run, clock):
    assert run("stacks", "delete", "research-Addons", "--yes").exit_code == 0
    assert account.deleted == [("research-Addons", [])]


def test_stacks_delete_does_not_change_other_stacks(account, run, clock):
    result = run("stacks", "delete", "alien", "--yes")
    assert result.exit_code == 1
    assert "use --all to include stacks of other tools" in result.output
    assert account.deleted == []
    assert run("stacks", "delete", "alien", "--yes", "--all").exit_code == 0


def test_stacks_delete_stops_where_one_fails(account, run, clock):
    account.stacks["research-HyperPod"]["StackStatus"] = "DELETE_FAILED"
    result = run("stacks", "delete", "research", "--yes")
    assert result.exit_code == 1
    assert "research-HyperPod is DELETE_FAILED: Using: it is in use; Scripts: it is in use" in result.output
    assert "--retain LOGICAL_ID" in result.output
    assert [name for name, _ in account.deleted] == ["research-Addons", "research-HyperPod"]
    assert run("stacks", "delete", "research-HyperPod", "--retain", "Scripts", "--yes").exit_code == 0
    assert account.deleted[-1] == ("research-HyperPod", ["Scripts"])


def test_stacks_delete_does_not_delete_other_stacks_with_the_tag(account, run, clock):
    account.stacks["billing"] = stack("billing", "research")
    account.stacks["research-Nested-Eks"] = stack("research-Eks", "research", ParentId="arn:parent") | {
        "StackName": "research-Nested-Eks"
    }
    account.templates |= {"billing": needs(), "research-Nested-Eks": needs()}
    listed = run("stacks", "list").stdout
    assert "billing" not in listed
    assert "research-Nested-Eks" not in listed
    result = run("stacks", "delete", "billing", "--yes")
    assert (result.exit_code, account.deleted) == (1, [])
    assert run("stacks", "delete", "research", "--yes").exit_code == 0
    assert set(account.stacks) == {"other-Network", "alien", "billing", "research-Nested-Eks"}


def test_stacks_delete_does_not_delete_a_nested_stack(account, run, clock):
    account.stacks["nested"] = stack("nested", None, ParentId="arn:parent")
    account.templates["nested"] = needs()
    result = run("stacks", "delete", "nested", "--all", "--yes")
    assert "nested is nested in another stack; delete that stack" in result.output
    assert account.deleted == []


def test_retain_applies_to_the_specified_stack(account, run, clock):
    account.stacks["research-HyperPod"]["StackStatus"] = "DELETE_FAILED"
    assert run("stacks", "delete", "research", "--retain", "Scripts", "--yes").exit_code == 0
    retained_ids = {name: retained for name, retained in account.deleted if retained}
    assert retained_ids == {"research-HyperPod": ["Scripts"]}


def test_retain_of_what_no_failed_stack_has_deletes_nothing(account, run):
    result = run("stacks", "delete", "research", "--retain", "Scripts", "--yes")
    assert result.exit_code == 2
    assert "no stack whose deletion failed has a resource 'Scripts'" in result.output
    assert account.deleted == []


def test_retain_requires_a_stack_if_several_have_the_resource(account, run, clock):
    for name in ("research-HyperPod", "research-Addons"):
        account.stacks[name]["StackStatus"] = "DELETE_FAILED"
    result = run("stacks", "delete", "research", "--retain", "Using", "--yes")
    assert result.exit_code == 2
    assert "specify the stack: research-Addons/Using" in result.output
    options = ("--retain", "research-Addons/Using", "--retain", "research-HyperPod/Using")
    assert run("stacks", "delete", "research", *options, "--yes").exit_code == 0
    assert {name: retained for name, retained in account.deleted if retained} == {
        "research-Addons": ["Using"],
        "research-HyperPod": ["Using"],
    }


def test_stacks_delete_of_protected_ones(account, run):
    account.stacks["research-Eks"]["EnableTerminationProtection"] = True
    result = run("stacks", "delete", "research", "--yes")
    assert result.exit_code == 1
    assert (
        "research-Eks has termination protection; disable it with aws cloudformation update-termination-protection"
    ) in result.output
    assert account.deleted == []


@pytest.mark.slow
def test_the_stacks_that_we_synthesize_go_in_the_right_order(default):
    """All stacks have the same creation time, and are listed in the wrong order."""
    exports = {
        name: [out["Export"]["Name"] for out in content.get("Outputs", {}).values() if "Export" in out]
        for name, content in default.templates.items()
    }
    found = [
        stack(name, exports=[str(export) for export in exports[name]])
        for name in sorted(default.templates, reverse=True)
    ]
    found.sort(key=lambda item: "Network" not in item["StackName"])
    order = [item["StackName"].rpartition("-")[2] for item in stacks_module.deletion_order(found, default.templates)]
    assert order == ["Jobs", "Addons", "HyperPod", "Eks", "Network"]


def test_the_order_of_deployment_is_the_constructs():
    from hyperpod_constructs.assembly.stacks import STACKS

    assert tuple(STACKS) == DEPLOY_ORDER


def test_imports_take_precedence_over_the_order_of_deployment():
    found = [stack("research-Addons", exports=["metrics"]), stack("research-HyperPod")]
    templates = {"research-Addons": needs(), "research-HyperPod": needs("metrics")}
    order = [item["StackName"] for item in stacks_module.deletion_order(found, templates)]
    assert order == ["research-HyperPod", "research-Addons"]


def test_every_stack_that_we_synthesize_carries_the_tag(default):
    artifacts = json.loads((default.folder / "manifest.json").read_text())["artifacts"].values()
    tags = [artifact["properties"]["tags"] for artifact in artifacts if artifact["type"] == "aws:cloudformation:stack"]
    assert tags
    assert every(tag[stacks_module.PLATFORM_TAG] == "research" for tag in tags)


def test_templates_with_short_tags():
    class Client:
        def get_template(self, StackName):
            resource = "DeletionPolicy: Retain\n    Properties: {V: !ImportValue x, W: !Ref A}"
            return {"TemplateBody": f"Resources:\n  A:\n    {resource}\n"}

    content = stacks_module.template(Client(), "s")
    assert stacks_module.retained(content) == {"A"}
    assert imports_of(content) == {"x"}


@pytest.mark.slow
def test_against_moto_stacks(moto, run, clock):
    cloudformation, s3 = boto3.client("cloudformation"), boto3.client("s3")
    tags = [{"Key": "hyperpod-constructs:platform", "Value": "research"}]
    network = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}, "Export": {"Name": "topic"}}},
    }
    hyperpod_template = {
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "Properties": {"BucketName": "kept", "Tags": [{"Key": "t", "Value": {"Fn::ImportValue": "topic"}}]},
            }
        }
    }
    cloudformation.create_stack(StackName="research-Network", TemplateBody=json.dumps(network), Tags=tags)
    cloudformation.create_stack(StackName="research-HyperPod", TemplateBody=json.dumps(hyperpod_template), Tags=tags)
    assert [load["name"] for load in json.loads(run("stacks", "list", "-o", "json").stdout)] == [
        "research-Network",
        "research-HyperPod",
    ]
    result = run("stacks", "delete", "research", "--yes")
    assert result.exit_code == 0, result.output
    assert "kept" in result.stderr
    assert result.stdout.splitlines() == ["research-HyperPod: deleted", "research-Network: deleted"]
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["kept"]
