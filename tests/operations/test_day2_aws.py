"""Clusters, nodes and software against AWS over HTTP."""

from __future__ import annotations

import json

import pytest
import yaml
from accounts import NOW, hyperpod

from hyperpod_constructs.cli import nodes as nodes_cli
from hyperpod_constructs.cli import stacks as stacks_cli


@pytest.fixture
def clock(monkeypatch):
    from day2 import FakeTime

    fake_time = FakeTime()
    monkeypatch.setattr(nodes_cli, "time", fake_time)
    monkeypatch.setattr(stacks_cli, "time", fake_time)
    return fake_time


def test_clusters_list(research, run):
    research.page_size = 1
    lines = run("clusters", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "EKS", "GROUPS", "NODES", "CREATED"]
    assert [line.split()[:5] for line in lines[1:]] == [
        ["research", "InService", "control", "1", "3/4"],
        ["old", "InService", "control", "1", "3/4"],
    ]


def test_clusters_list_as_json(research, run):
    found = json.loads(run("clusters", "list", "-o", "json").stdout)
    assert [(item["name"], item["eks"], item["nodes"], item["target"]) for item in found] == [
        ("research", "control", 3, 4),
        ("old", "control", 3, 4),
    ]


def test_clusters_describe(research, run):
    result = run("clusters", "describe", "research")
    for text in ("InService", "control", "workers", "ml.p5.48xlarge", "3/4", "Updating"):
        assert text in result.stdout
    data = yaml.safe_load(run("clusters", "describe", "research", "-o", "yaml").stdout)
    assert data["instance_groups"][0]["name"] == "workers"


def test_a_cluster_that_does_not_exist(aws, run):
    aws.fail("sagemaker", "DescribeCluster", "ResourceNotFound", "Cluster not found")
    result = run("clusters", "describe", "nothing")
    assert result.exit_code == 1
    assert "ResourceNotFound: Cluster not found" in result.output


def test_a_failed_call_has_a_fix(aws, run):
    aws.fail("sagemaker", "ListClusters", "AccessDeniedException", "not you")
    result = run("clusters", "list")
    assert result.exit_code == 1
    assert "access denied" in result.output
    assert "fix: Allow ListClusters" in result.output


NODES = {
    "ClusterNodeSummaries": [
        {
            "InstanceGroupName": group,
            "InstanceId": id_,
            "InstanceType": "ml.p5.48xlarge",
            "LaunchTime": NOW,
            "InstanceStatus": {"Status": status, "Message": message},
        }
        for id_, group, status, message in (
            ("i-0000000000000000a", "workers", "Running", ""),
            ("i-0000000000000000b", "workers", "Failure", "EFA check failed"),
            ("i-0000000000000000c", "workers-2", "Running", ""),
        )
    ]
}


def test_clusters_nodes(aws, run):
    aws.on("sagemaker", "ListClusterNodes", NODES)
    aws.page_size = 1
    assert len(json.loads(run("clusters", "nodes", "research", "-o", "json").stdout)) == 3
    result = run("clusters", "nodes", "research", "--group", "workers", "--status", "Failure")
    assert "i-0000000000000000b" in result.stdout
    assert "EFA check failed" in result.stdout
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("verb", "operation"), [("reboot", "BatchRebootClusterNodes"), ("replace", "BatchReplaceClusterNodes")]
)
def test_nodes_are_sent_in_batches_of_the_apis_limit(aws, run, verb, operation):
    ids = [f"i-{number:017x}" for number in range(30)]

    def answer(request):
        node_ids = request["NodeIds"]
        failed = [
            {"NodeId": item, "ErrorCode": "InvalidInstanceStatus", "Message": "busy"}
            for item in node_ids
            if item == ids[29]
        ]
        return {"Successful": [item for item in node_ids if item != ids[29]], "Failed": failed}

    aws.on("sagemaker", operation, answer)
    result = run("nodes", verb, "research", *ids, "--yes", "-o", "json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (len(data["done"]), data["failed"]) == (29, [{"id": ids[29], "reason": "InvalidInstanceStatus: busy"}])
    assert [len(request["NodeIds"]) for request in aws.received("sagemaker", operation)] == [25, 5]


def test_nodes_commands_ask_for_confirmation(aws, run):
    result = run("nodes", "replace", "research", "i-1", input="n\n")
    assert result.exit_code == 1
    assert "Replace 1 node of research: i-1? Pods on them are interrupted and their disks are lost" in result.output
    assert aws.calls == []


def test_software_update(aws, run):
    aws.on("sagemaker", "UpdateClusterSoftware", {"ClusterArn": hyperpod("research", [])["ClusterArn"]})
    options = ["--group", "workers", "--release", "1.2.3", "--batch", "10%", "--wait-seconds", 60, "--alarm", "bad"]
    assert run("software", "update", "research", *options, "--yes").exit_code == 0
    assert aws.received("sagemaker", "UpdateClusterSoftware") == [
        {
            "ClusterName": "research",
            "InstanceGroups": [{"InstanceGroupName": "workers", "ImageReleaseVersion": "1.2.3"}],
            "DeploymentConfig": {
                "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 10}},
                "WaitIntervalInSeconds": 60,
                "AutoRollbackConfiguration": [{"AlarmName": "bad"}],
            },
        }
    ]


@pytest.mark.parametrize(("end", "code"), [("InService", 0), ("Failed", 1)])
def test_software_update_waits(aws, run, clock, end, code):
    states = ["SystemUpdating", "SystemUpdating", end]
    aws.on("sagemaker", "UpdateClusterSoftware", {"ClusterArn": hyperpod("research", [])["ClusterArn"]})
    aws.on("sagemaker", "DescribeCluster", lambda item: {**hyperpod("research", []), "ClusterStatus": states.pop(0)})
    assert run("software", "update", "research", "--wait", "--yes").exit_code == code
    assert clock.at == 60


def test_software_update_with_a_wrong_batch(aws, run):
    result = run("software", "update", "research", "--batch", "some", "--yes")
    assert result.exit_code == 2
    assert "'some' is not a number of instances or a percentage such as 10%" in result.output
