"""Rules that say more than one thing: each of the others, with its place, severity and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from rule_configs import load_over

SYSTEM = "{name: system, instance_type: ml.m5.4xlarge, count: 2}"
GROUPS = "cluster: {instance_groups: ["


def kueue(*, chart: str, image: str) -> str:
    """Kueue in a closed network, by the regions of the registries that have its chart and its image."""
    registries = {name: f"111122223333.dkr.ecr.{region}.amazonaws.com" for name, region in (("c", chart), ("i", image))}
    source = f"{{reference: 'oci://{registries['c']}/kueue', version: 0.1.0, digest: 'sha256:{'ab' * 32}'}}"
    values = f"{{controllerManager: {{manager: {{image: {{repository: {registries['i']}/kueue}}}}}}}}"
    return f"network: {{mode: closed}}\naddons: {{kueue: {{chart: {source}, values: {values}}}}}\n"


EXISTING = (
    "network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, EXTRA node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, "
    "availability_zone_id: usw2-az2}]}}\n"
)


def groups(*more: str, rest: str = "") -> str:
    return f"{GROUPS}{', '.join([SYSTEM, *more])}]{rest}}}\n"


def workers(kind: str, rest: str = "count: 2") -> str:
    return f"{{name: workers, instance_type: {kind}, {rest}}}"


VARIANTS = {
    "node ranges smaller than the nodes": (
        "network: {node_cidrs: [10.1.0.0/28, 10.2.0.0/28]}\n" + groups(workers("ml.p5.48xlarge", "count: 40")),
        (
            "HP130",
            "error",
            "network.node_cidrs[0]",
            "system 2 x 1 + workers 40 x 32 = 1,282 addresses at the very least; 10.1.0.0/28 has 11",
        ),
    ),
    "an address for each network card": (
        groups(workers("ml.p5.48xlarge", "count: 5000")),
        ("HP130", "error", "network.availability_zone_ids", "workers 5000 x 32 = 160,002 addresses at the very least"),
    ),
    "no address for cards of EFA alone": (
        groups(workers("ml.p5.48xlarge", "count: 5000, network_interface: efa-only")),
        ("HP130", "warning", "network.availability_zone_ids", "addresses at most"),
    ),
    "an existing node subnet that EKS would use, in a zone that it refuses": (
        "region: us-west-1\n"
        + EXISTING.replace("EXTRA ", "").replace("usw2-az1", "usw1-az2").replace("usw2-", "usw1-"),
        ("HP113", "error", "network.existing.node_subnets[0].availability_zone_id", "no control planes in usw1-az2"),
    ),
    "a refused zone in Canada": (
        "region: ca-central-1\nnetwork: {availability_zone_ids: [cac1-az1, cac1-az3]}\n",
        ("HP113", "error", "network.availability_zone_ids[1]", "no control planes in cac1-az3"),
    ),
    "an existing subnet for two zones": (
        EXISTING.replace("EXTRA ", "").replace("abcdef1", "abcdef0"),
        (
            "HP131",
            "error",
            "network.existing.node_subnets[1].subnet_id",
            "'subnet-0123456789abcdef0' is listed at network.existing.node_subnets[0].subnet_id already",
        ),
    ),
    "deep health checks on every open group": (
        "cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, "
        "deep_health_checks: [InstanceStress]}]}\n",
        ("HP315", "error", "cluster.instance_groups", "every group that takes ordinary pods has deep health checks"),
    ),
    "an endpoint by its whole name": (
        "network: {interface_endpoints: [com.amazonaws.us-west-2.ecr.api]}\n",
        ("HP115", "error", "network.interface_endpoints[0]", "is a whole name"),
    ),
    "an endpoint that nobody knows": (
        "network: {interface_endpoints: [zebra]}\n",
        ("HP115", "warning", "network.interface_endpoints[0]", "'zebra' is not known to the catalog"),
    ),
    "existing subnets are counted too": (
        EXISTING.replace("EXTRA ", "").replace("usw2-az1}", "usw2-az1, cidr: 10.0.0.0/24}")
        + groups(workers("ml.p5.48xlarge", "count: 3")),
        ("HP130", "warning", "network.existing.node_subnets[0].cidr", "workers 4 x 81 = 414 addresses at most"),
    ),
    "efa-only interfaces take no addresses": (
        "network: {node_cidrs: [10.1.0.0/24, 10.2.0.0/24]}\n"
        + groups(workers("ml.p5.48xlarge", "count: 4, network_interface: efa-only")),
        ("HP130", "warning", "network.node_cidrs[0]", "workers 5 x 50 = 340 addresses"),
    ),
    "a VPC over one of EKS's service ranges": (
        "network: {vpc_cidr: 10.100.0.0/16}\n",
        ("HP121", "warning", "network.vpc_cidr", "10.100.0.0/16"),
    ),
    "a VPC over both": (
        EXISTING.replace("EXTRA", "vpc_cidrs: [10.100.0.0/16, 172.20.0.0/16],"),
        ("HP121", "error", "network.existing.vpc_cidrs", "one of the two"),
    ),
    "existing subnets in one zone": (
        EXISTING.replace("EXTRA ", "").replace("usw2-az2", "usw2-az1"),
        ("HP110", "error", "network.existing.node_subnets", "EKS, which uses them too, needs 2"),
    ),
    "one control-plane subnet": (
        EXISTING.replace("EXTRA", "control_plane_subnet_ids: [subnet-0123456789abcdef0],"),
        ("HP110", "error", "network.existing.control_plane_subnet_ids", "1 subnet(s)"),
    ),
    "10.0.0.0/16 beside 10.1.0.0/16": (
        "network: {vpc_cidr: 10.1.0.0/16, node_cidrs: [10.0.0.0/17, 10.0.128.0/17]}\n",
        ("HP107", "error", "network.node_cidrs[0]", "refuses beside 10.1.0.0/16"),
    ),
    "a node range over the public subnets": (
        "network: {node_cidrs: [10.192.1.0/24, 10.2.0.0/16]}\n",
        ("HP106", "error", "network.node_cidrs[0]", "overlaps 10.192.1.0/24 of the public subnet"),
    ),
    "a node range around the VPC": (
        "network: {vpc_cidr: 10.192.0.0/20, node_cidrs: [10.192.0.0/16, 10.2.0.0/16]}\n",
        ("HP106", "error", "network.node_cidrs[0]", "reaches beyond the primary range"),
    ),
    "a public endpoint only, without a way out": (
        "network: {mode: closed}\neks: {endpoint_access: public}\n",
        ("HP211", "error", "eks.endpoint_access", "no route to the public one"),
    ),
    "Kueue's chart from a registry of another region": (
        kueue(chart="eu-west-1", image="us-west-2"),
        ("HP142", "error", "addons.kueue.chart", "is downloaded"),
    ),
    "Kueue's image from a registry of another region": (
        kueue(chart="us-west-2", image="eu-west-1"),
        ("HP142", "error", "addons.kueue.values", "outside of ECR of the region"),
    ),
    "extended support beside STANDARD": (
        'eks: {kubernetes_version: "1.33"}\n',
        ("HP203", "warning", "eks.kubernetes_version", "`support: STANDARD` does not go with it"),
    ),
    "an old version of an existing cluster": (
        EXISTING.replace("EXTRA ", "") + 'eks: {kubernetes_version: "1.29", existing: {cluster_name: a}}\n',
        ("HP202", "warning", "eks.kubernetes_version", "ended on 2026-03-23"),
    ),
    "settings of an add-on that is not ours": (
        EXISTING.replace("EXTRA ", "") + "eks: {existing: {cluster_name: a}}\naddons: {coredns: {version: v1.12.4}}\n",
        ("HP219", "warning", "addons.coredns", "core add-ons of an existing cluster are left alone"),
    ),
    "a type that no price list has": (
        groups(workers("ml.p5e.48xlarge")),
        ("HP302", "note", "cluster.instance_groups[1].instance_type", "where it is offered is not known"),
    ),
    "a type of EC2 that HyperPod refuses": (
        groups(workers("ml.inf2.xlarge")),
        ("HP301", "error", "cluster.instance_groups[1].instance_type", "Inferentia"),
    ),
    "more groups than documented": (
        groups(*(f"{{name: g{n}, instance_type: ml.m5.large, count: 1}}" for n in range(20))),
        ("HP308", "warning", "cluster.instance_groups", "21 groups; the API takes 100"),
    ),
    "more groups than the API takes": (
        groups(*(f"{{name: g{n}, instance_type: ml.m5.large, count: 1}}" for n in range(100))),
        ("HP308", "error", "cluster.instance_groups", "has 101 groups, 100 at most"),
    ),
    "more instances than the API takes": (
        groups(workers("ml.p5.48xlarge", "count: 6759")),
        ("HP309", "error", "cluster.instance_groups[1].count", "is 6759, 6758 at most"),
    ),
    "no CPU group": (
        f"{GROUPS}{workers('ml.p5.48xlarge')}]}}\n",
        ("HP315", "warning", "cluster.instance_groups", "has accelerators"),
    ),
    "autoscaling without recovery": (
        groups(workers("ml.g5.8xlarge", "count: 0"), rest=", node_recovery: None, autoscaling: {}"),
        ("HP380", "error", "cluster.node_recovery", "autoscaling needs Automatic"),
    ),
    "groups of Karpenter that differ in case": (
        groups(
            *(f"{{name: {name}, instance_type: ml.g5.8xlarge, count: 0}}" for name in ("spot", "Spot")),
            rest=", autoscaling: {}",
        ),
        (
            "HP381",
            "error",
            "cluster.instance_groups[2].name",
            "'Spot' and 'spot' both give the NodePool hyperpod-spot",
        ),
    ),
    "autoscaling of nothing": (
        groups(rest=", autoscaling: {}"),
        ("HP381", "warning", "cluster.autoscaling", "no group has count 0"),
    ),
    "a region without the agent's image": (
        "region: ap-south-2\nnetwork: {availability_zone_ids: [aps2-az1, aps2-az2]}\n"
        + groups(workers("ml.g5.8xlarge")),
        ("HP404", "warning", "dependencies.health_monitoring_agent", "us-east-1"),
    ),
    "a MIG profile of another type": (
        "dependencies: {gpu_operator: true}\n"
        + groups(workers("ml.p5.48xlarge", "count: 1, labels: {nvidia.com/mig.config: all-1g.5gb}")),
        (
            "HP328",
            "warning",
            'cluster.instance_groups[1].labels["nvidia.com/mig.config"]',
            "no profile of ml.p5.48xlarge",
        ),
    ),
    "no credentials for the operator": (
        "addons: {training_operator: {}, pod_identity_agent: {enabled: false}}\n",
        ("HP502", "error", "addons.pod_identity_agent.enabled", "training_operator"),
    ),
    "no known version of an add-on for the Kubernetes version": (
        'eks: {kubernetes_version: "1.31", support: EXTENDED}\naddons: {observability: {}}\n',
        ("HP521", "warning", "addons.observability", "v1.2.0-eksbuild.3 is for 1.32 to 1.37"),
    ),
    "an add-on of HyperPod whose versions no source lists by Kubernetes version": (
        "addons: {spaces: {}, ebs_csi: {}, cert_manager: {}}\n",
        (
            "HP521",
            "note",
            "addons.spaces",
            "no known source lists a version for Kubernetes 1.35; the newest version seen is "
            "v0.2.1-eksbuild.1, on 2026-10-05",
        ),
    ),
    "Spaces before 1.30": (
        'eks: {kubernetes_version: "1.29"}\naddons: {spaces: {}, ebs_csi: {}, cert_manager: {}}\n',
        ("HP521", "error", "addons.spaces", "needs Kubernetes 1.30, and the cluster has 1.29"),
    ),
    "a key for a restricted group's volume": (
        "cluster: {restricted_instance_groups: [{name: rig, instance_type: ml.p5.48xlarge, count: 2, volume: {size_gib: 9, "
        "kms_key_arn: 'arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012'}}]}\n",
        ("HP350", "error", "cluster.restricted_instance_groups[0].volume.kms_key_arn", "is in a restricted group"),
    ),
    "a restricted group's volume without a size": (
        "cluster: {restricted_instance_groups: [{name: rig, instance_type: ml.p5.48xlarge, count: 2, volume: {}}]}\n",
        ("HP350", "error", "cluster.restricted_instance_groups[0].volume", "names no size_gib"),
    ),
    "task governance before 1.30": (
        'eks: {kubernetes_version: "1.29"}\naddons: {task_governance: {}}\n',
        ("HP521", "error", "addons.task_governance", "needs Kubernetes 1.30, and the cluster has 1.29"),
    ),
    "inference without an identity provider": (
        EXISTING.replace("EXTRA ", "") + "eks: {existing: {cluster_name: a}}\naddons: {inference_operator: {}}\n",
        ("HP505", "error", "eks.existing.oidc_provider_arn", "OIDC"),
    ),
    "an older driver than inference takes": (
        "addons: {inference_operator: {}, fsx_csi: {version: v1.5.0-eksbuild.1}}\n",
        ("HP522", "error", "addons.fsx_csi.version", "HyperPod inference operator needs v1.6.0-eksbuild.1 or later"),
    ),
    "quotas in accelerators": (
        groups(workers("ml.p5.48xlarge"))
        + "addons: {task_governance: {}}\ngovernance: {teams: [{name: a, quota: [{instance_type: ml.p5.48xlarge, "
        "accelerators: 12}]}, {name: b, quota: [{instance_type: ml.p5.48xlarge, accelerators: 8}]}]}\n",
        ("HP606", "warning", "governance.teams", "own 2.5 instances of ml.p5.48xlarge, and the groups have 2 at most"),
    ),
    "a misspelt MIG profile": (
        "addons: {task_governance: {}}\ngovernance: {teams: [{name: a, quota: [{instance_type: ml.p5.48xlarge, "
        "mig_profile: mig-1g10gb, mig_count: 1}]}]}\n",
        ("HP608", "error", "governance.teams[0].quota[0].mig_profile", "no profile that the API takes"),
    ),
    "FSx between two steps": (
        "storage: {lustre: [{name: data, size_gib: 3000}]}\naddons: {fsx_csi: {}}\n",
        ("HP801", "error", "storage.lustre[0].size_gib", "is 3,000 GiB"),
    ),
    "a file system of EFA's default throughput": (
        "storage: {lustre: [{name: data, efa: true}]}\naddons: {fsx_csi: {}}\n",
        ("HP812", "error", "storage.lustre[0].size_gib", "1,200 GiB with EFA; at 250 MB/s per TiB the step is 19,200"),
    ),
    "links inside one another": (
        "storage: {lustre: [{name: data, data_repositories: [{bucket: 's3://one', path: /data/sub}, "
        "{bucket: 's3://two', path: /data}]}]}\naddons: {fsx_csi: {}}\n",
        ("HP809", "error", "storage.lustre[0].data_repositories[1].path", "'/data' overlaps '/data/sub'"),
    ),
    "a placeholder for the digest of Grafana's chart": (
        "addons: {observability: {grafana: {kind: self-hosted, chart: {reference: 'oci://registry/grafana', version: 1.0.0, "
        f"digest: 'sha256:{'0' * 64}'}}}}}}}}\n",
        ("HP410", "error", "addons.observability.grafana.chart.digest", "all zeros"),
    ),
    "an access entry for the documentation's account": (
        "eks: {access: [{principal: 'arn:aws:iam::123456789012:role/A'}], admins: []}\n",
        ("HP220", "note", "eks.access[0].principal", "123456789012"),
    ),
    "alarms for nobody": (
        "addons: {observability: {alarms: {}}}\n",
        ("HP822", "note", "addons.observability.alarms", "reach nobody"),
    ),
}


REPEATED = {
    "HP303": "cluster: {instance_groups: [{name: w, instance_types: [ml.m5.4xlarge, ml.m5.4xlarge], count: 2}]}\n",
    "HP322": groups(workers("ml.p5.48xlarge", "count: 2, deep_health_checks: [InstanceStress, InstanceStress]")),
}


@pytest.mark.parametrize(("rule", "fragment"), REPEATED.items(), ids=REPEATED)
def test_what_is_listed_twice_has_a_consequence_of_its_own(rule: str, fragment: str, tmp_path: Path) -> None:
    (found,) = [finding for finding in load_over(fragment, tmp_path).findings if finding.rule == rule]
    assert "or is refused" in found.consequence
    assert found.cure == "Remove it."


@pytest.mark.parametrize(("fragment", "expected"), VARIANTS.values(), ids=VARIANTS)
def test_variants(fragment: str, expected: tuple[str, str, str, str], tmp_path: Path) -> None:
    rule, severity, path, words = expected
    found = [finding for finding in load_over(fragment, tmp_path).findings if finding.rule == rule]
    assert [(str(f.severity), f.path) for f in found][:1] == [(severity, path)]
    assert words in found[0].message


SILENT = {
    "HP809": "storage: {lustre: [{name: data, data_repositories: [{bucket: 's3://one', path: /data}, "
    "{bucket: 's3://two', path: /database}]}]}\naddons: {fsx_csi: {}}\n",
    "HP812": "storage: {lustre: [{name: data, efa: true, throughput: 125, size_gib: 76800}]}\naddons: {fsx_csi: {}}\n",
    "HP113": "region: us-east-1\nnetwork: {availability_zone_ids: [use1-az3, use1-az4]}\n"
    "eks: {existing: {cluster_name: a}}\n",
    "HP130": groups(workers("ml.p5.48xlarge", "count: 800")),
    "HP121": "network: {vpc_cidr: 10.0.0.0/16}\n",
    "HP203": 'eks: {kubernetes_version: "1.35"}\n',
    "HP302": groups(workers("ml.p5.48xlarge")),
    "HP312": groups(workers("ml.p5.48xlarge", "count: 2, availability_zone_id: usw2-az1")),
    "HP315": groups(workers("ml.p5.48xlarge", "count: 2, taints: [{key: a, effect: NoSchedule}]")),
    "HP402": groups(workers("ml.p5.48xlarge")),
    "HP530": "addons: {training_operator: {}, task_governance: {}, observability: {}}\n",
    "HP531": "addons: {training_operator: {}, task_governance: {}, observability: {}}\n",
}


@pytest.mark.parametrize(("rule", "fragment"), SILENT.items(), ids=SILENT)
def test_ordinary_clusters_are_left_alone(rule: str, fragment: str, tmp_path: Path) -> None:
    assert [f for f in load_over(fragment, tmp_path).findings if f.rule == rule] == []


@pytest.mark.parametrize(
    ("addon", "version", "instead"),
    [("observability", "1.31", "cloudwatch_observability"), ("task_governance", "1.29", "kueue")],
)
def test_an_addon_that_does_not_fit_names_the_guides_alternative(
    addon: str, version: str, instead: str, tmp_path: Path
) -> None:
    config = f'eks: {{kubernetes_version: "{version}", support: EXTENDED}}\naddons: {{{addon}: {{}}}}\n'
    (found,) = [f for f in load_over(config, tmp_path).findings if f.rule == "HP521" and f.path == f"addons.{addon}"]
    assert f"addons.{instead}" in found.cure
