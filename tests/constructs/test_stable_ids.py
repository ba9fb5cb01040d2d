"""Logical ids, names and hashes do not depend on token numbers: resources that an app creates earlier do not change them."""

from __future__ import annotations

import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from platform_parts import SYSTEM, ZONES, synthesize

from hyperpod_constructs import (
    Access,
    CertManagerAddon,
    Cluster,
    CoreDnsAddon,
    Eks,
    Governance,
    HyperPodAlarms,
    HyperPodCluster,
    HyperPodEks,
    HyperPodGovernance,
    HyperPodNetwork,
    InstanceGroup,
    Job,
    Network,
    ObservabilityAddon,
    TaskGovernanceAddon,
    Team,
    TrainingJob,
    TrainingOperatorAddon,
)

pytestmark = pytest.mark.slow


def _template(unrelated: int) -> dict:
    def build(stack):
        for index in range(unrelated):
            assert s3.Bucket(stack, f"Unrelated{index}").bucket_arn
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
        admin, viewer, member = (
            iam.Role(stack, name, assumed_by=iam.AccountRootPrincipal()) for name in ("Admin", "Viewer", "Member")
        )
        access = Access(principal=viewer.role_arn, policy="view")
        eks = HyperPodEks(stack, "Eks", network=network, eks=Eks(admins=[admin.role_arn], access=[access]))
        worker_role = iam.Role(stack, "Worker", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        workers = InstanceGroup(
            name="workers", instance_type="ml.p5.48xlarge", count=2, execution_role_arn=worker_role.role_arn
        )
        cluster = HyperPodCluster(
            stack, "HyperPod", vpc=network, eks_cluster=eks, cluster=Cluster(instance_groups=(SYSTEM, workers))
        )
        for addon in (CoreDnsAddon, CertManagerAddon, TaskGovernanceAddon, TrainingOperatorAddon, ObservabilityAddon):
            addon(stack, addon.__name__, cluster=cluster)
        HyperPodAlarms(stack, "Alarms", cluster=cluster)
        teams = Governance(teams=[Team(name="vision", members=[member.role_arn])])
        HyperPodGovernance(stack, "Governance", cluster=cluster, governance=teams)
        image = ecr.Repository(stack, "Images").repository_uri_for_tag("v1")
        job = Job(name="train", image=image, instance_type="ml.p5.48xlarge", nodes=2, command=["torchrun", "train.py"])
        TrainingJob(stack, "Job", cluster=cluster, job=job)

    template = synthesize(build).template
    for resource in template["Resources"].values():
        resource.get("Metadata", {}).pop("aws:asset:path", None)  # CDK's functions are packed in a temporary folder
    return template


def test_unrelated_resources_change_no_id_and_no_content():
    without_others, with_others = _template(0), _template(3)
    others = {name for name in with_others["Resources"] if name.startswith("Unrelated")}
    assert len(others) == 3
    for name in others:
        del with_others["Resources"][name]
    assert len(without_others["Resources"]) > 80
    assert with_others == without_others
