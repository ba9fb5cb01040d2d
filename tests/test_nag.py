"""cdk-nag: what we accept is few kinds of findings, none of encryption or public access, and the pack bites."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from hyperpod_constructs.nag import JUSTIFIED, JustifiedNag


def test_nothing_is_accepted_of_encryption_or_public_access():
    rules = {one.rule.removeprefix("AwsSolutions-") for one in JUSTIFIED}
    assert rules == {"IAM4", "IAM5", "L1", "S1", "SF1", "SF2", "VPC7"}


def test_every_reason_says_something():
    assert all(len(one.reason.split()) > 2 for one in JUSTIFIED)


def test_what_nothing_justifies_is_a_finding(tmp_path: Path):
    app = cdk.App(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Mine"), "Open")
    rules = {finding.split()[0] for finding in JustifiedNag(app).findings()}
    assert {"AwsSolutions-S1", "AwsSolutions-S10"} <= rules
