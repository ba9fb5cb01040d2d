"""Job files that were once rendered incorrectly or accepted: each kind of mistake with its current result."""

from __future__ import annotations

from typing import Any

import pytest
from job_oracles import assert_valid, main_container, pod_templates
from job_texts import parse_job

from hyperpod_constructs.core.checks.jobs import check_job
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.files import LoadedJob

BASE = {"name": "train", "image": "registry/train:v1", "instance_type": "ml.p5.48xlarge"}
TWO = {**BASE, "kind": "PyTorchJob", "nodes": 2}


def found(**fields: Any) -> list[str]:
    findings = check_job(Job(**{**BASE, **fields}))
    # the cases are not about the note on /dev/shm, which whole nodes without a size for it get
    listed = [finding for finding in findings if finding.rule != "HP733"]
    return [f"{finding.severity} {finding.rule} {finding.path}: {finding.message}" for finding in listed]


def rendered(**fields: Any) -> dict[str, Any]:
    manifest = compile_job(Job(**{**BASE, **fields}))
    assert_valid(manifest)
    return manifest


def parsed(text: str) -> LoadedJob:
    return parse_job(text, file="job.yaml")


def test_an_elastic_pytorchjob_has_workers_only():
    elastic = {"min_replicas": 1, "max_replicas": 8, "rdzv_backend": "c10d", "rdzv_port": 29400, "max_restarts": 9}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    manifest = rendered(
        kind="PyTorchJob",
        nodes=3,
        restart_pods="OnFailure",
        processes_per_node="8",
        elastic={**elastic, "rdzv_conf": {"last_call_timeout": "5"}, "metrics": [metric]},
    )
    assert manifest["spec"]["elasticPolicy"] == {
        "minReplicas": 1,
        "maxReplicas": 8,
        "rdzvBackend": "c10d",
        "rdzvPort": 29400,
        "rdzvConf": [{"key": "last_call_timeout", "value": "5"}],
        "maxRestarts": 9,
        "metrics": [metric],
    }
    roles = manifest["spec"]["pytorchReplicaSpecs"]
    assert {role: (item["replicas"], item["restartPolicy"]) for role, item in roles.items()} == {
        "Worker": (3, "OnFailure")
    }
    assert manifest["spec"]["nprocPerNode"] == "8"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"elastic": {"min_replicas": 3}},
            "error HP708 elastic: the job starts with 2 replicas, outside the range 3 to 3",
        ),
        (
            {"elastic": {"processes_per_node": 8}, "processes_per_node": "8"},
            "error HP708 elastic.processes_per_node: conflicts with the job's processes_per_node",
        ),
        (
            {"elastic": {"max_replicas": 4, "step": 2}},
            "error HP704 elastic.step: a field of HyperPodPyTorchJob only, but the job is a PyTorchJob",
        ),
        (
            {"kind": "HyperPodPyTorchJob", "elastic": {"max_replicas": 4, "rdzv_backend": "c10d"}},
            "error HP704 elastic.rdzv_backend: a field of PyTorchJob only, but the job is a HyperPodPyTorchJob",
        ),
        ({"kind": "HyperPodPyTorchJob", "elastic": {}}, "error HP708 elastic: max_replicas is not set"),
        (
            {"elastic": {}, "replica_specs": [{"name": "master", "nodes": 1}]},
            "error HP708 replica_specs: an elastic PyTorchJob requires a worker",
        ),
    ],
)
def test_elastic_fields_of_the_other_kind_and_bounds(fields: dict[str, Any], message: str):
    assert message in found(**{**TWO, **fields})


def test_roles_of_a_pytorchjob_differ():
    manifest = rendered(
        kind="PyTorchJob",
        env={"MODE": "train"},
        replica_specs=[
            {"name": "master", "vcpu": 4, "memory_gib": 16, "restart_pods": "Never", "command": ["coordinate"]},
            {"name": "worker", "nodes": 3, "image": "registry/worker:v2", "env": {"MODE": "work"}},
        ],
    )
    roles = manifest["spec"]["pytorchReplicaSpecs"]
    master, worker = (roles[role]["template"]["spec"]["containers"][0] for role in ("Master", "Worker"))
    assert (roles["Master"]["replicas"], roles["Worker"]["replicas"]) == (1, 3)
    assert (master["image"], worker["image"]) == ("registry/train:v1", "registry/worker:v2")
    assert (master["env"][0]["value"], worker["env"][0]["value"]) == ("train", "work")
    assert "nvidia.com/gpu" not in master["resources"]["requests"]
    assert worker["resources"]["requests"]["nvidia.com/gpu"] == 8
    assert (roles["Master"]["restartPolicy"], roles["Worker"].get("restartPolicy")) == ("Never", None)


def test_workers_only_without_elastic_training():
    manifest = rendered(kind="PyTorchJob", replica_specs=[{"name": "worker", "nodes": 4}])
    assert list(manifest["spec"]["pytorchReplicaSpecs"]) == ["Worker"]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([{"name": "ps"}], "error HP725 replica_specs[0].name: 'ps' is not a role of a PyTorchJob"),
        (
            [{"name": "master", "nodes": 2}],
            "error HP725 replica_specs[0].nodes: a PyTorchJob has one master, not 2",
        ),
        (
            [{"name": "worker"}, {"name": "worker"}],
            "error HP725 replica_specs[1].name: 'worker' is also the name of replica_specs[0]",
        ),
    ],
)
def test_roles_that_kubeflow_rejects(specs: list[dict[str, Any]], message: str):
    assert message in found(kind="PyTorchJob", replica_specs=specs)


def test_names_of_replica_specs_are_unique_dns_labels():
    assert found(replica_specs=[{"name": "a_b", "nodes": 1}, {"name": "c", "nodes": 1}, {"name": "c", "nodes": 1}]) == [
        "error HP725 replica_specs[0].name: 'a_b' is not a valid Kubernetes name",
        "error HP725 replica_specs[2].name: 'c' is also the name of replica_specs[1]",
    ]


def test_a_log_rule_can_be_a_fault_on_match():
    rule = {"name": "nan", "pattern": "loss: nan", "fault_on_match": True}
    manifest = compile_job(
        Job(**BASE, run_policy={"log_rules": [rule]})
    )  # a field of AWS's page, not of the CLI's model
    assert manifest["spec"]["runPolicy"]["logMonitoringConfiguration"] == [
        {"name": "nan", "logPattern": "loss: nan", "faultOnMatch": True}
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"pattern": "a(b", "starts_within_seconds": 1},
            "error HP723 run_policy.log_rules[0].pattern: 'a(b' is not a valid regular expression: missing ), unterminated"
            " subpattern at character 2",
        ),
        (
            {"pattern": "a", "stop_pattern": "*", "starts_within_seconds": 1},
            "error HP723 run_policy.log_rules[0].stop_pattern: '*' is not a valid regular expression: nothing to repeat at"
            " character 1",
        ),
        (
            {"pattern": "a"},
            "warning HP723 run_policy.log_rules[0]: no effect: no time, threshold or fault_on_match is set",
        ),
        (
            {"pattern": "loss", "threshold": 3, "operator": "gt"},
            "error HP723 run_policy.log_rules[0].pattern: the pattern has no group, so no value can be compared "
            "with the threshold",
        ),
    ],
)
def test_log_rules_are_regular_expressions_that_watch_something(rule: dict[str, Any], message: str):
    assert found(run_policy={"log_rules": [{"name": "r", **rule}]}) == [message]


@pytest.mark.parametrize(
    ("kind", "value", "valid"),
    [
        ("HyperPodPyTorchJob", "OnlyComplete", True),
        ("HyperPodPyTorchJob", "Running", False),
        ("PyTorchJob", "Running", True),
        ("PyTorchJob", "OnlyComplete", False),
        ("Job", "All", False),
    ],
)
def test_values_of_clean_pods_by_kind(kind: str, value: str, valid: bool):
    messages = [
        item for item in found(kind=kind, run_policy={"clean_pods": value}) if "HP704 run_policy.clean_pods" in item
    ]
    assert bool(messages) != valid


def resources(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    requirements = main_container(rendered(**fields)).get("resources", {})
    return requirements.get("requests", {}), requirements.get("limits", {})


def test_a_stated_request_is_not_a_limit_for_a_replica_with_all_accelerators():
    requests, limits = resources(replicas=2, accelerators=8, memory_gib=40)
    assert requests["memory"] == "40Gi"
    assert "memory" not in limits
    assert found(replicas=2, accelerators=8, memory_gib=40) == [
        "warning HP731 memory_gib: requests 40 GiB without a limit, but the pod uses all accelerators of ml.p5.48xlarge, "
        "which has 1890.26 GiB for pods"
    ]
    assert found(replicas=2, accelerators=8, memory_gib=40, memory_limit_gib="none") == []
    assert found(replicas=2, accelerators=8, memory_gib=40, memory_limit_gib=40) == [
        "warning HP731 memory_limit_gib: 40 GiB, but the pod uses all accelerators of ml.p5.48xlarge, which has 1890.26 GiB "
        "for pods"
    ]


def test_replicas_that_share_a_node_keep_the_request_as_limit():
    assert resources(replicas=2, accelerators=4, memory_gib=40)[1]["memory"] == "40Gi"


def test_requests_and_limits_can_be_left_out_on_purpose():
    requests, limits = resources(nodes=2, vcpu="none", memory_gib="none")
    assert requests == limits == {"nvidia.com/gpu": 8, "vpc.amazonaws.com/efa": 32}
    assert "memory" not in resources(replicas=1, accelerators=4, memory_limit_gib="none")[1]
    assert resources(replicas=1, vcpu=4, memory_gib="none") == ({"cpu": "4"}, {})


def test_accelerators_without_a_type_follow_from_the_affinity_or_are_reported():
    terms = [
        {
            "matchExpressions": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["ml.trn2.48xlarge"]}
            ]
        }
    ]
    required = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    fields = {"instance_type": None, "replicas": 2, "accelerators": 16, "efa": 16}
    assert resources(**fields, affinity=required)[0] == {"aws.amazon.com/neurondevice": 16, "vpc.amazonaws.com/efa": 16}
    assert found(**fields, affinity=required) == []
    assert found(**fields) == [
        "warning HP711 accelerators: 16 of nvidia.com/gpu, but no instance type is set",
        "warning HP711 efa: 16 EFA interfaces, but no instance type is set",
    ]
    assert resources(**fields, accelerator_resource="aws.amazon.com/neuron")[0]["aws.amazon.com/neuron"] == 16
    assert found(**fields, accelerator_resource="aws.amazon.com/neuron") == []
    above = {**fields, "accelerators": 17, "affinity": required}
    assert found(**above) == ["error HP713 accelerators: 17 accelerators, but ml.trn2.48xlarge has 16 x AWS Trainium2"]


def test_requests_between_the_estimate_and_the_kubelets_offer_are_a_warning():
    fields = {"replicas": 1, "accelerators": 8, "memory_limit_gib": "none"}
    assert found(**fields, vcpu=185) == [
        "warning HP714 vcpu: 185 vCPU exceeds the estimate for ml.p5.48xlarge: 179.97 vCPU for pods (192 minus 12.03)"
    ]
    assert found(**fields, vcpu=191.45)[0].startswith("warning HP714")
    assert found(**fields, vcpu=191.5)[0].startswith("error HP714 vcpu: 191.5 vCPU, but ml.p5.48xlarge has 192 vCPU")


def test_huge_pages_count_with_the_memory():
    assert found(nodes=1, hugepages_2mi_mib=2048 * 1024) == [
        "error HP714 hugepages_2mi_mib: 2097152 MiB, but ml.p5.48xlarge has 2048 GiB, of which at most 2047.13 are "
        "allocatable"
    ]
    (text,) = found(replicas=1, accelerators=8, memory_gib=1800, hugepages_2mi_mib=256 * 1024)
    assert text.startswith("error HP714 memory_gib: 1800 GiB plus 256 for huge pages, but ml.p5.48xlarge has 2048 GiB")


def test_auto_resume_counts_apart_from_the_backoff_limit():
    manifest = rendered(**TWO, auto_resume=True, auto_resume_retries=4)
    assert manifest["metadata"]["annotations"]["sagemaker.amazonaws.com/job-max-retry-count"] == "4"
    assert "runPolicy" not in manifest["spec"]
    fields = {**TWO, "auto_resume": True, "restart_pods": "OnFailure", "run_policy": {"max_retries": 4}}
    assert found(**fields) == [
        "warning HP726 run_policy.max_retries: 4 limits restarts by auto-resume and restarts of containers together"
        " (backoffLimit)"
    ]
    assert found(**{**fields, "auto_resume_retries": 2}) == []


@pytest.mark.parametrize("policy", ["ExitCode", "Never"])
def test_retries_that_nothing_counts(policy: str):
    assert found(**TWO, restart_pods=policy, run_policy={"max_retries": 1}) == [
        f"warning HP726 run_policy.max_retries: no effect: with restart_pods {policy} no container restarts"
    ]


def test_rights_stay_with_the_container_that_states_them():
    manifest = rendered(
        nodes=1,
        security={"privileged": True, "run_as_user": 0, "fs_group": 100},
        sidecars=[{"name": "logs", "image": "registry/logs:v1", "security": {"run_as_user": 7}}],
        init_containers=[{"name": "fetch", "image": "registry/fetch:v1"}],
    )
    spec = pod_templates(manifest)[0]["spec"]
    main, sidecar = spec["containers"]
    assert main["securityContext"] == {"runAsUser": 0, "privileged": True}
    assert sidecar["securityContext"] == {"runAsUser": 7}
    assert "securityContext" not in spec["initContainers"][0]
    assert spec["securityContext"] == {"fsGroup": 100}


def test_one_volume_has_several_mounts_and_containers_their_own():
    manifest = rendered(
        nodes=1,
        volumes=[
            {"name": "fsx", "mount_path": "/fsx", "claim": "fsx"},
            {"name": "fsx", "mount_path": "/data", "claim": "fsx", "sub_path": "sets/one", "read_only": True},
            {"name": "efs", "nfs": {"server": "fs-1.efs.us-west-2.amazonaws.com", "path": "/share"}},
            {"name": "run", "mount_path": "/run/it", "config_map": "run", "file_mode": "0755", "files": {"a": "a.sh"}},
        ],
        sidecars=[
            {
                "name": "sync",
                "image": "registry/sync:v1",
                "volumes": ["fsx"],
                "mounts": [{"volume": "efs", "path": "/efs", "read_only": True}],
            }
        ],
    )
    spec = pod_templates(manifest)[0]["spec"]
    assert spec["volumes"] == [
        {"name": "fsx", "persistentVolumeClaim": {"claimName": "fsx"}},
        {"name": "efs", "nfs": {"server": "fs-1.efs.us-west-2.amazonaws.com", "path": "/share"}},
        {"name": "run", "configMap": {"name": "run", "items": [{"key": "a", "path": "a.sh"}], "defaultMode": 0o755}},
    ]
    main, sidecar = spec["containers"]
    twice = [
        {"name": "fsx", "mountPath": "/fsx"},
        {"name": "fsx", "mountPath": "/data", "subPath": "sets/one", "readOnly": True},
    ]
    assert main["volumeMounts"] == [*twice, {"name": "run", "mountPath": "/run/it"}]
    assert sidecar["volumeMounts"] == [*twice, {"name": "efs", "mountPath": "/efs", "readOnly": True}]


def test_a_volume_name_with_another_source_is_taken():
    volumes = [
        {"name": "fsx", "mount_path": "/a", "claim": "fsx"},
        {"name": "fsx", "mount_path": "/b", "claim": "other"},
    ]
    assert found(nodes=1, volumes=volumes) == ["error HP706 volumes[1].name: 'fsx' is already used"]


def test_pods_on_the_nodes_network_resolve_the_clusters_names():
    assert pod_templates(rendered(**TWO, host_network=True))[0]["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert "dnsPolicy" not in pod_templates(rendered(**TWO))[0]["spec"]
    stated = rendered(**TWO, host_network=True, dns_policy="Default")
    assert pod_templates(stated)[0]["spec"]["dnsPolicy"] == "Default"


def test_ephemeral_storage_and_topology_spread():
    requests, limits = resources(nodes=1, ephemeral_storage_gib=50, ephemeral_storage_limit_gib=100)
    assert (requests["ephemeral-storage"], limits["ephemeral-storage"]) == ("50Gi", "100Gi")
    spread = [{"topology_key": "kubernetes.io/hostname", "match_labels": {"a": "b"}}]
    assert pod_templates(rendered(nodes=1, topology_spread=spread))[0]["spec"]["topologySpreadConstraints"] == [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"a": "b"}},
        }
    ]


@pytest.mark.parametrize(
    ("fields", "pod"),
    [
        ({"kind": "PyTorchJob", "args": ["--to", "train-master-0:1"]}, "train-master"),
        ({"env": {"PEER": "train-pod-0"}}, "train-pod"),
    ],
)
def test_a_job_that_refers_to_its_own_pods_is_reported_with_the_fix(fields: dict[str, Any], pod: str):
    (reported,) = [finding for finding in check_job(Job(**{**BASE, "nodes": 2, **fields})) if finding.rule == "HP729"]
    assert reported.message == f"refers to the pod '{pod}'..., but the job's name includes a hash"
    assert "on_change: replace" in reported.cure
    assert "pod_field" in reported.cure
    assert not [item for item in found(nodes=2, on_change="refuse", **fields) if "HP729" in item]


def test_names_that_kubeflow_rejects():
    assert found(**{**TWO, "name": "70b-run"}) == [
        "error HP701 name: '70b-run' begins with a digit, but the name of a PyTorchJob is a DNS-1035 label"
    ]
    assert found(name="70b-run", nodes=2) == []


def test_a_priority_may_carry_its_suffix():
    for priority in ("high", "high-priority"):
        labels = rendered(nodes=1, team="research", priority=priority)["metadata"]["labels"]
        assert labels["kueue.x-k8s.io/priority-class"] == "high-priority"


@pytest.mark.parametrize("field", ["labels", "job_labels"])
def test_a_label_does_not_override_the_teams_queue(field: str):
    findings = found(nodes=1, team="research", **{field: {"kueue.x-k8s.io/queue-name": "other"}})
    assert findings == [
        f"""error HP703 {field}["kueue.x-k8s.io/queue-name"]: sets kueue.x-k8s.io/queue-name to 'other', but team"""
        " 'research' requires 'hyperpod-ns-research-localqueue'"
    ]
