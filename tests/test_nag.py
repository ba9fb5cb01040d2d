"""cdk-nag: few kinds of findings are accepted, none about encryption or public access, and the rules detect violations."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest
from assembly import ROOT, UNCOPIED
from aws_cdk import aws_s3 as s3
from proving import every

from hyperpod_constructs.assembly.nag import JUSTIFIED, JustifiedNag
from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Platform


def test_nothing_is_accepted_of_encryption_or_public_access():
    rules = {finding.rule.removeprefix("AwsSolutions-") for finding in JUSTIFIED}
    assert rules == {"EKS1", "IAM4", "IAM5", "S1", "SF1", "SF2", "VPC7"}


def test_every_reason_is_a_sentence():
    assert every(len(item.reason.split()) > 2 for item in JUSTIFIED)


@pytest.mark.slow
def test_unjustified_statements_are_a_finding(tmp_path: Path):
    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
    s3.Bucket(cdk.Stack(app, "Mine"), "Open")
    rules = {finding.split()[0] for finding in JustifiedNag(app).findings()}
    assert {"AwsSolutions-S1", "AwsSolutions-S10"} <= rules


@pytest.mark.slow
def test_scripts_in_a_bucket_of_the_config_are_explained(tmp_path: Path):
    platform = Platform.model_validate(
        {
            "name": "a",
            "region": "us-west-2",
            "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
            "eks": {"admins": ["arn:aws:iam::111122223333:role/Admin"]},
            "cluster": {
                "lifecycle": {"source": "s3://my-scripts/nodes"},
                "instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 3}],
            },
        }
    )
    app = build([platform], context=cdk_context(), outdir=str(tmp_path), validate=False)
    assert JustifiedNag(app).findings() == []


@pytest.mark.slow
def test_the_shipped_config_is_clean(tmp_path: Path):
    platform = load(ROOT / "hyperpod.yaml").platform
    assert platform is not None
    app = build([platform], context=cdk_context(), outdir=str(tmp_path), validate=False)
    assert JustifiedNag(app).findings() == []
