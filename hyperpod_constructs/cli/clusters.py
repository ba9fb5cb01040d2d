"""`hyperpod clusters`: list and describe clusters and their nodes."""

from __future__ import annotations

from typing import Any

import click

from .live import aws_options, emit, facts, output_option, request_errors, table


def sagemaker(profile: str | None, region: str | None) -> Any:
    """A boto3 client."""
    from ..live.operations.aws import client

    return client("sagemaker", profile, region)


@click.group()
def clusters() -> None:
    """List and describe the HyperPod clusters of the account."""


@clusters.command("list")
@aws_options
@output_option
def list_(profile: str | None, region: str | None, output: str) -> None:
    """List the clusters of the region."""
    from ..live.operations.clusters import clusters as list_clusters

    with request_errors():
        found = list_clusters(sagemaker(profile, region))
    head = ["NAME", "STATUS", "EKS", "GROUPS", "NODES", "CREATED"]
    rows = [
        [
            cluster["name"],
            cluster["status"],
            cluster["eks"],
            cluster["groups"],
            f"{cluster['nodes']}/{cluster['target']}",
            cluster["created"],
        ]
        for cluster in found
    ]
    emit(found, output, lambda: table(head, rows, empty="no HyperPod cluster in this region"))


@clusters.command()
@click.argument("name")
@aws_options
@output_option
def describe(name: str, profile: str | None, region: str | None, output: str) -> None:
    """Describe a cluster: its status, network and groups."""
    from ..live.operations.clusters import described

    with request_errors():
        found = described(sagemaker(profile, region).describe_cluster(ClusterName=name))

    def text() -> str:
        head = ["GROUP", "TYPE", "NODES", "STATUS", "SOFTWARE", "PLAN"]
        rows = [
            [
                group["name"],
                ",".join(group["types"]),
                f"{group['count']}/{group['target']}",
                group["status"],
                group["software"],
                group["training_plan"],
            ]
            for group in found["instance_groups"]
        ]
        plain = {key.replace("_", " "): value for key, value in found.items() if key != "instance_groups"}
        shown = {key: ", ".join(value) if isinstance(value, list) else value for key, value in plain.items()}
        return f"{facts(shown)}\n\n{table(head, rows, empty='no groups')}"

    emit(found, output, text)


@clusters.command()
@click.argument("name")
@click.option("--group", help="Only nodes of this instance group.")
@click.option("--status", help="Only nodes in this status, such as Failure.")
@aws_options
@output_option
def nodes(
    name: str, group: str | None, status: str | None, profile: str | None, region: str | None, output: str
) -> None:
    """List the nodes of a cluster, with the service's failure messages."""
    from ..live.operations.clusters import nodes as list_nodes

    with request_errors():
        found = list_nodes(sagemaker(profile, region), name, group=group, status=status)
    head = ["NODE", "GROUP", "TYPE", "STATUS", "SOFTWARE", "HOST", "MESSAGE"]
    rows = [[node[key] for key in ("id", "group", "type", "status", "software", "host", "message")] for node in found]
    emit(found, output, lambda: table(head, rows, empty="no matching nodes"))
