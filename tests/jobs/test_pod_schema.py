"""The compact facts about Kubernetes' types are the published OpenAPI, and the pod rules agree with it and with the CRDs."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_schema import VERSION, compact
from proving import every

from hyperpod_constructs.core.catalog import _files
from hyperpod_constructs.core.jobs.pod_rules import template_flaws
from hyperpod_constructs.core.jobs.schema import flaws

FACTS = json.loads((_files.DATA / "kubernetes_schema.json").read_text())
DATA = Path(__file__).parent / "data"


def test_the_types_are_those_that_kubernetes_publishes():
    types = compact()
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        own_types = {name: fields for name, fields in FACTS["types"].items() if name not in types}
        text = _files.dumps({**FACTS, "types": {**types, **own_types}})
        (_files.DATA / "kubernetes_schema.json").write_text(text)
    assert {name: FACTS["types"][name] for name in types} == types


def test_the_hyperpod_kind_has_what_the_official_clis_model_has():
    crd = json.loads((DATA / "hyperpodpytorchjob.schema.json").read_text())
    text = json.dumps(crd)
    type_names = [
        name for name in FACTS["types"] if name.startswith("HyperPod") or name == "LogMonitoringConfiguration"
    ]
    for name in type_names:
        for field in FACTS["types"][name]:
            documented_only = field == "faultOnMatch"  # on the AWS page, not in the CLI's model
            assert (f'"{field}"' in text) != documented_only, f"{name}.{field}"


def test_the_kubeflow_kind_has_what_its_crd_has():
    crd = json.loads((DATA / "pytorchjob_fields.json").read_text())["fields"]
    for name, fields in crd.items():
        assert FACTS["types"][name] == fields, name


POD: dict[str, Any] = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            }
        },
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "containers": [
            {
                "name": "main",
                "image": "registry/train:v1",
                "command": ["train"],
                "env": [{"name": "A", "value": "1"}],
                "ports": [{"name": "agent", "containerPort": 8080}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "resources": {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "8Gi"}},
            }
        ],
    },
}
MAIN = ("spec", "containers", 0)
AFFINITY = ("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")

INVALID_PODS: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("spec", "containers"), None, "the required key 'containers' is missing"),
    (("spec", "containers"), [], "a pod requires at least one container"),
    (("spec", "conatiners"), [], "unknown key 'conatiners'"),
    (("spec", "hostNetwork"), "true", "must be true or false, not the text 'true'"),
    (("spec", "restartPolicy"), "ExitCode", "'ExitCode' is not one of Always, OnFailure, Never"),
    (("spec", "terminationGracePeriodSeconds"), -1, "-1 is negative"),
    (("spec", "terminationGracePeriodSeconds"), 2**63, f"{2**63} exceeds 64 bits"),
    (("spec", "priority"), 2**31, f"{2**31} exceeds 32 bits"),
    (("spec", "dnsPolicy"), "None", "None requires dnsConfig.nameservers"),
    (("spec", "serviceAccountName"), "My Account", "'My Account' is not a valid Kubernetes name"),
    (("spec", "nodeSelector"), {"zone": True}, "must be text, not true"),
    (("spec", "nodeSelector"), {"a b": "c"}, "'a b' is not a valid label key"),
    (("metadata", "labels", "app"), "a b", "'a b' is not a valid label value"),
    ((*MAIN, "image"), None, "the container 'main' has no image"),
    ((*MAIN, "image"), "Registry/Train: v1", "'Registry/Train: v1' is not a valid image reference"),
    ((*MAIN, "name"), "My_Main", "'My_Main' is not a valid container name"),
    ((*MAIN, "imagePullpolicy"), "Always", "unknown key 'imagePullpolicy'"),
    ((*MAIN, "imagePullPolicy"), "Sometimes", "'Sometimes' is not one of Always, IfNotPresent, Never"),
    ((*MAIN, "command"), "train", "must be a list, not the text 'train'"),
    ((*MAIN, "env"), [{"name": "A", "value": 1}], "must be text, not the number 1"),
    ((*MAIN, "env"), [{"name": "1A", "value": ""}], "'1A' is not a valid environment variable name"),
    ((*MAIN, "env"), [{"name": "A", "valueFrom": {}}], "A requires exactly one source"),
    ((*MAIN, "ports"), [{"containerPort": 70000}], "70000 is not a valid port"),
    (
        (*MAIN, "ports"),
        [{"containerPort": 1, "name": "a-name-far-too-long"}],
        "'a-name-far-too-long' is not a valid port name",
    ),
    ((*MAIN, "volumeMounts"), [{"name": "dta", "mountPath": "/data"}], "the pod has no volume 'dta'"),
    ((*MAIN, "volumeMounts"), [{"name": "data", "mountPath": "/d"}] * 2, "duplicate mount path '/d'"),
    (
        (*MAIN, "volumeMounts"),
        [{"name": "data", "mountPath": "/d", "subPath": "../x"}],
        "'../x' is not inside the volume",
    ),
    ((*MAIN, "resources"), {"limits": {"memory": "8 GB"}}, "'8 GB' is not a Kubernetes quantity"),
    ((*MAIN, "resources"), {"limits": {"memroy": "8Gi"}}, "'memroy' is not a valid resource name"),
    ((*MAIN, "resources"), {"limits": {"cpu": -1}}, "-1 is negative"),
    (
        (*MAIN, "resources"),
        {"limits": {"nvidia.com/gpu": "0.5"}},
        "nvidia.com/gpu is 0.5, but devices must be whole numbers",
    ),
    ((*MAIN, "resources"), {"requests": {"nvidia.com/gpu": 1}}, "nvidia.com/gpu has a request without a limit"),
    (
        (*MAIN, "resources"),
        {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}},
        "the request 2 of cpu exceeds its limit 1500m",
    ),
    (
        (*MAIN, "resources"),
        {"limits": {"hugepages-2Mi": "4Mi"}},
        "huge pages require a request or limit of cpu or memory",
    ),
    (
        ("spec", "volumes", 0, "hostPath"),
        {"path": "/a"},
        "the volume 'data' has several sources: persistentVolumeClaim, hostPath",
    ),
    (("spec", "volumes", 0, "name"), "Data_1", "'Data_1' is not a valid volume name"),
    (
        ("spec", "tolerations"),
        [{"operator": "Equal", "value": "x"}],
        "has no key, which is valid only with the operator Exists",
    ),
    (
        ("spec", "tolerations"),
        [{"key": "a", "operator": "Exists", "value": "x"}],
        "has the value 'x', which conflicts with the operator Exists",
    ),
    (
        ("spec", "tolerations"),
        [{"key": "a", "tolerationSeconds": 3}],
        "has seconds, which require the effect NoExecute",
    ),
    (
        ("spec", "tolerations"),
        [{"key": "a", "effect": "NoSchedul"}],
        "'NoSchedul' is not one of NoSchedule, PreferNoSchedule, NoExecute",
    ),
    ((*AFFINITY, "nodeSelectorTerms"), [], "must have at least one term"),
    ((*AFFINITY, "nodeSelectorTerms"), [{}], "is an empty term, which does not select any node"),
    (
        (*AFFINITY, "nodeSelectorTerms", 0, "matchExpressions", 0, "operator"),
        "in",
        "'in' is not one of In, NotIn, Exists, DoesNotExist, Gt, Lt",
    ),
    ((*AFFINITY, "nodeSelectorTerms", 0, "matchExpressions", 0, "values"), [], "the operator In requires values"),
    (
        (*AFFINITY, "nodeSelectorTerms", 0, "matchExpressions", 0, "operator"),
        "Exists",
        "the operator Exists does not support values",
    ),
    ((*AFFINITY, "nodeSelectorTerm"), [], "unknown key 'nodeSelectorTerm'"),
    (
        ("spec", "topologySpreadConstraints"),
        [{"maxSkew": 0, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}],
        "0 is not a valid skew",
    ),
]


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    pod = copy.deepcopy(POD)
    place: Any = pod
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return pod


@pytest.mark.parametrize(("path", "value", "message"), INVALID_PODS, ids=lambda value: str(value)[:40])
def test_odd_pods_are_rejected(path: tuple[str | int, ...], value: Any, message: str):
    assert message in [flaw.message for flaw in template_flaws(changed(path, value))]


def test_a_sound_pod_passes():
    assert template_flaws(POD) == []


def kubernetes_rejects(template: Any) -> bool:
    metadata = template.get("metadata")
    metadata_with_name = {"name": "x", **metadata} if isinstance(metadata, dict) else metadata
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata_with_name}
    try:
        kubernetes_validate.validate({**pod, "spec": template.get("spec")}, VERSION, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError):
        return True
    return False


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += paths(item, (*path, key))
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(paths(POD)), st.sampled_from(["x", "", 1, 1.5, True, [], {}, ["x"], {"x": "y"}, [{"x": 1}]]))
def test_the_shape_is_rejected_exactly_where_kubernetes_schema_rejects_it(path: tuple[str | int, ...], value: Any):
    template = changed(path, value)
    rejected_here, rejected_by_kubernetes = bool(list(flaws(template))), kubernetes_rejects(template)
    if (
        rejected_here != rejected_by_kubernetes
    ):  # values of enumerations and quantities are text in the published schema
        messages = [flaw.message for flaw in flaws(template)]
        assert rejected_here, f"only Kubernetes rejects {path} = {value!r}"
        assert every(" is not one of " in message or "quantity" in message for message in messages), messages
