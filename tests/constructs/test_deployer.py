"""The policies of the deployment role: derived from the examples, restricted to a boundary and to name prefixes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT, Assembly, read_assembly
from hypothesis import given
from hypothesis import strategies as st
from proving import every
from sweep import sample

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.config import load as load_config
from hyperpod_constructs.core.deployer import (
    DROPPED,
    MANAGED_POLICY_CHARACTERS,
    Named,
    actions_of,
    deployer_policies,
    derive,
    main,
    name_prefixes,
    names_of,
    resource_types,
    unknown_types,
)

BOUNDARY = "arn:aws:iam::111122223333:policy/Boundary"
CONFIGS = [
    "hyperpod.yaml",
    *(f"examples/{name}.yaml" for name in ("teams", "lustre", "observability-managed", "observability-self-hosted")),
]
Statement = Mapping[str, Any]


@pytest.fixture(scope="module")
def types(assemble: Callable[[str], Assembly]) -> set[str]:
    """Resource types of some examples."""
    return {type_ for config in CONFIGS for type_ in resource_types(assemble(config).folder)}


def policies(types: set[str], *prefixes: str, names: Named | None = None) -> list[dict[str, Any]]:
    return deployer_policies(
        types, name_prefixes=prefixes or ("research-",), permissions_boundary_arn=BOUNDARY, named=names
    )


def statements(policies: list[dict[str, Any]]) -> list[Statement]:
    return [statement for policy in policies for statement in policy["Statement"]]


def allowed(policies: list[dict[str, Any]], action: str, resource: str, **context: str) -> bool:
    """Whether these policies allow a request: no statement denies it, and one allows it."""
    fitting = [
        statement
        for statement in statements(policies)
        if action in statement["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and _met(statement.get("Condition", {}), context)
    ]
    return bool(fitting) and all(statement["Effect"] == "Allow" for statement in fitting)


def _met(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for test in condition.values():
        for key, expected in test.items():
            values = expected if isinstance(expected, list) else [expected]
            if not any(fnmatchcase(context.get(key.partition(":")[2], ""), value) for value in values):
                return False
    return True


def role(name: str) -> str:
    return f"arn:aws:iam::111122223333:role/{name}"


@pytest.mark.slow
def test_the_table_matches_cloudformations_schemas(types: set[str]) -> None:
    table = load("deployer")["types"]
    assert unknown_types(types) == set(), "python -m hyperpod_constructs.core.deployer --refresh cdk.out"
    assert {type_: table[type_] for type_ in derive(types)} == derive(types)


def test_policies_fit_and_contain_every_action_except_omitted_ones(types: set[str]) -> None:
    documents = policies(types)
    given_ = {
        action
        for statement in statements(documents)
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    assert given_ == actions_of(types) - DROPPED.keys()
    assert every(len(json.dumps(item, separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS for item in documents)
    assert len(documents) <= 10, "a role supports ten managed policies"
    assert not [statement for statement in statements(documents) if "*" in "".join(statement["Action"])]


# ---- what the deployer cannot do ----


def test_a_role_is_created_and_changed_with_the_boundary_and_a_prefix_only(types: set[str]) -> None:
    documents = policies(types)
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"):
        assert allowed(documents, action, role("research-Eks-Role-1"), PermissionsBoundary=BOUNDARY), action
        assert not allowed(documents, action, role("research-Eks-Role-1")), action
        assert not allowed(
            documents, action, role("research-Eks-Role-1"), PermissionsBoundary="arn:aws:iam::aws:policy/x"
        ), action
        assert not allowed(documents, action, role("Admin"), PermissionsBoundary=BOUNDARY), action


def test_a_boundary_is_never_taken_off(types: set[str]) -> None:
    (deny,) = [statement for statement in statements(policies(types)) if statement["Effect"] == "Deny"]
    assert deny["Action"] == ["iam:DeleteRolePermissionsBoundary"]
    assert deny["Resource"] == ["*"]


def test_users_and_groups_are_out_of_reach(types: set[str]) -> None:
    given_ = {action for statement in statements(policies(types)) for action in statement["Action"]}
    assert not [action for action in given_ if re.search("User|Group", action) and action.startswith("iam:")]


def test_roles_are_passed_to_services_in_use_and_only_own_ones(types: set[str]) -> None:
    documents = policies(types)
    own_role = role("research-HyperPod-Role-1")
    assert allowed(documents, "iam:PassRole", own_role, PassedToService="sagemaker.amazonaws.com")
    assert not allowed(documents, "iam:PassRole", own_role, PassedToService="ec2.amazonaws.com")
    assert not allowed(documents, "iam:PassRole", role("Admin"), PassedToService="sagemaker.amazonaws.com")


def test_functions_and_buckets_of_others_are_out_of_reach(types: set[str]) -> None:
    documents = policies(types)
    function = "arn:aws:lambda:us-west-2:111122223333:function:{}"
    for action in ("lambda:InvokeFunction", "lambda:UpdateFunctionCode"):
        assert allowed(documents, action, function.format("research-Eks-Applier-1")), action
        assert not allowed(documents, action, function.format("payroll")), action
    assert allowed(documents, "s3:CreateBucket", "arn:aws:s3:::research-hyperpod-scripts-1")
    assert not allowed(documents, "s3:DeleteBucket", "arn:aws:s3:::payroll")


EKS = "arn:aws:eks:us-west-2:111122223333:"
LOGS = "arn:aws:logs:us-west-2:111122223333:log-group:"
STATES = "arn:aws:states:us-west-2:111122223333:stateMachine:"


@pytest.mark.parametrize(
    ("action", "own_arn", "other_arn"),
    [
        ("eks:DeleteCluster", f"{EKS}cluster/research", f"{EKS}cluster/payroll"),
        ("eks:CreateAccessEntry", f"{EKS}cluster/research", f"{EKS}cluster/research2"),
        (
            "eks:AssociateAccessPolicy",
            f"{EKS}access-entry/research/role/1/A/2",
            f"{EKS}access-entry/payroll/role/1/A/2",
        ),
        ("eks:UpdateAddon", f"{EKS}addon/research/coredns/1", f"{EKS}addon/payroll/coredns/1"),
        ("logs:DeleteLogGroup", f"{LOGS}/aws/eks/research/cluster", f"{LOGS}/aws/eks/payroll/cluster"),
        ("logs:PutRetentionPolicy", f"{LOGS}research-Eks-KubernetesLogs1-X", f"{LOGS}/aws/lambda/payroll"),
        ("states:DeleteStateMachine", f"{STATES}Waiter-X", f"{STATES}Payroll-X"),
    ],
)
def test_clusters_log_groups_and_state_machines_of_others_are_out_of_reach(
    types: set[str], action: str, own_arn: str, other_arn: str
) -> None:
    documents = policies(types, names=Named(("research",), ("/aws/eks/research/cluster",), ("Waiter-*",)))
    assert allowed(documents, action, own_arn)
    assert not allowed(documents, action, other_arn)


def test_statements_with_names_have_a_resource_in_the_service_authorization_reference() -> None:
    reference = json.loads(
        Path(str(distribution("cfn-lint").locate_file("cfnlint/data/AdditionalSpecs/Policies.json"))).read_text()
    )
    listed = {action for actions in load("deployer")["types"].values() for action in actions}
    of_services = {action for action in listed if action.partition(":")[0] in ("eks", "logs", "states")}
    any_name = {
        action
        for action in of_services
        if not reference[action.partition(":")[0]]["Actions"][action.partition(":")[2].lower()].get("Resources")
    }
    documents = policies(set(load("deployer")["types"]), "a-")
    given_ = {
        action
        for statement in statements(documents)
        if statement["Resource"] == ["*"]
        for action in statement["Action"]
    }
    assert given_ & of_services == any_name


def test_identity_providers_are_those_of_eks() -> None:
    documents = policies({"AWS::IAM::OIDCProvider"})
    provider = "arn:aws:iam::111122223333:oidc-provider/{}"
    assert allowed(
        documents, "iam:CreateOpenIDConnectProvider", provider.format("oidc.eks.us-west-2.amazonaws.com/id/A")
    )
    assert not allowed(documents, "iam:CreateOpenIDConnectProvider", provider.format("token.actions.example.com"))


def test_a_prefix_is_demanded(types: set[str]) -> None:
    for prefixes in ((), ("",), ("*",)):
        with pytest.raises(ValueError, match="name prefixes are required"):
            deployer_policies(types, name_prefixes=prefixes, permissions_boundary_arn=BOUNDARY)


def test_every_action_that_is_dropped_is_one_that_schemas_list() -> None:
    listed = {action for actions in load("deployer")["types"].values() for action in actions}
    assert DROPPED.keys() <= listed
    assert every(len(reason.split()) > 3 for reason in DROPPED.values())


@given(st.sets(st.sampled_from(sorted(load("deployer")["types"])), max_size=40))
def test_any_set_of_types_gives_policies_that_fit(types: set[str]) -> None:
    documents = policies(types, "a-", "b-")
    found = {
        action
        for statement in statements(documents)
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    assert found == actions_of(types) - DROPPED.keys()
    assert every(len(json.dumps(item, separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS for item in documents)


def test_custom_resources_are_invoked() -> None:
    assert actions_of(["Custom::HyperPodComputeQuota"]) == {"lambda:InvokeFunction"}


def test_types_that_are_not_known_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    template = {"Resources": {"A": {"Type": "AWS::Made::Up"}, "B": {"Type": "AWS::EC2::FlowLog"}}}
    (tmp_path / "a.template.json").write_text(json.dumps(template))
    monkeypatch.setattr("sys.argv", ["deployer", str(tmp_path), "--permissions-boundary", BOUNDARY])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "no permissions are known for AWS::Made::Up; add them with --refresh" in capsys.readouterr().err


def test_governance_needs_what_the_service_documents() -> None:
    needed = actions_of(["AWS::SageMaker::ComputeQuota", "AWS::SageMaker::Cluster"])
    assert {"eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy", "sagemaker:DeleteComputeQuota"} <= needed


# ---- all examples ----


@pytest.mark.slow
def test_every_example_is_deployed_with_its_boundary(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", folder)
    chart = folder / "vendor" / "hyperpod-chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
    roles = 0
    configs = sample(sorted(folder.glob("*.yaml")), 5)
    for config in configs:
        loaded = load_config(config).platform
        assert loaded is not None
        platform = loaded.model_copy(update={"permissions_boundary_arn": BOUNDARY})
        out = tmp_path / f"{config.stem}.out"
        build([platform], context=cdk_context(), outdir=str(out), validate=False).synth()
        assembly = read_assembly(out)
        types = resource_types(out)
        assert unknown_types(types) == set()
        documents = policies(types, *name_prefixes(out), names=names_of(out))
        for stack, template in assembly.templates.items():
            for logical_id, resource in template["Resources"].items():
                for action, arn in _named(stack, logical_id, resource):
                    assert allowed(documents, action, arn), f"{config.name}: {action} of {arn}"
                if resource["Type"] != "AWS::IAM::Role":
                    continue
                roles += 1
                boundary = resource["Properties"].get("PermissionsBoundary")
                assert boundary == BOUNDARY, f"{config.name}: {logical_id}"
                given_name = resource["Properties"].get("RoleName")
                name = f"{stack}-{logical_id}-1" if given_name is None else _literal(given_name)
                assert allowed(documents, "iam:CreateRole", role(name), PermissionsBoundary=BOUNDARY), (
                    f"{config.name}: {name}"
                )
    print(f"{roles} roles of the examples can be made")
    assert roles > 6 * len(configs)


def _named(stack: str, logical_id: str, resource: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An action on the resource under the name that it gets."""
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::EKS::Cluster":
        return [("eks:DeleteCluster", f"{EKS}cluster/{_literal(properties.get('Name', f'{stack}-1'))}")]
    if resource["Type"] == "AWS::Logs::LogGroup":
        name = _literal(properties.get("LogGroupName", f"{stack}-{logical_id}-1"))
        return [("logs:CreateLogGroup", f"{LOGS}{name}"), ("logs:PutRetentionPolicy", f"{LOGS}{name}:*")]
    if resource["Type"] == "AWS::StepFunctions::StateMachine":
        return [("states:CreateStateMachine", f"{STATES}{logical_id}-1")]
    return []


def _literal(name: Any) -> str:
    return name if isinstance(name, str) else "".join(p if isinstance(p, str) else "x" for p in name["Fn::Join"][1])


# ---- the command ----


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyperpod_constructs.core.deployer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_command_demands_a_boundary_and_finds_the_prefixes(default: Assembly) -> None:
    rejected = run(default.folder)
    assert rejected.returncode == 2
    assert "--permissions-boundary is required" in rejected.stderr
    result = run(default.folder, "--permissions-boundary", BOUNDARY)
    assert result.returncode == 0, result.stderr
    assert allowed(json.loads(result.stdout), "iam:CreateRole", role("research-Eks-A"), PermissionsBoundary=BOUNDARY)
    assert name_prefixes(default.folder) == ["research-"]


def test_the_page_describes_the_policies_and_what_they_allow() -> None:
    page = (ROOT / "docs" / "access.md").read_text()
    assert "python -m hyperpod_constructs.core.deployer cdk.out --permissions-boundary" in page
    assert "With these policies, a deployer can still" in page
