"""Pods and logs of jobs."""

from __future__ import annotations

import json

import pytest
from day2 import job, pod


def test_pods_of_a_replica(two_pods, run):
    names = [load["name"] for load in json.loads(run("jobs", "pods", "llama", "-o", "json").stdout)]
    assert names == ["llama-pod-0", "llama-pod-1", "llama-pod-10"]
    assert two_pods.received("GET", "/pods$")[0].query["labelSelector"] == "HPJob=llama"
    [pod] = json.loads(run("jobs", "pods", "llama", "--replica", "pod-1", "-o", "json").stdout)
    assert (pod["name"], pod["ready"], pod["restarts"], pod["node"]) == ("llama-pod-1", "1/2", 3, "node-1")


def test_pods_of_all_namespaces(two_pods, run):
    pod(two_pods, "dns", {}, namespace="kube-system")
    lines = [line.split() for line in run("jobs", "pods").stdout.splitlines()[1:]]
    assert [line[:2] for line in lines] == [
        ["kube-system", "dns"],
        ["team", "llama-pod-0"],
        ["team", "llama-pod-1"],
        ["team", "llama-pod-10"],
    ]
    assert two_pods.received("GET")[0].path == "/api/v1/pods"


def test_pods_that_only_their_owner_names(api, run):
    owner = job(api)["metadata"]["uid"]
    created = pod(api, "llama-x", {})
    created["metadata"]["ownerReferences"] = [{"uid": owner, "name": "llama"}]
    assert [load["name"] for load in json.loads(run("jobs", "pods", "llama", "-o", "json").stdout)] == ["llama-x"]


def test_logs_of_the_first_pod(two_pods, run):
    result = run("jobs", "logs", "llama")
    assert result.stdout == "hello from 0\nepoch 1\n"
    [request] = two_pods.received("GET", "/log$")
    assert request.path == "/api/v1/namespaces/team/pods/llama-pod-0/log"
    assert request.query == {"container": "pytorch"}


def test_logs_with_all_options(two_pods, run):
    run("jobs", "logs", "llama", "-f", "--tail", 5, "-p", "-c", "sidecar", "--since", 60, "--pod", "llama-pod-1")
    assert two_pods.received("GET", "/log$")[0].query == {
        "container": "sidecar",
        "follow": "true",
        "tailLines": "5",
        "previous": "true",
        "sinceSeconds": "60",
    }


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_logs_of_all_pods_have_the_pods_name(two_pods, run, follow):
    lines = run("jobs", "logs", "llama", "--all", *follow).stdout.splitlines()
    assert sorted(lines) == sorted(
        f"[llama-pod-{index}] {text}" for index in (0, 1, 10) for text in (f"hello from {index}", "epoch 1")
    )


def test_logs_of_a_replica_that_does_not_exist(two_pods, run):
    result = run("jobs", "logs", "llama", "--replica", "master")
    assert result.exit_code == 1
    assert "has no pod of replica master; `hyperpod jobs pods llama` lists its pods" in result.output
