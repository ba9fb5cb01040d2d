"""What organizations apply to every app: tags, aspects, boundaries, synthesizers, overrides, subclasses."""

from __future__ import annotations

import json
from typing import Any

import jsii
import pytest
from aws_cdk import (
    Annotations,
    App,
    Aspects,
    BootstraplessSynthesizer,
    CfnResource,
    DefaultStackSynthesizer,
    IAspect,
    RemovalPolicies,
    Stack,
    Tags,
    Validations,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Match, Template
from constructs import Construct, IConstruct
from consumer import ENV, app, base, error_of, groups, one_stack, platform, training, warnings
from proving import every

from hyperpod_constructs import (
    Acknowledgement,
    CertManagerAddon,
    CoreDnsAddon,
    HyperPodCluster,
    HyperPodGovernance,
    InstanceGroup,
    TaskGovernanceAddon,
    TrainingJob,
    TrainingOperatorAddon,
)
from hyperpod_constructs.assembly.nag import JustifiedNag
from hyperpod_constructs.core.spec import Governance, QuotaResource, Team, TrainingOperator

pytestmark = pytest.mark.slow


def workloads(stack: Stack, cluster: HyperPodCluster) -> None:
    """Operators, a team and a job."""
    for addon in (CoreDnsAddon, CertManagerAddon, TaskGovernanceAddon, TrainingOperatorAddon):
        addon(stack, addon.__name__, cluster=cluster)
    vision = Team(name="vision", quota=(QuotaResource(instance_type="ml.p5.48xlarge", count=1),))
    HyperPodGovernance(stack, "Governance", cluster=cluster, governance=Governance(teams=(vision,)))
    TrainingJob(stack, "Job", cluster=cluster, job=training(1))


def roles(template: Template) -> list[dict[str, Any]]:
    return [role["Properties"] for role in template.find_resources("AWS::IAM::Role").values()]


# ---- 10: tags and aspects ----


@jsii.implements(IAspect)
class Traced:
    """Every function is traced."""

    def visit(self, node: IConstruct) -> None:
        """Enables tracing."""
        if isinstance(node, lambda_.CfnFunction):
            node.add_property_override("TracingConfig.Mode", "Active")


@pytest.fixture(scope="module")
def governed() -> Template:
    """A platform under the tags, aspects, permissions boundary and bootstrap of an organization."""
    cdk_app = app(**{"@aws-cdk/core:permissionsBoundary": {"name": "platform-boundary"}})
    synthesizer = DefaultStackSynthesizer(qualifier="mlplat", file_assets_bucket_name="corp-assets-${AWS::Region}")
    stack = Stack(cdk_app, "Research", env=ENV, synthesizer=synthesizer)
    workloads(stack, platform(stack))
    Tags.of(cdk_app).add("CostCenter", "42")
    Aspects.of(cdk_app).add(Traced())
    return Template.from_stack(stack)


@pytest.mark.parametrize("kind", ["AWS::SageMaker::Cluster", "AWS::EKS::Cluster", "AWS::EC2::VPC"])
def test_tags_of_the_app_reach_what_costs_money(governed: Template, kind: str) -> None:
    for resource in governed.find_resources(kind).values():
        assert "CostCenter" in json.dumps(resource["Properties"].get("Tags"))


def test_an_aspect_reaches_every_function(governed: Template) -> None:
    functions = governed.find_resources("AWS::Lambda::Function")
    untraced = [name for name, resource in functions.items() if "TracingConfig" not in resource["Properties"]]
    assert len(functions) > 5
    assert every(name.startswith(("LogRetention", "Custom")) for name in untraced), (
        "CDK's own functions are not CfnFunction objects"
    )


# ---- 11, 12: permissions boundaries, by context and by code ----


def every_role_has_the_boundary(template: Template) -> bool:
    found = roles(template)
    assert len(found) > 8
    return every("platform-boundary" in json.dumps(role["PermissionsBoundary"]) for role in found)


def test_every_role_has_the_boundary_of_the_context(governed: Template) -> None:
    assert every_role_has_the_boundary(governed)


def test_every_role_has_the_boundary_that_code_applies() -> None:
    _, stack, cluster = one_stack()
    workloads(stack, cluster)
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "platform-boundary")
    iam.PermissionsBoundary.of(stack).apply(boundary)
    assert every_role_has_the_boundary(Template.from_stack(stack))


# ---- 13: another qualifier and asset bucket; 14: no bootstrap at all ----


def test_assets_are_uploaded_to_the_bucket_of_the_qualifier(governed: Template) -> None:
    text = json.dumps(governed.to_json())
    assert "hnb659fds" not in text
    assert "corp-assets-" in text


def test_an_app_without_bootstrap_is_rejected_since_functions_are_assets() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Research", env=ENV, synthesizer=BootstraplessSynthesizer())
    with pytest.raises(RuntimeError, match="Cannot add assets to a Stack that uses the BootstraplessSynthesizer"):
        platform(stack)


# ---- 15: escape hatches and removal policies ----


def test_overrides_are_merged_also_for_groups_added_later() -> None:
    _, stack, cluster = one_stack()
    cluster.resource.add_property_override("NodeRecovery", "None")
    cluster.resource.add_property_override("InstanceGroups.1.InstanceCount", 7)
    cluster.add_instance_group(InstanceGroup(name="more", instance_type="ml.m5.4xlarge", count=1))
    (found,) = Template.from_stack(stack).find_resources("AWS::SageMaker::Cluster").values()
    assert found["Properties"]["NodeRecovery"] == "None"
    names = [(group["InstanceGroupName"], group["InstanceCount"]) for group in found["Properties"]["InstanceGroups"]]
    assert names == [("system", 2), ("gpu", 7), ("more", 1)]


def test_clusters_are_retained_by_the_removal_policy_of_the_stack() -> None:
    _, stack, _ = one_stack()
    retained = ["AWS::SageMaker::Cluster", "AWS::EKS::Cluster"]
    RemovalPolicies.of(stack).retain(apply_to_resource_types=retained)
    template = Template.from_stack(stack)
    for kind in retained:
        template.all_resources(kind, {"DeletionPolicy": "Retain"})


# ---- 16: a company's own classes ----


class CorpCluster(HyperPodCluster):
    """The cluster that every team of a company gets."""

    def __init__(self, scope: Construct, id: str, *, gpus: int, **options: Any) -> None:
        members = [
            InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2, labels={"corp": "yes"}),
            InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=gpus),
        ]
        super().__init__(scope, id, instance_groups=members, **options)
        CoreDnsAddon(self, "Dns", cluster=self)
        CertManagerAddon(self, "Certificates", cluster=self)
        self.operator = TrainingOperatorAddon(self, "Operator", cluster=self, settings=TrainingOperator())


def test_a_class_of_the_user() -> None:
    stack = Stack(app(), "Research", env=ENV)
    network, eks = base(stack)
    cluster = CorpCluster(stack, "Corp", gpus=2, vpc=network, eks_cluster=eks)
    TrainingJob(stack, "Job", cluster=cluster, job=training(1))
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::SageMaker::Cluster",
        {
            "InstanceGroups": Match.array_with(
                [Match.object_like({"KubernetesConfig": {"Labels": Match.object_like({"corp": "yes"})}})]
            )
        },
    )
    assert cluster.operator.node.path == "Research/Corp/Operator"


# ---- 17: findings: an error stops the app, a warning is accepted with a reason ----


def wrong(count: int = 1) -> App:
    cdk_app, stack, cluster = one_stack()
    cluster.add_instance_group(InstanceGroup(name="typo", instance_type="ml.p5.48xlage", count=count))
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    return cdk_app


def test_a_wrong_instance_type_fails_the_synth_with_rule_and_fix() -> None:
    reason = error_of(wrong())
    assert "HP301" in reason
    assert "Did you mean 'ml.p5.48xlarge'?" in reason


def test_a_warning_is_accepted_in_code() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Research", env=ENV)
    network, eks = base(stack)
    reason = "our GitOps tool installs CoreDNS and cert-manager"
    accepted = [
        Acknowledgement(rule="HP502", path=f"addons.{key}", reason=reason) for key in ("coredns", "cert_manager")
    ]
    cluster = HyperPodCluster(
        stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups(), acknowledge=accepted
    )
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    cdk_app.synth()
    assert not [text for text in warnings(cdk_app) if "HP502" in text]


# ---- 18: cdk-nag over the app ----


def test_cdk_nag_finds_nothing_that_is_not_explained() -> None:
    cdk_app, stack, cluster = one_stack()
    workloads(stack, cluster)
    Validations.of(cdk_app).add_plugins(JustifiedNag(cdk_app))
    assert cdk_app.synth().stacks


# ---- 19: an organization's own rule over the resources ----


def test_a_rule_of_the_user_sees_the_cluster_as_a_resource() -> None:
    visited: list[str] = []

    @jsii.implements(IAspect)
    class NoUnnamedOwner:
        def visit(self, node: IConstruct) -> None:
            if isinstance(node, CfnResource) and node.cfn_resource_type == "AWS::SageMaker::Cluster":
                visited.append(type(node).__name__)

    cdk_app, _, _ = one_stack()
    Aspects.of(cdk_app).add(NoUnnamedOwner())
    cdk_app.synth()
    assert visited == ["CfnCluster"]


def test_a_warning_is_silenced_the_way_of_cdk() -> None:
    cdk_app, stack, cluster = one_stack()
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    Annotations.of(stack).acknowledge_warning("hyperpod-constructs:HP502", "our GitOps tool installs both")
    cdk_app.synth()
    assert not [text for text in warnings(cdk_app) if "HP502" in text]
