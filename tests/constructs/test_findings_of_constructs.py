"""Findings about arguments of single constructs, and errors that contain the specified value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from assembly import UNCOPIED
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_iam as iam
from platform_parts import SYSTEM, existing_cluster, make_cluster, synthesize
from pydantic import ValidationError

from hyperpod_constructs import (
    Alarms,
    Bucket,
    Cluster,
    ClusterSchedulerConfig,
    ComputeQuota,
    HyperPodAlarms,
    HyperPodBucket,
    HyperPodEks,
    HyperPodFileSystem,
    HyperPodNetwork,
    HyperPodTeam,
    InferenceOperator,
    InferenceOperatorAddon,
    InstanceGroup,
    Job,
    KueueAddon,
    Logs,
    LustreFileSystem,
    MountpointS3,
    MountpointS3CsiAddon,
    PrometheusWorkspace,
    QuotaResource,
    TaskGovernanceAddon,
    Team,
    TrainingJob,
    compile_job,
)
from hyperpod_constructs.constructs.addons import EksAddon
from hyperpod_constructs.constructs.grafana import SelfHostedGrafana
from hyperpod_constructs.core.findings import InvalidSpec
from hyperpod_constructs.core.spec import Grafana
from hyperpod_constructs.core.spec.dependencies import FolderChart

pytestmark = pytest.mark.slow

TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.m5.4xlarge", count=1)])
TRAIN = Job(name="train", image="a/b:1", instance_type="ml.m5.4xlarge", nodes=1, command=["a"])


def texts(build: Callable[[Stack], object], *, region: str = "us-west-2", account: str = "222233334444") -> list[str]:
    """First lines of the errors of an app, in the order of its constructs."""
    stack = Stack(
        App(context=UNCOPIED, analytics_reporting=False), "Test", env=Environment(region=region, account=account)
    )
    build(stack)
    return [text.splitlines()[0] for construct in stack.node.find_all() for text in construct.node.validate()]


def warnings(build: Callable[[Stack], object]) -> list[str]:
    """Warnings of an app that a rule reports."""
    stack = Stack(
        App(context=UNCOPIED, analytics_reporting=False),
        "Test",
        env=Environment(region="us-west-2", account="222233334444"),
    )
    build(stack)
    found: list[str] = []
    for construct in stack.node.find_all():
        construct.node.validate()
        found += [entry.data for entry in construct.node.metadata if entry.type == "aws:cdk:warning"]
    return found


@pytest.mark.parametrize(
    ("region", "missing"), [("eu-north-1", "ComputeQuota"), ("us-west-2", "ClusterSchedulerConfig")]
)
def test_a_type_that_the_region_does_not_have_is_an_error_of_its_construct(region: str, missing: str) -> None:
    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack)
        ClusterSchedulerConfig(stack, "ClusterSchedulerConfig", cluster=cluster, through="native")
        ComputeQuota(stack, "ComputeQuota", cluster=cluster, team=TEAM, through="native")

    found = [text for text in texts(build, region=region) if "HP602" in text]
    message = f"error HP602 Test/{missing}.through: native, but {region} does not have AWS::SageMaker::{missing}"
    assert found == [message]


def test_data_that_only_one_of_two_settings_allows_to_delete_is_a_warning() -> None:
    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack)
        HyperPodBucket(stack, "Alone", bucket=Bucket(name="alone", removal="destroy"))
        HyperPodBucket(stack, "Both", bucket=Bucket(name="both", removal="destroy"), allow_data_loss=True)
        system = LustreFileSystem(name="data", removal="destroy")
        HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=system)
        PrometheusWorkspace(stack, "Metrics", retain=False)
        PrometheusWorkspace(stack, "Kept")

    found = [text.partition(":")[0] for text in warnings(build) if "allow_data_loss" in text]
    assert found == ["Test/Alone", "Test/Data", "Test/Metrics"]


def test_jobs_that_would_be_one_object_are_an_error_and_others_of_one_name_are_not() -> None:
    def build(stack: Stack, *others: Job) -> None:
        cluster = existing_cluster(stack)
        for index, job in enumerate([TRAIN, *others]):
            TrainingJob(stack, f"Job{index}", cluster=cluster, job=job)

    message = "error HP750 Test/Job1.name: 'train' is also the name of Test/Job0"
    assert [text for text in texts(lambda stack: build(stack, TRAIN)) if "HP750" in text] == [message]
    changed = TRAIN.model_copy(update={"image": "a/b:2"})
    assert not [text for text in texts(lambda stack: build(stack, changed)) if "HP750" in text]
    fixed = [TRAIN.model_copy(update={"on_change": "replace", "image": f"a/b:{tag}"}) for tag in (1, 2)]
    second_message = "error HP750 Test/Job2.name: 'train' is also the name of Test/Job1"
    assert [text for text in texts(lambda stack: build(stack, *fixed)) if "HP750" in text] == [second_message]


NOT_AN_ARN: dict[str, Callable[[Stack], object]] = {
    "HP318 cluster.execution_role_arn": lambda stack: make_cluster(
        stack, Cluster(instance_groups=[SYSTEM], execution_role_arn="Nodes")
    ),
    "HP318 cluster.instance_groups[1].execution_role_arn": lambda stack: make_cluster(stack).add_instance_group(
        InstanceGroup(name="more", instance_type="ml.m5.4xlarge", count=1, execution_role_arn="Nodes")
    ),
    "HP318 addons.mountpoint_s3_csi.role_arn": lambda stack: MountpointS3CsiAddon(
        stack, "Addon", cluster=existing_cluster(stack), settings=MountpointS3(role_arn="Driver")
    ),
    "HP318 addons.inference_operator.role_arn": lambda stack: InferenceOperatorAddon(
        stack, "Addon", cluster=existing_cluster(stack), settings=InferenceOperator(role_arn="Operator")
    ),
    "HP820 addons.observability.workspace_arn": lambda stack: PrometheusWorkspace(
        stack, "Metrics", workspace_arn="my-workspace"
    ),
    "HP820 addons.observability.alarms.topic_arn": lambda stack: HyperPodAlarms(
        stack, "Alarms", cluster=existing_cluster(stack), alarms=Alarms(topic_arn="my-topic")
    ),
    "HP351 storage.buckets[0].kms_key_arn": lambda stack: HyperPodBucket(
        stack, "Data", bucket=Bucket(name="data", kms_key_arn="alias/data")
    ),
}


@pytest.mark.parametrize("expected", NOT_AN_ARN)
def test_a_text_that_is_not_an_arn_is_a_finding_instead_of_cdks_error(expected: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        synthesize(NOT_AN_ARN[expected])
    assert str(error.value).startswith(f"error {expected}: ")


def test_log_settings_are_checked() -> None:
    def build(stack: Stack) -> None:
        network = HyperPodNetwork(stack, "Network", zones=["usw2-az1", "usw2-az2"])
        HyperPodEks(stack, "Eks", network=network, log_settings=Logs(retention_days=100))

    (text,) = [text for text in texts(build) if "HP028" in text]
    assert text.startswith("error HP028 logs.retention_days: 100 is not a valid retention")


def test_an_add_on_without_a_key_is_reported_with_the_alternative() -> None:
    def build(stack: Stack) -> None:
        EksAddon(stack, "Agent", key="aws-guardduty-agent", eks_cluster=make_cluster(stack).eks_cluster)

    with pytest.raises(LookupError) as error:
        synthesize(build)
    assert str(error.value) == (
        "unknown EKS add-on 'aws-guardduty-agent': its key must be one of `addons` in a config; "
        "use aws_eks_v2.CfnAddon for others"
    )


def test_a_misspelled_field_is_answered_with_the_nearest_or_all() -> None:
    for model, name, cure in (
        (InstanceGroup, "instance_typ", "did you mean 'instance_type'?"),
        (Cluster, "name", "did you mean 'cluster_name'?"),
        (Alarms, "zebra", "valid fields: emails, node_failures_per_hour, topic_arn"),
    ):
        with pytest.raises(ValidationError) as raised:
            model(**{name: "x"})
        (error,) = raised.value.errors()
        assert (error["loc"], error["msg"]) == ((name,), f"is not a field of {model.__name__}: {cure}")


def test_a_name_with_a_hash_of_tokens_needs_a_stack() -> None:
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    image = CfnParameter(stack, "Image").value_as_string
    job = TRAIN.model_copy(update={"image": image})
    with pytest.raises(ValueError, match=r"^train: some values are known only at deploy time"):
        compile_job(job)
    names = {compile_job(job, resolve=stack.resolve)["metadata"]["name"]}
    later = iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal()).role_arn
    assert later
    names.add(compile_job(job, resolve=stack.resolve)["metadata"]["name"])
    assert len(names) == 1
    fixed = job.model_copy(update={"on_change": "replace"})
    assert compile_job(fixed)["metadata"]["name"] == "train"


def test_a_cluster_name_in_two_stacks_of_an_unknown_account_is_a_warning() -> None:
    app = App(context=UNCOPIED, analytics_reporting=False)
    for name in ("One", "Two"):
        stack = Stack(app, name, env=Environment(region="us-west-2"))
        make_cluster(stack, Cluster(instance_groups=[SYSTEM], cluster_name="research"))
    errors = [text for construct in app.node.find_all() for text in construct.node.validate()]
    assert not [text for text in errors if "HP027" in text]
    (warning,) = {
        entry.data
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == "aws:cdk:warning" and "research" in entry.data
    }
    assert warning.startswith(
        "Two/HyperPod: One/HyperPod already has the HyperPod cluster 'research', in the same account and region."
    )


def test_the_command_for_a_self_hosted_grafana_is_an_output_on_request(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: grafana\nversion: 1.0.0\n")
    settings = Grafana(kind="self-hosted", chart=FolderChart(path=str(tmp_path)))

    def build(stack: Stack, *, outputs: bool) -> None:
        workspace = PrometheusWorkspace(stack, "Metrics")
        SelfHostedGrafana(
            stack, "Grafana", cluster=existing_cluster(stack), settings=settings, prometheus=workspace, outputs=outputs
        )

    for outputs in (True, False):
        found = synthesize(lambda stack, outputs=outputs: build(stack, outputs=outputs)).template.get("Outputs", {})
        commands = [item["Value"] for name, item in found.items() if name.startswith("Grafana")]
        assert commands == ["kubectl -n grafana port-forward service/grafana 3000:80"] * outputs


def test_parts_on_an_imported_cluster_are_checked_as_on_a_new_one():
    """Rules about the imported cluster itself, and about all of its groups, are skipped: the app does not change it."""
    group = InstanceGroup(name="Only_Known", instance_type="ml.m5.large", count=1)

    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack, group)
        TaskGovernanceAddon(stack, "Governance", cluster=cluster)
        KueueAddon(stack, "Kueue", cluster=cluster)
        for id, name in (("First", "vision"), ("Second", "vision"), ("Third", "Vision Team!")):
            HyperPodTeam(stack, id, cluster=cluster, team=Team(name=name))
        HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data", size_gib=1000))

    assert texts(build, account="111122223333") == [
        "error HP503 addons.kueue: conflicts with task_governance, which installs Kueue",
        "error HP603 governance.teams[1].name: 'vision' is used twice",
        "error HP603 governance.teams[2].name: 'Vision Team!' is not a valid name",
        "error HP801 storage.lustre[0].size_gib: 1,000 GiB is not a valid size",
    ]


def test_the_inference_operator_on_an_imported_cluster_with_an_oidc_provider():
    def build(stack: Stack) -> None:
        InferenceOperatorAddon(stack, "Operator", cluster=existing_cluster(stack))

    assert texts(build, account="111122223333") == []


def test_ids_of_an_imported_control_plane_are_checked() -> None:
    def build(stack: Stack) -> None:
        HyperPodEks.from_attributes(stack, "Eks", cluster_name="mine", security_group_id="sg-mine")

    (text,) = [text for text in texts(build) if "HP117" in text]
    assert text == (
        "error HP117 eks.existing.security_group_id: 'sg-mine' is not a valid id; the format is sg-0123456789abcdef0"
    )
