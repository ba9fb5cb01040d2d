"""Typed settings of add-ons: each arrives in the add-on's configuration, under a key that the catalog knows."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from platform_parts import Synthesized, make_cluster, synthesize

from hyperpod_constructs.constructs.addons import NODE_ADDONS
from hyperpod_constructs.core.catalog import addon
from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.spec import (
    ADDON_NAMES,
    Addon,
    Addons,
    CertManager,
    ControllerResources,
    MetricsServer,
    MountpointS3,
    SpecModel,
    configuration_of,
)
from hyperpod_constructs.core.spec.base import places_of

pytestmark = pytest.mark.slow

GPU = {"key": "nvidia.com/gpu", "operator": "Exists"}
SETTINGS: dict[str, dict[str, Any]] = {
    "vpc_cni": {"prefix_delegation": True, "warm_prefix_target": 1, "warm_ip_target": 5, "minimum_ip_target": 10},
    "coredns": {"replicas": 3, "autoscaling": {"min_replicas": 2, "max_replicas": 10}, "tolerations": [GPU]},
    "cert_manager": {"replicas": 2, "tolerations": [{**GPU, "effect": "NoExecute", "tolerationSeconds": 300}]},
    "metrics_server": {"replicas": 2, "tolerations": []},
    "spaces": {
        "pod_watching": True,
        "web_ui": {
            "domain": "jupyter.example.com",
            "certificate_arn": "arn:aws:acm:us-west-2:111122223333:certificate/12345678-1234-1234-1234-123456789012",
            "signing_key_arn": "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012",
            "install_traefik": True,
            "scheme": "internal",
        },
    },
    "cloudwatch_observability": {"container_logs": False},
    "training_operator": {"resources": {"limits": {"cpu": "2"}}, "node_selector": {"pool": "system"}},
}
PATIENT = {**GPU, "effect": "NoExecute", "tolerationSeconds": 300}
ARRIVES: dict[str, dict[str, Any]] = {
    "vpc_cni": {
        "env": {  # its schema allows strings only
            "ENABLE_PREFIX_DELEGATION": "true",
            "WARM_PREFIX_TARGET": "1",
            "WARM_IP_TARGET": "5",
            "MINIMUM_IP_TARGET": "10",
        }
    },
    "coredns": {
        "replicaCount": 3,
        "autoScaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 10},
        "tolerations": [GPU],
    },
    "cert_manager": {
        "replicaCount": 2,
        "tolerations": [PATIENT],
        "webhook": {"replicaCount": 2, "tolerations": [PATIENT]},
        "cainjector": {"replicaCount": 2, "tolerations": [PATIENT]},
    },
    "metrics_server": {"replicas": 2, "tolerations": []},
    "spaces": {
        "jupyter-k8s": {"workspacePodWatching": {"enable": True}},
        "jupyter-k8s-aws-hyperpod": {
            "clusterWebUI": {
                "enabled": True,
                "domain": "jupyter.example.com",
                "awsCertificateArn": "arn:aws:acm:us-west-2:111122223333:certificate/12345678-1234-1234-1234-123456789012",
                "auth": {"kmsKeyId": "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"},
                "traefik": {"shouldInstall": True},
                "alb": {"scheme": "internal"},
            }
        },
    },
    "cloudwatch_observability": {"containerLogs": {"enabled": False}},
    "training_operator": {
        "hpTrainingControllerManager": {
            "manager": {"resources": {"limits": {"cpu": "2"}}},
            "nodeSelector": {"pool": "system"},
        }
    },
}


def synthesized(addons: Addons) -> Synthesized:
    """A cluster with the add-ons."""

    def build(stack: Any) -> None:
        cluster = make_cluster(stack, addons=addons)
        for key, settings in addons.effective().items():
            if key in NODE_ADDONS:
                NODE_ADDONS[key](stack, key, cluster=cluster, settings=settings)

    return synthesize(build)


def values(template: Synthesized, key: str) -> Any:
    name = ADDON_NAMES[key]
    (found,) = [item for item in template.of("AWS::EKS::Addon").values() if item["AddonName"] == name]
    return json.loads(found.get("ConfigurationValues", "{}"))


@pytest.fixture(scope="module")
def everything() -> Synthesized:
    """A cluster with every typed setting."""
    return synthesized(Addons.model_validate(SETTINGS))


@pytest.mark.parametrize("key", SETTINGS)
def test_settings_arrive_in_the_configuration(everything: Synthesized, key: str):
    assert values(everything, key) == ARRIVES[key]


def test_unset_values_are_the_add_ons_defaults():
    template = synthesized(Addons.model_validate({"cert_manager": {}, "metrics_server": {}, "spaces": {}}))
    every_taint = {"tolerations": [{"operator": "Exists"}]}
    assert values(template, "cert_manager") == {**every_taint, "webhook": every_taint, "cainjector": every_taint}
    assert values(template, "metrics_server") == every_taint
    for key in ("vpc_cni", "coredns", "spaces"):
        assert values(template, key) == {}


def test_configuration_is_merged_over_settings():
    addons = Addons.model_validate(
        {
            "vpc_cni": {"warm_ip_target": 5, "configuration": {"env": {"WARM_IP_TARGET": "7", "MAX_ENI": "1"}}},
            "cert_manager": {"replicas": 2, "configuration": {"cainjector": {"replicaCount": 1}}},
        }
    )
    template = synthesized(addons)
    assert values(template, "vpc_cni") == {"env": {"WARM_IP_TARGET": "7", "MAX_ENI": "1"}}
    certificates = values(template, "cert_manager")
    replicas = [
        certificates["replicaCount"],
        *(certificates[value]["replicaCount"] for value in ("webhook", "cainjector")),
    ]
    assert replicas == [2, 2, 1]


def settings_class(key: str) -> type[SpecModel]:
    annotation = Addons.model_fields[key].annotation
    (found,) = [
        value for value in (annotation, *get_args(annotation)) if isinstance(value, type) and value is not type(None)
    ]
    assert issubclass(found, SpecModel)
    return found


TYPED = {
    key: [place for info in settings_class(key).model_fields.values() for place in places_of(info)]
    for key in Addons.model_fields
}


@pytest.mark.parametrize("key", [key for key, places in TYPED.items() if places])
def test_every_path_starts_with_a_key_of_the_catalog(key: str):
    assert {place.partition(".")[0] for place in TYPED[key]} <= set(addon(ADDON_NAMES[key]).configuration_keys)


def test_every_typed_setting_is_tried_here():
    covered = {key for key in SETTINGS if set(TYPED[key])}
    assert covered | {"inference_operator"} == {key for key, places in TYPED.items() if places}
    for key in covered:
        model, settings = settings_class(key), SETTINGS[key]
        assert {name for name, info in model.model_fields.items() if places_of(info)} == set(settings), key


def test_text_of_the_environment_stays_as_it_is():
    assert configuration_of(ControllerResources(requests={"memory": "2Gi"})) == {"requests": {"memory": "2Gi"}}


def test_implicit_prerequisites_have_their_own_settings():
    effective = Addons.model_validate({"inference_operator": {}}).effective()
    assert type(effective["cert_manager"]) is CertManager
    assert type(effective["metrics_server"]) is MetricsServer
    assert type(effective["mountpoint_s3_csi"]) is MountpointS3
    assert type(effective["fsx_csi"]) is Addon


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"vpc_cni": {"warm_ip_target": -1}}, "vpc_cni.warm_ip_target"),
        ({"metrics_server": {"replicas": 0}}, "metrics_server.replicas"),
        ({"cert_manager": {"tolerations": [{"operater": "Exists"}]}}, "cert_manager.tolerations.0.operater"),
        ({"spaces": {"web_ui": {"domain": "a.example.com"}}}, "spaces.web_ui.certificate_arn"),
    ],
)
def test_impossible_values_are_rejected(settings: dict[str, Any], path: str):
    with pytest.raises(ValueError, match=r"1 validation error") as error:
        Addons.model_validate(settings)
    assert path in str(error.value)


def test_two_ways_to_a_space_exclude_each_other():
    ways = {"remoteAccess": {"enabled": True}, "directSSH": {"enabled": True}}
    addons = Addons.model_validate({"spaces": {"configuration": {"jupyter-k8s-aws-hyperpod": ways}}})
    (finding,) = [item for item in check(Context(addons=addons)) if item.rule == "HP509"]
    assert "mutually exclusive" in finding.message
    ways.pop("directSSH")
    addons_of_one = Addons.model_validate({"spaces": {"configuration": {"jupyter-k8s-aws-hyperpod": ways}}})
    assert [finding for finding in check(Context(addons=addons_of_one)) if finding.rule == "HP509"] == []
