"""Deletion of the stacks: retained resources, deleted data, and resources of other services that are not deleted."""

from __future__ import annotations

from collections.abc import Iterator

from ..changes.deployments import DATA, KEEPING
from ..stack_templates import resources
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .subject import Subject
from .words import Words


def section(subject: Subject, words: Words | None) -> Section:
    """Returns the section."""
    head = ("Resource", "Type", "Policy", "Effect")
    kept = list(_kept(words, new_eks=subject.platform.eks.existing is None)) if words else list(_configured(subject))
    blocks: list[Block] = [
        *table(
            "Retained when the stacks are deleted, and billed until you delete them",
            head,
            kept,
            empty="No resource of these stacks is retained.",
        ),
        *table(
            "Not deleted: created by other services outside the stacks",
            ("Resource", "Created by", "Delete with"),
            list(_others(subject)),
        ),
    ]
    if words is None:
        blocks.append(Paragraph(f"Deletion policies are in the templates. {subject.left_out}"))
    return Section("removal", "Retained after deletion", tuple(blocks))


def _kept(words: Words, *, new_eks: bool) -> Iterator[tuple[Content, ...]]:
    for stack, template in words.assembly.stacks.items():
        for name, resource in resources(template).items():
            policy, kind = str(resource.get("DeletionPolicy", "")), str(resource.get("Type"))
            if policy in KEEPING:
                yield (
                    code(words.name(stack, name)),
                    kind,
                    policy,
                    "retained with its data" if kind in DATA else "retained",
                )
            elif kind in DATA and policy == "Delete" and kind == "AWS::FSx::FileSystem":
                yield code(words.name(stack, name)), kind, policy, Cell("deleted with its data", "bad")
            elif resource.get("Properties", {}).get("PreserveOnDelete") is True and not new_eks:
                yield code(words.name(stack, name)), kind, "PreserveOnDelete", "its pods remain in the existing cluster"


def _configured(subject: Subject) -> Iterator[tuple[Content, ...]]:
    storage, allowed = subject.platform.storage, subject.platform.allow_data_loss
    kept = [("file system", file_system.name, file_system.removal) for file_system in storage.lustre]
    for kind, name, removal in [*kept, *(("bucket", bucket.name, bucket.removal) for bucket in storage.buckets)]:
        deleted = removal == "destroy" and allowed
        yield name, kind, removal, Cell("deleted with its data", "bad") if deleted else "retained with its data"


def _others(subject: Subject) -> Iterator[tuple[Content, ...]]:
    platform = subject.platform
    name = platform.completed_cluster.cluster_name or "NAME"
    yield (
        code(f"/aws/sagemaker/Clusters/{name}/*"),
        "HyperPod: logs of the nodes, with no retention period",
        code("aws logs delete-log-group"),
    )
    if "cloudwatch_observability" in platform.addons.effective():
        yield code(f"/aws/containerinsights/{name}/*"), "the CloudWatch add-on", code("aws logs delete-log-group")
    if platform.eks.existing is None and platform.eks.logs:
        yield (
            code(f"/aws/eks/{platform.completed_eks.cluster_name or 'NAME'}/cluster"),
            "EKS, if it writes events after the deletion",
            code("aws logs delete-log-group"),
        )
    yield (
        "volumes and load balancers that Kubernetes created",
        "CSI drivers and controllers",
        "delete volume claims and services before the stacks",
    )
    yield "network interfaces and endpoints of other services, such as GuardDuty", "these services", "the EC2 console"
