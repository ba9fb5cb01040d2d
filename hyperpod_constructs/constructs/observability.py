"""Observability: the Prometheus workspace with its alert rules, alarms and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from aws_cdk import ArnFormat, Aws, CfnOutput, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_aps as aps
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from ..core.dashboards import alert_rules
from ..core.spec import Addons, Alarms, Metrics, Observability
from .arguments import checked
from .cluster_events import CLUSTER_EVENT, NODE_HEALTH, STATE_CHANGE, cluster_rule
from .interfaces import IHyperPodCluster
from .removal import removal_policy
from .validation import ensure_arns

_PUBLISHERS = ("aps.amazonaws.com", "cloudwatch.amazonaws.com")  # a rule of EventBridge adds its own permission


class PrometheusWorkspace(Construct):
    """An Amazon Managed Prometheus workspace, created or existing, with the library's alert rules.

    A new one is retained when the stack is deleted, unless `retain` is false and `allow_data_loss` is true. The
    alert manager of a new workspace sends alerts to `topic`; that of an existing workspace is not changed.

    Args:
        workspace_arn: ARN of an existing workspace. Default: a new one.
        levels: metric levels, which determine the alert rules.
        rules: whether to load the alert rules.
        topic: topic for alerts of a new workspace. Default: none.
        encryption_key: key of a new workspace; `kms_key_arn` sets it by ARN. Default: a key that AWS owns.
        outputs: whether to add a stack output with the endpoint.
    """

    arn: str
    endpoint: str
    """URL of the workspace, ending in a slash."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        workspace_arn: str | None = None,
        kms_key_arn: str | None = None,
        retain: bool = True,
        allow_data_loss: bool = False,
        levels: Metrics | None = None,
        rules: bool = True,
        topic: sns.ITopic | None = None,
        encryption_key: kms.IKey | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        given = {"workspace_arn": workspace_arn, "kms_key_arn": kms_key_arn}
        ensure_arns(
            self, addons=Addons().model_copy(update={"observability": Observability().model_copy(update=given)})
        )
        if workspace_arn:
            parts = Stack.of(self).split_arn(workspace_arn, ArnFormat.SLASH_RESOURCE_NAME)
            self.arn = workspace_arn
            self.endpoint = f"https://aps-workspaces.{parts.region}.{Aws.URL_SUFFIX}/workspaces/{parts.resource_name}/"
        else:
            workspace = aps.CfnWorkspace(
                self,
                "Resource",
                kms_key_arn=encryption_key.key_arn if encryption_key else kms_key_arn,
                alert_manager_definition=_alert_manager(topic.topic_arn) if topic else None,
            )
            workspace.apply_removal_policy(
                removal_policy(self, "retain" if retain else "destroy", allow_data_loss=allow_data_loss)
            )
            if topic:
                workspace.node.add_dependency(topic)  # with its policy
            self.arn = workspace.attr_arn
            self.endpoint = workspace.attr_prometheus_endpoint
        content = alert_rules(levels)
        if rules and content["groups"]:
            aps.CfnRuleGroupsNamespace(
                self, "Rules", workspace=self.arn, name="hyperpod", data=yaml.safe_dump(content, sort_keys=False)
            )
        if outputs:
            CfnOutput(self, "Endpoint", value=self.endpoint, description="Prometheus endpoint")


class HyperPodAlarms(Construct):
    """Notifications about the cluster through one encrypted topic: its state, its nodes' health, failed operations.

    HyperPod sends events to EventBridge, which requires no component in the cluster. One alarm counts node health events,
    and another reports failed notifications.

    Args:
        cluster: the HyperPod cluster.
        alarms: email addresses and thresholds.
        topic: an existing topic; EventBridge and CloudWatch must be allowed to publish to it. Default: a new one.
        outputs: whether to add a stack output with the topic's ARN.
    """

    topic: sns.ITopic

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        alarms: Alarms | None = None,
        topic: sns.ITopic | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        alarms = alarms or Alarms()
        ensure_arns(
            self,
            addons=Addons().model_copy(update={"observability": Observability().model_copy(update={"alarms": alarms})}),
        )
        self.topic = topic or self._topic(alarms)
        for email in alarms.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        arn = cluster.cluster_arn
        self._rule("ClusterState", arn, STATE_CHANGE, {"ClusterStatus": ["Failed", "RollingBack"]})
        health = self._rule("NodeHealth", arn, NODE_HEALTH)
        self._rule("ClusterError", arn, CLUSTER_EVENT, {"EventDetails": {"EventLevel": ["Error"]}})
        self._alarm(
            "NodeFailures",
            "Nodes of the HyperPod cluster fail repeatedly",
            "AWS/Events",
            "TriggeredRules",
            {"RuleName": health.rule_name},
            alarms.node_failures_per_hour,
        )
        self._alarm(
            "NotificationsFail",
            "Notifications about the HyperPod cluster are not delivered",
            "AWS/SNS",
            "NumberOfNotificationsFailed",
            {"TopicName": self.topic.topic_name},
            1,
        )
        if outputs:
            CfnOutput(self, "TopicArn", value=self.topic.topic_arn, description="Notifications about the cluster")

    def _topic(self, alarms: Alarms) -> sns.ITopic:
        if alarms.topic_arn:
            return sns.Topic.from_topic_arn(self, "Topic", alarms.topic_arn)
        # a customer managed key: services cannot publish to a topic under SNS's own key
        key = kms.Key(
            self,
            "Key",
            description="Notifications about a HyperPod cluster",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # it encrypts no data that outlives a message
        )
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        account = Stack.of(self).account
        for service in _PUBLISHERS:
            publisher = iam.ServicePrincipal(service, conditions={"StringEquals": {"aws:SourceAccount": account}})
            topic.grant_publish(publisher)
            key.grant(publisher, "kms:Decrypt", "kms:GenerateDataKey*")
        return topic

    def _rule(
        self, id: str, cluster_arn: str, detail_type: str, detail: Mapping[str, Any] | None = None
    ) -> events.Rule:
        description = f"{detail_type} of one cluster"
        target = targets.SnsTopic(self.topic)
        return cluster_rule(self, id, cluster_arn, detail_type, detail, description=description, targets=[target])

    def _alarm(
        self, id: str, description: str, namespace: str, metric: str, dimensions: Mapping[str, str], threshold: int
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            alarm_description=description,
            metric=cloudwatch.Metric(
                namespace=namespace,
                metric_name=metric,
                dimensions_map=dict(dimensions),
                period=Duration.hours(1),
                statistic="Sum",
            ),
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))


def _alert_manager(topic_arn: str) -> str:
    """Returns the alert manager configuration of a workspace that sends every alert to one topic."""
    config = {
        "route": {"receiver": "topic", "group_by": ["alertname"], "group_wait": "30s", "repeat_interval": "4h"},
        "receivers": [{"name": "topic", "sns_configs": [{"topic_arn": "TOPIC", "sigv4": {"region": "REGION"}}]}],
    }
    text = yaml.safe_dump({"alertmanager_config": yaml.safe_dump(config, sort_keys=False)}, default_style="|")
    return Fn.sub(text.replace("TOPIC", "${Topic}").replace("REGION", "${AWS::Region}"), {"Topic": topic_arn})
