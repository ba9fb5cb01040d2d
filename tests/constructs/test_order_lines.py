"""Dependencies that one line of a construct creates, in stacks where no other dependency implies them."""

from __future__ import annotations

from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, CfnResource, Stack, assertions
from aws_cdk import aws_lambda as lambda_
from platform_parts import make_cluster, synthesize
from waiting import Waiting

from hyperpod_constructs.constructs.addons import TrainingOperatorAddon
from hyperpod_constructs.constructs.functions_in_vpc import put_functions_into_vpc
from hyperpod_constructs.constructs.governance import HyperPodTeam
from hyperpod_constructs.constructs.manifests import Manifests
from hyperpod_constructs.constructs.storage import Claims
from hyperpod_constructs.constructs.training_job import TrainingJob
from hyperpod_constructs.core.spec import Job, Team

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "a", "namespace": "hyperpod-ns-vision"},
}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "hyperpod-ns-vision"}}
PROVIDER = "HyperPodGovernanceProvider[0-9a-f]{8}"

ORDER = [
    ("TrainJob", "OperatorKindEstablished", "the kind of the job must exist"),
    ("OperatorKindEstablished", "OperatorActive", "the add-on installs the kind"),
    ("TeamRights", "TeamQuota", "the quota creates the namespace"),
    ("TeamIsolation", "TeamPodSecurity", "the labels wait for the namespace"),
    ("TeamPodSecurity", "TeamQuota", "the quota creates the namespace"),
    ("TeamRights", "TeamIsolation", "members must not run pods before"),
    ("Volumeshyperpodnsvision", "TeamRights", "the namespace is ready"),
    ("TrainJob", "Volumeshyperpodnsvision", "pods of the job wait for claims otherwise"),
    ("Ownhyperpodnsvision", "TeamRights", "the namespace is ready"),
    ("TrainJob", "Ownhyperpodnsvision", "jobs can require the objects"),
    ("TeamQuota", f"{PROVIDER}RoleDefaultPolicy", "the function needs its permissions, also for the deletion"),
]


@pytest.fixture(scope="module")
def waiting() -> Waiting:
    """A team with a quota of the handler, a claim in its namespace, and a job outside the namespace."""

    def build(stack: Stack) -> None:
        cluster = make_cluster(stack)
        TrainingOperatorAddon(stack, "Operator", cluster=cluster)
        HyperPodTeam(stack, "Team", cluster=cluster, team=Team(name="vision"), through="handler")
        Manifests(stack, "Own", cluster=cluster, objects=[SETTINGS])
        Claims(stack, "Volumes", cluster=cluster, driver="fsx_csi", objects={"hyperpod-ns-vision": [CLAIM]})
        job = Job(name="train", image="registry/train:v1", instance_type="ml.m5.4xlarge")
        TrainingJob(stack, "Train", cluster=cluster, job=job)

    return Waiting({"Test": synthesize(build).template})


@pytest.mark.parametrize(("later", "earlier", "why"), ORDER)
def test_order(waiting: Waiting, later: str, earlier: str, why: str) -> None:
    assert waiting.after(later, earlier), why


def test_functions_in_a_vpc_wait_for_their_routes() -> None:
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    route = CfnResource(stack, "Route", type="AWS::EC2::Route")
    code: Any = lambda_.Code.from_inline("def handler(event, context): pass")
    lambda_.Function(stack, "Mine", runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=code)
    put_functions_into_vpc(stack, subnet_ids=["subnet-1"], security_group_ids=["sg-1"], after=[route])
    template = assertions.Template.from_stack(stack).to_json()
    (function,) = [
        resource for resource in template["Resources"].values() if resource["Type"] == "AWS::Lambda::Function"
    ]
    assert function["Properties"]["VpcConfig"] == {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert "Route" in function["DependsOn"]
