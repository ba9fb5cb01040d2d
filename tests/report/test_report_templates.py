"""Content of reports from synthesized templates: access, open ports, digests, order, and retained resources."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT
from proving import every
from reports import captions, report, sections, texts_of

from hyperpod_constructs.cli.diff import synthesized
from hyperpod_constructs.core.config import load

pytestmark = pytest.mark.slow
Whole = Callable[[str], Path]


def read(whole: Whole, name: str) -> dict[str, list[dict[str, Any]]]:
    return sections(json.loads(whole(name).read_text()))


def texts(row: list[Any]) -> list[str]:
    return [cell if isinstance(cell, str) else cell["text"] for cell in row]


@pytest.mark.parametrize(
    "name", ["hyperpod", "everything", "closed-network", "existing-vpc-and-eks", "restricted-groups"]
)
def test_whole_reports_leave_nothing_out(whole: Whole, name: str):
    found = read(whole, name)
    assert "left out" not in texts_of(list(found.values()))
    assert found["order"][1]["title"] == "Diagram of the order of deployment"


def test_every_statement_of_every_role_is_reported(whole: Whole):
    platform = load(ROOT / "examples/everything.yaml").platform
    assert platform is not None
    resources = [resource for template in synthesized(platform).values() for resource in template["Resources"].values()]
    expected = 0
    for item in resources:
        properties = item.get("Properties", {})
        documents = (
            [properties["PolicyDocument"]] if item["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy") else []
        )
        documents += (
            [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
            if item["Type"] == "AWS::IAM::Role"
            else []
        )
        expected += sum(len(document["Statement"]) for document in documents)
    tables = captions(read(whole, "everything")["access"])
    assert len(tables["IAM statements of roles"]) == expected > 50
    entries = [texts(row) for row in tables["Access entries: permissions in Kubernetes"]]
    assert len(entries) == sum(resource["Type"] == "AWS::EKS::AccessEntry" for resource in resources)
    assert ["arn:aws:iam::111122223333:role/PlatformAdmin", "everything (AmazonEKSClusterAdminPolicy)", "the whole cluster",
            ""] in entries  # fmt: skip
    assert ["arn:aws:iam::111122223333:role/Vision", "read most objects, but no secrets (AmazonEKSViewPolicy)",
            "namespace hyperpod-ns-vision", "hyperpod-team-vision"] in entries  # fmt: skip
    rights = [texts(row) for row in tables["Permissions in Kubernetes that these stacks grant (RBAC)"]]
    assert ["group hyperpod-team-vision", "namespace hyperpod-ns-vision", "*",
            "hyperpodpytorchjobs, hyperpodpytorchjobs/status of sagemaker.amazonaws.com"] in rights  # fmt: skip


def test_statements_are_sentences(whole: Whole):
    rows = [texts(row) for row in captions(read(whole, "hyperpod")["access"])["IAM statements of roles"]]
    assert [
        "Eks/Kubernetes/Apply/framework-onEvent/ServiceRole",
        "Allow",
        "lambda:GetFunction",
        "<Eks/Kubernetes/Applier>",
        "",
    ] in rows
    buckets = [
        texts(row) for row in captions(read(whole, "hyperpod")["access"])["Policies of buckets, keys and topics"]
    ]
    assert ["any principal", "Deny", "s3:*", "<HyperPod/LifecycleScripts/Bucket>, <HyperPod/LifecycleScripts/Bucket>/*",
            "aws:SecureTransport is false"] in buckets  # fmt: skip


def test_security_groups_and_endpoints(whole: Whole):
    found = captions(read(whole, "hyperpod")["exposure"])
    rules = [texts(row) for row in found["Rules of security groups"]]
    assert [
        "Network/NodeSecurityGroup",
        "in",
        "itself",
        "all traffic",
        "EFA and pods: all traffic inside the group",
    ] in rules
    assert ["Network/NodeSecurityGroup", "out", "all destinations (0.0.0.0/0)", "all traffic",
            "Allow all outbound traffic by default"] in rules  # fmt: skip
    doors = [texts(row) for row in found["Network access to the platform"]]
    assert [
        "Kubernetes API, public endpoint",
        "any IP address",
        "requires credentials of an access entry",
    ] in doors


def test_charts_have_digests_and_images_without_one_are_marked(whole: Whole):
    found = captions(read(whole, "hyperpod")["artifacts"])
    chart = texts(found["Helm charts"][0])
    assert chart[0] == "hyperpod-dependencies"
    assert chart[3].startswith("sha256:")
    assert every(texts(row)[2] == "by tag, no digest" for row in found["Container images"])
    assert every(len(texts(row)[1]) == 64 for row in found["Assets of functions, layers and scripts"])


def test_the_order_has_a_critical_path(whole: Whole):
    found = read(whole, "hyperpod")["order"]
    path = [
        texts(row)[1]
        for row in captions(found)["Critical path: the resources that determine the duration, in sequence"]
    ]
    places = [path.index(f"research-{step}") for step in ("Network: Network/Vpc", "Eks: Eks/Cluster", "HyperPod: HyperPod",
                                                           "HyperPod: HyperPod/NodesReady")]  # fmt: skip
    assert places == sorted(places)
    stacks = [texts(row)[0] for row in captions(found)["Stacks in order"]]
    assert stacks == [f"research-{name}" for name in ("Network", "Eks", "HyperPod", "Addons", "Jobs")]


def test_retained_resources_after_a_deletion(whole: Whole):
    retained = captions(read(whole, "everything")["removal"])[
        "Retained when the stacks are deleted, and billed until you delete them"
    ]
    assert [texts(row)[0] for row in retained] == ["ObservabilityParts/Prometheus", "InferenceOperatorAccess/TlsBucket",
                                               "Network/FlowLogGroup"]  # fmt: skip


def test_changes_with_templates_have_the_steps_of_cloudformation(whole: Whole):
    found = read(whole, "edited")["changes"]
    steps = [texts(row)[1:3] for row in captions(found)["CloudFormation operations by stack"]]
    assert ["everything-HyperPod", "update"] in steps
    assert ["everything-Eks", "none"] in steps


def test_deployed_templates_are_a_former_state_too(tmp_path: Path):
    platform = load(ROOT / "hyperpod.yaml").platform
    assert platform is not None
    for name, template in synthesized(platform).items():
        text = json.dumps(template).replace('"InstanceGroupName": "workers"', '"InstanceGroupName": "former"')
        text = text.replace('"AddonName": "cert-manager"', '"AddonName": "another"').replace(
            "v1.3.0-eksbuild.1", "v1.2.0-eksbuild.1"
        )
        (tmp_path / f"{name}.template.json").write_text(text)
    content = json.loads(report(ROOT / "hyperpod.yaml", "--deployed", tmp_path, "--format", "json", code=3).stdout)
    found = sections(content)
    assert next(iter(found)) == "changes"
    assert "2 x ml.trn1.32xlarge (removed)" in texts_of(found["cluster"][0])
    assert "group workers: " in texts_of(found["cluster"][0])
    assert texts_of(found["cluster"][0]).count("(new)") == 1
    addons = texts_of(found["workloads"][0])
    assert "v1.3.0-eksbuild.1 in aws-hyperpod (version changed)" in addons
    assert "cert-manager chosen by EKS in cert-manager (new)" in addons
    assert "another chosen by EKS (removed)" in addons
    assert "Known cost before and after, in USD per hour" in captions(found["changes"])
