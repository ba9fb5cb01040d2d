"""Add-ons and their versions."""

import pytest
from proving import every

from hyperpod_constructs.core import catalog

OPERATOR = "amazon-sagemaker-hyperpod-training-operator"
GOVERNANCE = "amazon-sagemaker-hyperpod-taskgovernance"
OBSERVABILITY = "amazon-sagemaker-hyperpod-observability"
INFERENCE = "amazon-sagemaker-hyperpod-inference"


@pytest.mark.parametrize(
    ("name", "namespace", "service_account", "credentials"),
    [
        (OPERATOR, "aws-hyperpod", "hp-training-operator-controller-manager", "pod-identity"),
        (GOVERNANCE, "kueue-system", None, "none"),
        (OBSERVABILITY, "hyperpod-observability", "hyperpod-observability-operator-otel-collector", "pod-identity"),
        (INFERENCE, "hyperpod-inference-system", "hyperpod-inference-controller-manager", "irsa"),
        ("amazon-sagemaker-spaces", "jupyter-k8s-system", "jupyter-k8s-controller-manager", "pod-identity"),
        ("aws-fsx-csi-driver", "kube-system", "fsx-csi-controller-sa", "pod-identity"),
    ],
)
def test_identities(name: str, namespace: str, service_account: str | None, credentials: str) -> None:
    addon = catalog.addon(name)
    assert (addon.namespace, addon.credentials) == (namespace, credentials)
    assert next(iter(addon.service_accounts), None) == service_account


@pytest.mark.parametrize(
    ("name", "kubernetes", "version"),
    [
        (OPERATOR, "1.31", "v1.3.0-eksbuild.1"),
        (OPERATOR, "1.36", "v1.3.0-eksbuild.1"),
        (OPERATOR, "1.37", None),
        (OPERATOR, "1.30", None),  # v1.2.1 covers it, but its build is not known
        (GOVERNANCE, "1.35", "v1.6.1-eksbuild.1"),
        (OBSERVABILITY, "1.31", None),
        (OBSERVABILITY, "1.32", "v1.2.0-eksbuild.3"),
        (INFERENCE, "1.37", "v2.1.0-eksbuild.1"),
        (INFERENCE, "1.31", None),
        ("amazon-sagemaker-spaces", "1.35", None),
        ("cert-manager", "1.35", None),  # stated as the oldest supported version, without a range
        ("coredns", "1.35", "v1.14.3-eksbuild.3"),
        ("coredns", "1.32", "v1.11.4-eksbuild.40"),
        ("kube-proxy", "1.34", "v1.34.6-eksbuild.13"),
        ("vpc-cni", "1.35", "v1.23.1-eksbuild.1"),
        ("eks-pod-identity-agent", "1.36", None),
        ("aws-ebs-csi-driver", "1.35", None),
    ],
)
def test_version_for(name: str, kubernetes: str, version: str | None) -> None:
    found = catalog.addon(name).version_for(kubernetes)
    assert (found.version if found else None) == version


def test_add_ons_that_support_a_kubernetes_version() -> None:
    governance, observability = catalog.addon(GOVERNANCE), catalog.addon(OBSERVABILITY)
    assert (governance.supports("1.29"), governance.supports("1.35"), governance.supports("1.30")) == (
        False,
        True,
        None,
    )
    assert observability.supports("1.31") is None, "the newest version does not, and no source covers the older ones"
    assert catalog.addon(OPERATOR).supports("1.28") is True


def test_no_version_is_chosen_that_a_source_does_not_state_in_full() -> None:
    for addon in catalog.addons().values():
        for kubernetes in catalog.kubernetes_versions():
            version = addon.version_for(kubernetes)
            if version:
                assert version.installable
                assert version.source
                assert version.covers(kubernetes)
        for version in addon.versions:
            assert version.installable or "version" in version.uncertain, (addon.name, version.version)
            assert version.kubernetes_min or "kubernetes_min" in version.uncertain, (addon.name, version.version)


def test_prerequisites_are_addons_themselves_and_need_no_ring() -> None:
    def depth(name: str, visited: tuple[str, ...] = ()) -> int:
        assert name not in visited
        return 1 + max(
            (depth(prerequisite, (*visited, name)) for prerequisite in catalog.addon(name).prerequisites), default=0
        )

    assert max(map(depth, catalog.addons())) >= 2
    assert set(catalog.addon(OPERATOR).prerequisites) == {"cert-manager", "eks-pod-identity-agent"}
    inference = catalog.addon(INFERENCE)
    assert set(inference.min_version_for) <= set(inference.prerequisites)
    assert inference.min_version_for["cert-manager"] == "v1.18.2-eksbuild.2"


def test_daemonsets_need_no_nodes_and_deployments_do() -> None:
    without = {name for name, addon in catalog.addons().items() if not addon.needs_nodes}
    assert {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"} <= without
    assert not {"coredns", "cert-manager", OPERATOR, GOVERNANCE, OBSERVABILITY, INFERENCE} & without
    assert every(addon.pods_per_node for addon in catalog.addons().values() if addon.kind == "daemonset")
    assert every(addon.pods_total for addon in catalog.addons().values() if addon.kind == "deployment")


def test_oldest_versions() -> None:
    assert catalog.addon("vpc-cni").min_version == "v1.18.3"
    assert catalog.addon("aws-ebs-csi-driver").min_version == "v1.47.0"


def test_only_the_training_operator_requires_a_separate_association() -> None:
    assert [name for name, addon in catalog.addons().items() if addon.standalone_association] == [OPERATOR]


def test_unknown_addon() -> None:
    with pytest.raises(catalog.UnknownName, match="did you mean 'amazon-sagemaker-hyperpod-taskgovernance'"):
        catalog.addon("amazon-sagemaker-hyperpod-task-governance")
    assert catalog.find_addon("nope") is None


def test_an_addon_of_hyperpod_without_a_known_version_for_the_default_kubernetes_is_marked() -> None:
    default = str(catalog.default_kubernetes_version())
    of_hyperpod = {name: addon for name, addon in catalog.addons().items() if addon.provider == "hyperpod"}
    lacking = {name for name, addon in of_hyperpod.items() if addon.supports(default) is not True}
    assert lacking == {name for name, addon in of_hyperpod.items() if "versions" in addon.uncertain}
    for addon in catalog.addons().values():  # if a source states ranges, one of them contains the default
        ranges = [version for version in addon.versions if version.covers(default) is not None]
        assert not ranges or any(version.covers(default) for version in ranges), addon.name
