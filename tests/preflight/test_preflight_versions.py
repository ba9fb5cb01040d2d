"""Versions live against the catalog; names, stacks and permissions to deploy."""

from __future__ import annotations

from datetime import date

import pytest
from accounts import (
    ACCOUNT,
    ADDONS,
    CALENDAR,
    REGION,
    addon_versions,
    calendar,
    denying,
    eks,
    finding_of,
    has_clusters,
    has_stacks,
    hyperpod,
    ids,
    look,
    role,
    stack,
)
from preflight_platforms import existing_platform, new, workers

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.live.preflight import preflight

OPERATOR = "amazon-sagemaker-hyperpod-training-operator"


@pytest.mark.parametrize(
    ("version", "severity", "text"),
    [
        ("1.35", None, ""),
        ("1.34", "warning", "standard support of Kubernetes 1.34 ends on 2026-12-02, in 9 days"),
        ("1.33", "warning", "Kubernetes 1.33 is in extended support until 2027-07-29, at an additional cost"),
        ("1.30", "error", "EKS does not offer Kubernetes 1.30 in us-west-2; it offers 1.36, 1.35, 1.34, 1.33, 1.31"),
    ],
)
def test_support(aws, version, severity, text):
    found = [f for f in look(aws, new(eks={"kubernetes_version": version}, addons={})) if f.rule == "HP960"]
    assert [(f.severity, f.message) for f in found] == ([(severity, text)] if text else [])
    assert {f.cure for f in found} <= {'Set kubernetes_version to "1.35".'}


def test_the_version_of_an_existing_cluster_counts(aws):
    aws.on("eks", "DescribeCluster", eks(version="1.33"))
    assert "Kubernetes 1.33 is in extended support" in finding_of(look(aws, existing_platform()), "HP960").message


def test_a_calendar_that_changed(aws):
    moved = {**CALENDAR, "1.35": ("2026-01-27", "2027-05-01", "2028-03-27", "STANDARD_SUPPORT")}
    moved["1.38"] = ("2026-11-01", "2028-01-01", "2029-01-01", "STANDARD_SUPPORT")
    aws.on("eks", "DescribeClusterVersions", calendar(moved))
    finding = finding_of(look(aws, new()), "HP961")
    assert finding.severity == "note"
    assert "1.35 end of standard support 2027-05-01 (catalog: 2027-03-27)" in finding.message
    assert "1.38 is new" in finding.message
    assert "the catalog of 2026-11-23" in finding.message


def test_an_addon_without_a_version_for_kubernetes(aws):
    aws.on("eks", "DescribeAddonVersions", addon_versions({OPERATOR: {"v1.2.1-eksbuild.1": ["1.33", "1.34"]}}))
    finding = finding_of(look(aws, new()), "HP962")
    assert finding.path == "addons.training_operator"
    assert finding.message == f"{OPERATOR} has no version for Kubernetes 1.35; it supports 1.33, 1.34"


def test_an_addon_that_the_region_does_not_have(aws):
    aws.on("eks", "DescribeAddonVersions", addon_versions({OPERATOR: {}}))
    assert finding_of(look(aws, new()), "HP962").message == f"EKS has no add-on {OPERATOR} in us-west-2"


def test_an_addon_newer_than_the_catalog(aws):
    aws.on(
        "eks", "DescribeAddonVersions", addon_versions({OPERATOR: {"v1.4.0-eksbuild.2": ["1.35"], **ADDONS[OPERATOR]}})
    )
    finding = finding_of(look(aws, new()), "HP963")
    assert f"{OPERATOR} v1.4.0-eksbuild.2 (catalog: v1.3.0-eksbuild.1)" in finding.message


def test_a_named_version(aws):
    def with_version(version: str):
        return new(addons={"training_operator": {"version": version}})

    assert ids(look(aws, with_version("v1.3.0-eksbuild.1"))) == []
    finding = finding_of(look(aws, with_version("v1.1.0-eksbuild.1")), "HP964")
    assert finding.path == "addons.training_operator.version"
    assert finding.cure == "Use one of v1.3.0-eksbuild.1."


def test_the_age_of_the_catalog(aws):
    with use_clock(date(2027, 2, 1)):
        found = preflight(new(), session=aws.session(shared=True), attempts=1)
    assert finding_of(found, "HP965").message == "the catalog's version facts are 70 days old (2026-11-23)"


def test_the_account(aws):
    assert ids(look(aws, new(account=ACCOUNT))) == []
    assert "the config is for 999999999999" in finding_of(look(aws, new(account="999999999999")), "HP908").message


def test_names_in_use(aws):
    platform = new(
        cluster={**workers(), "cluster_name": "pod"}, eks={"kubernetes_version": "1.35", "cluster_name": "ctl"}
    )
    aws.fail("eks", "DescribeCluster", "ResourceNotFoundException", status=404)
    assert ids(look(aws, platform)) == []
    has_clusters(aws, hyperpod("pod", []))
    aws.on("eks", "DescribeCluster", eks("ctl"))
    assert [(f.rule, f.path) for f in look(aws, platform)] == [
        ("HP956", "cluster.cluster_name"),
        ("HP956", "eks.cluster_name"),
    ]
    own_stacks = {"research-HyperPod": {"pod": "AWS::SageMaker::Cluster"}, "research-Eks": {"ctl": "AWS::EKS::Cluster"}}
    has_stacks(aws, stack("research-HyperPod"), stack("research-Eks"), resources=own_stacks)
    assert ids(look(aws, platform)) == []


def test_other_stacks_with_the_names_of_the_platform(aws):
    has_stacks(aws, stack("research-Network", platform=None), stack("other-Network", platform=None))
    assert "the stack research-Network exists and does not belong" in finding_of(look(aws, new()), "HP956").message


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        ("ROLLBACK_COMPLETE", "Delete it (`hyperpod stacks delete`), then deploy again."),
        ("UPDATE_IN_PROGRESS", "Wait until it has finished."),
        (
            "UPDATE_ROLLBACK_FAILED",
            "aws cloudformation continue-update-rollback --stack-name research-Eks --region us-west-2",
        ),
    ],
)
def test_stacks_that_cannot_be_deployed_over(aws, status, cure):
    has_stacks(aws, stack("research-Eks", status=status))
    finding = finding_of(look(aws, new()), "HP957")
    assert (finding.message, finding.cure) == (f"stack research-Eks is {status}", cure)


def test_an_account_that_is_not_bootstrapped(aws):
    aws.fail("ssm", "GetParameter", "ParameterNotFound")
    assert finding_of(look(aws, new()), "HP909").cure == f"cdk bootstrap aws://{ACCOUNT}/{REGION}"


def test_permissions_of_the_roles_that_deploy(aws):
    aws.on("iam", "SimulatePrincipalPolicy", denying("sagemaker:CreateCluster"))
    finding = finding_of(look(aws, new()), "HP958")
    executor = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
    assert (
        finding.message == f"CloudFormation's execution role ({executor}) lacks the permissions sagemaker:CreateCluster"
    )
    requests = {item["PolicySourceArn"]: item for item in aws.received("iam", "SimulatePrincipalPolicy")}
    assert requests[f"arn:aws:iam::{ACCOUNT}:user/me"]["ActionNames"] == ["sts:AssumeRole"]
    assert "iam:PassRole" in requests[executor]["ActionNames"]


def test_without_bootstrap_the_caller_deploys(aws):
    aws.fail("ssm", "GetParameter", "ParameterNotFound")
    admin = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/Admin"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me"
    aws.on("sts", "GetCallerIdentity", {"Account": ACCOUNT, "Arn": session, "UserId": "A"})
    aws.on("iam", "GetRole", role(admin))
    aws.on("iam", "SimulatePrincipalPolicy", denying("eks:CreateAccessEntry"))
    assert (
        f"the caller ({admin}) lacks the permissions eks:CreateAccessEntry"
        in finding_of(look(aws, new()), "HP958").message
    )
