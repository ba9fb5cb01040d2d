"""HP50x and HP51x: prerequisites, placement and configuration of add-ons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..catalog import Region, addon, limit
from ..documents import join
from ..findings import Severity
from ..placement import accepts_any_pod
from ..spec.addons import ADDON_NAMES, CORE, PREREQUISITES, Addons
from ..spec.arns import ROLE, Arn
from ..spec.base import is_token
from ..spec.eks import Eks
from .context import Context, EffectiveAddons, Groups, as_text, skipped, types_of
from .registry import Problem, describe, rule

_SYSTEM = "{name: system, instance_type: ml.m5.4xlarge, count: 2}"


def _existing(ctx: Context) -> bool:
    return ctx.eks is not None and ctx.eks.existing is not None


@rule(
    "HP501",
    title="Prerequisites of add-ons are enabled.",
    severity=Severity.ERROR,
    why="The add-on's pods wait for objects that nothing creates, and the add-on does not become active.",
    cure="Enable the prerequisite.",
    source="documentation pages of the add-ons; catalog: prerequisites",
    certain=False,
    wrong="addons: {training_operator: {}, cert_manager: {enabled: false}}\n",
    right="addons: {training_operator: {}}\n",
)
def prerequisites(effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    effective, chart = effective_addons, ctx.dependencies
    severity = None if ctx.eks is not None and ctx.eks.existing is None else Severity.WARNING
    unless = ", unless it is already installed on the EKS cluster" if severity else ""
    for key, needs in PREREQUISITES.items():
        for need in needs if key in effective else ():
            by_chart = chart is not None and chart.enabled and need == "cert_manager" and chart.cert_manager
            if need not in effective and not by_chart:
                message = f"disabled, but {key} requires {need}"
                yield Problem(f"addons.{need}.enabled", message, f"Enable {need}{unless}.", severity=severity)


@rule(
    "HP502",
    title="A new EKS cluster has its core add-ons.",
    severity=Severity.ERROR,
    why="Nodes without network, DNS or credentials do not become ready. HyperPod supports the VPC CNI only.",
    cure="Keep vpc_cni, kube_proxy, coredns and pod_identity_agent enabled.",
    source="documentation page sagemaker-hyperpod-eks-prerequisites; EKS: bootstrapSelfManagedAddons is disabled",
    certain=False,
    wrong="addons: {vpc_cni: {enabled: false}}\n",
    right="addons: {vpc_cni: {}}\n",
)
def core(addons: Addons, effective_addons: EffectiveAddons, eks: Eks, ctx: Context) -> Iterator[Problem]:
    if _existing(ctx):
        return
    users = [
        key for key in effective_addons if key in ADDON_NAMES and addon(ADDON_NAMES[key]).credentials == "pod-identity"
    ]
    for key in CORE:
        if getattr(addons, key).enabled:
            continue
        if key == "pod_identity_agent":
            required_by = [user for user in users if user not in CORE]
            severity = None if required_by else Severity.WARNING
            users_of_it = f"{', '.join(required_by)} {'requires' if len(required_by) == 1 else 'require'}"
            message = f"disabled, but {users_of_it} pod identity" if required_by else "disabled on a new EKS cluster"
            why = "Pods that use EKS Pod Identity get no AWS credentials."
            yield Problem(f"addons.{key}.enabled", message, consequence=why, severity=severity)
        else:
            yield Problem(
                f"addons.{key}.enabled", "disabled on a new EKS cluster, which is created without default add-ons"
            )


@rule(
    "HP503",
    title="Task governance and a separate Kueue are not both installed.",
    severity=Severity.ERROR,
    why="The installation of the task governance add-on fails where Kueue is already installed.",
    cure="Remove kueue, or task_governance.",
    source="documentation page …-governance-troubleshoot",
    certain=False,
    wrong="addons: {task_governance: {}, kueue: {}}\n",
    right="addons: {task_governance: {}}\n",
)
def one_kueue(effective_addons: EffectiveAddons) -> Iterator[Problem]:
    if "task_governance" in effective_addons and "kueue" in effective_addons:
        yield Problem("addons.kueue", "conflicts with task_governance, which installs Kueue")


@rule(
    "HP504",
    title="Add-ons are available in the region.",
    severity=Severity.ERROR,
    why="The add-on fails, or has no images or workspaces to use.",
    cure="Remove the add-on in this region; cloudwatch_observability and kueue are alternatives.",
    source="dependency chart: regions with inference images; Terraform module: regions of observability; "
    "CloudFormation: workspace types by region",
    certain=False,
    wrong="region: ap-south-2\nnetwork: {availability_zone_ids: [aps2-az1, aps2-az2]}\naddons: {observability: {}}\n",
    right="addons: {observability: {}}\n",
)
def regions(addons: Addons, effective_addons: EffectiveAddons, region_facts: Region) -> Iterator[Problem]:
    region = region_facts
    if not region.hyperpod:
        return
    effective = effective_addons
    if "observability" in effective and not region.observability:
        yield Problem("addons.observability", f"not available in {region.name}", _OTHER_COLLECTOR)
    if "inference_operator" in effective and not region.inference:
        message = f"the operator's images are not available in {region.name}"
        yield Problem("addons.inference_operator", message, "Remove the add-on in this region.")
    settings = addons.observability if "observability" in effective else None
    if settings is None:
        return
    if settings.workspace_arn is None and not region.amp:
        yield Problem(
            "addons.observability.workspace_arn",
            f"a workspace cannot be created: Amazon Managed Prometheus is not available in {region.name}",
            _OTHER_COLLECTOR,
        )
    if settings.grafana.kind == "managed" and settings.grafana.workspace_id is None and not region.amg:
        cure = "Set workspace_id to a workspace in another region, or use `kind: self-hosted`."
        yield Problem(
            "addons.observability.grafana.kind", f"Amazon Managed Grafana is not available in {region.name}", cure
        )


_OTHER_COLLECTOR = "Remove the add-on, or use cloudwatch_observability instead."


@rule(
    "HP505",
    title="The inference operator has a role with the required name, and an OIDC provider.",
    severity=Severity.ERROR,
    why="The add-on's chart rejects the role, or its pods get no credentials.",
    cure="Use a role whose name begins with SageMakerHyperPodInference; for an existing EKS cluster, set "
    "eks.existing.oidc_provider_arn.",
    source="dependency chart: inference-operator, templates/_validateRequiredValues.tpl",
    wrong="addons: {inference_operator: {role_arn: arn:aws:iam::111122223333:role/Inference}}\n",
    right="addons: {inference_operator: {role_arn: arn:aws:iam::111122223333:role/SageMakerHyperPodInferenceMine}}\n",
)
def inference_role(addons: Addons, ctx: Context) -> Iterator[Problem]:
    operator = addons.inference_operator if addons is not None else None
    if operator is None or not operator.enabled:
        return
    if operator.role_arn is not None:
        name, arn = operator.role_arn.rpartition("/")[2], Arn.parse(operator.role_arn)
        if is_token(operator.role_arn):
            yield skipped("addons.inference_operator.role_arn")
        elif arn is not None and arn.fits(ROLE) and not name.startswith("SageMakerHyperPodInference"):
            message = f"the role name {as_text(name)} must begin with SageMakerHyperPodInference"
            cure = "Use a role whose name begins with SageMakerHyperPodInference."
            yield Problem("addons.inference_operator.role_arn", message, cure)
    if ctx.eks is not None and ctx.eks.existing is not None and ctx.eks.existing.oidc_provider_arn is None:
        message = "not set, but the inference operator gets its credentials through the OIDC provider"
        yield Problem("eks.existing.oidc_provider_arn", message, "Set it to the ARN of the cluster's OIDC provider.")


@rule(
    "HP506",
    title="Add-ons with x86_64 images have x86_64 nodes.",
    severity=Severity.ERROR,
    complete=("cluster",),
    why="The pods stay pending, or crash on nodes of the other architecture.",
    cure="Add a group such as {name: system, instance_type: ml.m5.4xlarge, count: 2}.",
    source="documentation page sagemaker-hyperpod-model-deployment-setup: an amd64 node",
    certain=False,
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m7g.4xlarge, count: 2}]}\n"
    "addons: {inference_operator: {}}\n",
    right=f"cluster: {{instance_groups: [{_SYSTEM}]}}\naddons: {{inference_operator: {{}}}}\n",
)
def architecture(effective_addons: EffectiveAddons, groups: Groups) -> Iterator[Problem]:
    types = [instance_type for _, group in groups for instance_type in types_of(group)]
    if (
        "inference_operator" in effective_addons
        and types
        and all(instance_type.architecture == "arm64" for instance_type in types)
    ):
        names = ", ".join(sorted({instance_type.name for instance_type in types}))
        yield Problem("addons.inference_operator", f"requires x86_64 nodes; all groups are arm64: {names}")


@rule(
    "HP507",
    title="Observability has a node of size 4xlarge or larger.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="The collector stays pending on smaller nodes, which also run out of pods.",
    cure="Use ml.m5.4xlarge or larger for the system group.",
    source="documentation page hyperpod-observability-addon-setup",
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.xlarge, count: 2}]}\n"
    "addons: {observability: {}}\n",
    right=f"cluster: {{instance_groups: [{_SYSTEM}]}}\naddons: {{observability: {{}}}}\n",
)
def large_node(effective_addons: EffectiveAddons, groups: Groups, ctx: Context) -> Iterator[Problem]:
    if "observability" not in effective_addons or _existing(ctx):
        return
    types = [instance_type for _, group in groups if accepts_any_pod(group) for instance_type in types_of(group)]
    need = limit("observability_node_size_factor").value
    if types and not any(_factor(instance_type.name) >= need for instance_type in types):
        largest = max(types, key=lambda instance_type: _factor(instance_type.name)).name
        yield Problem(
            "addons.observability",
            f"requires a node of size {need}xlarge or larger; the largest without taints is {largest}",
        )


def _factor(instance_type: str) -> int:
    """The number before `xlarge`; 1 without one, 0 for smaller sizes.

    >>> _factor("ml.m5.4xlarge"), _factor("ml.m5.xlarge"), _factor("ml.m5.large")
    (4, 1, 0)
    """
    found = re.search(r"\.([0-9]*)xlarge$", instance_type)
    return int(found[1] or 1) if found else 0


@rule(
    "HP508",
    title="The Mountpoint for S3 driver has permissions on a bucket.",
    severity=Severity.WARNING,
    complete=("storage",),
    why="Without buckets the driver's role has no permissions, and every mount fails.",
    cure="Set bucket_arns or role_arn.",
    source="documentation of the Mountpoint for Amazon S3 CSI driver",
    wrong="addons: {mountpoint_s3_csi: {}}\n",
    right="addons: {mountpoint_s3_csi: {bucket_arns: ['arn:aws:s3:::my-bucket']}}\n",
)
def mountpoint(addons: Addons, ctx: Context) -> Iterator[Problem]:
    driver = addons.mountpoint_s3_csi if addons is not None else None
    if driver is None or not driver.enabled:
        return
    buckets = ctx.storage is not None and bool(ctx.storage.buckets)
    if not driver.bucket_arns and driver.role_arn is None and not buckets:
        yield Problem("addons.mountpoint_s3_csi", "neither bucket_arns nor role_arn is set")


@rule(
    "HP509",
    title="Configuration keys exist in the add-on's schema.",
    severity=Severity.WARNING,
    why="EKS rejects values that do not match the schema of the add-on version.",
    cure="See `aws eks describe-addon-configuration`.",
    source="catalog: configuration keys that the sources name",
    wrong="addons: {training_operator: {configuration: {hpTrainingControlManager: {}}}}\n",
    right="addons: {training_operator: {configuration: {hpTrainingControllerManager: {}}}}\n",
)
def configuration(effective_addons: EffectiveAddons) -> Iterator[Problem]:
    from ..catalog import suggest

    for key, settings in effective_addons.items():
        values: Mapping[str, object] = getattr(settings, "configuration", {})
        known = addon(ADDON_NAMES[key]).configuration_keys if key in ADDON_NAMES else ()
        for name in values:
            near = suggest(name, known)
            if near is not None and name not in known:
                yield Problem(
                    join(f"addons.{key}.configuration", name),
                    f"unknown key {as_text(name)}",
                    f"Did you mean {near!r}?",
                )
        access = values.get(_ACCESS_KEY)
        if key == "spaces" and isinstance(access, Mapping) and "remoteAccess" in access and "directSSH" in access:
            path = join(f"addons.{key}.configuration", _ACCESS_KEY)
            message = "remoteAccess and directSSH are mutually exclusive"
            yield Problem(path, message, "Remove one of them.", "The add-on rejects the configuration.")


_ACCESS_KEY = "jupyter-k8s-aws-hyperpod"
"""Path of the access settings in the configuration of Spaces."""


describe(
    "HP517",
    title="An add-on is installed once on an EKS cluster.",
    severity=Severity.ERROR,
    why="EKS rejects the second add-on of the same name (ResourceInUseException); a second Helm release of Kueue conflicts.",
    cure="Keep one of the constructs, with the settings of both.",
    source="API reference of EKS: CreateAddon, ResourceInUseException",
)


@rule(
    "HP510",
    title="Containers are monitored by one collector.",
    severity=Severity.NOTE,
    why="Two collectors on each node double the cost, and use pod capacity.",
    cure="Remove one of the two.",
    source="documentation: the two are alternatives",
    wrong="addons: {observability: {}, cloudwatch_observability: {}}\n",
    right="addons: {observability: {}}\n",
)
def watched_once(effective_addons: EffectiveAddons) -> Iterator[Problem]:
    if "observability" in effective_addons and "cloudwatch_observability" in effective_addons:
        yield Problem("addons.cloudwatch_observability", "overlaps with observability, which collects the same metrics")


@rule(
    "HP532",
    title="An existing execution role allows the network add-on to attach interfaces.",
    severity=Severity.NOTE,
    why="VPC CNI releases after v1.23.1 attach network interfaces of HyperPod nodes through SageMaker. "
    "Without the permissions, pods get no IP addresses after the add-on is updated.",
    cure="Allow the role sagemaker:AttachClusterNodeNetworkInterface on the cluster, and sts:GetCallerIdentity.",
    source="github.com/aws/amazon-vpc-cni-k8s pull request 3874 (September 2026)",
    wrong="cluster: {execution_role_arn: arn:aws:iam::111122223333:role/Mine}\n",
    right="cluster: {}\n",
)
def network_addon_permission(groups: Groups, ctx: Context) -> Iterator[Problem]:
    places = [(f"{path}.execution_role_arn", group.execution_role_arn) for path, group in groups]
    if ctx.cluster is not None:
        places.insert(0, ("cluster.execution_role_arn", ctx.cluster.execution_role_arn))
    for path, arn in places:
        if arn is not None:
            yield Problem(
                path,
                "the policies of this existing role are not managed here; later VPC CNI versions require more permissions",
            )
