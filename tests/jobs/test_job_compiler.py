"""Manifests of the three kinds: every field sets its property, and all manifests satisfy the schemas."""

from __future__ import annotations

import copy
import json

import jsonschema
import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from job_oracles import assert_valid, main_container, pod_templates

from hyperpod_constructs.core.catalog import instance_types
from hyperpod_constructs.core.documents import parse
from hyperpod_constructs.core.findings import InvalidSpec
from hyperpod_constructs.core.jobs import BatchJob, Job, PyTorchJob, compile_job
from hyperpod_constructs.core.jobs.text import to_json, to_yaml

EVERYTHING = {
    "name": "llama",
    "image": "registry/llama:v3",
    "team": "research",
    "priority": "high",
    "on_change": "replace",
    "instance_type": "ml.p5.48xlarge",
    "instance_group": "workers",
    "nodes": 4,
    "spares": 1,
    "command": ["bash", "-c", "echo one\necho 'two, three' \\\n  \"four\"\n"],
    "args": ["--lr", "1e-3", ""],
    "env": {
        "PLAIN": "yes",
        "TOKEN": {"secret": "hub", "key": "token"},
        "MODE": {"config_map": "modes", "key": "mode", "optional": True},
        "POD_IP": {"pod_field": "status.podIP"},
    },
    "env_from": [{"config_map": "defaults"}, {"secret": "keys", "prefix": "K_", "optional": True}],
    "pull_policy": "IfNotPresent",
    "pull_secrets": ["registry"],
    "processes_per_node": "8",
    "required_topology": "topology.k8s.aws/network-node-layer-2",
    "deep_health_check_passed_only": True,
    "node_selector": {"zone": "a"},
    "tolerations": [{"key": "dedicated"}, {"key": "team", "value": "x", "effect": "NoExecute", "seconds": 60}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "k"}]}},
    "scheduler_name": "mine",
    "pod_priority_class": "critical",
    "run_policy": {
        "max_retries": 3,
        "clean_pods": "None",
        "active_deadline_seconds": 100,
        "startup_deadline_seconds": 50,
        "fault_deadline_seconds": 40,
        "ttl_seconds": -1,
        "workload_mode": "x",
        "restart": {
            "evaluation_seconds": 600,
            "restarts_before_full_restart": 3,
            "max_full_restarts": 1,
            "max_repeat_offenders": 2,
            "scale_up_snooze_seconds": 30,
        },
        "log_rules": [
            {
                "name": "tflops",
                "pattern": "tflops: ([0-9]+)",
                "starts_within_seconds": 120,
                "recurs_within_seconds": 60,
                "threshold": 100,
                "operator": "lt",
                "data_points": 5,
                "stop_pattern": "done",
            }
        ],
    },
    "elastic": {
        "min_replicas": 2,
        "max_replicas": 8,
        "discrete_values": [2, 4, 8],
        "scaling_timeout_seconds": 600,
        "graceful_shutdown_seconds": 180,
        "faulty_scale_down_seconds": 90,
    },
    "suspend": True,
    "volumes": [
        {"name": "host", "mount_path": "/host", "host_path": "/opt", "host_path_type": "Directory"},
        {"name": "claim", "mount_path": "/claim", "claim": "c", "read_only": True, "sub_path": "a"},
        {"name": "fsx", "mount_path": "/fsx", "fsx": "scratch"},
        {"name": "empty", "mount_path": "/empty", "empty_dir": {"memory": True, "size_gib": 1.5}},
        {"name": "secret", "mount_path": "/secret", "secret": "s"},
        {"name": "config", "mount_path": "/config", "config_map": "m"},
    ],
    "shared_memory_gib": 64,
    "efa_preset": True,
    "service_account": "trainer",
    "security": {
        "run_as_user": 1000,
        "fs_group": 2000,
        "privileged": False,
        "add_capabilities": ["IPC_LOCK"],
        "seccomp_profile": "RuntimeDefault",
    },
    "ports": [{"port": 8080, "name": "agent"}],
    "working_dir": "/work",
    "host_network": True,
    "host_ipc": True,
    "termination_grace_seconds": 120,
    "restart_pods": "OnFailure",
    "sidecars": [{"name": "logs", "image": "registry/logs:v1", "vcpu": 1, "memory_gib": 2, "volumes": ["fsx"]}],
    "init_containers": [{"name": "fetch", "image": "registry/fetch:v1", "command": ["fetch"], "volumes": ["fsx"]}],
    "labels": {"project": "x"},
    "annotations": {"note": "y"},
    "pod_labels": {"pod": "x"},
    "pod_annotations": {"pod": "y"},
    "job_labels": {"job": "x"},
    "job_annotations": {"job": "y"},
    "dns_policy": "Default",
    "container_name": "pytorch",
    "topology_spread": [{"topology_key": "kubernetes.io/hostname", "when_unsatisfiable": "ScheduleAnyway"}],
    "container_patch": {"stdin": True},
    "job_patch": {"metadata": {"annotations": {"patched": "z"}}},
    "patch": {"spec": {"runtimeClassName": "nvidia", "containers": [{"name": "logs", "tty": True}]}},
}


def test_every_field_of_the_model_is_used_in_the_example():
    unused = set(Job.model_fields) - set(EVERYTHING)
    assert unused == {
        *("kind", "namespace", "queue", "workload_priority_class", "preferred_topology", "auto_resume"),  # alternatives
        *(
            "replicas",
            "accelerators",
            "vcpu",
            "vcpu_limit",
            "memory_gib",
            "memory_limit_gib",
            "mig_profile",
            "mig_count",
        ),
        *("efa", "hugepages_2mi_mib", "neuron_resource", "replica_specs"),
        *("ephemeral_storage_gib", "ephemeral_storage_limit_gib", "accelerator_resource", "auto_resume_retries"),
        "adopt",  # the owner of the object, not its content
    }


def test_a_job_with_everything(snapshot):
    manifest = compile_job(Job(**EVERYTHING))
    assert_valid(manifest)
    assert to_yaml([manifest]) == snapshot


def test_the_same_job_for_kubeflow(snapshot):
    common = {key: value for key, value in EVERYTHING.items() if key not in ("spares", "elastic", "run_policy")}
    manifest = compile_job(PyTorchJob(**common, run_policy={"max_retries": 3, "ttl_seconds": 60}, auto_resume=True))
    assert_valid(manifest)
    roles = manifest["spec"]["pytorchReplicaSpecs"]
    assert {role: item["replicas"] for role, item in roles.items()} == {"Master": 1, "Worker": 3}
    assert roles["Master"]["template"] == roles["Worker"]["template"]
    assert to_yaml([manifest]) == snapshot


def test_a_plain_job_for_smoke_tests():
    manifest = compile_job(BatchJob(name="smoke", image="a", nodes=2, instance_type="ml.g5.8xlarge", team="research"))
    assert_valid(manifest)
    assert manifest["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert (manifest["spec"]["completions"], manifest["spec"]["completionMode"]) == (2, "Indexed")
    assert manifest["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "hyperpod-ns-research-localqueue"}


def test_the_guides_workaround_is_one_argument():
    fields = {"name": "a", "image": "b", "instance_type": "ml.trn1.32xlarge", "accelerators": 1}
    first, second = compile_job(Job(**fields)), compile_job(Job(**fields, kind="PyTorchJob"))
    assert (first["kind"], second["kind"]) == ("HyperPodPyTorchJob", "PyTorchJob")
    assert main_container(second)["name"] == "pytorch"  # Kubeflow rejects any other name
    assert main_container(first) | {"name": ""} == main_container(second) | {"name": ""}


def test_several_replica_specs_inherit_unset_fields_from_the_job():
    job = Job(
        name="mixed",
        image="a",
        instance_type="ml.p5.48xlarge",
        accelerators=4,
        command=["train"],
        replica_specs=[
            {"name": "trainer", "nodes": 2},
            {"name": "reader", "replicas": 3, "instance_type": "ml.m5.2xlarge", "vcpu": 2, "command": ["read"]},
            {"name": "same"},
        ],
    )
    manifest = compile_job(job)
    assert_valid(manifest)
    specs = manifest["spec"]["replicaSpecs"]
    found = [
        (
            spec["name"],
            spec["replicas"],
            (container := spec["template"]["spec"]["containers"][0])["command"],
            container["resources"]["requests"].get("nvidia.com/gpu"),
        )
        for spec in specs
    ]
    assert found == [("trainer", 2, ["train"], 8), ("reader", 3, ["read"], None), ("same", 1, ["train"], 4)]


def test_the_efa_preset_is_for_several_nodes_and_has_lower_precedence():
    def container(**fields: object) -> dict:
        job = Job(name="a", image="b", instance_type="ml.p5.48xlarge", efa_preset=True, **fields)
        manifest = compile_job(job)
        assert_valid(manifest)
        return main_container(manifest)

    single, double = container(nodes=1), container(nodes=2, env={"FI_PROVIDER": "tcp"})
    assert "env" not in single
    assert "hugepages-2Mi" not in single["resources"]["requests"]
    assert {"name": "FI_PROVIDER", "value": "tcp"} in double["env"]
    assert len([entry for entry in double["env"] if entry["name"] == "FI_PROVIDER"]) == 1
    assert double["resources"]["limits"]["hugepages-2Mi"] == "5120Mi"
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in double["volumeMounts"]


def test_tokens_pass_untouched():
    token = "${Token[AWS.AccountId.4]}.dkr.ecr/a"
    job = Job(name="a", image=token, env={"A": token}, service_account=token, team=token, on_change="replace")
    manifest = compile_job(job)
    assert main_container(manifest)["image"] == token
    assert pod_templates(manifest)[0]["spec"]["serviceAccountName"] == token
    assert manifest["metadata"]["namespace"] == f"hyperpod-ns-{token}"


def test_a_hashed_name_does_not_depend_on_the_number_of_a_token():
    with pytest.raises(ValueError, match=r"^a: some values are known only at deploy time \(CDK tokens\)"):
        compile_job(Job(name="a", image="${Token[AWS.AccountId.4]}.dkr.ecr/a"))
    names = {
        compile_job(Job(name="a", image=f"${{Token[AWS.AccountId.{number}]}}/a"), resolve=lambda _: {"Ref": "Account"})[
            "metadata"
        ]["name"]
        for number in (4, 5)
    }
    assert len(names) == 1


def test_a_patch_can_delete_replace_and_merge_by_name():
    patch = {
        "metadata": {"labels": None},
        "spec": {"nodeSelector": {"a": "b"}, "containers": [{"name": "main", "tty": True}]},
    }
    manifest = compile_job(BatchJob(name="a", image="b", vcpu=1, memory_gib=1, node_selector={"c": "d"}, patch=patch))
    template = pod_templates(manifest)[0]
    assert "labels" not in template["metadata"]
    assert template["spec"]["nodeSelector"] == {"c": "d", "a": "b"}
    assert template["spec"]["containers"][0]["tty"] is True
    assert template["spec"]["containers"][0]["image"] == "b"


def test_the_hash_is_of_the_content():
    fields = {"name": "a", "image": "b", "vcpu": 1, "memory_gib": 1}
    names = {
        compile_job(Job(**fields, **changes))["metadata"]["name"] for changes in ({}, {"args": ["x"]}, {"kind": "Job"})
    }
    assert len(names) == 3
    assert compile_job(Job(**fields)) == compile_job(Job(**fields))
    assert compile_job(Job(**fields, on_change="replace"))["metadata"]["name"] == "a"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=60)
WORDS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    kind = draw(st.sampled_from(["HyperPodPyTorchJob", "PyTorchJob", "Job"]))
    name = draw(st.sampled_from(sorted(instance_types())))
    accelerator = instance_types()[name].accelerator
    share: dict = {"nodes": draw(st.integers(1, 64))}
    if accelerator is not None and draw(st.booleans()):
        share = {"replicas": draw(st.integers(1, 64)), "accelerators": draw(st.integers(1, accelerator.count))}
    volumes = [
        {"name": f"v{index}", "mount_path": f"/v{index}", source: draw(WORDS)}
        for index, source in enumerate(
            draw(st.lists(st.sampled_from(["claim", "fsx", "secret", "config_map"]), max_size=3))
        )
    ]
    return Job(
        kind=kind,
        name=draw(WORDS),
        image=draw(WORDS),
        instance_type=name,
        **share,
        command=draw(st.lists(TEXTS, max_size=3)),
        args=draw(st.lists(TEXTS, max_size=3)),
        env=draw(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), TEXTS, max_size=3)),
        labels=draw(st.dictionaries(WORDS, WORDS, max_size=2)),
        annotations=draw(st.dictionaries(WORDS, TEXTS, max_size=2)),
        team=draw(st.none() | WORDS),
        efa_preset=draw(st.booleans()),
        shared_memory_gib=draw(st.none() | st.just("auto")),
        suspend=draw(st.booleans()),
        volumes=volumes,
        run_policy={"max_retries": draw(st.none() | st.integers(0, 9))},
    )


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(jobs())
def test_every_manifest_satisfies_the_schemas_and_reads_back_as_it_is(job: Job):
    manifest = compile_job(job)
    assert_valid(manifest)
    text = to_yaml([manifest])
    assert yaml.safe_load(text) == manifest
    assert parse(text).value == manifest  # YAML 1.2, as the Kubernetes tools read it
    assert json.loads(to_json([manifest])) == manifest


VALID = compile_job(Job(name="a", image="b", instance_type="ml.g5.8xlarge", nodes=1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicaSpec"), []),
        (("spec", "replicaSpecs", 0, "replicas"), "2"),
        (("spec", "replicaSpecs", 0, "template", "spec", "containers", 0, "imagePullpolicy"), "Always"),
        (("spec", "replicaSpecs", 0, "template", "spec", "containers", 0, "env"), [{"name": "A", "value": 1}]),
        (("spec", "replicaSpecs", 0, "template", "spec", "volumes"), [{"hostPath": {"path": "/a"}}]),
        (("spec", "replicaSpecs", 0, "template", "spec", "containers", 0, "resources", "limits", "nvidia.com/gpu"), 2),
        (("spec", "replicaSpecs", 0, "template", "spec", "containers", 0, "resources", "limits", "memory"), "1Gi"),
        (("spec", "runPolicy"), {"jobMaxRetries": 3}),
        (("kind",), "HyperPodPytorchJob"),
        (("metadata",), {"name": "a"}),
    ],
)
def test_the_validators_detect_errors(path: tuple, value: object):
    broken = copy.deepcopy(VALID)
    place = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    refusals = (jsonschema.ValidationError, kubernetes_validate.ValidationError, AssertionError, KeyError)
    with pytest.raises(refusals):
        assert_valid(broken)


def test_a_job_with_errors_is_not_compiled():
    with pytest.raises(InvalidSpec) as refusal:
        compile_job(Job(name="a", image="b", kind="PyTorchJob", spares=1))
    assert {finding.rule for finding in refusal.value.findings if finding.severity == "error"} == {"HP704"}
