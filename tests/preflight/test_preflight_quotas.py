"""Quotas, zones and training plans: each finding with its numbers, and the cases without a finding."""

from __future__ import annotations

import pytest
from accounts import (
    PLAN,
    QUOTAS,
    finding_of,
    has_clusters,
    has_stacks,
    hyperpod,
    ids,
    look,
    offers,
    service_quotas,
    stack,
)
from fake_aws import AwsFault
from preflight_platforms import new, workers

P5_QUOTA = "ml.p5.48xlarge for cluster usage"


def code(name: str) -> str:
    return f"L-{list(QUOTAS).index(name):08d}"


def test_instances_of_a_type_in_addition_to_those_in_use(aws):
    has_clusters(aws, hyperpod("other", [{"InstanceType": "ml.p5.48xlarge", "CurrentCount": 3, "TargetCount": 6}]))
    finding = finding_of(look(aws, new()), "HP910")
    assert finding.path == "cluster.instance_groups[1]"
    assert finding.message == (
        "ml.p5.48xlarge for cluster usage: 10 instances required (4 by this platform, 6 by other resources), "
        "but the quota is 8"
    )
    assert finding.cure == (
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        f"--quota-code {code(P5_QUOTA)} --desired-value 10 --region us-west-2"
    )


def test_the_platforms_own_cluster_does_not_count_against_it(aws):
    own_cluster = hyperpod("ours", [{"InstanceType": "ml.p5.48xlarge", "CurrentCount": 6, "TargetCount": 6}])
    has_clusters(aws, own_cluster)
    has_stacks(aws, stack("research-HyperPod"), resources={"research-HyperPod": {"ours": "AWS::SageMaker::Cluster"}})
    assert ids(look(aws, new())) == []


def test_growth_beyond_the_quota_is_a_warning(aws):
    finding = finding_of(look(aws, new(cluster=workers(max_count=12))), "HP910")
    assert finding.severity == "warning"
    assert "12 instances required at its maximum size, but the quota is 8" in finding.message


def test_a_quota_without_a_value_in_the_account_has_the_default(aws):
    aws.on("service-quotas", "ListServiceQuotas", {"Quotas": []})
    aws.on(
        "service-quotas",
        "ListAWSDefaultServiceQuotas",
        {"Quotas": [{"QuotaName": name, "QuotaCode": "L-1", "Value": 100.0} for name in QUOTAS]},
    )
    found = look(aws, new(network={"availability_zone_ids": ["usw2-az1", "usw2-az2"], "nat": "none"}))
    assert {(f.rule, f.path) for f in found} == {("HP919", "cluster"), ("HP919", "network")}  # vpc has no quotas


def test_a_flexible_group_uses_the_quotas_of_all_its_types(aws):
    group = workers(instance_type=None, instance_types=["ml.p5.48xlarge", "ml.p5en.48xlarge"], count=10)
    service_quotas(aws, sagemaker={"Maximum number instances allowed per SageMaker HyperPod cluster": 99})
    assert ids(look(aws, new(cluster=group))) == []
    group["instance_groups"][1]["count"] = 11
    finding = finding_of(look(aws, new(cluster=group)), "HP910")
    assert (
        "11 instances of 2 types required, but the quotas allow 10 more (ml.p5.48xlarge 8, ml.p5en.48xlarge 2)"
        in finding.message
    )


@pytest.mark.parametrize(
    ("rule", "cluster", "quota", "value", "text"),
    [
        (
            "HP911",
            workers(capacity="spot"),
            "ml.p5.48xlarge for cluster spot instance usage",
            1,
            "4 instances required",
        ),
        (
            "HP912",
            workers(),
            "Maximum number instances allowed per SageMaker HyperPod cluster",
            5,
            "6 instances required",
        ),
        (
            "HP913",
            workers(),
            "Total number of instances allowed across SageMaker HyperPod clusters",
            5,
            "6 instances required, but the quota is 5",
        ),
        (
            "HP914",
            workers(capacity="spot"),
            "Total number of Spot instances allowed across SageMaker HyperPod clusters",
            3,
            "4 instances required, but the quota is 3",
        ),
        (
            "HP915",
            workers(volume={"size_gib": 2000}),
            "Maximum size of EBS volume in GB for a SageMaker HyperPod cluster instance",
            1024,
            "2000 GB required, but the quota is 1024",
        ),
        (
            "HP916",
            {
                **workers(),
                "restricted_instance_groups": [
                    {"name": "rig", "instance_type": "ml.m5.4xlarge", "count": 1, "lustre_size_gib": 12288}
                ],
            },
            "Maximum total FSx Lustre capacity in TiB across HyperPod restricted instance groups",
            10,
            "12 TiB required, but the quota is 10",
        ),
    ],
)
def test_other_quotas_of_hyperpod(aws, rule, cluster, quota, value, text):
    platform = new(cluster=cluster)
    service_quotas(aws, sagemaker={quota: 9000})
    assert rule not in ids(look(aws, platform))
    service_quotas(aws, sagemaker={quota: value})
    assert text in finding_of(look(aws, platform), rule).message


@pytest.mark.parametrize(
    ("rule", "service", "quota", "value", "text"),
    [
        # 4 p5 with 32 interfaces each, 2 system nodes, 4 of EKS, a NAT gateway; 9 exist
        (
            "HP917",
            "vpc",
            "Network interfaces per Region",
            100,
            "144 interfaces required (135 by this platform, 9 by other resources)",
        ),
        (
            "HP918",
            "vpc",
            "VPCs per Region",
            1,
            "2 required (1 by this platform, 1 by other resources), but the quota is 1",
        ),
        ("HP918", "vpc", "Internet gateways per Region", 0, "1 required, but the quota is 0"),
        ("HP918", "ec2", "EC2-VPC Elastic IPs", 0, "1 required, but the quota is 0"),
    ],
)
def test_quotas_of_the_network(aws, rule, service, quota, value, text):
    service_quotas(aws, **{service: {quota: value}})
    finding = finding_of(look(aws, new()), rule)
    assert text in finding.message
    assert f"--service-code {service} " in finding.cure


def test_a_network_that_is_deployed_already_needs_no_new_vpc(aws):
    service_quotas(aws, vpc={"VPCs per Region": 1}, ec2={"EC2-VPC Elastic IPs": 0})
    has_stacks(aws, stack("research-Network"), resources={"research-Network": {"vpc-1": "AWS::EC2::VPC"}})
    assert ids(look(aws, new())) == []


def test_a_zone_that_the_account_does_not_have(aws):
    found = look(aws, new(network={"availability_zone_ids": ["usw2-az1", "usw2-az7"]}))
    finding = finding_of(found, "HP920")
    assert finding.path == "network.availability_zone_ids[1]"
    assert (
        finding.message
        == "usw2-az7 is not a zone of this account in us-west-2; available zones: usw2-az1, usw2-az2, usw2-az3"
    )


def test_a_type_that_is_not_offered_in_its_zone(aws):
    finding = finding_of(look(aws, new(cluster=workers(availability_zone_id="usw2-az1"))), "HP921")
    assert finding.path == "cluster.instance_groups[1].availability_zone_id"
    assert (finding.message, finding.cure) == ("ml.p5.48xlarge is not offered in usw2-az1", "Use one of usw2-az2.")


def test_a_type_that_is_not_offered_in_the_region(aws):
    aws.on("ec2", "DescribeInstanceTypeOfferings", offers(**{"p5.48xlarge": []}))
    finding = finding_of(look(aws, new()), "HP921")
    assert finding.path == "cluster.instance_groups[1].instance_type"
    assert finding.message == "ml.p5.48xlarge is not offered in us-west-2"


def plan(**overrides):
    part = {
        "ReservedCapacityArn": f"{PLAN}/part".replace("training-plan/big/part", "reserved-capacity/part1"),
        "InstanceType": "ml.p5.48xlarge",
        "TotalInstanceCount": 4,
        "Status": "Active",
        "AvailabilityZoneId": "usw2-az2",
        **overrides.pop("part", {}),
    }
    return {
        "TrainingPlanArn": PLAN,
        "TrainingPlanName": "big",
        "Status": "Active",
        "TotalInstanceCount": 4,
        "ReservedCapacitySummaries": [part],
        **overrides,
    }


PLANNED = workers(training_plan_arn=PLAN)


def test_a_training_plan_that_fits(aws):
    aws.on("sagemaker", "DescribeTrainingPlan", plan())
    assert ids(look(aws, new(cluster=PLANNED))) == []
    assert aws.received("sagemaker", "DescribeTrainingPlan") == [{"TrainingPlanName": "big"}]


@pytest.mark.parametrize(
    ("rule", "answer", "path", "text"),
    [
        ("HP922", plan(Status="Expired"), "training_plan_arn", "training plan big is Expired"),
        ("HP922", plan(Status="Scheduled"), "training_plan_arn", "training plan big is Scheduled"),
        ("HP923", plan(part={"AvailabilityZoneId": "usw2-az3"}), "availability_zone_id", "capacity is in usw2-az3"),
        (
            "HP923",
            plan(part={"InstanceType": "ml.p5en.48xlarge"}),
            "instance_type",
            "the plan contains ml.p5en.48xlarge",
        ),
        ("HP924", plan(TotalInstanceCount=3), "count", "4 instances required, but the plan has 3"),
        ("HP924", plan(UnhealthyInstanceCount=1), "count", "the plan has 4, 1 of them unhealthy"),
    ],
)
def test_a_training_plan_that_does_not_fit(aws, rule, answer, path, text):
    aws.on("sagemaker", "DescribeTrainingPlan", answer)
    finding = finding_of(look(aws, new(cluster=PLANNED)), rule)
    assert finding.path == f"cluster.instance_groups[1].{path}"
    assert text in finding.message
    assert finding.severity == ("note" if "Scheduled" in text else "error")


def test_a_training_plan_that_does_not_exist(aws):
    def absent(_):
        raise AwsFault("ResourceNotFound", "no plan")

    aws.on("sagemaker", "DescribeTrainingPlan", absent)
    assert "does not exist in this account and region" in finding_of(look(aws, new(cluster=PLANNED)), "HP922").message
