"""Restricted nodes: a separate network agent and separate DNS servers, in the template and on an API server."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from aws_cdk import aws_ec2 as ec2
from fake_api_server import FakeApiServer
from kubernetes_targets import CloudFormation, Target, fake_target
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize
from proving import proved

from hyperpod_constructs.assembly.graph import prove
from hyperpod_constructs.constructs.addons import CoreDnsAddon
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.spec import Addons, Cluster, Platform, RestrictedInstanceGroup

pytestmark = pytest.mark.slow

GROUP = "sagemaker.amazonaws.com/instance-group-type"
RULES = ("restricted-network-before-cluster", "originals-before-copies", "dns-servers-before-policy")
OBJECTS = "Custom::HyperPodKubernetesObjects"
RESTRICTED = Cluster(
    instance_groups=(SYSTEM,),
    restricted_instance_groups=(RestrictedInstanceGroup(name="rig", instance_type="ml.p5.48xlarge", count=2),),
)


def synthesized(cluster: Cluster, addons: Addons | None = None) -> Synthesized:
    addons = addons or Addons()

    def build(stack: Any) -> None:
        found = make_cluster(stack, cluster, addons=addons)
        CoreDnsAddon(stack, "CoreDns", cluster=found, settings=addons.coredns)

    return synthesize(build)


@pytest.fixture(scope="module")
def restricted() -> Synthesized:
    return synthesized(RESTRICTED)


def existing_objects(template: Synthesized) -> dict[str, dict[str, Any]]:
    """The resources that copy objects or set fields of others, by the name of their object."""
    found = {}
    for properties in template.of(OBJECTS).values():
        if "CopyOf" in properties or "FieldsOnly" in properties:
            (item,) = json.loads(properties["Manifest"])
            found[item["metadata"]["name"]] = properties
    return found


def configuration(template: Synthesized) -> dict[str, Any]:
    """Configuration values of the network add-on."""
    (addon,) = [item for item in template.of("AWS::EKS::Addon").values() if item["AddonName"] == "vpc-cni"]
    return dict(json.loads(addon.get("ConfigurationValues", "{}")))


def terms(affinity: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = required["nodeSelectorTerms"]
    return {
        match_expression["key"]: (match_expression["operator"], match_expression["values"])
        for match_expression in term["matchExpressions"]
    }


# In the template


def test_the_network_addon_excludes_restricted_nodes_and_previously_excluded_ones(restricted: Synthesized) -> None:
    assert terms(configuration(restricted)["affinity"]) == {
        "kubernetes.io/os": ("In", ["linux"]),
        "kubernetes.io/arch": ("In", ["amd64", "arm64"]),
        "eks.amazonaws.com/compute-type": ("NotIn", ["fargate", "hybrid", "auto"]),
        GROUP: ("NotIn", ["Restricted"]),
    }


def test_the_order_is_proved_on_creation_and_deletion(restricted: Synthesized) -> None:
    proof = proved({"Test": restricted.template})
    assert {rule: proof.checked[rule] for rule in RULES} == dict(zip(RULES, (1, 4, 2), strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_the_proof_detects_a_missing_order(restricted: Synthesized, rule: str) -> None:
    template = copy.deepcopy(restricted.template)
    for resource in template["Resources"].values():
        if resource["Type"] in (OBJECTS, "Custom::HyperPodKubernetesWait", "AWS::SageMaker::Cluster"):
            resource.pop("DependsOn", None)
    assert rule in {violation.rule.id for violation in prove({"Test": template}).violations}


def test_copies_are_recreated_with_the_addons_version_and_configuration(restricted: Synthesized) -> None:
    pinned = Addons(vpc_cni={"version": "v1.20.4-eksbuild.1", "configuration": {"env": {"WARM_ENI_TARGET": "1"}}})
    other = existing_objects(synthesized(RESTRICTED, pinned))
    before = existing_objects(restricted)
    assert other["rig-aws-node"]["RerunOn"].startswith("v1.20.4-eksbuild.1 {")
    assert "WARM_ENI_TARGET" in other["rig-aws-node"]["RerunOn"]
    assert other["rig-aws-node"]["Manifest"] == before["rig-aws-node"]["Manifest"]
    dns = existing_objects(synthesized(RESTRICTED, Addons(coredns={"version": "v1.12.4-eksbuild.1"})))
    for name in ("rig-coredns", "node-coredns", "kube-dns"):
        assert dns[name]["RerunOn"] == "v1.12.4-eksbuild.1 {}"


def test_an_affinity_of_the_user_is_combined_with_the_built_in_affinity() -> None:
    """HP376 reports affinity terms that replace those of the library."""
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    found = configuration(synthesized(RESTRICTED, Addons(vpc_cni={"configuration": {"affinity": affinity}})))[
        "affinity"
    ]
    assert found["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == []
    assert terms(found)[GROUP] == ("NotIn", ["Restricted"])


@pytest.mark.parametrize(
    "cluster",
    [Cluster(instance_groups=(SYSTEM,)), RESTRICTED.model_copy(update={"prepare_restricted_nodes": False})],
    ids=["ordinary groups only", "prepared by somebody else"],
)
def test_no_existing_object_is_changed_where_nothing_is_to_be_prepared(cluster: Cluster) -> None:
    template = synthesized(cluster)
    assert existing_objects(template) == {}
    assert configuration(template) == {}


def test_an_existing_cluster_gets_the_agent_and_its_addons_are_not_changed() -> None:
    def build(stack: Any) -> None:
        HyperPodCluster(
            stack,
            "HyperPod",
            eks_cluster=EksClusterAttributes(cluster_name="brought"),
            vpc=ec2.Vpc(stack, "Vpc", max_azs=2),
            cluster=RESTRICTED,
        )

    template = synthesize(build)
    assert set(existing_objects(template)) == {"rig-aws-node"}
    assert template.of("AWS::EKS::Addon") == {}


@pytest.mark.parametrize("managed", [False, True])
def test_core_addons_of_an_existing_cluster_are_not_changed_unless_managed_here(managed: bool) -> None:
    """Creating an installed add-on fails. Restricted nodes get copies in both cases."""
    subnets = [
        {
            "subnet_id": f"subnet-0123456789abcdef{n}",
            "availability_zone_id": f"usw2-az{n}",
            "route_table_id": f"rtb-0123456789abcdef{n}",
        }
        for n in (1, 2)
    ]
    platform = Platform.model_validate(
        {
            "name": "brought",
            "region": "us-west-2",
            "network": {
                "existing": {"vpc_id": "vpc-0123456789abcdef0", "vpc_cidrs": ["10.0.0.0/16"], "node_subnets": subnets}
            },
            "eks": {"existing": {"cluster_name": "theirs", "core_addons": managed}},
            "cluster": RESTRICTED,
        }
    )
    template = synthesize(lambda stack: HyperPodPlatform(stack, "Platform", platform=platform) and None)
    names = {addon["AddonName"] for addon in template.of("AWS::EKS::Addon").values()}
    assert names == ({"vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"} if managed else set())
    assert set(existing_objects(template)) == {"rig-aws-node", "rig-coredns", "node-coredns", "kube-dns"}
    proved({"Test": template.template}, "restricted-network-before-cluster", "dns-servers-before-policy")


# On an API server


def workload(kind: str, name: str, labels: dict[str, str], container: str, **spec: Any) -> dict[str, Any]:
    """A minimal object of an add-on that an API server accepts."""
    terms = [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]
    required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    pod = {
        "serviceAccountName": name,
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
        },
        "containers": [
            {"name": container, "image": "eks/one:v1", "env": [{"name": "ENABLE_PREFIX_DELEGATION", "value": "false"}]},
            {"name": "second", "image": "eks/two:v1"},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        },
    }


AGENT = workload("DaemonSet", "aws-node", {"k8s-app": "aws-node"}, "aws-node", updateStrategy={"type": "RollingUpdate"})
DNS_LABELS = {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}
DNS = workload(
    "Deployment",
    "coredns",
    DNS_LABELS,
    "coredns",
    replicas=2,
    progressDeadlineSeconds=600,
    revisionHistoryLimit=10,
    strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
)
DNS["spec"]["template"]["spec"]["topologySpreadConstraints"] = []
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kube-dns", "namespace": "kube-system"},
    "spec": {"clusterIP": "172.20.0.10", "selector": {"k8s-app": "kube-dns"}, "ports": [{"name": "dns", "port": 53}]},
}


@pytest.fixture
def applied(restricted: Synthesized) -> Iterator[tuple[Target, list[CloudFormation]]]:
    """An API server with the add-ons' objects, after CloudFormation created the objects of the template in order."""
    with FakeApiServer() as server:
        for item in (AGENT, DNS, SERVICE):
            server.store.put(copy.deepcopy(item))
        target = fake_target(server)
        resources = []
        for name in ("rig-aws-node", "rig-coredns", "node-coredns", "kube-dns"):
            properties = existing_objects(restricted)[name]
            settings = {key: value for key, value in properties.items() if key not in ("ServiceToken", "Manifest")}
            resource = CloudFormation(target, name, **{**settings, "ClusterName": "research"})
            resource.create(json.loads(properties["Manifest"]))
            resources.append(resource)
        yield target, resources


def daemon_set(target: Target, name: str) -> dict[str, Any]:
    found = target.find(f"/apis/apps/v1/namespaces/kube-system/daemonsets/{name}")
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["rig-aws-node", "rig-coredns", "node-coredns"])
def test_a_copy_is_a_valid_daemon_set_that_selects_its_own_pods(
    applied: tuple[Target, list[CloudFormation]], name: str
) -> None:
    found = daemon_set(applied[0], name)
    kubernetes_validate.validate(found, "1.35", strict=True)
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert found["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert not found["spec"]["selector"]["matchLabels"].items() <= DNS_LABELS.items()
    images = [container["image"] for container in found["spec"]["template"]["spec"]["containers"]]
    assert images == ["eks/one:v1", "eks/two:v1"]


def test_the_network_agent_runs_on_restricted_nodes_and_uses_instance_metadata_only(
    applied: tuple[Target, list[CloudFormation]],
) -> None:
    pod = daemon_set(applied[0], "rig-aws-node")["spec"]["template"]["spec"]
    assert terms(pod["affinity"])[GROUP] == ("In", ["Restricted"])
    assert {item["name"]: item["value"] for item in pod["containers"][0]["env"]} == {
        "ENABLE_PREFIX_DELEGATION": "true",
        "ENABLE_IMDS_ONLY_MODE": "true",
    }
    assert pod["serviceAccountName"] == "aws-node"


def test_dns_servers_run_on_every_node_and_only_the_service_finds_them(
    applied: tuple[Target, list[CloudFormation]],
) -> None:
    target, _ = applied
    nodes_of = {}
    for name in ("rig-coredns", "node-coredns"):
        spec = daemon_set(target, name)["spec"]
        pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
        nodes_of[name] = terms(pod["affinity"])[GROUP]
        assert pod["tolerations"] == [{"operator": "Exists"}]
        assert "podAntiAffinity" not in pod["affinity"]
        assert SERVICE["spec"]["selector"].items() <= labels.items()
        assert not DNS_LABELS.items() <= labels.items(), "the Deployment and its disruption budget select these"
        assert spec["updateStrategy"]["rollingUpdate"] == {"maxSurge": "10%", "maxUnavailable": 0}
    assert nodes_of == {"rig-coredns": ("In", ["Restricted"]), "node-coredns": ("NotIn", ["Restricted"])}
    service = target.find("/api/v1/namespaces/kube-system/services/kube-dns")
    assert service is not None
    assert service["spec"] == {**SERVICE["spec"], "internalTrafficPolicy": "Local"}


def test_deletion_leaves_the_addons_objects_as_they_were(applied: tuple[Target, list[CloudFormation]]) -> None:
    target, resources = applied
    for resource in reversed(resources):
        resource.delete()
    for name in ("rig-aws-node", "rig-coredns", "node-coredns"):
        assert target.find(f"/apis/apps/v1/namespaces/kube-system/daemonsets/{name}") is None
    for path, original in (
        ("/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node", AGENT),
        ("/apis/apps/v1/namespaces/kube-system/deployments/coredns", DNS),
        ("/api/v1/namespaces/kube-system/services/kube-dns", SERVICE),
    ):
        found = target.find(path)
        assert found is not None
        assert found["spec"] == original["spec"]
