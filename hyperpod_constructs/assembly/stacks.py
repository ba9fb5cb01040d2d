"""The stacks of a platform, split by lifetime: network, EKS, HyperPod, add-ons, jobs."""

from __future__ import annotations

from aws_cdk import CfnWaitConditionHandle, Environment, Stack, Stage, Tags
from constructs import Construct

from ..constructs.existing_network import has_resources
from ..constructs.platform import HyperPodPlatform, Scopes
from ..constructs.validation import CHECKED, ensure_place, ensure_platform
from ..core.spec import Platform
from ..core.stack_names import PLATFORM_TAG

STACKS = {
    "Network": "VPC, subnets, endpoints and node security group",
    "Eks": "EKS control plane, core add-ons, access and the Kubernetes provider",
    "HyperPod": "dependency chart, execution roles, lifecycle scripts and the HyperPod cluster",
    "Addons": "add-ons that need nodes",
    "Jobs": "training jobs",
}
"""Stack id to its contents, in the order of deployment."""


def platform_stacks(
    scope: Construct, platform: Platform, *, prefix: str = "", name: str | None = None
) -> HyperPodPlatform:
    """Creates the stacks of a platform in an app or a stage.

    References between stacks are exports (a feature flag in cdk.json), so that CloudFormation rejects the deletion of a
    network or an EKS cluster in use. All stacks exist regardless of the config, so that the next deployment deletes the
    resources that an edit removes: a stack that is removed from the app remains deployed. The exception is an existing
    network without additions, which has no stack if the EKS cluster also exists; a new EKS cluster depends on the
    network's stack.

    Args:
        scope: an app or a stage, whose region and account must match the platform's.
        platform: the platform.
        prefix: prefix of the construct ids of the stacks.
        name: name of the platform, the prefix of the names of its stacks and clusters. Default: the platform's own name;
            in a stage, prefixed with the stage's name, so that a platform can be in several stages of one account.

    Raises:
        InvalidSpec: the platform has errors, or does not match the region or account of the stage.
    """
    ensure_place(platform, [scope])
    platform = platform.model_copy(update={"name": name or _name_in(scope, platform.name)})
    ensure_platform(platform)
    environment = Environment(account=platform.account, region=platform.region)
    stacks = {
        name: Stack(
            scope,
            f"{prefix}{name}",
            stack_name=f"{platform.name}-{name}",
            description=f"HyperPod platform {platform.name}: {holds}",
            env=environment,
            tags={PLATFORM_TAG: platform.name},  # `Tags.of` below applies to resources only (explicitStackTags)
        )
        for name, holds in STACKS.items()
    }
    for stack in stacks.values():
        stack.node.set_context(CHECKED, True)
        Tags.of(stack).add(PLATFORM_TAG, platform.name)
    created = HyperPodPlatform(
        stacks["HyperPod"],
        "Platform",
        platform=platform,
        scopes=Scopes(
            network=stacks["Network"],
            eks=stacks["Eks"],
            hyperpod=stacks["HyperPod"],
            addons=stacks["Addons"],
            jobs=stacks["Jobs"],
        ),
    )
    for stack in stacks.values():
        if not has_resources(stack):
            if stack is stacks["Network"] and platform.eks.existing:
                scope.node.try_remove_child(stack.node.id)
            else:
                CfnWaitConditionHandle(stack, "Empty")  # CloudFormation requires a resource; this one creates nothing
    return created


def _name_in(scope: Construct, name: str) -> str:
    """Returns a platform's name in a stage."""
    stage = scope if isinstance(scope, Stage) else Stage.of(scope)
    within = stage.stage_name if stage is not None else ""
    return name if not within or f"{name}-".startswith(f"{within}-") else f"{within}-{name}"
