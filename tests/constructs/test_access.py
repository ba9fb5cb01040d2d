"""Access entries: one for each principal, with all its permissions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED, read_assembly

from hyperpod_constructs.constructs.access import AccessEntries
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes, ImportedEks
from hyperpod_constructs.core.spec import Access, Team

pytestmark = pytest.mark.slow

ADMIN = "arn:aws:iam::111122223333:role/Admin"
PERSON = "arn:aws:iam::111122223333:user/ada"


@pytest.fixture
def entries(tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    def make(use: Callable[[AccessEntries], None]) -> dict[str, dict[str, Any]]:
        app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
        stack = cdk.Stack(app, "Stack")
        eks = ImportedEks(stack, "Eks", eks_cluster=EksClusterAttributes(cluster_name="mine"))
        use(AccessEntries.of(eks))
        app.synth()
        found = read_assembly(tmp_path).resources("AWS::EKS::AccessEntry")
        return {
            resource["Properties"]["PrincipalArn"]: resource["Properties"] | {"id": name}
            for name, resource in found.items()
            if isinstance(resource["Properties"]["PrincipalArn"], str)
        }

    return make


def scopes(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        access_policy["PolicyArn"]["Fn::Join"][1][-1].rpartition("/")[2]: access_policy["AccessScope"]
        for access_policy in entry["AccessPolicies"]
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


def test_the_whole_cluster_includes_every_namespace(entries: Callable[..., Any]) -> None:
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

    two_entries = entries(use)
    one_entry = entries(lambda access: access.add(Access(principal=PERSON, policy="view")))
    assert two_entries[PERSON]["id"] == one_entry[PERSON]["id"]
