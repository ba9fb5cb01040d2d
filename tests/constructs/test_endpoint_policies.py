"""Policies of a closed network's endpoints: nothing is sent to another account, and images come from known accounts."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack, assertions

from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.core.changes import deployment
from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.endpoint_policies import endpoint_policy
from hyperpod_constructs.core.first_defaults import completed
from hyperpod_constructs.core.spec import Network, Platform


def allows(policy: dict[str, Any], action: str, resource: str, *, owner: str, caller: str = "1") -> bool:
    """Whether an endpoint policy allows a principal of one account to access a resource of another account."""
    context = {"aws:PrincipalAccount": caller, "aws:ResourceAccount": owner, "aws:PrincipalIsAWSService": "false"}

    def holds(condition: dict[str, dict[str, Any]]) -> bool:
        checked = [(key, expected) for test in condition.values() for key, expected in test.items()]
        return all(
            context.get(key) in (expected if isinstance(expected, list) else [expected]) for key, expected in checked
        )

    return any(
        statement["Effect"] == "Allow"
        and any(fnmatch(action, item) for item in statement["Action"])
        and any(fnmatch(resource, item) for item in statement["Resource"])
        and holds(statement.get("Condition", {}))
        for statement in policy["Statement"]
    )


PUSH = (
    *("PutImage", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "CreateRepository"),
    *("BatchDeleteImage", "SetRepositoryPolicy", "TagResource", "ReplicateImage"),
)


@pytest.mark.parametrize("service", ["ecr.api", "ecr.dkr"])
@pytest.mark.parametrize("images", [["*"], ["602401143452"], []])
def test_nothing_is_pushed_to_a_repository_of_another_account(service: str, images: list[str]) -> None:
    policy = endpoint_policy(service, account="1", region="us-west-2", accounts=["2"], image_accounts=images)
    for account, allowed in (("1", True), ("2", True), ("999988887777", False), ("602401143452", False)):
        repository = f"arn:aws:ecr:us-west-2:{account}:repository/data"
        for action in PUSH:
            assert allows(policy, f"ecr:{action}", repository, owner=account) is allowed, (action, account)
        # credentials of another account
        assert not allows(policy, "ecr:PutImage", repository, owner=account, caller="999988887777")
    other_account = "arn:aws:ecr:us-west-2:999988887777:repository/data"
    assert allows(policy, "ecr:BatchGetImage", other_account, owner="999988887777") is (images == ["*"])


def test_nothing_is_written_to_a_bucket_of_another_account() -> None:
    policy = endpoint_policy("s3", account="1", region="us-west-2", plain_region="uswest2")
    assert allows(policy, "s3:PutObject", "arn:aws:s3:::mine/x", owner="1")
    for bucket in ("theirs", "prod-us-west-2-starport-layer-bucket", "cloudformation-custom-resource-response-useast1"):
        assert not allows(policy, "s3:PutObject", f"arn:aws:s3:::{bucket}/x", owner="999988887777"), bucket


def platform(**parts: Any) -> Platform:
    base = {"name": "a", "region": "us-west-2", "network": {"mode": "closed"}, "cluster": {}}
    return Platform.model_validate({**base, **parts})


def pulled_from(policy: dict[str, Any]) -> set[str]:
    """Accounts from which a policy allows images to be pulled; `*` for any."""
    (statement,) = [item for item in policy["Statement"] if item["Sid"].startswith("Pull")]
    return set(re.findall(r":ecr:\*:([0-9*]+):repository", json.dumps(statement["Resource"])))


@pytest.mark.parametrize("service", ["ecr.api", "ecr.dkr"])
def test_images_are_pulled_from_known_accounts_only(service: str) -> None:
    policy_document = endpoint_policy(
        service, account="1", region="us-west-2", accounts=["2"], image_accounts=["602401143452", "3"]
    )
    assert pulled_from(policy_document) == {"1", "2", "602401143452", "3"}


def test_any_account_is_an_explicit_setting() -> None:
    by_default = endpoint_policy("ecr.api", account="1", region="us-west-2")
    assert pulled_from(by_default) == {"1"}
    assert pulled_from(endpoint_policy("ecr.api", account="1", region="us-west-2", image_accounts=["3", "*"])) == {"*"}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"mode": "closed"}, ["*"]),
        ({"mode": "closed", "image_accounts": ["763104351884"]}, ["763104351884"]),
        ({"mode": "closed", "endpoint_policies": False}, None),
        ({"mode": "closed", "existing": {"vpc_id": "vpc-0a"}}, None),
        ({"mode": "open"}, None),
    ],
)
def test_a_config_of_the_first_version_pulls_images_from_any_account(network: dict[str, Any], expected: Any) -> None:
    """The endpoints of that version had no policy, so an upgrade must not reject an image in use."""
    assert completed({"network": dict(network)})["network"].get("image_accounts") == expected
    assert completed({"defaults": 2, "network": dict(network)})["network"] == network


def test_the_accounts_of_the_config_and_of_aws_reach_the_endpoints() -> None:
    app = App(context=UNCOPIED)
    stack = Stack(app, "Network", env=Environment(account="111122223333", region="us-west-2"))
    network = Network(availability_zone_ids=["usw2-az1", "usw2-az2"], mode="closed", image_accounts=["763104351884"])
    HyperPodNetwork(stack, "Network", network=network, endpoint_services=["ecr.api"])
    resources_by_id = assertions.Template.from_stack(stack).to_json()["Resources"]
    policies = [
        resource["Properties"]["PolicyDocument"]
        for resource in resources_by_id.values()
        if resource["Type"] == "AWS::EC2::VPCEndpoint"
    ]
    accounts = {account for policy in policies if "ecr" in json.dumps(policy) for account in pulled_from(policy)}
    assert {"602401143452", "905418368575", "763104351884"} <= accounts
    assert "*" not in accounts


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"network": {"image_accounts": ["*"]}},
            ("note", "network.image_accounts", "allows images from ECR repositories of any account"),
        ),
        ({"network": {"image_accounts": ["abc"]}}, ("error", "network.image_accounts[0]", "is not a valid account id")),
        (
            {"network": {"mode": "open", "image_accounts": ["763104351884"]}},
            (
                "warning",
                "network.image_accounts",
                "no effect: only endpoints that this library creates for a closed network have policies",
            ),
        ),
        (
            {
                "jobs": [
                    {
                        "name": "train",
                        "image": "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.5",
                        "instance_type": "ml.m5.4xlarge",
                    }
                ],
            },
            ("error", "jobs[0].image", "is in account 763104351884"),
        ),
        (
            {"addons": {"training_operator": {}, "ebs_csi": {}}},
            (
                "note",
                "addons.training_operator",
                "its images are expected in the account of the EKS add-ons, but no source confirms it",
            ),
        ),
        (
            {"region": "af-south-1"},
            (
                "warning",
                "network.image_accounts",
                "not set, and the accounts of the images of EKS add-ons in af-south-1 are unknown",
            ),
        ),
        ({"network": {"image_accounts": ["763104351884"]}}, None),
        ({}, None),
    ],
)
def test_accounts_of_images_are_checked(parts: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    spec = platform(account="111122223333", **{**parts, "network": {"mode": "closed", **parts.get("network", {})}})
    found = [finding for finding in check(Context.of(spec)) if finding.rule == "HP146"]
    assert [(str(finding.severity), finding.path) for finding in found] == ([expected[:2]] if expected else [])
    if expected:
        assert expected[2] in found[0].message


def network_assembly(folder: Path, *image_accounts: str) -> Path:
    app = App(context=UNCOPIED, outdir=str(folder))
    stack = Stack(app, "Network", env=Environment(account="111122223333", region="us-west-2"))
    zones = ["usw2-az1", "usw2-az2"]
    network = Network(availability_zone_ids=zones, mode="closed", image_accounts=list(image_accounts))
    HyperPodNetwork(stack, "Network", network=network, endpoint_services=["ecr.api", "ecr.dkr", "logs"])
    app.synth()
    return folder


def test_an_edit_of_the_accounts_changes_only_the_policies_of_the_two_registry_endpoints(
    tmp_path: Path,
) -> None:
    """Accounts are added, all accounts are allowed, and both changes are reverted: no endpoint is replaced or deleted."""

    def template(name: str, *accounts: str) -> dict[str, Any]:
        return json.loads((network_assembly(tmp_path / name, *accounts) / "Network.template.json").read_text())

    published = template("published")
    for edited in (template("added", "763104351884"), template("any", "*")):
        for old, new in ((published, edited), (edited, published)):
            assert deployment({"Network": old}, {"Network": new}).edits == []  # updates in place only
            changed = {name for name, item in new["Resources"].items() if item != old["Resources"][name]}
            assert {new["Resources"][name]["Type"] for name in changed} == {"AWS::EC2::VPCEndpoint"}
            assert len(changed) == 2
            for name in changed:
                before, after = (each["Resources"][name]["Properties"] for each in (old, new))
                assert {key for key in after if after[key] != before[key]} == {"PolicyDocument"}
    assert template("again") == published


def test_an_update_that_fails_half_way_restores_the_policies(tmp_path: Path) -> None:
    def deployed() -> dict[str, tuple[str, Any]]:
        (site,) = rehearsal.sites.values()
        live = site.cloudformation.stacks["Network"].live
        endpoints = {name: item for name, item in live.items() if item.kind == "AWS::EC2::VPCEndpoint"}
        return {name: (item.id, item.properties["PolicyDocument"]) for name, item in endpoints.items()}

    published, edited = (
        network_assembly(tmp_path / name, *accounts) for name, accounts in (("a", ()), ("b", ("763104351884",)))
    )
    rehearsal = Rehearsal()
    rehearsal.deploy(published)
    before = deployed()
    assert len(before) == 4  # of S3 too
    failing = next(name for name in before if "ecrdkr" in name.lower())
    rehearsal.faults_left.append(Fault(f"Network.{failing}", action="update"))
    assert [outcome.status for outcome in rehearsal.deploy(edited)] == ["UPDATE_ROLLBACK_COMPLETE"]
    assert deployed() == before
    assert [outcome.status for outcome in rehearsal.deploy(edited)] == ["UPDATE_COMPLETE"]
    after = deployed()
    assert {name: item[0] for name, item in after.items()} == {name: item[0] for name, item in before.items()}
    assert len([name for name in after if after[name] != before[name]]) == 2
