"""Small apps for rehearsals."""

from __future__ import annotations

from typing import Any

from hyperpod_constructs.assembly.graph import Stack

CODE = {"Code": {"ZipFile": "x"}, "Handler": "mine.handler", "Runtime": "python3.13"}
TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


def resource(kind: str, depends_on: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": kind, "Properties": properties}
    return body | ({"DependsOn": depends_on} if depends_on else {})


def vpc(block: str = "10.0.0.0/16") -> dict[str, Any]:
    return resource("AWS::EC2::VPC", CidrBlock=block)


def subnet(block: str, *depends_on: str, of: str = "Vpc") -> dict[str, Any]:
    return resource("AWS::EC2::Subnet", list(depends_on), VpcId={"Ref": of}, CidrBlock=block)


def function() -> dict[str, Any]:
    """A role and a function with the code of a test."""
    return {
        "Role": resource("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Function": resource("AWS::Lambda::Function", Role={"Fn::GetAtt": ["Role", "Arn"]}, **CODE),
    }


def custom(*depends_on: str, **properties: Any) -> dict[str, Any]:
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    return resource("Custom::Thing", list(depends_on), ServiceToken=token, **properties)


def stack(name: str, resources: dict[str, Any], outputs: dict[str, Any] | None = None, **options: Any) -> Stack:
    return Stack(name, {"Resources": resources, "Outputs": outputs or {}}, **options)


def export(value: Any, name: str) -> dict[str, Any]:
    return {"Value": value, "Export": {"Name": name}}
