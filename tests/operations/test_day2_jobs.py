"""Job commands against an API server over HTTP that validates the requests."""

from __future__ import annotations

import json

import pytest
import yaml
from day2 import HYPERPOD, KUBEFLOW, FakeTime, job, put_crd

from hyperpod_constructs.cli import jobs_live


@pytest.fixture
def clock(monkeypatch):
    fake_time = FakeTime()
    monkeypatch.setattr(jobs_live, "time", fake_time)
    return fake_time


JOB_FILE = """
name: smoke
image: registry/train:v1
instance_type: ml.g5.8xlarge
namespace: team
command: [python, train.py]
"""


def test_submit_creates_what_render_prints(api, run, tmp_path):
    file = tmp_path / "smoke.yaml"
    file.write_text(JOB_FILE)
    rendered = yaml.safe_load(run("jobs", "render", file).stdout)
    result = run("jobs", "submit", file)
    assert result.exit_code == 0, result.output
    [request] = api.received("POST", "hyperpodpytorchjobs")
    assert request.path == "/apis/sagemaker.amazonaws.com/v1/namespaces/team/hyperpodpytorchjobs"
    assert request.body == rendered
    assert request.query == {"fieldManager": "hyperpod-constructs", "fieldValidation": "Strict"}
    assert "created" in result.stdout


def test_submit_does_not_change_an_equal_job(api, run, tmp_path):
    file = tmp_path / "smoke.yaml"
    file.write_text(JOB_FILE)
    run("jobs", "submit", file)
    result = run("jobs", "submit", file, "-o", "json")
    assert result.exit_code == 0
    [submitted] = json.loads(result.stdout)
    assert submitted["outcome"] == "unchanged"


def test_submit_rejects_a_fixed_name_that_is_taken(api, run, tmp_path):
    file = tmp_path / "smoke.yaml"
    file.write_text(JOB_FILE + "on_change: refuse\n")
    run("jobs", "submit", file)
    result = run("jobs", "submit", file)
    assert result.exit_code == 1
    assert "HyperPodPyTorchJob team/smoke already exists" in result.output


def test_submit_of_the_guides_pytorchjob_by_flags(api, run):
    flags = ["--name", "smoke", "--kind", "PyTorchJob", "--image", "registry/train:v1", "--namespace", "team"]
    result = run("jobs", "submit", *flags, "--instance-type", "ml.g5.8xlarge", "--nodes", 2, "--dry-run")
    assert result.exit_code == 0, result.output
    [request] = api.received("POST", "pytorchjobs")
    assert request.query["dryRun"] == "All"
    assert request.body["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 1


def test_submit_of_a_config_of_the_official_cli(api, run, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "template: hyp-pytorch-job\nversion: 1.1\njob_name: theirs\nimage: registry/train:v1\nnamespace: team\n"
        "instance_type: ml.g5.8xlarge\nnode_count: 2\n"
    )
    assert run("jobs", "submit", file).exit_code == 0
    assert api.received("POST", "hyperpodpytorchjobs")[0].body["metadata"]["name"].startswith("theirs-")


GUIDES_MANIFEST = """
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: my-training-job}
spec:
  pytorchReplicaSpecs:
    Master:
      replicas: 1
      template: {spec: {containers: [{name: pytorch, image: registry/train:v1}]}}
"""


def test_submit_sends_the_guides_manifest_unchanged(api, run, tmp_path):
    file = tmp_path / "pytorch-job.yaml"
    file.write_text(GUIDES_MANIFEST)
    assert run("jobs", "submit", file).exit_code == 0
    [request] = api.received("POST", "pytorchjobs")
    assert request.path == "/apis/kubeflow.org/v1/namespaces/default/pytorchjobs"
    assert request.body["spec"] == yaml.safe_load(GUIDES_MANIFEST)["spec"]
    assert run("jobs", "submit", file, "--image", "other").exit_code == 2


def test_submit_accepts_only_jobs_and_their_companions(api, run, tmp_path):
    file = tmp_path / "pod.yaml"
    file.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    result = run("jobs", "submit", file)
    assert result.exit_code == 1
    assert "this is a Kubernetes manifest of kind Pod, not a job file or config" in result.output
    assert "kubectl apply" in result.output


COMPANION = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: script}
data: {run.sh: "train"}
"""


def test_companions_of_a_manifest_are_created_before_it(api, run, tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(GUIDES_MANIFEST + COMPANION)
    result = run("jobs", "submit", file)
    assert result.exit_code == 0, result.output
    assert "ConfigMap script: created" in result.stderr
    assert [request.path.rpartition("/")[2] for request in api.received("POST", "")] == ["configmaps", "pytorchjobs"]
    assert api.received("POST", "configmaps")[0].path == "/api/v1/namespaces/default/configmaps"


def test_an_existing_companion_is_not_changed_and_one_with_other_content_is_reported(api, run, tmp_path):
    file, other = tmp_path / "job.yaml", tmp_path / "other.yaml"
    file.write_text(GUIDES_MANIFEST + COMPANION)
    other.write_text(
        (GUIDES_MANIFEST + COMPANION).replace("my-training-job", "second").replace('"train"', '"evaluate"')
    )
    run("jobs", "submit", file)
    result = run("jobs", "submit", other)
    assert result.exit_code == 1
    assert "ConfigMap default/script already exists with different content" in result.output
    other.write_text((GUIDES_MANIFEST + COMPANION).replace("my-training-job", "second"))
    result = run("jobs", "submit", other)
    assert (result.exit_code, "ConfigMap script: unchanged" in result.stderr) == (0, True)


def test_a_manifest_is_checked_like_everything_else(api, run, tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(GUIDES_MANIFEST.replace("image: registry/train:v1", "imag: registry/train:v1"))
    result = run("jobs", "submit", file)
    assert result.exit_code == 1
    assert "HP722" in result.output
    assert "Did you mean 'image'?" in result.output
    file.write_text(GUIDES_MANIFEST.replace("my-training-job", "7b-training"))
    assert "HP701" in run("jobs", "submit", file).output
    assert api.received("POST", "pytorchjobs") == []


def test_submit_of_a_file_that_does_not_exist(api, run, tmp_path):
    result = run("jobs", "submit", tmp_path / "none.yaml")
    assert result.exit_code == 1
    assert "HP002" in result.output


def test_list_has_both_kinds_of_all_namespaces(api, run):
    job(api)
    job(api, "old", KUBEFLOW, "other", "Succeeded", spec={"pytorchReplicaSpecs": {"Master": {"replicas": 1}}})
    result = run("jobs", "list")
    head, *lines = [line.split() for line in result.stdout.splitlines()]
    assert head == ["NAMESPACE", "NAME", "KIND", "STATE", "REPLICAS", "QUEUE", "AGE"]
    assert [line[:5] for line in lines] == [
        ["team", "llama", "HyperPodPyTorchJob", "Running", "2"],
        ["other", "old", "PyTorchJob", "Succeeded", "1"],
    ]
    assert {request.path for request in api.received("GET", "jobs$")} == {
        "/apis/sagemaker.amazonaws.com/v1/hyperpodpytorchjobs",
        "/apis/kubeflow.org/v1/pytorchjobs",
    }


def test_list_of_one_namespace_in_one_state_as_json(api, run):
    job(api)
    job(api, "done", state="Succeeded")
    job(api, "elsewhere", namespace="other")
    result = run("jobs", "list", "-n", "team", "--state", "Running", "-o", "json")
    [found] = json.loads(result.stdout)
    assert found == {
        "namespace": "team",
        "name": "llama",
        "kind": "HyperPodPyTorchJob",
        "state": "Running",
        "replicas": 2,
        "queue": None,
        "priority": None,
        "created": "2026-11-22T10:00:00Z",
    }


def test_list_pages(api, run, monkeypatch):
    monkeypatch.setattr("hyperpod_constructs.live.operations.kubernetes.PAGE", "2")
    for index in range(5):
        job(api, f"job-{index}")
    assert len(json.loads(run("jobs", "list", "-o", "json").stdout)) == 5


def test_list_where_a_kind_is_not_installed(api, run):
    api.store.delete(("apiextensions.k8s.io", "customresourcedefinitions", "", "pytorchjobs.kubeflow.org"), {})
    job(api)
    assert "llama" in run("jobs", "list").stdout


def test_describe(two_pods, run):
    api = two_pods
    event = {"name": "e1", "namespace": "team"}
    about = {"name": "llama", "namespace": "team"}
    api.store.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": event,
            "involvedObject": about,
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "lost a node",
        }
    )
    result = run("jobs", "describe", "llama")
    assert result.exit_code == 0
    for text in ("Running", "as it is", "llama-pod-10", "lost a node"):
        assert text in result.stdout
    data = yaml.safe_load(run("jobs", "describe", "llama", "-o", "yaml").stdout)
    assert [condition["type"] for condition in data["conditions"]] == ["Created", "Running"]
    assert data["events"][0]["reason"] == "Unhealthy"


def test_a_job_is_found_by_its_name_before_the_hash(api, run):
    job(api, "llama-0123abcd")
    assert json.loads(run("jobs", "describe", "llama", "-o", "json").stdout)["name"] == "llama-0123abcd"
    job(api, "llama-ffffffff")
    result = run("jobs", "describe", "llama")
    assert result.exit_code == 1
    assert "use --namespace and --kind, or the full name" in result.output


def test_no_such_job(api, run):
    result = run("jobs", "describe", "nothing", "-n", "team")
    assert result.exit_code == 1
    assert "job 'nothing' not found in namespace team" in result.output


def set_state(api, state, name="llama"):
    def change():
        live = api.store.get("hyperpodpytorchjobs", name, "team")
        live["status"]["conditions"].append({"type": state, "status": "True", "reason": "Why", "message": "so it is"})

    return change


def test_wait_until_finished(api, run, clock):
    job(api, state=None)
    clock.then = [set_state(api, "Running"), lambda: None, set_state(api, "Succeeded")]
    result = run("jobs", "wait", "llama")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["llama: Created", "llama: Running", "llama: Succeeded"]


def test_wait_until_started(api, run, clock):
    job(api, state=None)
    clock.then = [set_state(api, "Running")]
    assert run("jobs", "wait", "llama", "--for", "started").exit_code == 0


def test_wait_for_a_job_that_fails(api, run, clock):
    job(api, state=None)
    clock.then = [set_state(api, "Failed")]
    result = run("jobs", "wait", "llama")
    assert result.exit_code == 1
    assert "llama failed: Why: so it is" in result.output


def test_a_wait_that_times_out(api, run, clock):
    job(api)
    result = run("jobs", "wait", "llama", "--timeout", 60)
    assert result.exit_code == 3
    assert "llama is Running after 60 seconds" in result.output
    assert 60 <= clock.at < 66


def test_submit_and_wait(api, run, clock, tmp_path):
    file = tmp_path / "smoke.yaml"
    file.write_text(JOB_FILE + "on_change: refuse\n")

    def start():
        api.store.get("hyperpodpytorchjobs", "smoke", "team")["status"] = {"conditions": []}
        set_state(api, "Running", "smoke")()

    clock.then = [start]
    result = run("jobs", "submit", file, "--wait", "started")
    assert result.exit_code == 0, result.output
    assert "smoke: Running" in result.stderr


@pytest.mark.parametrize(
    ("kind", "plural", "path"),
    [
        (HYPERPOD, "hyperpodpytorchjobs", ("spec", "runPolicy", "suspend")),
        (KUBEFLOW, "pytorchjobs", ("spec", "runPolicy", "suspend")),
        ({"apiVersion": "batch/v1", "kind": "Job"}, "jobs", ("spec", "suspend")),
    ],
)
def test_suspend_and_resume(api, run, kind, plural, path):
    job(api, kind=kind, spec={"runPolicy": {"cleanPodPolicy": "All"}})
    for command, suspended in (("suspend", True), ("resume", False)):
        result = run("jobs", command, "llama")
        assert result.exit_code == 0, result.output
        value = api.store.get(plural, "llama", "team")
        for key in path:
            value = value[key]
        assert value is suspended
    assert api.store.get(plural, "llama", "team")["spec"]["runPolicy"]["cleanPodPolicy"] == "All"
    assert {request.content_type for request in api.received("PATCH")} == {"application/merge-patch+json"}


def test_suspend_in_a_queue_deactivates_the_workload(api, run):
    put_crd(api, "workloads")
    created = job(api, labels={"kueue.x-k8s.io/queue-name": "queue"})
    workload = {
        "name": "wl",
        "namespace": "team",
        "ownerReferences": [{"uid": created["metadata"]["uid"], "name": "llama"}],
    }
    api.store.put({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload", "metadata": workload, "spec": {}})
    assert "suspended (spec.active of its Kueue workload)" in run("jobs", "suspend", "llama").stdout
    assert api.store.get("workloads", "wl", "team")["spec"] == {"active": False}
    run("jobs", "resume", "llama")
    assert api.store.get("workloads", "wl", "team")["spec"] == {"active": True}
    assert "suspend" not in api.store.get("hyperpodpytorchjobs", "llama", "team")["spec"]


def test_suspend_does_not_change_the_workload_of_another_job_of_that_name(api, run):
    put_crd(api, "workloads")
    job(api, labels={"kueue.x-k8s.io/queue-name": "queue"})
    workload = {
        "name": "wl",
        "namespace": "team",
        "ownerReferences": [{"uid": "of-an-earlier-job", "kind": "PyTorchJob", "name": "llama"}],
    }
    api.store.put({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload", "metadata": workload, "spec": {}})
    assert "suspended (spec.runPolicy.suspend of the job)" in run("jobs", "suspend", "llama").stdout
    assert api.store.get("workloads", "wl", "team")["spec"] == {}


def test_delete_asks(api, run):
    job(api)
    result = run("jobs", "delete", "llama", input="n\n")
    assert result.exit_code == 1
    assert "Delete HyperPodPyTorchJob team/llama (Running)?" in result.output
    assert api.store.get("hyperpodpytorchjobs", "llama", "team")
    assert run("jobs", "delete", "llama", "--yes").exit_code == 0
    assert api.store.get("hyperpodpytorchjobs", "llama", "team") is None
    assert api.received("DELETE")[0].body["propagationPolicy"] == "Background"


def test_rejections_have_a_fix(api, run):
    api.fault(method="GET", path="hyperpodpytorchjobs", status=403, reason="Forbidden", message="not you")
    result = run("jobs", "list")
    assert result.exit_code == 1
    assert "Forbidden: not you" in result.output
    assert "fix: Request an access entry" in result.output
