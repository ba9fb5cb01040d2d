"""Values of jobs: units, keywords, and values that Kubernetes or Linux rejects."""

from __future__ import annotations

from typing import Any

import pytest
from job_oracles import main_container
from test_job_cases import BASE, found, parsed, rendered

from hyperpod_constructs.core.checks.jobs import check_job
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.jobs import Job, compile_job


def test_kueue_is_not_a_scheduler_of_pods():
    assert found(nodes=1, scheduler_name="kueue") == ["warning HP732 scheduler_name: Kueue is not a pod scheduler"]
    loaded = parsed("job_name: a\nimage: b\nnode_count: 1\nscheduler_type: Kueue\nqueue_name: q\n")
    assert loaded.job is not None
    assert (loaded.job.scheduler_name, loaded.job.queue) == (None, "q")
    assert "refers to Kueue, which is selected by the queue, not by a scheduler name" in [
        finding.message for finding in loaded.findings
    ]


@pytest.mark.parametrize(
    ("text", "message", "cure"),
    [
        (
            "command: bash -c 'echo \"a b\"'",
            "must be a list, not the text 'bash -c \\'echo \"a b\"\\''",
            'Write it in brackets, one word for each entry: [bash, -c, "echo \\"a b\\""].',
        ),
        ("vcpu: 500m", "must be a number in vCPUs without a unit, not the text '500m'", "Write 0.5."),
        ("vcpu_limit: 1500m", "must be a number in vCPUs without a unit, not the text '1500m'", "Write 1.5."),
        ('vcpu: "4"', "must be a number in vCPUs without a unit, not the text '4'", "Write 4."),
        ("hugepages_2mi_mib: 4Gi", "must be a number in MiB without a unit, not the text '4Gi'", "Write 4096."),
        ("memory_gib: 512Mi", "must be a number in GiB without a unit, not the text '512Mi'", "Write 0.5."),
        ("shared_memory_gib: 8 GB", "must be a number in GiB without a unit, not the text '8 GB'", "Write 7.451."),
        ("vcpu: .inf", "inf is out of range: it must be a finite number", "Write a number."),
        ("memory_gib: .nan", "nan is out of range: it must be a finite number", "Write a number."),
        ("nodes: 3000000000", "3000000000 is out of range: the maximum is 2147483647", "Use at most 2147483647."),
    ],
)
def test_messages_of_values_with_units_and_words(text: str, message: str, cure: str):
    (finding,) = parsed(f"name: a\nimage: b\n{text}\n").findings
    assert (finding.message, finding.cure) == (message, cure)
    assert finding.line == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"sidecars": [{"name": "pytorch-job-container", "image": "a"}]},
            "error HP706 sidecars[0].name: 'pytorch-job-container' is already the name of the main container",
        ),
        (
            {"init_containers": [{"name": "A", "image": "a"}]},
            "error HP702 init_containers[0].name: 'A' is not a valid Kubernetes name",
        ),
        (
            {"sidecars": [{"name": "a", "image": "A:"}]},
            "error HP700 sidecars[0].image: 'A:' is not a valid image reference",
        ),
        (
            {"patch": {"spec": {"containers": [{"name": "pytorch", "tty": True}]}}},
            "error HP722 patch.spec.containers: spec.containers[1].image: the container 'pytorch' has no image",
        ),
        (
            {"patch": {"spec": {"containers": None}}},
            "error HP722 patch.spec: the required key 'containers' is missing",
        ),
        ({"patch": {"spec": {"hostPid": True}}}, "error HP722 patch.spec.hostPid: unknown key 'hostPid'"),
        ({"container_patch": {"ty": True}}, "error HP722 container_patch.ty: unknown key 'ty'"),
        (
            {"job_patch": {"spec": {"replicaspecs": []}}},
            "error HP722 job_patch.spec.replicaspecs: unknown key 'replicaspecs'",
        ),
        (
            {"affinity": {"nodeAffinity": {"required": []}}},
            "error HP722 affinity.nodeAffinity.required: unknown key 'required'",
        ),
        (
            {"tolerations": [{"key": "a", "effect": "NoSchedule", "seconds": 1}]},
            "error HP722 tolerations[0]: has seconds, which require the effect NoExecute",
        ),
        (
            {"volumes": [{"name": "a", "mount_path": "/a:b", "claim": "c"}]},
            "error HP722 volumes: spec.containers[0].volumeMounts[0].mountPath: '/a:b' is not a valid mount path",
        ),
        (
            {"volumes": [{"name": "a", "mount_path": "/a", "claim": "C 1"}]},
            "error HP722 volumes: spec.volumes[0].persistentVolumeClaim.claimName: 'C 1' is not a valid Kubernetes name",
        ),
        (
            {"volumes": [{"name": "a", "mount_path": "/a", "secret": "s", "files": {"k": "/etc/x"}}]},
            "error HP722 volumes: spec.volumes[0].secret.items[0].path: '/etc/x' is not inside the volume",
        ),
        (
            {"env": {"A": {"secret": "My_S", "key": "k"}}},
            "error HP705 env.A: 'My_S' is not a valid Kubernetes name",
        ),
        (
            {"security": {"privileged": True, "allow_privilege_escalation": False}},
            "error HP722 : spec.containers[0].securityContext.allowPrivilegeEscalation: false conflicts with "
            "privileged: true",
        ),
        (
            {"nodes": 1, "vcpu": "none", "memory_gib": "none", "hugepages_2mi_mib": 4},
            ("error HP722 : spec.containers[0].resources: huge pages require a request or limit of cpu or memory"),
        ),
        (
            {"topology_spread": [{"topology_key": ""}]},
            "error HP722 topology_spread[0]: spec.topologySpreadConstraints[0].topologyKey: is empty",
        ),
        ({"job_patch": {"kind": "Pod"}}, "error HP722 job_patch.kind: changes the kind of the object"),
        (
            {"job_patch": {"metadata": {"namespace": "other"}}},
            "error HP722 job_patch.metadata.namespace: changes the namespace of the object",
        ),
        (
            {"run_policy": {"restart": {"max_full_restarts": 2**31}}},
            "error HP722 : spec.runPolicy.restartPolicy.maxFullJobRestarts: 2147483648 exceeds 32 bits",
        ),
        ({"nodes": 1, "spares": 1}, "error HP727 spares: 1 spare, but the job has no queue"),
        (
            {"env": {"BIG": "x" * 131_068}},
            "error HP728 env.BIG: 131,073 bytes; the limit of Linux for one argument or variable is 131,072",
        ),
        (
            {"args": ["{{resolve:ssm:/my/name}}"]},
            "error HP730 args[0]: contains the dynamic reference '{{resolve:ssm:/my/name}}'",
        ),
    ],
)
def test_values_that_kubernetes_or_linux_rejects(fields: dict[str, Any], message: str):
    assert message in found(**fields)


def test_an_argument_of_the_largest_size_is_fine():
    assert not errors(check_job(Job(**BASE, args=["x" * 131_071])))


def test_the_main_container_is_patched_for_every_kind():
    for kind in ("HyperPodPyTorchJob", "PyTorchJob", "Job"):
        assert main_container(rendered(kind=kind, nodes=1, container_patch={"tty": True}))["tty"] is True


def test_a_copy_of_a_job_has_its_own_values_after_the_job_was_compiled():
    first = Job(name="train", image="registry/train:v1", nodes=1)
    compile_job(first)
    second = first.model_copy(update={"image": "registry/train:v2"})
    assert main_container(compile_job(second))["image"] == "registry/train:v2"
    assert compile_job(first)["metadata"]["name"] != compile_job(second)["metadata"]["name"]
