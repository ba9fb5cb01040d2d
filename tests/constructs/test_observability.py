"""Observability: the add-on's values, roles, workspaces, each kind of Grafana, alarms, and their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
import yaml
from assembly import UNCOPIED, Assembly, read_assembly
from proving import every, proved
from waiting import Waiting

from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.core.spec import Platform

pytestmark = pytest.mark.slow

CHART = {
    "reference": "oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/charts/grafana",
    "version": "9.2.10",
    "digest": "sha256:" + "ab" * 32,
}
WORKSPACE = "arn:aws:aps:us-west-2:111122223333:workspace/ws-01234567"
AMP = "AWS::APS::Workspace"
ADDON = "amazon-sagemaker-hyperpod-observability"

FULL = {
    "configuration": {"logging": {"level": "debug"}},
    "logs": True,
    "metrics": {"training": "ADVANCED"},
    "kms_key_arn": "arn:aws:kms:us-west-2:111122223333:key/11111111-2222-3333-4444-555555555555",
    "grafana": {"kind": "managed", "workspace_name": "hyperpod"},
    "alarms": {"emails": ["ops@example.com"], "node_failures_per_hour": 2},
}
BARE = {"rules": False, "retain_workspace": False, "grafana": {"kind": "managed", "dashboards": False}}
TOPIC = "arn:aws:sns:us-west-2:111122223333:ops"
EXISTING = {
    "workspace_arn": WORKSPACE,
    "grafana": {"kind": "managed", "workspace_id": "g-0123456789"},
    "alarms": {"topic_arn": TOPIC},
}
IN_CLUSTER = {"grafana": {"kind": "self-hosted", "chart": CHART, "values": {"replicas": 2}}}

Synth = Callable[..., Assembly]


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    assemblies: dict[str, Assembly] = {}

    def make(settings: dict[str, Any], **overrides: Any) -> Assembly:
        key = json.dumps([settings, overrides], sort_keys=True)
        if key not in assemblies:
            folder = tmp_path_factory.mktemp("observability")
            app = cdk.App(outdir=str(folder), context=UNCOPIED, analytics_reporting=False)
            platform = Platform.model_validate(
                {
                    "name": "research",
                    "region": "us-west-2",
                    "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
                    "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
                    "addons": {"task_governance": {}, "observability": settings},
                    **overrides,
                }
            )
            platform_stacks(app, platform, prefix="research-")
            app.synth()
            assemblies[key] = read_assembly(folder)
        return assemblies[key]

    return make


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "".join(part if isinstance(part, str) else "TOKEN" for part in value["Fn::Join"][1])


def addon(assembly: Assembly) -> dict[str, Any]:
    return next(
        resource["Properties"]
        for resource in assembly.resources("AWS::EKS::Addon").values()
        if resource["Properties"]["AddonName"] == ADDON
    )


def policy(assembly: Assembly, prefix: str) -> list[dict[str, Any]]:
    (found,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for name, resource in assembly.resources("AWS::IAM::Policy").items()
        if name.startswith(prefix)
    ]
    return found


# ---- the add-on ----


def test_the_values_of_the_addon(synth: Synth) -> None:
    properties = addon(synth({}))
    values = json.loads(text(properties["ConfigurationValues"]))
    assert values["ampWorkspace"] == {"prometheusEndpoint": "TOKEN", "arn": "TOKEN"}
    assert "amgWorkspace" not in values
    assert values["logging"] == {"enabled": False}
    assert values["metricsProvider"]["trainingMetrics"] == {"level": "BASIC", "scrapeInterval": 30}
    assert {"Key": "SageMaker", "Value": "true"} in properties["Tags"]


def test_values_of_the_user_override_the_defaults(synth: Synth) -> None:
    values = json.loads(text(addon(synth(FULL))["ConfigurationValues"]))
    assert values["logging"] == {"enabled": True, "level": "debug"}


def test_the_collector_may_only_write_to_its_workspace(synth: Synth) -> None:
    (statement,) = policy(synth({}), "ObservabilityRole")
    assert statement["Action"] == "aps:RemoteWrite"
    assert statement["Resource"]["Fn::GetAtt"][1] == "Arn"


def test_logs_add_permissions_on_the_clusters_log_groups_only(synth: Synth) -> None:
    assembly = synth(FULL)
    _, logs, queries = policy(assembly, "ObservabilityRole")
    assert {action.partition(":")[0] for action in logs["Action"]} == {"logs"}
    assert queries["Action"] == ["logs:GetLogRecord", "logs:GetQueryResults", "logs:StopQuery"]
    assert queries["Resource"] == "*"  # these have no resource type
    assert not set(queries["Action"]) & set(logs["Action"])
    assert text(logs["Resource"]).endswith(":log-group:/aws/sagemaker/Clusters/*")
    assert json.loads(text(addon(assembly)["ConfigurationValues"]))["logging"]["enabled"] is True


def test_restricted_nodes_write_with_their_execution_role(synth: Synth) -> None:
    """They have no pod identity; the role of each group is allowed, in one policy."""
    groups = [{"name": name, "instance_type": "ml.p5.48xlarge", "count": 2} for name in ("rig-a", "rig-b")]
    system = [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]
    assembly = synth({}, cluster={"instance_groups": system, "restricted_instance_groups": groups})
    (found,) = [
        (name, item) for name, item in assembly.resources("AWS::IAM::Policy").items() if "RestrictedMetrics" in name
    ]
    name, resource = found
    (statement,) = resource["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "aps:RemoteWrite"
    assert statement["Resource"]["Fn::GetAtt"][1] == "Arn"
    assert len(resource["Properties"]["Roles"]) == 2
    (operator,) = [
        item for item in assembly.resources("AWS::EKS::Addon").values() if item["Properties"]["AddonName"] == ADDON
    ]
    assert name in operator["DependsOn"]
    proved(str(assembly.folder))
    ordinary = synth({}).resources("AWS::IAM::Policy")
    assert not any("RestrictedMetrics" in item for item in ordinary)


def test_the_role_is_for_this_account_and_cluster(synth: Synth) -> None:
    assembly = synth({})
    (role,) = [
        resource["Properties"]
        for name, resource in assembly.resources("AWS::IAM::Role").items()
        if name.startswith("ObservabilityRole")
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert list(trust["Condition"]["StringEquals"]) == ["aws:SourceAccount"]
    assert list(trust["Condition"]["ArnEquals"]) == ["aws:SourceArn"]
    association = next(
        resource["Properties"]
        for resource in assembly.resources("AWS::EKS::PodIdentityAssociation").values()
        if resource["Properties"]["Namespace"] == "hyperpod-observability"
    )
    assert association["ServiceAccount"] == "hyperpod-observability-operator-otel-collector"


# ---- Prometheus ----


def test_a_new_workspace_is_retained(synth: Synth) -> None:
    (workspace,) = synth({}).resources(AMP).values()
    assert (workspace["DeletionPolicy"], workspace["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert "AlertManagerDefinition" not in workspace["Properties"]


@pytest.mark.parametrize(("allow", "policy"), [(False, "RetainExceptOnCreate"), (True, "Delete")])
def test_it_is_deleted_only_if_two_settings_allow_it(synth: Synth, allow: bool, policy: str) -> None:
    options = {"allow_data_loss": True} if allow else {}
    (workspace,) = synth(BARE, **options).resources(AMP).values()
    assert workspace["DeletionPolicy"] == policy


def test_a_workspace_that_exists(synth: Synth) -> None:
    assembly = synth(EXISTING)
    assert not assembly.resources(AMP)
    amp = json.loads(text(addon(assembly)["ConfigurationValues"]))["ampWorkspace"]
    assert amp == {
        "prometheusEndpoint": "https://aps-workspaces.us-west-2.TOKEN/workspaces/ws-01234567/",
        "arn": WORKSPACE,
    }
    assert policy(assembly, "ObservabilityRole")[0]["Resource"] == WORKSPACE
    assert assembly.only("AWS::APS::RuleGroupsNamespace")["Workspace"] == WORKSPACE


def test_rules_are_loaded_unless_disabled(synth: Synth) -> None:
    rules = yaml.safe_load(synth({}).only("AWS::APS::RuleGroupsNamespace")["Data"])
    assert "NodeNotReady" in {rule["alert"] for rule in rules["groups"][0]["rules"]}
    assert not synth(BARE).resources("AWS::APS::RuleGroupsNamespace")


def test_a_key_of_the_user(synth: Synth) -> None:
    assert synth(FULL).only(AMP)["KmsKeyArn"] == FULL["kms_key_arn"]


# ---- Grafana ----


def test_no_grafana_by_default(synth: Synth) -> None:
    assembly = synth({})
    assert not assembly.resources("AWS::Grafana::Workspace")
    assert not [resource for resource in assembly.resources() if "Grafana" in resource]


def test_managed_grafana(synth: Synth) -> None:
    assembly = synth(FULL)
    workspace = assembly.only("AWS::Grafana::Workspace")
    assert workspace["AuthenticationProviders"] == ["AWS_SSO"]
    assert workspace["AccountAccessType"] == "CURRENT_ACCOUNT"
    assert workspace["PermissionType"] == "CUSTOMER_MANAGED"
    amg = json.loads(text(addon(assembly)["ConfigurationValues"]))["amgWorkspace"]
    assert amg["workspaceName"] == "hyperpod"
    reads = policy(assembly, "ObservabilityPartsGrafanaRole")
    assert [statement["Action"] for statement in reads[:2]] == [
        ["aps:DescribeWorkspace", "aps:GetLabels", "aps:GetMetricMetadata", "aps:GetSeries", "aps:QueryMetrics"],
        ["logs:GetLogEvents", "logs:GetLogGroupFields", "logs:StartQuery"],
    ]
    assert {"logs:GetQueryResults", "logs:StopQuery"} <= set(reads[2]["Action"])
    assert reads[2]["Resource"] == "*"
    assert reads[0]["Resource"] != "*"
    assert every(
        action.split(":")[1].startswith(("Describe", "Get", "List", "StopQuery")) for action in reads[2]["Action"]
    )
    outputs = {key for template in assembly.templates.values() for key in template.get("Outputs", {})}
    assert [key for key in outputs if "GrafanaUrl" in key]
    assert [key for key in outputs if "PrometheusEndpoint" in key]


def test_dashboards_are_put_into_a_managed_workspace(synth: Synth) -> None:
    assembly = synth(FULL)
    (resource,) = assembly.resources("Custom::HyperPodGrafanaDashboards").values()
    boards = json.loads(resource["Properties"]["Dashboards"])
    assert {board["uid"] for board in boards} == {"hyperpod-cluster", "hyperpod-accelerators", "hyperpod-training"}
    source = json.loads(text(resource["Properties"]["DataSource"]))
    assert source["uid"] == "hyperpod"
    assert source["jsonData"]["sigV4Region"] == "TOKEN"
    statements = policy(assembly, "ObservabilityPartsGrafanaDashboardsRole")
    (statement,) = [item for item in statements if "grafana:" in json.dumps(item["Action"])]
    assert statement["Action"] == [
        "grafana:CreateWorkspaceServiceAccount",
        "grafana:CreateWorkspaceServiceAccountToken",
        "grafana:DeleteWorkspaceServiceAccount",
        "grafana:DescribeWorkspace",
        "grafana:ListWorkspaceServiceAccounts",
    ]
    assert "*" not in json.dumps(statement["Resource"])
    proved(str(assembly.folder))
    without = synth(BARE)
    assert not without.resources("Custom::HyperPodGrafanaDashboards")


def test_a_managed_workspace_that_exists(synth: Synth) -> None:
    assembly = synth(EXISTING)
    assert not assembly.resources("AWS::Grafana::Workspace")
    amg = json.loads(text(addon(assembly)["ConfigurationValues"]))["amgWorkspace"]
    assert amg["arn"].endswith("/workspaces/g-0123456789")


def test_grafana_in_the_cluster(synth: Synth) -> None:
    assembly = synth(IN_CLUSTER)
    releases = assembly.resources("Custom::HyperPodHelmRelease")
    (release,) = [
        resource["Properties"] for resource in releases.values() if resource["Properties"]["Release"] == "grafana"
    ]
    assert release["Chart"]["Digest"] == CHART["digest"]
    values = json.loads(text(release["Values"]))
    assert values["replicas"] == 2
    (source,) = values["datasources"]["datasources.yaml"]["datasources"]
    assert source["jsonData"]["sigV4Auth"] is True
    (boards,) = [
        json.loads(resource["Properties"]["Manifest"])
        for name, resource in assembly.resources("Custom::HyperPodKubernetesObjects").items()
        if "Dashboards" in name
    ]
    assert {board["metadata"]["name"] for board in boards} == {"dashboard-cluster", "dashboard-accelerators"}
    for manifest in boards:
        (content,) = manifest["data"].values()
        assert json.loads(content)["panels"]
        assert manifest["metadata"]["labels"] == {"grafana_dashboard": "1"}
    (reads,) = policy(assembly, "ObservabilityPartsGrafanaRole")
    assert "aps:QueryMetrics" in reads["Action"]
    assert reads["Resource"] != "*"
    proved(str(assembly.folder))


# ---- alarms ----


def test_alarms_and_events(synth: Synth) -> None:
    assembly = synth(FULL)
    rules = {
        resource["Properties"]["EventPattern"]["detail-type"][0]: resource["Properties"]
        for resource in assembly.resources("AWS::Events::Rule").values()
    }
    assert rules.keys() == {
        "SageMaker HyperPod Cluster State Change",
        "SageMaker HyperPod Cluster Node Health Event",
        "SageMaker HyperPod Cluster Event",
    }
    for rule in rules.values():
        assert rule["EventPattern"]["source"] == ["aws.sagemaker"]
        assert len(rule["EventPattern"]["resources"]) == 1, "of one cluster only"
    assert rules["SageMaker HyperPod Cluster Event"]["EventPattern"]["detail"] == {
        "EventDetails": {"EventLevel": ["Error"]}
    }
    metrics = {
        alarm["Properties"]["MetricName"]: alarm["Properties"]
        for alarm in assembly.resources("AWS::CloudWatch::Alarm").values()
    }
    assert metrics["TriggeredRules"]["Threshold"] == 2
    assert metrics.keys() == {"TriggeredRules", "NumberOfNotificationsFailed"}
    assert assembly.only("AWS::SNS::Subscription")["Endpoint"] == "ops@example.com"


def test_the_topic_is_encrypted_and_accepts_tls_only(synth: Synth) -> None:
    assembly = synth(FULL)
    assert "KmsMasterKeyId" in assembly.only("AWS::SNS::Topic")
    assert assembly.only("AWS::KMS::Key")["EnableKeyRotation"] is True
    statements = assembly.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [statement.get("Condition") for statement in statements]
    allowed = {statement["Principal"]["Service"] for statement in statements if statement["Effect"] == "Allow"}
    assert allowed == {"aps.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"}
    keys = assembly.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    assert {key["Principal"].get("Service") for key in keys} - {None} == allowed
    definition = assembly.only(AMP)["AlertManagerDefinition"]["Fn::Sub"][0]
    inner = yaml.safe_load(yaml.safe_load(definition)["alertmanager_config"])
    assert inner["route"]["receiver"] == inner["receivers"][0]["name"]


def test_a_topic_that_exists(synth: Synth) -> None:
    assembly = synth(EXISTING)
    assert not assembly.resources("AWS::SNS::Topic")
    assert {rule["Properties"]["Targets"][0]["Arn"] for rule in assembly.resources("AWS::Events::Rule").values()} == {
        TOPIC
    }


def test_order(synth: Synth) -> None:
    assembly = synth(FULL)
    proved(str(assembly.folder), "governance-before-addons", "association-before-addon", "nodes-before-addons")


# ---- order that no rule of the proof is about ----


def test_a_workspace_that_notifies_waits_for_the_policy_of_its_topic(synth: Synth) -> None:
    waiting = Waiting(str(synth(FULL).folder))
    workspace = waiting.only("ObservabilityPartsPrometheus")
    assert waiting.after(workspace.rpartition(".")[2], "ObservabilityPartsAlarmsTopicPolicy")


def test_a_managed_workspace_waits_for_what_its_role_may_do(synth: Synth) -> None:
    waiting = Waiting(str(synth(FULL).folder))
    assert waiting.after("ObservabilityPartsGrafana", "ObservabilityPartsGrafanaRoleDefaultPolicy")
    dashboards = "ObservabilityPartsGrafanaDashboards"
    assert waiting.after(dashboards, f"{dashboards}RoleDefaultPolicy")


def test_grafana_in_the_cluster_waits_for_its_credentials_and_dashboards(synth: Synth) -> None:
    waiting = Waiting(str(synth(IN_CLUSTER).folder))
    grafana = "ObservabilityPartsGrafana"
    assert waiting.after(f"{grafana}PodIdentityAssociation", f"{grafana}RoleDefaultPolicy")
    assert waiting.after(f"{grafana}PodIdentityAssociation", "EksPodIdentityAgent")
    assert waiting.after(f"{grafana}Namespace", "HyperPodNodesReady")
    assert waiting.after(f"{grafana}Dashboards", f"{grafana}Namespace")
    for first in ("PodIdentityAssociation", "Dashboards", "Namespace"):
        assert waiting.after(f"{grafana}Release", f"{grafana}{first}"), first
    assert waiting.after(f"{grafana}Release", "CoreDnsActive")
    assert waiting.after(f"{grafana}Release", "TaskGovernancekueuecontrollermanagerAvailable")
