"""Every job rule: the incorrect fragment is reported, the correct fragment is not, and the texts contain a fix."""

from __future__ import annotations

import pytest
from proving import every
from pydantic import TypeAdapter

from hyperpod_constructs.core.checks import Context, rules
from hyperpod_constructs.core.checks.jobs import check_job, check_jobs
from hyperpod_constructs.core.documents import Document, parse
from hyperpod_constructs.core.findings import Severity
from hyperpod_constructs.core.jobs import Job
from hyperpod_constructs.core.jobs.files import job_in
from hyperpod_constructs.core.spec import Platform

OF_MANIFESTS = {"HP737", "HP738", "HP739"}  # tests/checks has their examples: they are not about jobs
RULES = [rule for rule in rules() if rule.id.startswith("HP7") and rule.id not in OF_MANIFESTS]


def broken_by(fragment: str) -> set[str]:
    """The job rules that report a config fragment."""
    data = parse(fragment).value
    loaded = [job_in(entry, Document(file=None)) for entry in data.pop("jobs")]
    found = {finding.rule for item in loaded for finding in item.findings}
    parts = {
        name: TypeAdapter(Platform.model_fields[name].annotation).validate_python(value) for name, value in data.items()
    }
    jobs = tuple(item.job for item in loaded if item.job is not None)
    return found | {finding.rule for finding in check_jobs(Context(jobs=jobs, **parts))}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.wrong], ids=lambda rule: rule.id)
def test_examples(rule):
    assert rule.id in broken_by(rule.wrong)
    assert rule.id not in broken_by(rule.right)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_texts(rule):
    assert every((rule.title, rule.why, rule.cure, rule.source))
    assert rule.area == "Jobs"


def test_the_rules_are_these():
    assert [rule.id for rule in RULES] == [
        *(f"HP70{number}" for number in range(10)),
        *(f"HP7{number}" for number in range(10, 24)),
        *(f"HP7{number}" for number in range(25, 36)),
        *(f"HP74{number}" for number in range(10)),
        *("HP750", "HP751", "HP752", "HP790", "HP791", "HP792"),
    ]


TOKEN = "${Token[Thing.12]}"


def test_tokens_are_not_changed():
    job = Job(
        name="a",
        image=TOKEN,
        instance_type=TOKEN,
        nodes=2,
        team=TOKEN,
        service_account=TOKEN,
        env={TOKEN: TOKEN},
        labels={TOKEN: TOKEN},
        volumes=[{"name": "v", "mount_path": TOKEN, "fsx": TOKEN}],
    )
    assert [finding for finding in check_job(job) if finding.severity is Severity.ERROR] == []


def platform(*jobs: dict, **parts: object) -> list[str]:
    group = {"name": "workers", "instance_type": "ml.p5.48xlarge", "count": 4, "availability_zone_id": "usw2-az1"}
    data = {
        "name": "research",
        "region": "us-west-2",
        "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
        "cluster": {"instance_groups": [group]},
        "jobs": [
            {"name": "train", "image": "a", "instance_type": "ml.p5.48xlarge", "shared_memory_gib": "auto", **job}
            for job in jobs
        ],
        **parts,
    }
    found = check_jobs(Context.of(Platform.model_validate(data)))
    return [f"{finding.severity} {finding.rule} {finding.path}: {finding.message}" for finding in found]


VISION = {"name": "vision", "quota": [{"instance_type": "ml.p5.48xlarge", "count": 2}]}
READY = {"addons": {"training_operator": {}, "task_governance": {}}, "governance": {"teams": [VISION]}}


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ({"nodes": 2, "team": "vision"}, []),
        ({"nodes": 2, "team": "visoin"}, ["error HP742 jobs[0].team: unknown team 'visoin'"]),
        (
            {"nodes": 4, "team": "vision"},
            [
                "warning HP744 jobs[0].team: the job requires 32 accelerators of ml.p5.48xlarge; the quota of the team "
                "'vision' is 16, 24"
                " including what it may borrow"
            ],
        ),
        ({"nodes": 3, "team": "vision"}, []),
        (
            {"nodes": 1, "priority": "high"},
            ["error HP742 jobs[0].priority: the scheduler has no priority class 'high'"],
        ),
        (
            {"nodes": 1, "instance_group": "worker"},
            ["error HP740 jobs[0].instance_group: unknown instance group 'worker'"],
        ),
        (
            {"replicas": 40, "accelerators": 1},
            ["warning HP741 jobs[0].replicas: 40 replicas, but workers can run 32 (4 nodes of ml.p5.48xlarge, 8 each)"],
        ),
        ({"replicas": 32, "accelerators": 1}, []),
        (
            {"nodes": 1, "queue": "hyperpod-ns-other-localqueue"},
            ["error HP742 jobs[0].queue: no team has the queue 'hyperpod-ns-other-localqueue'"],
        ),
    ],
)
def test_a_job_in_its_cluster(job: dict, found: list[str]):
    assert platform(job, **READY) == found


def test_restricted_nodes_have_the_services_taint():
    groups = [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]
    restricted = [{"name": "rig", "instance_type": "ml.p5.48xlarge", "count": 2}]
    cluster = {"instance_groups": groups, "restricted_instance_groups": restricted}
    taint = "sagemaker.amazonaws.com/RestrictedNode"
    assert platform({"nodes": 2}, cluster=cluster, **READY) == [
        f"error HP748 jobs[0].tolerations: no toleration for the taint {taint}=Worker:NoSchedule of rig"
    ]
    tolerates = {"nodes": 2, "tolerations": [{"key": taint, "value": "Worker"}]}
    assert platform(tolerates, cluster=cluster, **READY) == []


def test_requirements_of_a_job_are_installed():
    assert platform({"nodes": 1, "team": "vision"}, addons={}) == [
        "error HP743 jobs[0].kind: HyperPodPyTorchJob requires addons.training_operator",
        "error HP743 jobs[0].team: the queue 'hyperpod-ns-vision-localqueue' requires task governance",
    ]
    chart = {"training_operators": False}
    assert platform({"nodes": 1, "kind": "PyTorchJob"}, addons={}, dependencies=chart) == [
        "error HP743 jobs[0].kind: PyTorchJob requires Kubeflow's operator in the dependency chart"
    ]
    assert platform({"nodes": 1, "kind": "PyTorchJob"}, addons={}) == []


def test_file_systems_have_claims_where_the_job_runs():
    job = {"nodes": 1, "volumes": [{"name": "d", "mount_path": "/d", "fsx": "data"}]}
    storage = {"storage": {"lustre": [{"name": "data", "namespaces": ["vision"]}]}}
    assert platform({**job, "team": "vision"}, **READY, **storage) == []
    assert platform(job, **READY, **storage) == [
        "error HP747 jobs[0].volumes[0].fsx: 'data' has claims in vision, but the job runs in default"
    ]


@pytest.mark.parametrize(
    ("image", "valid"),
    [
        ("111122223333.dkr.ecr.us-west-2.amazonaws.com/team/train:v1", True),
        ("registry:5000/train@sha256:" + "ab" * 32, True),
        ("train", True),
        ("${Token[Image.12]}", True),
        ("111122223333.dkr.ecr.us-west-2.amazonaws.com/Team/train:v1", False),
        ("Train:v1", False),
        ("my train:v1", False),
        ("train:v1 ", False),
        ("train:", False),
    ],
)
def test_image_references(image: str, valid: bool) -> None:
    job = Job(name="a", image=image, nodes=1, instance_type="ml.p5.48xlarge")
    assert ("HP700" not in {finding.rule for finding in check_job(job)}) == valid
