"""HP32x: properties of a group's nodes: threads, health checks, labels, taints."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import allowed, limit, pattern, source_of
from ..documents import join
from ..findings import Severity
from ..spec.base import is_token
from .context import Context, Groups, InstanceGroups, as_text, skipped, types_of
from .registry import Problem, rule

_SYSTEM = "{name: system, instance_type: ml.m5.4xlarge, count: 2}"


def fragment(group: str) -> str:
    """A config fragment with a system group and another group, for the examples of rules."""
    return f"cluster: {{instance_groups: [{_SYSTEM}, {{name: workers, {group}}}]}}\n"


@rule(
    "HP320",
    title="The instance type supports the number of threads per core.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the value: types without simultaneous multithreading have one thread per core.",
    cure="Remove threads_per_core.",
    source="EC2 DescribeInstanceTypes: ValidThreadsPerCore",
    wrong=fragment("instance_type: ml.c7g.4xlarge, count: 1, threads_per_core: 2"),
    right=fragment("instance_type: ml.c5.4xlarge, count: 1, threads_per_core: 2"),
)
def threads(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        for instance_type in types_of(group):
            threads, valid = group.threads_per_core, instance_type.threads_per_core
            if threads is not None and valid is not None and threads not in valid:
                yield Problem(
                    f"{path}.threads_per_core",
                    f"{threads} is not supported: {instance_type.name} supports {' or '.join(map(str, valid))}",
                )


@rule(
    "HP321",
    title="Deep health checks are for accelerated types.",
    severity=Severity.ERROR,
    why="CreateCluster rejects deep health checks for types without accelerators.",
    cure="Remove deep_health_checks from the group.",
    source="documentation: deep health checks are for GPU and Trainium instances",
    wrong=fragment("instance_type: ml.m5.4xlarge, count: 2, deep_health_checks: [InstanceStress]"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, deep_health_checks: [InstanceStress]"),
)
def health_checks_on_accelerators(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        for instance_type in types_of(group):
            if group.deep_health_checks and not instance_type.deep_health_checks:
                yield Problem(f"{path}.deep_health_checks", f"{instance_type.name} has no accelerators")


@rule(
    "HP322",
    title="Deep health checks are supported by CloudFormation.",
    severity=Severity.ERROR,
    why="CloudFormation rejects the template; only the API supports the check.",
    cure="Remove it, and start it with StartClusterHealthCheck after the cluster has been created.",
    source=source_of("allowed", "deep_health_checks_cfn"),
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, deep_health_checks: [MultiNodeTrainingValidation]"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, deep_health_checks: [InstanceConnectivity]"),
)
def health_checks_of_cloudformation(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        for index, name in enumerate(group.deep_health_checks):
            place = f"{path}.deep_health_checks[{index}]"
            if name not in allowed("deep_health_checks_cfn"):
                yield Problem(place, f"CloudFormation does not support {name} yet")
            if name in group.deep_health_checks[:index]:
                yield Problem(
                    place, f"{name} is listed twice", "Remove the duplicate.", "The check runs once, or is rejected."
                )


@rule(
    "HP323",
    title="InstanceConnectivity requires EFA and two nodes.",
    severity=Severity.WARNING,
    why="The check cannot pass, and nodes that do not pass run no jobs.",
    cure="Use InstanceStress only.",
    source="documentation of deep health checks; that it needs two nodes is inferred",
    wrong=fragment("instance_type: ml.g5.2xlarge, count: 2, deep_health_checks: [InstanceConnectivity]"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, deep_health_checks: [InstanceConnectivity]"),
)
def connectivity_check(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        if "InstanceConnectivity" not in group.deep_health_checks:
            continue
        for instance_type in types_of(group):
            if instance_type.is_accelerated and not instance_type.supports_efa:
                yield Problem(
                    f"{path}.deep_health_checks",
                    f"InstanceConnectivity requires EFA, which {instance_type.name} does not support",
                )
        if group.count == 1:
            yield Problem(f"{path}.deep_health_checks", "InstanceConnectivity requires two nodes; the count is 1")


@rule(
    "HP324",
    title="Groups with deep health checks have no taints.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the combination.",
    cure="Remove the taints or the checks. To keep other pods off the nodes, use node selectors.",
    source="documentation of deep health checks and custom taints",
    wrong=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, deep_health_checks: [InstanceStress], "
        "taints: [{key: gpu, effect: NoSchedule}]"
    ),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, taints: [{key: gpu, effect: NoSchedule}]"),
)
def health_checks_or_taints(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        if group.deep_health_checks and group.taints:
            yield Problem(f"{path}.taints", "conflicts with deep_health_checks")


@rule(
    "HP325",
    title="Labels are valid Kubernetes labels.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the labels; CloudFormation does not validate them.",
    cure="Use keys with an optional lowercase domain, a slash and a name, and values of 1 to 63 letters, digits, `-`, "
    "`_` and `.`.",
    source=source_of("patterns", "kubernetes_label_key"),
    wrong=fragment('instance_type: ml.p5.48xlarge, count: 2, labels: {team: "vision & speech"}'),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, labels: {team: vision}"),
)
def labels(instance_groups: InstanceGroups) -> Iterator[Problem]:
    maximum = limit("kubernetes_labels_per_group").value
    for path, group in instance_groups:
        if len(group.labels) > maximum:
            yield Problem(f"{path}.labels", f"{len(group.labels)} labels; the limit is {maximum}", "Use fewer labels.")
        for key, value in group.labels.items():
            yield from _key_and_value(join(f"{path}.labels", key), "label", key, value)


def _key_and_value(path: str, what: str, key: str, value: str | None) -> Iterator[Problem]:
    for part, text in (("key", key), ("value", value)):
        if text is None:
            continue
        bound = limit(f"kubernetes_{what}_{part}_length")
        if is_token(text):
            yield skipped(path)
        elif not bound.allows(len(text)):
            yield Problem(
                path,
                f"the {part} {as_text(text)} has {len(text)} characters; {bound.minimum} to {bound.value} are allowed",
            )
        elif (
            part == "key"
            and (name := text.rpartition("/")[2])
            and len(name) > (maximum := limit("label_name_length").value)
        ):
            yield Problem(
                path, f"the name {as_text(name)} of the key has {len(name)} characters; the limit is {maximum}"
            )
        elif not re.fullmatch(pattern(f"kubernetes_{what}_{part}"), text):
            yield Problem(path, f"the {part} {as_text(text)} is not a valid Kubernetes {what} {part}")


@rule(
    "HP326",
    title="Taints are valid Kubernetes taints and unique.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the taints.",
    cure="Use a key such as example.com/team, and a value of 1 to 63 letters, digits, `-`, `_` and `.`.",
    source=source_of("patterns", "kubernetes_taint_key"),
    wrong=fragment('instance_type: ml.p5.48xlarge, count: 2, taints: [{key: "no space", effect: NoSchedule}]'),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, taints: [{key: gpu, effect: NoSchedule}]"),
)
def taints(instance_groups: InstanceGroups) -> Iterator[Problem]:
    maximum = limit("kubernetes_taints_per_group").value
    for path, group in instance_groups:
        if len(group.taints) > maximum:
            yield Problem(f"{path}.taints", f"{len(group.taints)} taints; the limit is {maximum}", "Use fewer taints.")
        seen: set[tuple[str, str]] = set()
        for index, taint in enumerate(group.taints):
            place = f"{path}.taints[{index}]"
            yield from _key_and_value(place, "taint", taint.key, taint.value)
            if (taint.key, taint.effect) in seen:
                yield Problem(
                    place, f"{as_text(taint.key)} with {taint.effect} is listed twice", "Remove the duplicate."
                )
            seen.add((taint.key, taint.effect))


@rule(
    "HP327",
    title="Labels do not use domains of the service or of Kubernetes.",
    severity=Severity.WARNING,
    why="SageMaker and the kubelet set the labels in these domains; others are rejected or overwritten.",
    cure="Use your own domain.",
    source="documentation page sagemaker-hyperpod-eks-resiliency-node-labels; Kubernetes NodeRestriction",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, labels: {sagemaker.amazonaws.com/team: vision}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, labels: {example.com/team: vision}"),
)
def reserved_labels(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        keys = [(join(f"{path}.labels", key), key) for key in group.labels]
        keys += [(f"{path}.taints[{index}]", taint.key) for index, taint in enumerate(group.taints)]
        for place, key in keys:
            domain = key.partition("/")[0] if "/" in key else ""
            if domain.endswith(("sagemaker.amazonaws.com", "kubernetes.io", "k8s.io")) and domain not in _OPEN_DOMAINS:
                yield Problem(place, f"{as_text(key)} is in a domain that SageMaker or Kubernetes reserves")


_OPERATOR = "Set dependencies.gpu_operator to true, or remove the label."
_OPEN_DOMAINS = ("node.kubernetes.io", "node-restriction.kubernetes.io")


@rule(
    "HP328",
    title="A MIG label specifies a profile of the instance type and is used with the GPU operator.",
    severity=Severity.WARNING,
    why="Without the operator the GPUs are not partitioned; a profile of another type fails on the node.",
    cure="Enable dependencies.gpu_operator, and use a MIG configuration of the type's GPU.",
    source="dependency chart, gpu-operator; sagemaker-hyperpod 3.12.0 for the types with MIG",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, labels: {nvidia.com/mig.config: all-1g.10gb}"),
    right="dependencies: {gpu_operator: true, allow_unpinned_subcharts: true}\n"
    + fragment("instance_type: ml.p5.48xlarge, count: 2, labels: {nvidia.com/mig.config: all-1g.10gb}"),
)
def mig_labels(instance_groups: InstanceGroups, ctx: Context) -> Iterator[Problem]:
    for path, group in instance_groups:
        value = group.labels.get("nvidia.com/mig.config")
        if value is None:
            continue
        place = join(f"{path}.labels", "nvidia.com/mig.config")
        if ctx.dependencies is not None and not ctx.dependencies.gpu_operator:
            yield Problem(place, "requests MIG partitions, but the GPU operator is disabled", _OPERATOR)
        for instance_type in types_of(group):
            if not instance_type.mig_profiles:
                message = f"requests MIG partitions, which {instance_type.name} does not support"
                yield Problem(place, message, "Remove the label.", "The GPUs of the nodes are not partitioned.")
                continue
            profile = value.removeprefix("all-")
            sizes = {name.removeprefix("mig-") for name in instance_type.mig_profiles}
            if value.startswith("all-") and re.match(r"[0-9]+g\.", profile) and profile not in sizes:
                yield Problem(
                    place,
                    f"{as_text(value)} is not a MIG configuration of {instance_type.name}",
                    f"Use one of: {', '.join(f'all-{size}' for size in sorted(sizes))}.",
                    "The GPU operator fails on the node.",
                )
