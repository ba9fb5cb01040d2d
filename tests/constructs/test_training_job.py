"""TrainingJob: the applied object, its dependencies, its name, and the effect of an edit."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Aws, CfnParameter, CfnResource, Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Annotations, Match, Template
from constructs import DependencyGroup
from proving import every
from sweep import ALL

from hyperpod_constructs.constructs.kubernetes import KubernetesProvider
from hyperpod_constructs.constructs.training_job import MAX_JOBS, TrainingJob, TrainingJobs, _hash_length, _shards
from hyperpod_constructs.core.findings import InvalidSpec
from hyperpod_constructs.core.jobs import HyperPodPyTorchJob, Job, compile_job
from hyperpod_constructs.core.jobs.manifest import manifest_of
from hyperpod_constructs.core.spec import Cluster, InstanceGroup

pytestmark = pytest.mark.slow

OBJECTS = "Custom::HyperPodKubernetesObjects"
WAIT = "Custom::HyperPodKubernetesWait"


@dataclass
class FakeCluster:
    kubernetes: KubernetesProvider
    spec: Cluster
    jobs_ready: DependencyGroup


def cluster_in(stack: Stack, *, instance_type: str = "ml.p5.48xlarge", count: int = 16) -> FakeCluster:
    group = InstanceGroup(name="workers", instance_type=instance_type, count=count, availability_zone_id="use1-az6")
    provider = KubernetesProvider(
        stack, "Kubernetes", cluster_name="eks", cluster_arn="arn:aws:eks:us-east-1:111122223333:cluster/eks"
    )
    operator = CfnResource(stack, "Operator", type="AWS::EKS::Addon")
    return FakeCluster(provider, Cluster(instance_groups=[group]), DependencyGroup(operator))


def llama(**changes: object) -> HyperPodPyTorchJob:
    fields = {"name": "llama", "image": "registry/llama:v3", "instance_type": "ml.p5.48xlarge", "nodes": 16}
    return HyperPodPyTorchJob(**{**fields, **changes})


def synthesized(job: Job, **options: object) -> Template:
    stack = Stack(App(context=UNCOPIED), "Jobs")
    TrainingJob(stack, "Llama", cluster=cluster_in(stack), job=job, **options)
    return Template.from_stack(stack)


def manifest_in(template: Template) -> dict:
    (resource,) = template.find_resources(OBJECTS).values()
    (manifest,) = json.loads(resource["Properties"]["Manifest"])
    return manifest


def test_the_manifest_is_exactly_that_of_the_compiler():
    assert manifest_in(synthesized(llama())) == compile_job(llama())


def test_jobs_are_created_after_operators_queues_namespaces_and_volumes():
    (resource,) = synthesized(llama()).find_resources(OBJECTS).values()
    assert "Operator" in resource["DependsOn"]


def test_an_unchanged_job_gives_the_same_resource_in_two_synths():
    first, second = (synthesized(llama()).find_resources(OBJECTS) for _ in range(2))
    assert first == second  # CloudFormation calls no handler, so a finished or expired job is not created again


def test_a_changed_job_is_a_new_object_of_the_same_resource():
    first, second = synthesized(llama()), synthesized(llama(args=["--epochs", "2"]))
    names = [manifest_in(value)["metadata"]["name"] for value in (first, second)]
    assert names[0] != names[1]
    assert every(name.startswith("llama-") and len(name) == len("llama-") + 8 for name in names)
    assert list(first.find_resources(OBJECTS)) == list(second.find_resources(OBJECTS))


def test_tokens_pass_and_the_name_does_not_depend_on_their_numbering():
    def synth(*, others_before: int) -> tuple[str, str]:
        stack = Stack(App(context=UNCOPIED), "Jobs")
        for number in range(others_before):
            ecr.Repository(stack, f"Other{number}").repository_uri_for_tag("x")
        repository = ecr.Repository(stack, "Repository")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("pods.eks.amazonaws.com"))
        job = llama(
            image=repository.repository_uri_for_tag("v3"),
            env={"ROLE": role.role_arn, "REGION": stack.region},
            service_account=f"sa-{stack.region}",
            volumes=[{"name": "data", "mount_path": "/data", "claim": role.role_name}],
        )
        training_job = TrainingJob(stack, "Llama", cluster=cluster_in(stack), job=job)
        (resource,) = Template.from_stack(stack).find_resources(OBJECTS).values()
        return training_job.job_name, json.dumps(resource["Properties"]["Manifest"])

    (name, manifest), (second_name, _) = synth(others_before=0), synth(others_before=7)
    assert name == second_name
    assert "Token[" not in manifest
    assert "unresolved-token" not in manifest
    assert '"Fn::GetAtt": ["Role' in manifest
    assert "AWS::Region" in manifest


@pytest.mark.parametrize("on_change", ["new-object", "refuse"])
def test_a_token_for_a_dynamic_reference_is_rejected(on_change: str):
    token = SecretValue.secrets_manager("hub").unsafe_unwrap()
    with pytest.raises(InvalidSpec, match=r"HP730 .*contains the dynamic reference '\{\{resolve:secretsmanager:hub"):
        synthesized(llama(env={"MODE": token}, on_change=on_change))


def test_tokens_of_another_stack_pass_too():
    def synth(*, others_before: int) -> str:
        app = App(context=UNCOPIED)
        images, jobs = Stack(app, "Images"), Stack(app, "Jobs")
        for number in range(others_before):
            ecr.Repository(images, f"Other{number}").repository_uri_for_tag("x")
        image = ecr.Repository(images, "Repository").repository_uri_for_tag("v3")
        training_job = TrainingJob(jobs, "Llama", cluster=cluster_in(jobs), job=llama(image=image))
        assert "Fn::ImportValue" in json.dumps(Template.from_stack(jobs).find_resources(OBJECTS))
        return training_job.job_name

    assert synth(others_before=0) == synth(others_before=5)


@pytest.mark.parametrize(("on_change", "replaced"), [("new-object", False), ("replace", True), ("refuse", False)])
def test_fixed_names_only_with_an_explicit_policy(on_change: str, replaced: bool):
    template = synthesized(llama(on_change=on_change))
    (resource,) = template.find_resources(OBJECTS).values()
    assert (manifest_in(template)["metadata"]["name"] == "llama") == (on_change != "new-object")
    assert resource["Properties"].get("ReplaceOnImmutable") == ("true" if replaced else None)


@pytest.mark.parametrize(
    ("policy", "deletion_policy"), [(RemovalPolicy.DESTROY, None), (RemovalPolicy.RETAIN, "Retain")]
)
def test_the_removal_policy_determines_whether_a_running_job_is_deleted(
    policy: RemovalPolicy, deletion_policy: str | None
):
    (resource,) = synthesized(llama(), removal_policy=policy).find_resources(OBJECTS).values()
    assert resource["Properties"].get("DeletionPolicy") == deletion_policy


@pytest.mark.parametrize(("wait_for", "type"), [("start", "JobStarted"), ("completion", "JobFinished")])
def test_waits_for_this_very_object(wait_for: str, type: str):
    template = synthesized(llama(), wait_for=wait_for, wait_timeout=Duration.minutes(5))
    (wait,) = template.find_resources(WAIT).values()
    (job,) = template.find_resources(OBJECTS)
    assert job in wait["DependsOn"]
    assert wait["Properties"]["Condition"] == {
        "Type": type,
        "ApiVersion": "sagemaker.amazonaws.com/v1",
        "Kind": "HyperPodPyTorchJob",
        "Namespace": "default",
        "Name": manifest_in(template)["metadata"]["name"],
    }
    assert wait["Properties"]["TimeoutSeconds"] == 300


def test_a_bad_job_is_rejected_at_once_with_the_numbers():
    stack = Stack(App(context=UNCOPIED), "Jobs")
    with pytest.raises(InvalidSpec, match=r"9 accelerators, but ml\.p5\.48xlarge has 8 x NVIDIA H100"):
        TrainingJob(stack, "Llama", cluster=cluster_in(stack), job=llama(nodes=None, accelerators=9))


def test_a_job_is_checked_against_the_groups_of_its_cluster_at_synth():
    app = App(context=UNCOPIED)
    stack = Stack(app, "Jobs")
    TrainingJob(stack, "Llama", cluster=cluster_in(stack, instance_type="ml.g5.8xlarge"), job=llama())
    with pytest.raises(RuntimeError, match=r"HP740.*the cluster has no nodes of ml\.p5\.48xlarge"):
        app.synth()


def test_groups_added_after_the_job_count():
    app = App(context=UNCOPIED)
    stack = Stack(app, "Jobs")
    cluster = cluster_in(stack, instance_type="ml.g5.8xlarge")
    TrainingJob(stack, "Llama", cluster=cluster, job=llama())
    late_group = InstanceGroup(name="late", instance_type="ml.p5.48xlarge", count=16)
    cluster.spec = cluster.spec.model_copy(update={"instance_groups": (*cluster.spec.instance_groups, late_group)})
    app.synth()


def test_warnings_are_annotations():
    stack = Stack(App(context=UNCOPIED), "Jobs")
    TrainingJob(stack, "Llama", cluster=cluster_in(stack, count=2), job=llama())
    message = Match.string_like_regexp("16 replicas, but workers can run 2")
    Annotations.from_stack(stack).has_warning("*", message)


def many(count: int) -> list[Job]:
    return [
        llama(name=f"job-{number:04d}", command=["python", "train.py", "--seed", str(number)])
        for number in range(count)
    ]


def sharded(jobs: list[Job], **options: object) -> tuple[App, TrainingJobs]:
    app = App(context=UNCOPIED)
    base = Stack(app, "Cluster")
    stack = Stack(app, "Jobs")
    return app, TrainingJobs(stack, "Training", cluster=cluster_in(base), jobs=jobs, **options)


@pytest.mark.slow
def test_many_jobs_stay_inside_the_limits():
    count, stacks = (1000, 4) if ALL else (MAX_JOBS + 1, 2)
    app, training_jobs = sharded(many(count))
    templates = [stack.template for stack in app.synth().stacks if stack.stack_name != "Cluster"]
    assert len(training_jobs.jobs) == count
    assert len(templates) == len(training_jobs.stacks) == stacks
    assert every(len(template["Resources"]) <= MAX_JOBS + 5 for template in templates)
    assert every(len(json.dumps(template)) < 1_000_000 for template in templates)
    names = [
        json.loads(resource["Properties"]["Manifest"])[0]["metadata"]["name"]
        for template in templates
        for resource in template["Resources"].values()
        if resource["Type"] == OBJECTS
    ]
    assert len(set(names)) == count


def test_large_jobs_are_spread_by_bytes():
    script = "x" * 100_000
    jobs = [llama(name=f"big-{number}", command=["bash", "-c", script]) for number in range(12)]
    _, training_jobs = sharded(jobs)
    assert len(training_jobs.stacks) > 1


def test_adding_a_job_moves_no_other_one():
    place = {id: Stack.of(job).node.id for id, job in sharded(many(40), shards=4)[1].jobs.items()}
    shards = {id: Stack.of(job).node.id for id, job in sharded([*many(41)][::-1], shards=4)[1].jobs.items()}
    assert {id: shards[id] for id in place} == place


def test_doubling_moves_jobs_only_to_stacks_that_are_deployed_earlier():
    _, two = sharded(many(40), shards=2)
    app, four = sharded(many(40), shards=4)
    order = [stack.node.id for stack in four.stacks]
    before = {id: order.index(Stack.of(job).node.id) for id, job in two.jobs.items()}
    after = {id: order.index(Stack.of(job).node.id) for id, job in four.jobs.items()}
    assert every(after[id] >= before[id] for id in before)
    assembly = app.synth()
    for earlier, later in zip(four.stacks, four.stacks[1:], strict=False):
        dependencies = [dependency.id for dependency in assembly.get_stack_by_name(earlier.stack_name).dependencies]
        assert later.artifact_id in dependencies


def test_all_jobs_of_a_stack_wait_behind_one_barrier():
    app = App(context=UNCOPIED)
    stack = Stack(app, "All")
    TrainingJobs(stack, "Training", cluster=cluster_in(stack), jobs=many(3))
    template = Template.from_stack(stack)
    (barrier,) = template.find_resources("AWS::CloudFormation::WaitConditionHandle")
    jobs = template.find_resources(OBJECTS)
    assert len(jobs) == 3
    assert every(barrier in job["DependsOn"] for job in jobs.values())
    assert "Operator" in template.find_resources("AWS::CloudFormation::WaitConditionHandle")[barrier]["DependsOn"]


def test_sharded_jobs_are_checked_together():
    app, _ = sharded(
        [llama(on_change="replace"), llama(name="other"), llama(name="third", instance_type="ml.g5.8xlarge")]
    )
    with pytest.raises(RuntimeError, match=r"HP740 Jobs/Training/All/third\.instance_type"):
        app.synth()


def test_shards_are_a_power_of_two():
    with pytest.raises(ValueError, match="shards must be a power of two, got 3"):
        sharded(many(1), shards=3)


def test_one_name_in_several_namespaces_and_kinds():
    _, training_jobs = sharded([llama(), llama(team="vision"), llama(kind="PyTorchJob")])
    assert list(training_jobs.jobs) == ["llama", "hyperpod-ns-vision.llama", "PyTorchJob.llama"]


def test_names_that_are_tokens_require_a_separate_construct():
    with pytest.raises(ValueError, match="create a separate TrainingJob"):
        sharded([llama(namespace=Aws.REGION)])


def test_no_jobs_make_nothing():
    app, training_jobs = sharded([])
    assert training_jobs.jobs == {}
    assert "Resources" not in app.synth().get_stack_by_name("Jobs").template


@pytest.mark.parametrize("on_change", ["new-object", "replace"])
def test_the_size_of_a_job_counts_the_hash_of_its_name(on_change: str):
    (job,) = [item.model_copy(update={"on_change": on_change}) for item in many(1)]
    sizes = [len(json.dumps(manifest, separators=(",", ":"))) for manifest in (compile_job(job), manifest_of(job))]
    assert sizes[0] == sizes[1] + _hash_length(job)


def test_many_jobs_may_have_images_of_the_same_app():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Jobs")
    image = CfnParameter(stack, "Image").value_as_string
    assert _shards([item.model_copy(update={"image": image}) for item in many(3)]) == 1
