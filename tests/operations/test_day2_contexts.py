"""Contexts: the kubeconfig is written as the AWS CLI writes it, and other entries do not change."""

from __future__ import annotations

import base64
import json
import stat

import boto3
import pytest
import yaml
from accounts import eks, hyperpod
from day2 import job


@pytest.fixture
def control(research, tmp_path, monkeypatch):
    authority = {"data": "Y2E="}
    research.on(
        "eks", "DescribeCluster", lambda item: eks(item["name"], endpoint="https://k", certificateAuthority=authority)
    )
    file = tmp_path / "kube" / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_context_set_writes_what_the_aws_cli_writes(control, run):
    result = run("context", "set", "research", "--profile", "me", "--namespace", "team", "--region", "us-west-2")
    assert result.exit_code == 0, result.output
    arn = eks("control")["cluster"]["arn"]
    assert yaml.safe_load(control.read_text()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": arn, "cluster": {"server": "https://k", "certificate-authority-data": "Y2E="}}],
        "users": [
            {
                "name": arn,
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": [
                            *("--region", "us-west-2", "eks", "get-token"),
                            *("--cluster-name", "control", "--output", "json"),
                        ],
                        "env": [{"name": "AWS_PROFILE", "value": "me"}],
                    }
                },
            }
        ],
        "contexts": [{"name": arn, "context": {"cluster": arn, "user": arn, "namespace": "team"}}],
        "current-context": arn,
    }
    assert stat.S_IMODE(control.stat().st_mode) == 0o600


def test_context_set_keeps_what_is_there(control, run):
    control.parent.mkdir()
    other = {"name": "other", "context": {"cluster": "c", "user": "u"}}
    control.write_text(yaml.safe_dump({"contexts": [other], "preferences": {"a": 1}, "current-context": "other"}))
    run("context", "set", "research", "--alias", "mine")
    run("context", "set", "research", "--alias", "mine")
    content = yaml.safe_load(control.read_text())
    assert [context["name"] for context in content["contexts"]] == ["other", "mine"]
    assert content["preferences"] == {"a": 1}
    assert content["current-context"] == "mine"
    assert [path.name for path in control.parent.iterdir()] == ["config"]


@pytest.mark.parametrize("content", ["- a\n- list\n", "{", "contexts: text\n"])
def test_context_set_does_not_touch_what_it_cannot_read(control, run, content):
    control.parent.mkdir()
    control.write_text(content)
    result = run("context", "set", "research")
    assert result.exit_code == 1
    assert "is not a valid kubeconfig" in result.output
    assert control.read_text() == content


def test_context_set_writes_through_a_link(control, run, tmp_path):
    target = tmp_path / "real"
    control.parent.mkdir()
    control.symlink_to(target)
    run("context", "set", "research")
    assert control.is_symlink()
    assert "current-context" in target.read_text()


def test_context_set_for_slurm(aws, run):
    aws.on("sagemaker", "DescribeCluster", hyperpod("research", []))
    result = run("context", "set", "research")
    assert "research is orchestrated by Slurm" in result.output


def test_context_show(control, run):
    assert run("context", "show").exit_code == 1
    run("context", "set", "research", "--profile", "me", "--region", "us-west-2")
    context = json.loads(run("context", "show", "-o", "json").stdout)
    assert (context["eks"], context["region"], context["profile"], context["server"]) == (
        "control",
        "us-west-2",
        "me",
        "https://k",
    )


@pytest.mark.slow
def test_against_moto_clusters_and_contexts(moto, run, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    arn = boto3.client("eks").create_cluster(
        name="control",
        version="1.35",
        roleArn="arn:aws:iam::123456789012:role/control",
        resourcesVpcConfig={"subnetIds": []},
    )["cluster"]["arn"]
    boto3.client("sagemaker").create_cluster(
        ClusterName="research",
        Orchestrator={"Eks": {"ClusterArn": arn}},
        InstanceGroups=[
            {
                "InstanceGroupName": "workers",
                "InstanceType": "ml.p5.48xlarge",
                "InstanceCount": 2,
                "ThreadsPerCore": 1,
                "ExecutionRole": "arn:aws:iam::123456789012:role/nodes",
                "LifeCycleConfig": {"SourceS3Uri": "s3://sagemaker-scripts", "OnCreate": "on_create.sh"},
            }
        ],
    )
    assert [load["name"] for load in json.loads(run("clusters", "list", "-o", "json").stdout)] == ["research"]
    assert len(json.loads(run("clusters", "nodes", "research", "-o", "json").stdout)) == 2
    assert run("context", "set", "control", "--eks").exit_code == 0
    assert json.loads(run("context", "show", "-o", "json").stdout)["eks"] == "control"


AWS_CLI = """#!/bin/sh
echo "$AWS_PROFILE $@" >> {asked}
echo '{{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": {{"token": "{token}"}}}}'
"""


def test_the_job_commands_use_the_context_that_was_set(api, research, run, tmp_path, monkeypatch):
    """From `context set` to a list of jobs; only the AWS CLI that the kubeconfig calls is a stand-in."""
    authority = {"data": base64.b64encode(api.ca_pem.encode()).decode()}
    research.on(
        "eks", "DescribeCluster", lambda item: eks(item["name"], endpoint=api.url, certificateAuthority=authority)
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "new"))
    record = tmp_path / "asked"
    cli = tmp_path / "bin" / "aws"
    cli.parent.mkdir()
    cli.write_text(AWS_CLI.format(asked=record, token=api.token))
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(cli.parent), prepend=":")
    assert run("context", "set", "research", "--profile", "me", "--region", "us-west-2").exit_code == 0
    job(api)
    result = run("jobs", "list")
    assert result.exit_code == 0, result.output
    assert "llama" in result.stdout
    assert record.read_text() == "me --region us-west-2 eks get-token --cluster-name control --output json\n"


def test_an_alias_of_another_cluster_is_not_overwritten(control, run):
    control.parent.mkdir()
    other = {"name": "prod", "context": {"cluster": "production", "user": "me"}}
    control.write_text(yaml.safe_dump({"contexts": [other], "current-context": "prod"}))
    before = control.read_text()
    result = run("context", "set", "research", "--alias", "prod", "--region", "us-west-2")
    assert result.exit_code == 1
    assert "the context 'prod' belongs to the cluster 'production'" in result.output
    assert "kubectl config delete-context" in result.output
    assert control.read_text() == before


def test_an_alias_of_the_same_cluster_may_be_set_again(control, run):
    for namespace in ("a", "b"):
        assert run("context", "set", "research", "--alias", "mine", "--namespace", namespace).exit_code == 0
    (context,) = yaml.safe_load(control.read_text())["contexts"]
    assert context["context"]["namespace"] == "b"
