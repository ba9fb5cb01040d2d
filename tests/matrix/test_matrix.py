"""Every pair of options: synthesized, in order, valid for three oracles, and without unexplained findings."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from assembly import ROOT, UNCOPIED
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from cluster_requests import create_request, problems
from merge import merged
from options import FACTORS, allowed
from pairwise import pairs_of, required_pairs, rows
from proving import every, proved
from sweep import covering, only_in_full, sample
from synthesized_rows import ROWS, row_id, synthesized_row

from hyperpod_constructs.assembly.nag import JUSTIFIED, JustifiedNag
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.spec import InstanceGroup, Platform

pytestmark = pytest.mark.slow

INDEXES = covering(ROWS)
"""Of the rows: all pairs of options in full, and every option in the sample."""
each_row = pytest.mark.parametrize("index", INDEXES, ids=row_id)


def test_the_rows_cover_every_allowed_pair_and_are_always_the_same():
    assert required_pairs(FACTORS, allowed) <= set().union(*map(pairs_of, ROWS))
    assert rows(FACTORS, allowed) == ROWS
    assert every(allowed(row) for row in ROWS)


@each_row
def test_the_order_of_creation_and_deletion_holds(index: int):
    proof = proved({"Matrix": synthesized_row(index).template})
    if not (
        ROWS[index]["place"] == "existing-both" and ROWS[index]["addons"] == "core"
    ):  # no resource of this project requires nodes
        assert proof.checked["nodes-before-addons"] > 0


@each_row
def test_the_cluster_is_a_valid_request(index: int):
    (cluster,) = [r["Properties"] for r in synthesized_row(index).template["Resources"].values() if _is_cluster(r)]
    assert problems(create_request(cluster)) == []


def _is_cluster(resource: dict[str, Any]) -> bool:
    return resource["Type"] == "AWS::SageMaker::Cluster"


def test_the_request_validation_finds_what_is_wrong():
    request = {
        "ClusterName": "-",
        "NodeRecovery": "Never",
        "InstanceGroups": [{"InstanceGroupName": "a", "InstanceCount": 9999, "Unknown": 1}],
    }
    found = "\n".join(problems(request))
    for text in (
        "ClusterName: '-' does not match",
        "NodeRecovery: 'Never' is none of",
        "9999, 6758",
        "Unknown",
        "ExecutionRole",
    ):
        assert text in found


@each_row
def test_cdk_nag_finds_nothing_that_is_not_explained(index: int):
    assert synthesized_row(index).nag == []


def rare() -> App:
    """Options that no row of the matrix has: lifecycle scripts, gated recipes, buckets of pods, names by CloudFormation."""
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Rare", env=Environment(region="us-west-2"))
    content = {
        "name": "rare",
        "region": "us-west-2",
        "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
        "eks": {"cluster_name": None, "admins": ["arn:aws:iam::111122223333:role/Admin"]},
        "addons": {"mountpoint_s3_csi": {}},
        "cluster": {
            "lifecycle": {"source": "s3://my-scripts/nodes"},
            "instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 3}],
            "restricted_instance_groups": [
                {"name": "nova", "instance_type": "ml.p5.48xlarge", "count": 2, "gated_recipes": True}
            ],
        },
        "storage": {"buckets": [{"name": "data", "used_by": ["default"], "namespaces": ["default"]}]},
    }
    HyperPodPlatform(stack, "Platform", platform=Platform.model_validate(content))
    other = Stack(app, "Other", env=Environment(region="us-west-2"))
    group = InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=1, availability_zone_id="usw2-az1")
    HyperPodCluster(
        other,
        "Cluster",
        eks_cluster=EksClusterAttributes(cluster_name="mine", security_group_id="sg-0123456789abcdef0"),
        vpc=ec2.Vpc(other, "Vpc", flow_logs={"all": ec2.FlowLogOptions()}),
        instance_groups=[group],
    )
    return app


@only_in_full
def test_every_explanation_is_needed():
    for index in INDEXES:
        synthesized_row(index)
    JustifiedNag(rare()).findings()
    unused = [
        f"{finding.rule} {finding.made_by.__name__} {finding.below} {finding.finding}"
        for finding in JUSTIFIED
        if not finding.used
    ]
    assert not unused, "\n".join(unused)


def lint(template: dict[str, Any], *options: str) -> list[str]:
    """The findings of cfn-lint, except those in .cfnlintrc.yaml and in the arguments."""
    from cfnlint.api import lint as run
    from cfnlint.config import ManualArgs

    ignored = yaml.safe_load((ROOT / ".cfnlintrc.yaml").read_text())["ignore_checks"]
    config = ManualArgs(regions=["us-west-2"], ignore_checks=[*ignored, *options])
    return [
        f"{finding.rule.id} {finding.message} at {list(finding.path)[:6]}"
        for finding in run(json.dumps(template), config=config)
    ]


def test_cfn_lint_finds_nothing_in_any_resource_of_any_row():
    template = merged(synthesized_row(index).template for index in INDEXES)
    assert len(template["Resources"]) > 200
    # the first of each type, to which other resources refer, and a third of the others
    template["Resources"] = dict(sample([*template["Resources"].items()], 3, lambda item: item[1]["Type"]))
    # merging creates lists that refer to the same resource twice, and policies of the same bucket
    assert lint(template, "E3037", "E3019") == []


@only_in_full
def test_cfn_lint_finds_nothing_in_the_largest_template():
    assert (
        lint(max((synthesized_row(index).template for index in INDEXES), key=lambda item: len(item["Resources"]))) == []
    )
