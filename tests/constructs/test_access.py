"""Access entries, and the policies of the role that deploys, derived from the resource types in use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import ROOT, Assembly, read_assembly
from hypothesis import given
from hypothesis import strategies as st

from hyperpod_constructs.constructs.access import AccessEntries
from hyperpod_constructs.constructs.eks import BroughtEks, EksClusterAttributes
from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.deployer import (
    MANAGED_POLICY_CHARACTERS,
    actions_of,
    deployer_policies,
    derive,
    main,
    resource_types,
    unknown_types,
)
from hyperpod_constructs.core.spec import Access, Team

ADMIN = "arn:aws:iam::111122223333:role/Admin"
PERSON = "arn:aws:iam::111122223333:user/ada"


@pytest.fixture
def entries(tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    def make(use: Callable[[AccessEntries], None]) -> dict[str, dict[str, Any]]:
        app = cdk.App(outdir=str(tmp_path))
        stack = cdk.Stack(app, "Stack")
        eks = BroughtEks(stack, "Eks", eks_cluster=EksClusterAttributes(cluster_name="mine"))
        use(AccessEntries.of(eks))
        app.synth()
        found = read_assembly(tmp_path).resources("AWS::EKS::AccessEntry")
        return {
            each["Properties"]["PrincipalArn"]: each["Properties"] | {"id": name}
            for name, each in found.items()
            if isinstance(each["Properties"]["PrincipalArn"], str)
        }

    return make


def scopes(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        each["PolicyArn"]["Fn::Join"][1][-1].rpartition("/")[2]: each["AccessScope"] for each in entry["AccessPolicies"]
    }


def test_cluster_admin(entries: Callable[..., Any]) -> None:
    found = entries(lambda access: access.add(Access(principal=ADMIN, policy="cluster-admin")))
    assert scopes(found[ADMIN]) == {"AmazonEKSClusterAdminPolicy": {"Type": "cluster"}}


def test_each_scope(entries: Callable[..., Any]) -> None:
    def use(access: AccessEntries) -> None:
        access.add(Access(principal=PERSON, policy="edit", namespaces=("a",)))
        access.add(Access(principal=PERSON, policy="edit", namespaces=("b", "a")))
        access.add(Access(principal=PERSON, policy="view"))

    found = entries(use)
    assert scopes(found[PERSON]) == {
        "AmazonEKSEditPolicy": {"Type": "namespace", "Namespaces": ["a", "b"]},
        "AmazonEKSViewPolicy": {"Type": "cluster"},
    }


def test_the_whole_cluster_holds_every_namespace(entries: Callable[..., Any]) -> None:
    def use(access: AccessEntries) -> None:
        access.add(Access(principal=PERSON, policy="view"))
        access.add(Access(principal=PERSON, policy="view", namespaces=("a",)))

    assert scopes(entries(use)[PERSON]) == {"AmazonEKSViewPolicy": {"Type": "cluster"}}


def test_members_and_viewers_of_teams(entries: Callable[..., Any]) -> None:
    def use(access: AccessEntries) -> None:
        access.add(Access(principal=ADMIN, policy="cluster-admin"))
        access.add_team(Team(name="vision", members=(PERSON, ADMIN), viewers=("arn:aws:iam::111122223333:role/Audit",)))

    found = entries(use)
    assert found[PERSON]["KubernetesGroups"] == ["hyperpod-team-vision"]
    assert scopes(found[PERSON]) == {"AmazonEKSViewPolicy": {"Type": "namespace", "Namespaces": ["hyperpod-ns-vision"]}}
    assert len(found) == 3, "one entry for each principal"
    assert set(scopes(found[ADMIN])) == {"AmazonEKSClusterAdminPolicy", "AmazonEKSViewPolicy"}


def test_taking_one_away_touches_no_other(entries: Callable[..., Any]) -> None:
    def use(access: AccessEntries) -> None:
        access.add(Access(principal=ADMIN, policy="cluster-admin"))
        access.add(Access(principal=PERSON, policy="view"))

    both = entries(use)
    alone = entries(lambda access: access.add(Access(principal=PERSON, policy="view")))
    assert both[PERSON]["id"] == alone[PERSON]["id"]


# ---- the role that deploys ----

CONFIGS = [
    "hyperpod.yaml",
    *(f"examples/{name}.yaml" for name in ("teams", "lustre", "observability-managed", "observability-self-hosted")),
]


@pytest.fixture(scope="module")
def types(assemble: Callable[[str], Assembly]) -> set[str]:
    """Every resource type that the examples deploy."""
    return {type_ for config in CONFIGS for type_ in resource_types(assemble(config).folder)}


def test_the_table_is_what_cloudformation_says(types: set[str]) -> None:
    table = load("deployer")["types"]
    assert unknown_types(types) == set(), "python -m hyperpod_constructs.core.deployer --refresh cdk.out"
    assert {type_: table[type_] for type_ in derive(types)} == derive(types)


def test_policies_fit_and_hold_every_action(types: set[str]) -> None:
    policies = deployer_policies(types)
    given_: set[str] = set()
    for policy in policies:
        assert len(json.dumps(policy, separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS
        for statement in policy["Statement"]:
            given_.update(statement["Action"])
    assert given_ == actions_of(types)
    assert len(policies) <= 10, "a role takes ten managed policies"


def test_governance_needs_what_the_service_documents() -> None:
    needed = actions_of(["AWS::SageMaker::ComputeQuota", "AWS::SageMaker::Cluster"])
    assert {"eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy", "sagemaker:DeleteComputeQuota"} <= needed


def test_roles_are_passed_to_services_in_use_only(types: set[str]) -> None:
    statements = [each for policy in deployer_policies(types) for each in policy["Statement"]]
    (passing,) = [each for each in statements if each["Action"] == ["iam:PassRole"]]
    assert "sagemaker.amazonaws.com" in passing["Condition"]["StringEquals"]["iam:PassedToService"]
    assert not [each for each in statements if "*" in "".join(each["Action"])]


@given(st.sets(st.sampled_from(sorted(load("deployer")["types"])), max_size=40))
def test_any_set_of_types_gives_policies_that_fit(some: set[str]) -> None:
    policies = deployer_policies(some)
    assert {a for p in policies for s in p["Statement"] for a in s["Action"]} == actions_of(some)
    assert all(len(json.dumps(p, separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS for p in policies)


def test_types_that_are_not_known_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    template = {"Resources": {"A": {"Type": "AWS::Made::Up"}, "B": {"Type": "AWS::EC2::FlowLog"}}}
    (tmp_path / "a.template.json").write_text(json.dumps(template))
    monkeypatch.setattr("sys.argv", ["deployer", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "no permissions are known for AWS::Made::Up; add them with --refresh" in capsys.readouterr().err


def test_custom_resources_are_invoked() -> None:
    assert actions_of(["Custom::HyperPodComputeQuota"]) == {"lambda:InvokeFunction"}


def test_the_page_says_how() -> None:
    assert "python -m hyperpod_constructs.core.deployer" in (ROOT / "docs" / "access.md").read_text()
