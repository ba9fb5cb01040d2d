"""What remains after a deletion: retained resources, resources of other services, or deleted data."""

from __future__ import annotations

from collections.abc import Iterator

from ..changes.deployments import DATA, KEEPING
from ..stack_templates import resources
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .subject import Subject
from .words import Words


def section(subject: Subject, words: Words | None) -> Section:
    """The whole section."""
    head = ("What", "Kind", "Policy", "Means")
    kept = list(_kept(words, ours=subject.platform.eks.existing is None)) if words else list(_configured(subject))
    blocks: list[Block] = [
        *table(
            "Retained when the stacks are deleted, and billed until you delete it",
            head,
            kept,
            empty="No resource of these stacks is retained.",
        ),
        *table(
            "Not deleted: created by other services outside the stacks",
            ("What", "Created by", "Delete it with"),
            list(_others(subject)),
        ),
    ]
    if words is None:
        blocks.append(Paragraph(f"Deletion policies are in the templates. {subject.left_out}"))
    return Section("removal", "Retained after deletion", tuple(blocks))


def _kept(words: Words, *, ours: bool) -> Iterator[tuple[Content, ...]]:
    for stack, template in words.assembly.stacks.items():
        for name, resource in resources(template).items():
            policy, kind = str(resource.get("DeletionPolicy", "")), str(resource.get("Type"))
            if policy in KEEPING:
                yield code(words.name(stack, name)), kind, policy, "retained with its data" if kind in DATA else "stays"
            elif kind in DATA and policy == "Delete" and kind == "AWS::FSx::FileSystem":
                yield code(words.name(stack, name)), kind, policy, Cell("deleted with its data", "bad")
            elif resource.get("Properties", {}).get("PreserveOnDelete") is True and not ours:
                yield code(words.name(stack, name)), kind, "PreserveOnDelete", "its pods remain in the existing cluster"


def _configured(subject: Subject) -> Iterator[tuple[Content, ...]]:
    storage, goes = subject.platform.storage, subject.platform.allow_data_loss
    kept = [("file system", file_system.name, file_system.removal) for file_system in storage.lustre]
    for kind, name, removal in [*kept, *(("bucket", bucket.name, bucket.removal) for bucket in storage.buckets)]:
        gone = removal == "destroy" and goes
        yield name, kind, removal, Cell("deleted with its data", "bad") if gone else "retained with its data"


def _others(subject: Subject) -> Iterator[tuple[Content, ...]]:
    platform = subject.platform
    name = platform.completed_cluster.cluster_name or "NAME"
    yield (
        code(f"/aws/sagemaker/Clusters/{name}/*"),
        "HyperPod: logs of the nodes, without retention",
        code("aws logs delete-log-group"),
    )
    if "cloudwatch_observability" in platform.addons.effective():
        yield code(f"/aws/containerinsights/{name}/*"), "the CloudWatch add-on", code("aws logs delete-log-group")
    if platform.eks.existing is None and platform.eks.logs:
        yield (
            code(f"/aws/eks/{platform.completed_eks.cluster_name or 'NAME'}/cluster"),
            "EKS, if it writes a last event after the deletion",
            code("aws logs delete-log-group"),
        )
    yield (
        "volumes and load balancers that Kubernetes created",
        "CSI drivers and controllers",
        "delete claims and services first",
    )
    yield "network interfaces and endpoints of other services, such as GuardDuty", "that service", "the EC2 console"
