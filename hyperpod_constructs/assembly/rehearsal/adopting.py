"""Simulated adoption: deployed resources are imported into the stacks of an app, and the app is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.findings import Finding, errors
from ...core.importing.adoption import QUIET, Adoption, Takeover, changes, deployed_resources
from ...core.importing.deployed_parts import Deployed as Found
from ..graph import Stack, load
from .account import AwsResource
from .eks import cluster_of
from .hyperpod import CLUSTER
from .kubernetes import Installed
from .play import Rehearsal
from .resources import MODELS, Live, Request, Resources
from .stack import Deployed, Outcome, same

_GOVERNED = {
    "AWS::SageMaker::ComputeQuota": "ComputeQuota",
    "AWS::SageMaker::ClusterSchedulerConfig": "ClusterSchedulerConfig",
}
"""Resource type to its name in the API's operations."""


@dataclass
class Proof:
    """The effect of the first deployment after an import on the imported resources.

    Attributes:
        outcomes: result of the deployment of each stack.
        updated: `Stack.LogicalId` of an imported resource to its in-place changes, one sentence each.
        unchanged: `Stack.LogicalId` of the imported resources that the deployment does not change.
        findings: HPR07 for each resource that is replaced or deleted, and all other findings of the rehearsal.
    """

    outcomes: list[Outcome]
    updated: dict[str, list[str]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the deployment succeeds, and does not replace or delete an imported resource."""
        return not errors(self.findings)


def prove(app: Path, adoption: Adoption, found: Found, *, region: str, account: str) -> Proof:
    """Simulates the import of every resource that `adoption` lists, then the deployment of the app.

    `app` is the cloud assembly that `adoption` was created from; `found` contains the deployed resources. Resources
    that a deployment would replace are also imported, to show the changes that replace them.
    """
    rehearsal = Rehearsal(region=region, account=account)
    stacks = {stack.deployed_name: stack for stack in load(app)}
    site = rehearsal.site_of(next(iter(stacks.values())))
    resources = _existing(rehearsal, site.resources, found)
    imported: dict[str, AwsResource] = {}
    for name, stack in stacks.items():
        takeovers = [takeover for takeover in adoption.takeovers if takeover.stack == name]
        if not takeovers:
            continue
        deployed = site.cloudformation.stacks[name] = _imported(stack, takeovers, resources, region, account)
        imported |= {
            f"{name}.{logical_id}": live.resource for logical_id, live in deployed.live.items() if live.resource
        }
    outcomes = rehearsal.deploy(app)
    rehearsal.settle()

    proof = Proof(outcomes)
    ended = {outcome.stack for outcome in outcomes if outcome.ok}
    for takeover in adoption.takeovers:
        path = f"{takeover.stack}.{takeover.logical_id}"
        now = site.cloudformation.stacks[takeover.stack].live.get(takeover.logical_id)
        kept = (takeover.kind, imported[path].id) in site.resources.account.resources
        reasons = list(takeover.replaced) or _replacing(path, rehearsal)
        if not reasons and (now is None or now.resource is not imported[path] or not kept):
            reasons = ["the app deletes it"]
        if reasons:
            what = f"{takeover.name} or its instance groups" if takeover.kind == CLUSTER else takeover.name
            rehearsal.record.find("HPR07", path, f"the deployment would replace {what}: {'; '.join(reasons)}")
        elif now is None or takeover.stack not in ended:
            continue
        elif same(takeover.properties, now.properties):
            proof.unchanged.append(path)
        else:
            proof.updated[path] = changes(takeover.properties, now.properties) + _quiet(
                takeover.properties, now.properties
            )
    proof.findings = rehearsal.findings
    return proof


def _existing(rehearsal: Rehearsal, services: Resources, found: Found) -> dict[tuple[str, str], AwsResource]:
    """All resources that are deployed before the app, by type and physical id; their nodes have joined, and pods run."""
    resources: dict[tuple[str, str], AwsResource] = {}
    for kind, (identifier, properties) in deployed_resources(found):
        made_up, attributes = services.account.identify(kind, "", "", properties)
        identity = _physical_id(identifier)
        attributes = {key: identity if value == made_up else value for key, value in attributes.items()}
        resources[kind, identity] = AwsResource(kind, identity, "", "deployed", properties, attributes)
        services.account.add(resources[kind, identity])
    clusters = [resource for (kind, _), resource in resources.items() if kind == CLUSTER]
    for resource in clusters:
        request = Request("deployed", "", "", CLUSTER, resource.properties, {})
        after = MODELS[CLUSTER].after_create
        if after is not None:
            after(services, resource, request)
    rehearsal.settle()
    for (kind, identity), resource in resources.items():
        if kind == "AWS::EKS::Addon":
            name = str(resource.properties["AddonName"])
            cluster = cluster_of(services, resource.properties["ClusterName"])
            rehearsal.world.start(cluster.install(Installed(name), identity, ""))
        elif kind in _GOVERNED:
            services.governed.append(_governed(kind, resource))
    rehearsal.settle()
    for resource in resources.values():
        team = (resource.properties.get("ComputeQuotaTarget") or {}).get("TeamName")
        if team:
            cluster_of(services, found.eks["name"]).team(str(team), exists=True)
    rehearsal.record.findings.clear()  # findings about resources that are already deployed
    return resources


def _governed(kind: str, resource: AwsResource) -> dict[str, Any]:
    """Returns a quota or cluster policy in the API's format, for the function that adopts it."""
    names = {"Kind": _GOVERNED[kind], "Id": resource.id.rpartition("/")[2], "Arn": resource.id}
    return {**resource.properties, **names, "Status": "Created", "Version": 1, "Tags": []}


def _physical_id(identifier: Mapping[str, str]) -> str:
    """Returns the result of `Ref`: the parts of the primary identifier."""
    return "|".join(identifier.values())


def _imported(
    stack: Stack,
    takeovers: list[Takeover],
    resources: Mapping[tuple[str, str], AwsResource],
    region: str,
    account: str,
) -> Deployed:
    """Returns the stack after the import of its resources: unchanged, and retained by its template."""
    bodies = {takeover.logical_id: takeover.as_resource() for takeover in takeovers}
    template = {"Resources": bodies}
    arn = f"arn:aws:cloudformation:{region}:{account}:stack/{stack.deployed_name}/imported"
    source = Stack(stack.name, template, stack.stack_name, stack.environment, stack.stage, stack.depends_on)
    deployed = Deployed(stack.deployed_name, arn, source, status="IMPORT_COMPLETE")
    for takeover in takeovers:
        resource = resources[takeover.kind, _physical_id(takeover.identifier)]
        resource.stack, resource.name, resource.properties = (
            stack.deployed_name,
            takeover.logical_id,
            dict(takeover.properties),
        )
        deployed.live[takeover.logical_id] = Live(
            takeover.kind, resource.id, resource.properties, bodies[takeover.logical_id], resource.attributes, resource
        )
    return deployed


def _quiet(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    return [f"{key}: as in the config" for key in QUIET if not same(now.get(key), then.get(key))]


def _replacing(path: str, rehearsal: Rehearsal) -> list[str]:
    """The create-only properties that make CloudFormation replace a resource, with both values."""
    if path not in rehearsal.record.replaced:
        return []
    fixed, now, then = rehearsal.record.replaced[path]
    return changes(now, then, only={name.partition(".")[0] for name in fixed})
