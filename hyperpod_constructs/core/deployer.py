"""Least-privilege policies for the deployment role, derived from the resource types of a deployment.

CDK deploys with the CloudFormation execution role of its bootstrap stack, which has AdministratorAccess by default:
`cdk bootstrap --cloudformation-execution-policies ARN,...` uses the policies that this module creates instead.

    $ python -m hyperpod_constructs.core.deployer cdk.out --permissions-boundary
arn:aws:iam::111122223333:policy/Boundary
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .catalog._files import DATA, dumps, load

MANAGED_POLICY_CHARACTERS = 6144
"""Maximum length of a managed policy in characters, without white space."""
_INVOKE = "lambda:InvokeFunction"
_PASS_ROLE = "iam:PassRole"
_LINKED_ROLE = "iam:CreateServiceLinkedRole"
_LIST_PROVIDERS = "iam:ListOpenIDConnectProviders"
_PASSED_TO = (
    *("eks", "events", "grafana", "hyperpod.sagemaker", "lambda", "pods.eks", "sagemaker", "states", "vpc-flow-logs"),
)
_LINKED_TO = ("eks", "fsx", "*.fsx", "grafana", "*.sagemaker")
_LIMITED = ("AttachRolePolicy", "CreateRole", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary")
_BOUNDARY_ACTIONS = frozenset(f"iam:{name}" for name in (*_LIMITED, "PutRolePolicy"))
"""Actions that IAM checks against the boundary of the role (condition key iam:PermissionsBoundary)."""
DROPPED: Mapping[str, str] = {
    "iam:AddRoleToInstanceProfile": "no example creates instance profiles",
    "iam:CreateInstanceProfile": "no example creates instance profiles",
    "iam:DeleteGroupPolicy": "policies are attached to roles only",
    "iam:DeleteInstanceProfile": "no example creates instance profiles",
    "iam:DeleteRolePermissionsBoundary": "a role without its boundary would be unrestricted",
    "iam:DeleteUserPolicy": "policies are attached to roles only",
    "iam:GetGroupPolicy": "policies are attached to roles only",
    "iam:GetUserPolicy": "policies are attached to roles only",
    "iam:PutGroupPolicy": "policies are attached to roles only",
    "iam:PutUserPolicy": "policies are attached to roles only",
    "iam:RemoveRoleFromInstanceProfile": "no example creates instance profiles",
    "iam:TagInstanceProfile": "no example creates instance profiles",
}
"""Actions in CloudFormation's schemas that these policies omit, with the reason."""


def resource_types(assembly: Path) -> set[str]:
    """Resource types in the templates of a cloud assembly."""
    templates = [json.loads(path.read_text()) for path in sorted(assembly.rglob("*.template.json"))]
    return {each["Type"] for template in templates for each in template.get("Resources", {}).values()}


def actions_of(types: Iterable[str]) -> set[str]:
    """The actions that CloudFormation requires to create, read, update and delete resources of these types.

    Custom resources require permission to invoke their functions, which have their own roles. Types that are not in the
    table are skipped: see `unknown_types`.

    >>> sorted(actions_of(["AWS::EC2::VPCCidrBlock", "Custom::HyperPodComputeQuota"]))[:2]
    ['ec2:AllocateIpamPoolCidr', 'ec2:AssociateVpcCidrBlock']
    """
    known: Mapping[str, list[str]] = load("deployer")["types"]
    found: set[str] = set()
    for type_ in types:
        found.update([_INVOKE] if type_.startswith("Custom::") else known.get(type_, []))
    return found


def unknown_types(types: Iterable[str]) -> set[str]:
    """The types that are not in the table.

    >>> unknown_types(["AWS::EC2::VPC", "AWS::Made::Up", "Custom::Mine"])
    {'AWS::Made::Up'}
    """
    known = set(load("deployer")["types"])
    return {type_ for type_ in types if not type_.startswith("Custom::")} - known


@dataclass(frozen=True)
class Named:
    """Names of an assembly that do not begin with a stack's name, by service; a final `*` matches a generated suffix.

    Attributes:
        eks_clusters: names of EKS clusters, new or existing.
        log_groups: names of log groups that are set in templates.
        state_machines: names of state machines, which CloudFormation generates from the logical id.
    """

    eks_clusters: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    state_machines: tuple[str, ...] = ()


_CLUSTER_OF = {"AWS::EKS::Cluster": "Name"}
_OF_CLUSTER = ("AWS::EKS::AccessEntry", "AWS::EKS::Addon", "AWS::EKS::PodIdentityAssociation")
_LOGICAL_ID_CHARACTERS = 24
"""Number of characters of the logical id that are expected in a state machine's name: CloudFormation may shorten names.
"""


def names_of(assembly: Path) -> Named:
    """The names of an assembly's EKS clusters, log groups and state machines, see `Named`."""
    clusters: dict[str, None] = {}
    groups: dict[str, None] = {}
    machines: dict[str, None] = {}
    for path in sorted(assembly.rglob("*.template.json")):
        for id, resource in json.loads(path.read_text()).get("Resources", {}).items():
            type_, properties = resource["Type"], resource.get("Properties", {})
            key = "ClusterName" if type_ in _OF_CLUSTER else _CLUSTER_OF.get(type_)
            if key and isinstance(properties.get(key), str):
                clusters[properties[key]] = None
            elif type_ == "AWS::Logs::LogGroup" and "LogGroupName" in properties:
                groups[_beginning(properties["LogGroupName"])] = None
            elif type_ == "AWS::StepFunctions::StateMachine":
                machines[_beginning(properties.get("StateMachineName", id[:_LOGICAL_ID_CHARACTERS] + "*"))] = None
    return Named(tuple(clusters), tuple(groups), tuple(machines))


def _beginning(name: Any) -> str:
    """A name, or its beginning up to the first value that is known only at deploy time."""
    if isinstance(name, str):
        return name
    first = name["Fn::Join"][1][0] if "Fn::Join" in name else ""
    return f"{first if isinstance(first, str) else ''}*"


def name_prefixes(assembly: Path) -> list[str]:
    """Prefixes of the names of an assembly's roles, functions and buckets.

    CloudFormation generates names that begin with the stack's name. For role names that are set in templates, the
    prefix ends at the first reference.
    """
    found: dict[str, None] = {}
    for file in sorted(assembly.rglob("manifest.json")):
        for id, artifact in json.loads(file.read_text()).get("artifacts", {}).items():
            if artifact["type"] == "aws:cloudformation:stack":
                name = artifact.get("properties", {}).get("stackName", id)
                found[f"{name.rpartition('-')[0] or name}-"] = None
    for path in sorted(assembly.rglob("*.template.json")):
        for resource in json.loads(path.read_text()).get("Resources", {}).values():
            if resource["Type"] == "AWS::IAM::Role" and "RoleName" in resource.get("Properties", {}):
                name = resource["Properties"]["RoleName"]
                found[name if isinstance(name, str) else name["Fn::Join"][1][0]] = None
    return list(found)


_ANY_NAME = frozenset(
    {
        *("eks:CreateCluster", "eks:ListClusters", "states:ListStateMachines", "logs:CreateLogDelivery"),
        *(
            "logs:DeleteIndexPolicy",
            "logs:DeleteLogDelivery",
            "logs:DeleteResourcePolicy",
            "logs:DescribeIndexPolicies",
        ),
        *("logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries"),
        *("logs:PutIndexPolicy", "logs:PutResourcePolicy", "logs:UpdateLogDelivery"),
    }
)
"""Actions of EKS, CloudWatch Logs and Step Functions for which IAM defines no resource (service authorization reference)."""


def _restricted_by_name(
    actions: set[str], prefixes: list[str], named: Named, partition: str
) -> Iterable[tuple[list[str], list[str]]]:
    """Actions of services whose resources are restricted by name, with those resources."""
    of = {
        service: sorted(action for action in actions - _ANY_NAME if action.startswith(f"{service}:"))
        for service in _BY_NAME
    }
    arn = f"arn:{partition}:{{}}:*:*:{{}}"
    clusters = [*(f"{prefix}*" for prefix in prefixes), *named.eks_clusters]
    kinds = [f"{kind}/{name}" for name in clusters for kind in ("cluster", "*")]
    yield of["eks"], [arn.format("eks", kind if kind.startswith("cluster/") else f"{kind}/*") for kind in kinds]
    groups = [*(f"{prefix}*" for prefix in prefixes), *named.log_groups]
    yield of["logs"], [arn.format("logs", f"log-group:{name}{'' if name.endswith('*') else '*'}") for name in groups]
    machines = [*(f"{prefix}*" for prefix in prefixes), *named.state_machines]
    yield of["states"], [arn.format("states", f"stateMachine:{name}") for name in machines]


_BY_NAME = ("eks", "logs", "states")


def deployer_policies(
    types: Iterable[str],
    *,
    name_prefixes: Iterable[str],
    permissions_boundary_arn: str,
    partition: str = "aws",
    named: Named | None = None,
) -> list[dict[str, Any]]:
    """Policy documents for a deployment of these types, each short enough for a managed policy.

    Roles can be created, changed and passed only if their names begin with a prefix, and only with the permissions
    boundary; policies cannot be attached to users or groups. Functions, buckets, EKS clusters, log groups and state
    machines are restricted to the prefixes too, the last three also to the names in `named`.

    Args:
        types: resource types of the deployment.
        name_prefixes: prefixes of the names of roles, functions and buckets, such as `research-`.
        permissions_boundary_arn: the boundary that each role must have; `permissions_boundary_arn` of the platform.
        partition: AWS partition.
        named: names that do not begin with a prefix, see `names_of`.

    Raises:
        ValueError: there is no prefix, or one contains a wildcard.
    """
    prefixes = list(name_prefixes)
    if not prefixes or any(not prefix or "*" in prefix for prefix in prefixes):
        raise ValueError(f"name prefixes are required and must not contain wildcards: {prefixes}")
    actions = actions_of(types) - DROPPED.keys()
    roles = [f"arn:{partition}:iam::*:role/{prefix}*" for prefix in prefixes]
    boundary = {"StringEquals": {"iam:PermissionsBoundary": permissions_boundary_arn}}
    passed = {"StringEquals": {"iam:PassedToService": [f"{name}.amazonaws.com" for name in _PASSED_TO]}}
    linked = {"StringLike": {"iam:AWSServiceName": [f"{name}.amazonaws.com" for name in _LINKED_TO]}}
    linked_roles = [f"arn:{partition}:iam::*:role/aws-service-role/*"]
    functions = [f"arn:{partition}:lambda:*:*:function:{prefix}*" for prefix in prefixes]
    buckets = [f"arn:{partition}:s3:::{prefix.lower()}*" for prefix in prefixes]
    of_roles = {
        action for action in actions if action.startswith("iam:") and action not in (_LINKED_ROLE, "iam:ListRoles")
    }
    of_providers = {action for action in of_roles if "OpenIDConnectProvider" in action}
    of_roles -= of_providers
    of_functions = {
        action for action in actions if action.startswith("lambda:") and "Layer" not in action and "List" not in action
    }
    by_name = [
        _statement(*statement) for statement in _restricted_by_name(actions, prefixes, named or Named(), partition)
    ]
    of_names = {action for statement in by_name for action in statement["Action"]}
    of_buckets = {action for action in actions if action.startswith("s3:") and action != "s3:ListAllMyBuckets"}
    statements = [
        _statement(sorted(of_roles & _BOUNDARY_ACTIONS), roles, Condition=boundary),
        _statement(sorted(of_roles - _BOUNDARY_ACTIONS - {_PASS_ROLE}), roles),
        _statement(sorted(of_roles & {_PASS_ROLE}), roles, Condition=passed),
        _statement(sorted(actions & {_LINKED_ROLE}), linked_roles, Condition=linked),
        _statement(sorted(actions & {"iam:GetRole"}), linked_roles),
        _statement(sorted(of_providers - {_LIST_PROVIDERS}), [f"arn:{partition}:iam::*:oidc-provider/oidc.eks.*"]),
        _statement(sorted(of_providers & {_LIST_PROVIDERS}), ["*"]),
        _statement(sorted(of_functions), functions),
        _statement(sorted(of_buckets), buckets),
        *by_name,
        _statement(["iam:DeleteRolePermissionsBoundary"], ["*"], Effect="Deny"),
    ]
    documents: list[dict[str, Any]] = []
    current: list[dict[str, Any]] = []
    for statement in statements:
        if _length([*current, statement]) > MANAGED_POLICY_CHARACTERS:
            documents.append(_document(current))
            current = []
        current.append(statement)
    current.append(_statement([], ["*"]))
    for action in sorted(actions - of_roles - of_providers - of_functions - of_buckets - of_names - {_LINKED_ROLE}):
        current[-1]["Action"].append(action)
        if _length(current) > MANAGED_POLICY_CHARACTERS:
            current[-1]["Action"].pop()
            documents.append(_document(current))
            current = [_statement([action], ["*"])]
    return [*documents, _document(current)]


def derive(types: Iterable[str]) -> dict[str, list[str]]:
    """Permissions by resource type, from CloudFormation's schemas in cfn-lint (a development requirement).

    Types whose schema lists no permissions keep their entries in the table.
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


def _statement(actions: list[str], resources: list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [each for each in statements if each["Action"]]}


def _length(statements: list[dict[str, Any]]) -> int:
    return len(json.dumps(_document(statements), separators=(",", ":")))


def main() -> None:
    """Prints the policies for an assembly, or rewrites the table for its types."""
    parser = argparse.ArgumentParser(prog="python -m hyperpod_constructs.core.deployer", description=__doc__)
    parser.add_argument("assembly", type=Path, nargs="+", help="folders of synthesized apps")
    parser.add_argument("--permissions-boundary", metavar="ARN", help="permissions boundary that each role must have")
    parser.add_argument(
        "--name-prefix",
        action="append",
        help="prefix of resource names; repeat for several (default: from the assembly)",
    )
    parser.add_argument("--refresh", action="store_true", help="derive the table again for the types in the folders")
    arguments = parser.parse_args()
    types = {type_ for assembly in arguments.assembly for type_ in resource_types(assembly)}
    if arguments.refresh:
        content = dict(load("deployer"))
        content["types"] = {**content["types"], **derive(types)}
        (DATA / "deployer.json").write_text(dumps(content))
        return
    if unknown := unknown_types(types):
        listed = ", ".join(sorted(unknown))
        parser.error(f"no permissions are known for {listed}; add them with --refresh, which requires cfn-lint")
    if not arguments.permissions_boundary:
        parser.error(
            "--permissions-boundary is required: without it, the deployment role can grant itself administrator access"
        )
    prefixes = arguments.name_prefix or [prefix for folder in arguments.assembly for prefix in name_prefixes(folder)]
    partition = arguments.permissions_boundary.split(":")[1]
    names = [names_of(folder) for folder in arguments.assembly]
    policies = deployer_policies(
        types,
        name_prefixes=dict.fromkeys(prefixes),
        permissions_boundary_arn=arguments.permissions_boundary,
        partition=partition,
        named=Named(
            tuple(dict.fromkeys(name for stack_name in names for name in stack_name.eks_clusters)),
            tuple(dict.fromkeys(name for stack_name in names for name in stack_name.log_groups)),
            tuple(dict.fromkeys(name for stack_name in names for name in stack_name.state_machines)),
        ),
    )
    print(json.dumps(policies, indent=1))


if __name__ == "__main__":
    main()
