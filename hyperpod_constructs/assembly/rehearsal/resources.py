"""Creation, update and deletion of single resources, from the catalog's facts about a kind and its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...core.catalog import deployed_kinds
from ...core.changes.deployments import DATA, holds_data
from .account import Account, AwsResource, Refused
from .kubernetes import KubernetesCluster
from .plan import Fault, Record, Timing
from .real_server import RealKubernetes
from .schemas import schema
from .values import Unresolved
from .world import Steps, World


@dataclass
class Request:
    """A request of CloudFormation to a service."""

    stack: str
    stack_id: str
    name: str
    kind: str
    properties: dict[str, Any]
    body: Mapping[str, Any]

    @property
    def path(self) -> str:
        """`Stack.LogicalId`."""
        return f"{self.stack}.{self.name}"


@dataclass(eq=False)
class Live:
    """One resource as CloudFormation records it; `resource` is the resource in AWS, None for a custom resource."""

    kind: str
    id: str
    properties: dict[str, Any]
    body: Mapping[str, Any]
    attributes: dict[str, Any]
    resource: AwsResource | None = None


@dataclass
class Model:
    """Special behavior of a kind. Each hook may raise `Refused`; `after` hooks may be generators that take time."""

    before_create: Callable[[Resources, Request], None] | None = None
    after_create: Callable[[Resources, AwsResource, Request], Steps | None] | None = None
    before_update: Callable[[Resources, AwsResource, Request], None] | None = None
    after_update: Callable[[Resources, AwsResource, Request], Steps | None] | None = None
    before_delete: Callable[[Resources, AwsResource], None] | None = None
    after_delete: Callable[[Resources, AwsResource], None] | None = None


class CustomResources(Protocol):
    """The sender of the events of custom resources."""

    def create(self, request: Request, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Sends a Create."""

    def update(self, request: Request, live: Live, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Sends an Update."""

    def back(self, request: Request, now: Live, then: Live) -> Steps:
        """Sends the Update that rolls back an update."""

    def delete(self, live: Live, stack: str, stack_id: str, name: str, fault: Fault | None) -> Steps:
        """Sends a Delete."""


MODELS: dict[str, Model] = {}
"""Kind to its special behavior; filled by the modules of the services."""


@dataclass
class Leftover:
    """A resource without a stack: retained intentionally, or not deleted."""

    path: str
    kind: str
    id: str
    why: str


@dataclass(frozen=True)
class Loss:
    """A loss of data, and the rule that reports it."""

    rule: str
    what: str


class Resources:
    """The services of one account, for CloudFormation's operations on resources."""

    def __init__(self, world: World, account: Account, timing: Timing, record: Record) -> None:
        self.world, self.account, self.timing, self.record = world, account, timing, record
        self.functions: CustomResources
        self.clusters: dict[str, KubernetesCluster] = {}
        self.kubernetes: RealKubernetes | None = None
        """A real API server that an EKS cluster uses."""
        self.left: list[Leftover] = []
        self.sources: dict[str, set[str]] = {}
        """Key of a published asset to the names of the files in it."""
        self.assets: dict[str, Path] = {}
        """Key of a published asset to its file, for those that a function reads."""
        self.governed: list[dict[str, Any]] = []
        """Scheduler configs and compute quotas that the library's function created."""
        self.changing: set[tuple[str, str]] = set()
        """HyperPod clusters that were created since their stack's last operation started, as stack and logical id."""
        self.dashboards: dict[str, dict[str, Any]] = {}
        """Boards and sources in Grafana, by kind and uid."""

    # CloudFormation's operations

    def create(self, request: Request, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Creates a resource. If a later fault occurs, it remains in `made` for the rollback."""
        if is_custom(request.kind):
            return (yield from self.functions.create(request, fault, made))
        self._check(request)
        self.account.check_references(request.kind, request.properties)
        model = MODELS.get(request.kind, Model())
        if model.before_create:
            model.before_create(self, request)
        known = deployed_kinds().get(request.kind)
        id, attributes = self.account.identify(request.kind, request.stack, request.name, request.properties)
        self.account.check_name_free(request.kind, id)
        if fault is not None and fault.how == "refused":
            raise Refused("the service rejects it (injected)")
        yield self.timing.seconds(known.create) if known else 5.0
        resource = AwsResource(
            request.kind, id, request.name, request.stack, request.properties, attributes, self.world.now
        )
        self.account.add(resource)
        live = Live(request.kind, id, request.properties, request.body, attributes, resource)
        made[request.name] = live
        steps = model.after_create(self, resource, request) if model.after_create else None
        if steps is not None:
            yield from steps
        if fault is not None:
            raise Refused("the service created it, but reports a failure (injected)")
        return live

    def update(self, request: Request, live: Live, fault: Fault | None, made: dict[str, Live]) -> Steps:
        """Changes a resource in place, or creates its replacement if that is not possible."""
        if is_custom(request.kind):
            return (yield from self.functions.update(request, live, fault, made))
        self._check(request)
        known = schema(request.kind, self.account.region)
        fixed = known.replacing(live.properties, request.properties) if known is not None else []
        if fixed:
            self.record.replaced[request.path] = (fixed, live.properties, request.properties)
            return (yield from self.create(request, fault, made))
        self.account.check_references(request.kind, request.properties)
        assert live.resource is not None
        model, kind = MODELS.get(request.kind, Model()), deployed_kinds().get(request.kind)
        if model.before_update:
            model.before_update(self, live.resource, request)
        if fault is not None and fault.how == "refused":
            raise Refused("the service rejects the update (injected)")
        yield self.timing.seconds(kind.update) if kind else 5.0
        if fault is not None:
            raise Refused("the service reports a failed update (injected)")
        live.resource.properties = request.properties
        steps = model.after_update(self, live.resource, request) if model.after_update else None
        if steps is not None:
            yield from steps
        return Live(request.kind, live.id, request.properties, request.body, live.attributes, live.resource)

    def back(self, request: Request, now: Live, then: Live) -> Steps:
        """Undoes an update: restores the former resource if it was replaced, otherwise the former properties."""
        if is_custom(request.kind):
            return (yield from self.functions.back(request, now, then))
        if now.resource is not then.resource:
            yield 1.0
            return then
        return (yield from self.update(request, now, None, {}))

    def delete(self, live: Live, stack: str, stack_id: str, name: str, fault: Fault | None) -> Steps:
        """Deletes a resource."""
        if is_custom(live.kind):
            yield from self.functions.delete(live, stack, stack_id, name, fault)
            return
        resource = live.resource
        if resource is None or (resource.kind, resource.id) not in self.account.resources:
            return  # already deleted outside of CloudFormation, which is accepted
        model, known = MODELS.get(live.kind, Model()), deployed_kinds().get(live.kind)
        self.account.check_unused(resource)
        if model.before_delete:
            model.before_delete(self, resource)
        if fault is not None:
            raise Refused("the service rejects the deletion (injected)")
        yield self.timing.seconds(known.delete) if known else 5.0
        self.account.check_unused(resource)
        self.account.remove(resource)
        if model.after_delete:
            model.after_delete(self, resource)

    def retained(self, live: Live, stack: str, name: str, why: str) -> None:
        """Records that a deletion policy retains a resource."""
        self.left.append(Leftover(f"{stack}.{name}", live.kind, live.id, f"{why}; its deletion policy retains it"))

    def loss(self, live: Live, logical_id: str) -> Loss | None:
        """Returns the loss if an update deletes a resource; None if nothing is lost."""
        if live.kind not in LOSSES or live.resource is None:
            return None
        if live.kind in DATA and not holds_data(live.kind, logical_id):
            return None
        if live.kind == "AWS::KMS::Key" and not self.account.mentions(live.resource):
            return None  # the data that it encrypted is already deleted
        return Loss("HP973" if live.kind in DATA else "HPR04", LOSSES[live.kind])

    # Values

    def attribute(self, live: Live, name: str) -> Any:
        """The value of `Fn::GetAtt`. Raises `Unresolved`."""
        if name in live.attributes:
            return live.attributes[name]
        if is_custom(live.kind):
            raise Unresolved(f"CustomResource attribute error: Vendor response doesn't contain {name} attribute")
        known = schema(live.kind, self.account.region)
        if known is not None and not known.has_attribute(name):
            raise Unresolved(f"Requested attribute {name} does not exist in schema for {live.kind}")
        self.record.find("HPR05", live.kind, f"the attribute {name} of {live.kind} is not modeled")
        return f"{live.id}-{name}"

    def _check(self, request: Request) -> None:
        known = schema(request.kind, self.account.region)
        if request.kind not in deployed_kinds():
            self.record.find("HPR05", request.path, f"{request.kind} is not modeled: only its schema is checked")
        if known is None:
            if request.kind not in deployed_kinds():
                raise Refused(f"CloudFormation has no resource type {request.kind} in {self.account.region}")
            return
        problems = known.problems(request.properties)
        if problems:
            raise Refused("; ".join(problems[:5]))


def is_custom(kind: str) -> bool:
    """Whether a function of the template creates it."""
    return kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"


PAYING = (
    "AWS::EC2::NatGateway",
    "AWS::EC2::EIP",
    "AWS::EC2::VPCEndpoint",
    "AWS::EKS::Cluster",
    "AWS::FSx::FileSystem",
    "AWS::Grafana::Workspace",
)
"""Kinds that are billed by the hour while they exist; nodes of a HyperPod cluster are counted separately."""
LOSSES = {
    "AWS::FSx::FileSystem": "its files are deleted",
    "AWS::S3::Bucket": "its objects are deleted",
    "AWS::APS::Workspace": "its metrics are deleted",
    "AWS::KMS::Key": "data that it encrypts can no longer be read",
    "AWS::EKS::Cluster": "all workloads on it end",
    "AWS::SageMaker::Cluster": "all its nodes and the workloads on them are deleted",
}
"""Kind to the loss if an update deletes a resource of that kind."""
