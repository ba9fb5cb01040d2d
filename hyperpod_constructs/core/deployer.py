"""What the role that deploys may do: derived from the resource types of a deployment, so that it can't go stale.

CDK deploys with the CloudFormation execution role of its bootstrap, which is an administrator unless told otherwise:
`cdk bootstrap --cloudformation-execution-policies ARN,...` takes the policies that this module makes.

    $ python -m hyperpod_constructs.core.deployer cdk.out
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .catalog._files import DATA, dumps, load

MANAGED_POLICY_CHARACTERS = 6144
"""The longest managed policy that IAM takes, without white space."""
_INVOKE = "lambda:InvokeFunction"
_PASS_ROLE = "iam:PassRole"
_LINKED_ROLE = "iam:CreateServiceLinkedRole"
_PASSED_TO = ("eks", "events", "grafana", "lambda", "pods.eks", "sagemaker", "hyperpod.sagemaker", "states")


def resource_types(assembly: Path) -> set[str]:
    """Resource types in the templates of a cloud assembly."""
    templates = [json.loads(path.read_text()) for path in sorted(assembly.rglob("*.template.json"))]
    return {each["Type"] for template in templates for each in template.get("Resources", {}).values()}


def actions_of(types: Iterable[str]) -> set[str]:
    """The actions that CloudFormation needs to create, read, update and delete resources of these types.

    Custom resources need their functions invoked; what the functions do, their own roles allow. Types that the table does
    not know are left out: see `unknown_types`.

    >>> sorted(actions_of(["AWS::EC2::VPCCidrBlock", "Custom::HyperPodComputeQuota"]))[:2]
    ['ec2:AllocateIpamPoolCidr', 'ec2:AssociateVpcCidrBlock']
    """
    known: Mapping[str, list[str]] = load("deployer")["types"]
    found: set[str] = set()
    for type_ in types:
        found.update([_INVOKE] if type_.startswith("Custom::") else known.get(type_, []))
    return found


def unknown_types(types: Iterable[str]) -> set[str]:
    """The types that the table does not know.

    >>> unknown_types(["AWS::EC2::VPC", "AWS::Made::Up", "Custom::Mine"])
    {'AWS::Made::Up'}
    """
    known = set(load("deployer")["types"])
    return {type_ for type_ in types if not type_.startswith("Custom::")} - known


def deployer_policies(types: Iterable[str]) -> list[dict[str, Any]]:
    """Policy documents for a deployment of these types, each short enough for a managed policy.

    Roles may be passed to the services in use only, and linked roles be made for services of AWS only.
    """
    actions = actions_of(types)
    plain = sorted(actions - {_PASS_ROLE, _LINKED_ROLE})
    statements: list[dict[str, Any]] = []
    if _PASS_ROLE in actions:
        services = [f"{name}.amazonaws.com" for name in _PASSED_TO]
        condition: dict[str, Any] = {"StringEquals": {"iam:PassedToService": services}}
        statements.append(_statement([_PASS_ROLE], Condition=condition))
    if _LINKED_ROLE in actions:
        condition = {"StringLike": {"iam:AWSServiceName": "*.amazonaws.com"}}
        statements.append(_statement([_LINKED_ROLE], Condition=condition))
    documents, current = [], [*statements, _statement([])]
    for action in plain:
        current[-1]["Action"].append(action)
        if _length(current) > MANAGED_POLICY_CHARACTERS:
            current[-1]["Action"].pop()
            documents.append(_document(current))
            current = [_statement([action])]
    return [*documents, _document(current)]


def derive(types: Iterable[str]) -> dict[str, list[str]]:
    """The table for these types, from CloudFormation's schemas in cfn-lint (a development requirement).

    Types whose schema names no permissions keep what the table says of them.
    """
    import cfnlint

    folder = Path(cfnlint.__file__).parent / "data" / "schemas"
    provided = json.loads((folder / "providers" / "us-east-1.json").read_text())
    table: dict[str, list[str]] = {}
    for type_ in sorted(types):
        if type_.startswith("Custom::"):
            continue
        schema = json.loads((folder / "resources" / f"{provided[type_]}.json").read_text())
        handlers = schema.get("handlers") or {}
        found = sorted({action for handler in handlers.values() for action in handler.get("permissions", [])})
        table[type_] = found or load("deployer")["types"].get(type_, [])
    return table


def _statement(actions: list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": "*", **more}


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [each for each in statements if each["Action"]]}


def _length(statements: list[dict[str, Any]]) -> int:
    return len(json.dumps(_document(statements), separators=(",", ":")))


def main() -> None:
    """Print the policies for an assembly, or rewrite the table for its types."""
    parser = argparse.ArgumentParser(prog="python -m hyperpod_constructs.core.deployer", description=__doc__)
    parser.add_argument("assembly", type=Path, nargs="+", help="folders of synthesized apps")
    parser.add_argument("--refresh", action="store_true", help="derive the table anew for the types in them")
    arguments = parser.parse_args()
    types = {type_ for assembly in arguments.assembly for type_ in resource_types(assembly)}
    if arguments.refresh:
        content = dict(load("deployer"))
        content["types"] = {**content["types"], **derive(types)}
        (DATA / "deployer.json").write_text(dumps(content))
        return
    if unknown := unknown_types(types):
        listed = ", ".join(sorted(unknown))
        parser.error(f"no permissions are known for {listed}; add them with --refresh, which needs cfn-lint")
    print(json.dumps(deployer_policies(types), indent=1))


if __name__ == "__main__":
    main()
