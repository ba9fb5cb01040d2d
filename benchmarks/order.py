"""The order proof of templates of increasing size, in one process. Budget: linear; 5,000 resources in about one second."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from _run import Times, options, save, slope

from hyperpod_constructs.assembly.graph import prove


def stack(number: int, jobs: int) -> dict[str, Any]:
    """Returns a cluster with its network, add-ons, waits and `jobs` jobs, in order."""

    def ref(name: str) -> dict[str, str]:
        return {"Ref": name}

    def of_type(type_: str, *after: str, **properties: Any) -> dict[str, Any]:
        return {"Type": type_, "Properties": properties, "DependsOn": list(after)}

    def addon(name: str, *after: str) -> dict[str, Any]:
        return of_type("AWS::EKS::Addon", *after, AddonName=name, ClusterName=ref("Eks"))

    def custom(kind: str, *after: str, **properties: Any) -> dict[str, Any]:
        token = {"Fn::GetAtt": ["Handler", "Arn"]}
        return of_type(f"Custom::HyperPod{kind}", *after, ClusterName=ref("Eks"), ServiceToken=token, **properties)

    operator = "amazon-sagemaker-hyperpod-training-operator"
    subnets = {f"Subnet{n}": of_type("AWS::EC2::Subnet", VpcId=ref("Vpc")) for n in range(4)}
    routes = {
        f"Route{n}": of_type("AWS::EC2::Route", RouteTableId=ref(f"Table{n}"), NatGatewayId="nat") for n in range(4)
    }
    links = {
        f"Link{n}": of_type(
            "AWS::EC2::SubnetRouteTableAssociation", SubnetId=ref(f"Subnet{n}"), RouteTableId=ref(f"Table{n}")
        )
        for n in range(4)
    }
    tables = {f"Table{n}": of_type("AWS::EC2::RouteTable", VpcId=ref("Vpc")) for n in range(4)}
    network = [*routes, *links]
    manifest = {"kind": "HyperPodPyTorchJob", "metadata": {"name": "x"}, "spec": {"text": "x" * 2000}}
    return {
        "Resources": {
            "Vpc": of_type("AWS::EC2::VPC"),
            **subnets,
            **tables,
            **routes,
            **links,
            "Role": of_type("AWS::IAM::Role"),
            "Policy": of_type("AWS::IAM::Policy", Roles=[ref("Role")]),
            "Handler": of_type(
                "AWS::Lambda::Function",
                "Policy",
                Role={"Fn::GetAtt": ["Role", "Arn"]},
                VpcConfig={"SubnetIds": [ref(name) for name in subnets]},
            ),
            "Eks": of_type("AWS::EKS::Cluster", *network, Name=f"cluster-{number}"),
            "Access": of_type("AWS::EKS::AccessEntry", ClusterName=ref("Eks")),
            "Cni": addon("vpc-cni"),
            "Chart": custom("HelmRelease", "Access", Release="hyperpod-dependencies"),
            "Cluster": of_type(
                "AWS::SageMaker::Cluster",
                "Chart",
                "Cni",
                "Policy",
                Orchestrator={"Eks": {"ClusterArn": {"Fn::GetAtt": ["Eks", "Arn"]}}},
                VpcConfig={"Subnets": [ref(name) for name in subnets]},
                InstanceGroups=[{"ExecutionRole": {"Fn::GetAtt": ["Role", "Arn"]}}] * 20,
            ),
            "Ready": custom("KubernetesWait", "Access", "Cluster", Condition={"Type": "NodesReady"}),
            "Operator": addon(operator, "Ready"),
            "Crd": custom(
                "KubernetesWait", "Operator", Condition={"Name": "hyperpodpytorchjobs.sagemaker.amazonaws.com"}
            ),
            **{f"Job{n}": custom("KubernetesObjects", "Crd", Manifest=json.dumps([manifest])) for n in range(jobs)},
        }
    }


def main() -> None:
    """Measures and prints."""
    chosen = options(str(__doc__), rounds=5)
    times: dict[str, Times] = {}
    points: dict[int, float] = {}
    print("the order proof (wall seconds: median [min-max])")
    for clusters, jobs in ((1, 60), (5, 225), (20, 225), (1, 5000)):
        templates = {f"Cluster{number}": stack(number, jobs) for number in range(clusters)}
        resources = sum(len(template["Resources"]) for template in templates.values())
        measured = Times()
        for _ in range(chosen.rounds):
            start = time.perf_counter()
            proof = prove(templates)
            measured.wall.append(time.perf_counter() - start)
        times[f"{clusters} clusters, {jobs} jobs each"] = measured
        if jobs < 1000:  # the last has only one cluster, so it is not comparable with the others
            points[resources] = measured.median
        spread = f"[{min(measured.wall):.3f}-{max(measured.wall):.3f}]"
        size = f"{clusters} clusters, {resources} resources, {sum(proof.checked.values())} pairs"
        print(
            f"  {size}: {statistics.median(measured.wall):.3f} {spread}, {'in order' if proof.holds else proof.render()}"
        )
    slope("resources", "resource", points)
    save(chosen.json, times)


if __name__ == "__main__":
    main()
