"""Exact references of values: origins, clusters, roles, handlers and Kubernetes objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from order_cases import att, k8s_object, objects, ref, resource, template

from hyperpod_constructs.assembly.graph import Graph, Resource, Stack, Templates
from hyperpod_constructs.assembly.graph._keys import buckets
from hyperpod_constructs.assembly.graph._recognize import _cluster_name
from hyperpod_constructs.assembly.graph._references import CUT, Reference, cut, references

NEVER: frozenset[str] = frozenset()


def get_att(target: Any, attribute: str = "", *guard: str) -> Reference:
    return Reference("Fn::GetAtt", target, attribute, frozenset(guard))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (ref("A"), [Reference("Ref", "A")]),
        (att("A"), [get_att("A", "Arn")]),
        ({"Fn::GetAtt": "A.Outputs.Arn"}, [get_att("A", "Outputs.Arn")]),
        ({"Fn::GetAtt": "A"}, [get_att("A")]),
        ({"Fn::GetAtt": ["A"]}, [get_att("A")]),
        ({"Fn::GetAtt": ["A", ref("B")]}, [get_att("A"), Reference("Ref", "B")]),
        ({"Fn::GetAtt": {}}, [get_att("")]),
        ({"Fn::Sub": []}, []),
        ({"Fn::Sub": [ref("A"), {}]}, []),
        ({"Fn::Sub": "${A}-${B.C}"}, [Reference("Ref", "A"), get_att("B", "C")]),
        ({"Fn::ImportValue": "a"}, [Reference("Fn::ImportValue", "a")]),
        (
            {"Fn::ImportValue": {"Fn::Sub": "${A}"}},
            [Reference("Fn::ImportValue", {"Fn::Sub": "${A}"}), Reference("Ref", "A")],
        ),
        (
            {"Fn::If": ["C", ref("A"), att("B")]},
            [Reference("Ref", "A", guard=frozenset({"C"})), get_att("B", "Arn", "!C")],
        ),
        ({"Fn::If": ["C", ref("A"), att("A")]}, [Reference("Ref", "A"), get_att("A", "Arn")]),
        (
            {"Fn::If": ["C", {"Fn::If": ["D", "x", ref("A")]}, "x"]},
            [Reference("Ref", "A", guard=frozenset({"C", "!D"}))],
        ),
        ({"Ref": ["A"]}, []),
    ],
    ids=str,
)
def test_references(value: Any, found: list[Reference]) -> None:
    assert list(references(value)) == found


@pytest.mark.parametrize(
    ("value", "without"),
    [
        (ref("A"), CUT),
        (ref("B"), ref("B")),
        (att("A"), CUT),
        ({"Fn::ImportValue": "A"}, CUT),
        ({"Fn::ImportValue": {"Fn::Sub": "${A}-x"}}, CUT),
        ({"Fn::GetStackOutput": {"StackName": ref("A"), "OutputName": "B"}}, CUT),
        ({"Fn::GetStackOutput": {"StackName": "B", "OutputName": "B"}},) * 2,
        (
            {"Fn::Sub": ["${A}${ A.Arn }${B}${v}", {"v": ref("A")}]},
            {"Fn::Sub": [f"{CUT}{CUT}${{B}}${{v}}", {"v": CUT}]},
        ),
        ({"Fn::Sub": ["${A}", {"A": ref("B")}]},) * 2,
        ({"Fn::Sub": "${!A}"},) * 2,
        ({"Fn::Sub": "${AWS::Region}"},) * 2,
        ({"A": [ref("A"), 1], "B": "${A}"}, {"A": [CUT, 1], "B": "${A}"}),
    ],
    ids=str,
)
def test_a_value_without_references_to_one_target(value: Any, without: Any) -> None:
    assert cut(value, lambda reference: reference.target == "A") == without


# Origins

INNER = {"Resources": {"Queue": resource("T")}, "Outputs": {"Arn": {"Value": att("Queue")}}}
NET = {
    "Resources": {"Vpc": resource("AWS::EC2::VPC")},
    "Outputs": {"Id": {"Value": ref("Vpc"), "Export": {"Name": "vpc"}}},
}


def stacks(**resources: Any) -> list[Stack]:
    nested = resource("AWS::CloudFormation::Stack", Parameters={})
    app = template(A=resource("T"), List=resource("T"), Nested=nested, Opaque=nested, **resources)
    return [Stack("Net", NET), Stack("S", app, nested={"Nested": Stack("S.Nested", INNER)})]


def templates(**resources: Any) -> Templates:
    return Templates(Graph(stacks(**resources)))


def resource_named(found: Templates, name: str) -> Resource:
    return found.graph.resources[f"S.{name}"]


REGION = ref("AWS::Region")


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("text", {"text"}),
        (1, set()),
        (ref("A"), {"S.A"}),
        (ref("Unknown"), set()),
        (["text", ref("A")], {"text", "S.A"}),
        ({"Fn::Sub": "plain"}, {"plain"}),
        ({"Fn::Sub": "x-${A}"}, {"x-${A}", "S.A"}),
        ({"Fn::Sub": ["x-${v}", {"v": ref("A")}]}, {"x-${v}", "S.A"}),
        ({"Fn::Join": ["", ["s3://", ref("A"), "/x"]]}, {"s3://", "/x", "S.A"}),
        ({"Fn::Join": ["", ["arn:aws:eks:", REGION, ":1:cluster/x"]]}, {"arn:aws:eks:${AWS::Region}:1:cluster/x"}),
        ({"Fn::Join": ["-", ["a", REGION]]}, {"a-${AWS::Region}"}),
        ({"Fn::Join": ["-", ["a", att("A")]]}, {"a", "S.A"}),
        ({"Fn::Join": ["", ["a"]]}, {"a"}),
        ({"Fn::Join": ["-", ref("List")]}, {"S.List"}),
        ({"Fn::Join": ["", ["a", {"Ref": "A", "Other": 1}]]}, {"a"}),
        (att("Nested", "Outputs.Arn"), {"S.Nested.Queue"}),
        (att("Nested", "Outputs.Missing"), set()),
        (ref("Nested"), {"S.Nested"}),
        (att("Opaque", "Outputs.Arn"), {"S.Opaque"}),
        ({"Fn::ImportValue": "vpc"}, {"Net.Vpc"}),
        ({"Fn::ImportValue": "A"}, set()),
        ({"Fn::GetStackOutput": {"StackName": "Net", "OutputName": "Id"}}, {"Net.Vpc"}),
        ({"Fn::GetStackOutput": {"StackName": "Net", "OutputName": "No"}}, set()),
        ({"Fn::GetAtt": [ref("A"), "Arn"]}, set()),
        ({"Fn::If": ["C", ref("A"), "text"]}, {"S.A"}),
    ],
    ids=str,
)
def test_where_a_value_comes_from(value: Any, origins: set[str]) -> None:
    found = templates()
    assert found.origins(found.graph.resources["S.A"].stack, value) == origins


def test_an_output_of_a_nested_stack_that_has_none() -> None:
    nested = Stack("S.Nested", template(Queue=resource("T")))
    found = Templates(Graph([Stack("S", template(Nested=resource("N")), nested={"Nested": nested})]))
    assert found.origins(found.graph.stacks[0], att("Nested", "Outputs.Arn")) == NEVER


def test_the_resources_of_some_types_that_a_resource_mentions() -> None:
    found = templates(B=resource("U"), One=resource("T", Of=[ref("A"), att("B"), "S.A", ref("AWS::Region")]))
    assert found.mentioned(resource_named(found, "One"), "T") == {"S.A"}
    assert found.mentioned(resource_named(found, "One"), "T", "U") == {"S.A", "S.B"}


def test_names_at_the_end_of_arns_and_uris() -> None:
    found = Templates(Graph([Stack("Prod/S", template(Role=resource("T")))]))
    keys = {"Prod/S.Role", "arn:aws:iam::1:role/path/name", "s3://bucket/", "plain", "arn:aws:sns:r:1:topic"}
    assert found.named(frozenset(keys)) == {"Prod/S.Role", "name", "bucket", "plain", "topic"}


def test_buckets_of_scripts() -> None:
    uri = {"Fn::Join": ["", ["s3://", ref("A"), "/scripts/"]]}
    cluster = resource("AWS::SageMaker::Cluster", InstanceGroups=[{"LifeCycleConfig": {"SourceS3Uri": uri}}])
    literal = resource(
        "AWS::SageMaker::Cluster", InstanceGroups=[{"LifeCycleConfig": {"SourceS3Uri": "s3://theirs/scripts/v1"}}]
    )
    upload = resource("Custom::CDKBucketDeployment", DestinationBucketName="theirs")
    found = templates(Cluster=cluster, Literal=literal, Upload=upload)
    assert buckets(found, resource_named(found, "Cluster")) == {"S.A", "/scripts/"}
    assert (
        buckets(found, resource_named(found, "Literal"))
        == buckets(found, resource_named(found, "Upload"))
        == {"theirs"}
    )


# Clusters


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("research", "research"),
        ("arn:aws:eks:us-west-2:111122223333:cluster/research", "research"),
        ("${AWS::Partition}:eks:us-west-2:1:cluster/research", "research"),
        ("arn:aws:sagemaker:us-west-2:111122223333:cluster/abc", ""),
        ("arn:aws:iam::111122223333:role/research", ""),
        (":cluster/", ""),
        ("://", ""),
        ("-research", ""),
        ("a/b", ""),
        (CUT, ""),
        ("", ""),
    ],
)
def test_the_name_of_a_cluster_in_a_text(text: str, name: str) -> None:
    assert _cluster_name(text) == name


EKS = resource("AWS::EKS::Cluster")


@pytest.mark.parametrize(
    ("body", "clusters"),
    [
        (resource("T", ClusterName=ref("One")), {"S.One"}),
        (resource("T", ClusterName=ref("One"), Of=ref("Two")), {"S.One"}),
        (resource("T", ClusterName="x", Of=ref("Two")), {"S.Two"}),
        (resource("T", Of=[ref("One"), ref("Two")]), {"S.One", "S.Two"}),
        (resource("T", ClusterName="named"), {"S.Named"}),
        (resource("T", ClusterName="custom"), {"S.Custom"}),
        (resource("T", ClusterName="elsewhere"), {"elsewhere"}),
        (resource("T", ClusterName=""), {"S.One", "S.Two", "S.Named", "S.Custom"}),
        (resource("T"), {"S.One", "S.Two", "S.Named", "S.Custom"}),
        (resource("T", ClusterArn=ref("HyperPod")), {"S.Two"}),
    ],
    ids=str,
)
def test_the_clusters_of_a_resource(body: Any, clusters: set[str]) -> None:
    found = templates(
        It=body,
        One=EKS,
        Two=EKS,
        Named=resource("AWS::EKS::Cluster", Name="named"),
        Custom=resource("Custom::AWSCDK-EKS-Cluster", Config={"name": "custom"}),
        HyperPod=resource("AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": att("Two")}}),
    )
    assert found.clusters(resource_named(found, "It")) == clusters


def test_a_stage_without_clusters() -> None:
    found = templates(It=resource("T"))
    assert found.clusters(resource_named(found, "It")) == {"?"}
    addon = resource("AWS::EKS::Addon", ClusterName="theirs")
    found = templates(It=resource("T"), Addon=addon)
    assert found.clusters(resource_named(found, "It")) == {"theirs"}, "the cluster of its add-ons"
    all_templates = Templates(
        Graph([Stack("A", template(Eks=EKS), stage="A"), Stack("B", template(It=resource("T")), stage="B")])
    )
    assert all_templates.clusters(all_templates.graph.resources["B.It"]) == {"A.Eks"}


# Network and handlers


@pytest.mark.timeout(120)
def test_a_subnet_whose_nat_gateway_is_in_it() -> None:
    """The reference is a mistake, but the proof terminates."""
    found = templates(
        Subnet=resource("AWS::EC2::Subnet"),
        Nat=resource("AWS::EC2::NatGateway", SubnetId=ref("Subnet")),
        Route=resource("AWS::EC2::Route", RouteTableId="table", NatGatewayId=ref("Nat")),
        Link=resource("AWS::EC2::SubnetRouteTableAssociation", SubnetId=ref("Subnet"), RouteTableId="table"),
        Nodes=resource("AWS::EKS::Nodegroup", Subnets=[ref("Subnet")]),
    )
    assert found.egress(resource_named(found, "Nodes")) == {"S.Route", "S.Link"}


def test_security_groups_of_nodes_the_control_plane_and_the_endpoints_of_the_vpc() -> None:
    group = resource("AWS::EC2::SecurityGroup")
    found = templates(
        Vpc=resource("AWS::EC2::VPC"),
        Subnet=resource("AWS::EC2::Subnet", VpcId=ref("Vpc")),
        **{f"Group{name}": group for name in ("Node", "Plane", "End", "Other")},
        Eks=resource("AWS::EKS::Cluster", ResourcesVpcConfig={"SecurityGroupIds": [ref("GroupPlane")]}),
        End=resource("AWS::EC2::VPCEndpoint", VpcId=ref("Vpc"), SecurityGroupIds=[ref("GroupEnd")]),
        Other=resource("AWS::EC2::VPCEndpoint", VpcId="vpc-2", SecurityGroupIds=[ref("GroupOther")]),
        Nodes=resource(
            "AWS::EKS::Nodegroup", ClusterName=ref("Eks"), Subnets=[ref("Subnet")], Groups=[ref("GroupNode")]
        ),
        NoSubnet=resource("AWS::EKS::Nodegroup", ClusterName=ref("Eks")),
    )
    assert found.security_groups(resource_named(found, "Nodes")) == {
        "S.GroupNode",
        "S.GroupPlane",
        "S.GroupEnd",
        "S.Eks",
    }
    assert found.security_groups(resource_named(found, "NoSubnet")) == NEVER


def test_the_functions_behind_a_custom_resource() -> None:
    found = templates(
        Fn=resource(
            "AWS::Lambda::Function", Role=att("Role"), Environment={"Next": ref("Next"), "Topic": ref("Topic")}
        ),
        Next=resource("AWS::Lambda::Function", Role="arn:aws:iam::1:role/theirs", Environment={"Back": ref("Fn")}),
        Role=resource("AWS::IAM::Role"),
        Topic=resource("AWS::SNS::Topic", Of=ref("Fn")),
        Custom=resource("Custom::A", ServiceToken=att("Fn")),
        OfTopic=resource("Custom::A", ServiceToken=ref("Topic")),
        Without=resource("Custom::A"),
    )
    assert found.handlers(resource_named(found, "Custom")) == {"S.Fn", "S.Next"}
    assert found.handler_roles(resource_named(found, "Custom")) == {"S.Role", "theirs"}
    assert found.handlers(resource_named(found, "OfTopic")) == found.handlers(resource_named(found, "Without")) == NEVER


# Kubernetes

MAP = k8s_object("ConfigMap", "a", "b")


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        (MAP, [MAP]),
        ([MAP, "text", None, MAP], [MAP, MAP]),
        (json.dumps([MAP]), [MAP]),
        (json.dumps(MAP), [MAP]),
        ({"kind": "List", "items": [MAP, {"kind": "List", "items": [MAP]}]}, [MAP, MAP]),
        ({"kind": "Custom", "items": "no list"}, [{"kind": "Custom", "items": "no list"}]),
        (
            {"Fn::Join": ["", ['{"kind":"', ref("Kind"), '","count":', ref("Count"), "}"]]},
            [{"kind": "${token}", "count": 0}],
        ),
        (
            {"Fn::Join": ["", ['{"kind":"A","a":"\\"', ref("A"), '\\\\","b":', ref("B"), ',"c":"', ref("C"), '"}']]},
            [{"kind": "A", "a": '"${token}\\', "b": 0, "c": "${token}"}],
        ),
        (
            {"Fn::Join": ["", ['{"kind" : "Job"', ref("Rest"), '{"kind":"ConfigMap"}']]},
            [{"kind": "Job"}, {"kind": "ConfigMap"}],
        ),
        (None, []),
    ],
    ids=str,
)
def test_the_objects_of_a_manifest(manifest: Any, found: list[Any]) -> None:
    read = templates(It=resource("Custom::HyperPodKubernetesObjects", Manifest=manifest))
    assert list(read.objects(resource_named(read, "It"))) == found


def test_only_custom_resources_of_objects_have_some() -> None:
    read = templates(It=resource("T", Manifest=[MAP]), Two=objects(MAP, k8s_object("Secret")))
    assert read.objects(resource_named(read, "It")) == ()
    assert read.kinds(resource_named(read, "Two")) == {"ConfigMap", "Secret"}


def test_the_text_of_properties_that_hold_json() -> None:
    read = templates(It=resource("T", Condition='{"Type": "NodesReady"}'))
    assert read.text(resource_named(read, "It")) == '{"Condition": "{"Type": "NodesReady"}"}'
