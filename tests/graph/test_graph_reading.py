"""Templates as they are read: YAML, and each part of a cloud assembly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from order_cases import ref, resource, template

from hyperpod_constructs.assembly.graph import Stack, load


@pytest.mark.parametrize("name", ["a.yaml", "a.template.yml"])
def test_the_short_forms_become_long(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(
        "Conditions: {Small: !Not [!Condition Big]}\n"
        "Resources:\n"
        "  A:\n"
        "    Type: T\n"
        "    Properties:\n"
        "      Ref: !Ref A\n"
        "      Sub: !Sub ['${A}-${b}', {b: !GetAtt [A, Arn]}]\n"
        "      Macro: !Transform {Name: M, Parameters: {List: [1, !Ref A]}}\n"
    )
    (stack,) = load(tmp_path / name)
    assert stack.name == "a"
    assert stack.template["Conditions"] == {"Small": {"Fn::Not": [{"Condition": "Big"}]}}
    assert stack.resources["A"]["Properties"] == {
        "Ref": {"Ref": "A"},
        "Sub": {"Fn::Sub": ["${A}-${b}", {"b": {"Fn::GetAtt": ["A", "Arn"]}}]},
        "Macro": {"Fn::Transform": {"Name": "M", "Parameters": {"List": [1, {"Ref": "A"}]}}},
    }


def nested(**overrides: Any) -> dict[str, Any]:
    return {"Type": "AWS::CloudFormation::Stack", **overrides}


MAIN = template(
    Topic=resource("T"),
    ByPath=nested(Metadata={"aws:asset:path": "inner.json"}, Properties={}),
    ByUrl=nested(Properties={"TemplateURL": {"Fn::Sub": "https://s3.${AWS::Region}.amazonaws.com/assets/abc.json"}}),
    Elsewhere=nested(Properties={"TemplateURL": "https://example.com/x.json"}),
    Unknown=nested(),
    Code={"Type": "AWS::Lambda::Function", "Metadata": {"aws:asset:path": "asset.zip"}},
)
INNER, DEEP, STAGED = (
    template(A=nested(Metadata={"aws:asset:path": "deep.json"})),
    template(B=resource("T")),
    template(),
)
ENVIRONMENT = "aws://111122223333/us-west-2"


def logical(name: Any, kind: str = "aws:cdk:logicalId") -> list[dict[str, Any]]:
    return [{"type": kind, "data": name}]


MANIFEST: dict[str, Any] = {
    "artifacts": {
        "Tree": {"type": "cdk:tree"},
        "MainAssets": {"type": "cdk:asset-manifest", "properties": {"file": "main.assets.json"}},
        "Main": {
            "type": "aws:cloudformation:stack",
            "displayName": "App/Main",
            "environment": ENVIRONMENT,
            "dependencies": ["MainAssets", "Plain"],
            "properties": {"templateFile": "main.json", "stackName": "deployed"},
            "metadata": {
                "/App/Main/Topic#/Resource": logical("Topic"),
                "/App/Main/Odd": logical({"not": "a name"}),
                "/App/Main/Note": logical("Note", "aws:cdk:warning"),
            },
            "additionalMetadataFile": "main.metadata.json",
        },
        "Plain": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": "inner.json"},
            "additionalMetadataFile": "missing.json",
        },
        "Prod": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod", "displayName": "Prod"}},
        "Test": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Test"}},
    }
}
ASSETS = {
    "files": {
        "abc": {"source": {"path": "inner.json"}, "destinations": {"here": {"objectKey": "abc.json"}}},
        "def": {"source": {"path": "asset.zip"}, "destinations": {"here": {"objectKey": "example.com"}}},
        "ghi": {},
    },
    "dockerImages": {},
}


def test_each_part_of_a_cloud_assembly(tmp_path: Path) -> None:
    files = {
        "manifest.json": MANIFEST,
        "main.assets.json": ASSETS,
        "main.json": MAIN,
        "main.metadata.json": {"/App/Main/Code": logical("Code")},
        "inner.json": INNER,
        "deep.json": DEEP,
    }
    for stage in ("Prod", "Test"):
        stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "staged.json"}}
        files |= {
            f"assembly-{stage}/manifest.json": {"artifacts": {f"{stage}Stack": stack}},
            f"assembly-{stage}/staged.json": STAGED,
        }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))

    def inner(name: str, environment: str = ENVIRONMENT) -> Stack:
        deep = Stack(f"{name}.A", DEEP, environment=environment)
        return Stack(name, INNER, environment=environment, nested={"A": deep})

    main, plain, *staged = load(tmp_path)
    assert main == Stack(
        name="App/Main",
        template=MAIN,
        stack_name="deployed",
        environment=ENVIRONMENT,
        depends_on=("Plain",),
        nested={"ByPath": inner("App/Main.ByPath"), "ByUrl": inner("App/Main.ByUrl")},
        paths={"Topic": "App/Main/Topic#/Resource", "Code": "App/Main/Code"},
    )
    assert plain == Stack("Plain", INNER, stack_name="Plain", nested={"A": Stack("Plain.A", DEEP)}, paths={})
    assert staged == [
        Stack("ProdStack", STAGED, stack_name="ProdStack", stage="Prod"),
        Stack("TestStack", STAGED, stack_name="TestStack", stage="assembly-Test"),
    ]
    assert [stack.deployed_name for stack in (main, inner("x"))] == ["deployed", "x"]


def test_a_path_that_ends_with_a_number_sign(tmp_path: Path) -> None:
    """Construct ids can have each character except a slash."""
    stack = {
        "type": "aws:cloudformation:stack",
        "properties": {"templateFile": "a.json"},
        "metadata": {"/App/C#": logical("A")},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"S": stack}}))
    (tmp_path / "a.json").write_text(json.dumps(template(A=resource("T", Of=ref("B")))))
    (found,) = load(tmp_path)
    assert found.paths == {"A": "App/C#"}
    assert load([found]) == load(found) == (found,)
    assert found.template["Resources"]["A"]["Properties"] == {"Of": {"Ref": "B"}}
