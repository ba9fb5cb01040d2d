"""What CloudFormation does when a new app is deployed over an old one, from their templates alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote
from typing import Any

from ..catalog import allowed
from ..catalog._files import load
from ..spec.base import Change
from ..stack_templates import Assembly, Place, Stacks, deploy_order, outputs_read, resources, same
from .edit import Edit, edit, ordered

KEEPING = ("Retain", "RetainExceptOnCreate", "Snapshot")
DATA = {
    "AWS::FSx::FileSystem": "file system",
    "AWS::S3::Bucket": "bucket",
    "AWS::APS::Workspace": "Prometheus workspace",
}
"""Resource types that contain user data."""
_SCRIPTS = "LifecycleScripts"
"""Part of the logical IDs of the bucket for lifecycle scripts, which contains only copies of project files."""
_CLUSTERS = ("AWS::SageMaker::Cluster", "AWS::EKS::Cluster", "AWS::EC2::VPC")
_LAYER = "AWS::Lambda::LayerVersion"
"""Immutable: different content is always a different version. A function keeps its copy of a deleted version (Lambda
API reference, DeleteLayerVersion).
"""
_NEW_LAYER = (
    "the next version of the layer is published, the functions are updated to it, and the old version is deleted last"
)
_SERVING = {
    "AWS::EKS::Addon": "the add-on is removed with its pods",
    "AWS::SageMaker::ComputeQuota": "the team loses its quota, queue and namespace",
    "AWS::SageMaker::ClusterSchedulerConfig": "the cluster policy is removed",
    "Custom::HyperPodComputeQuota": "the team loses its quota, queue and namespace",
    "Custom::HyperPodClusterSchedulerConfig": "the cluster policy is removed",
    "Custom::HyperPodHelmRelease": "the Helm release is uninstalled with its pods",
    "Custom::HyperPodKubernetesObjects": "the Kubernetes objects are deleted",
}
"""Resource types whose deletion interrupts their users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The deployment of one stack.

    Attributes:
        stack: name of the stack.
        action: `create`, `update`, `none`, or `stays`: the stack is not in the new app and remains deployed.
        added: number of resources that are created.
        changed: number of resources that are updated in place.
        replaced: number of resources that are replaced.
        deleted: number of resources that are deleted.
        retained: number of resources that are removed from the stack but retained by their deletion policy.
    """

    stack: str
    action: str
    added: int = 0
    changed: int = 0
    replaced: int = 0
    deleted: int = 0
    retained: int = 0

    def __str__(self) -> str:
        words = ("added", "changed", "replaced", "deleted", "retained")
        counts = [f"{count} {word}" for word in words if (count := getattr(self, word))]
        rest = ", ".join(counts) or ("no changes to resources" if self.action == "update" else "")
        done = {
            "create": "created",
            "update": "updated",
            "none": "unchanged",
            "stays": "not in the app, remains deployed",
        }
        return f"{self.stack}: {done[self.action]}{f' ({rest})' if rest else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The effects of deploying a new app over an old one.

    Attributes:
        steps: the stacks in the order of deployment.
        edits: replaced, rejected, lost, removed and retained resources, most disruptive first.
    """

    steps: Sequence[Step]
    edits: Sequence[Edit]

    @property
    def changes_nothing(self) -> bool:
        """Whether all templates are equal."""
        return all(step.action == "none" for step in self.steps)


def deployment(old: Stacks, new: Stacks) -> Deployment:
    """Compares the templates of two apps.

    >>> vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    >>> moved = {**vpc, "Properties": {"CidrBlock": "10.1.0.0/16"}}
    >>> found = deployment({"net": {"Resources": {"Vpc": vpc}}}, {"net": {"Resources": {"Vpc": moved}}})
    >>> print(found.steps[0], found.edits[0].change, found.edits[0].path)
    net: updated (1 replaced) replaces-cluster Vpc (AWS::EC2::VPC).CidrBlock
    """
    return _Comparison(Assembly(old), Assembly(new)).run()


class _Comparison:
    def __init__(self, old: Assembly, new: Assembly) -> None:
        self._old, self._new = old, new
        self._order = deploy_order(new, old)
        self._replaced: dict[Place, str] = {}
        self._find_replaced()

    def run(self) -> Deployment:
        left = [name for name in self._old.stacks if name not in self._new.stacks]
        steps = [self._step(name) for name in self._order]
        found = [*self._exports(left), *(resource for name in self._order for resource in self._resources(name))]
        found += [_left_behind(name) for name in left]
        return Deployment(
            steps=[*steps, *(Step(stack=name, action="stays") for name in left)],
            edits=ordered(found),
        )

    # ---- resources ----

    def _pair(self, stack: str) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]:
        return resources(self._old.stacks.get(stack, {})), resources(self._new.stacks[stack])

    def _find_replaced(self) -> None:
        """Finds resources whose create-only properties change, including those that refer to a replaced resource."""
        before = -1
        while before != len(self._replaced):
            before = len(self._replaced)
            for stack in self._order:
                old, new = self._pair(stack)
                for name in old.keys() & new.keys():
                    if (stack, name) not in self._replaced:
                        found = self._replaced_by(stack, old[name], new[name])
                        if found is not None:
                            self._replaced[stack, name] = found

    def _replaced_by(self, stack: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
        """Returns the property whose change replaces a resource; None if there is none."""
        if old.get("Type") != new.get("Type"):
            return None  # CloudFormation rejects a change of the type
        for name in _create_only(str(new["Type"])):
            before, after = _property(old, name), _property(new, name)
            if not same(before, after) and not self._equivalent(stack, before, after):
                return name
            if any(place in self._replaced for place in self._new.references(stack, after)):
                return name
        return None

    def _equivalent(self, stack: str, before: Any, after: Any) -> bool:
        """Whether two values differ only in how they refer to the same resources (import, output or reference)."""
        if not isinstance(before, Mapping) or not isinstance(after, Mapping) or len(before) != 1 or len(after) != 1:
            same_length = isinstance(before, list) and isinstance(after, list) and len(before) == len(after)
            return same_length and all(
                same(old, other) or self._equivalent(stack, old, other)
                for old, other in zip(before, after, strict=True)
            )
        crossing = ("Fn::ImportValue", "Fn::GetStackOutput")
        if not any(key in crossing for key in (*before, *after)):
            return False
        before_ids, after_ids = list(self._old.references(stack, before)), list(self._new.references(stack, after))
        return bool(before_ids) and before_ids == after_ids

    def _resources(self, stack: str) -> Iterator[Edit]:
        old, new = self._pair(stack)
        for name, resource in old.items():
            kind = str(resource.get("Type"))
            where = f"{name} ({kind})"
            if name not in new:
                yield from self._removed(stack, name, resource)
            elif new[name].get("Type") != kind:
                yield edit(where, Change.REFUSED, kind, new[name].get("Type"), stack=stack, rule="HP972",
                           advice="deploy once without the resource, then with the new one")  # fmt: skip
            elif (stack, name) in self._replaced:
                yield self._replacement(stack, name, resource, new[name])
            elif kind.startswith("Custom::") and self._moves_token(stack, resource, new[name]):
                yield edit(f"{where}.ServiceToken", Change.REFUSED, _property(resource, "ServiceToken"),
                           _property(new[name], "ServiceToken"), stack=stack, rule="HP972",
                           advice="deploy once without the resource, then with the new one")  # fmt: skip
            if name in new and kind == "AWS::SageMaker::Cluster" and (stack, name) not in self._replaced:
                yield from _group_edits(stack, name, resource.get("Properties", {}), new[name].get("Properties", {}))

    def _moves_token(self, stack: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        before, after = _property(old, "ServiceToken"), _property(new, "ServiceToken")
        replaced = any(place in self._replaced for place in self._new.references(stack, after))
        return replaced or not (same(before, after) or self._equivalent(stack, before, after))

    def _replacement(self, stack: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Edit:
        kind, cause = str(new["Type"]), self._replaced[stack, name]
        before, after = _property(old, cause), _property(new, cause)
        path = f"{name} ({kind}).{cause}"
        message = "refers to a resource that is replaced" if same(before, after) else ""
        if kind in DATA:
            retained = new.get("UpdateReplacePolicy", "Delete") in KEEPING
            what = f"a new, empty {DATA[kind]} is created"
            readers = [
                ordered_stack
                for ordered_stack in self._order
                if ordered_stack != stack and (stack, name) in self._read(ordered_stack)
            ]
            what += f", which {', '.join(readers)} will refer to after its next update; " if readers else "; "
            what += "the old one is retained outside the stack, and billed" if retained else "the old one is deleted"
            return edit(path, Change.REPLACES if retained else Change.LOSES_DATA, before, after, message, impact=what,
                        advice=f"restore the value, or create a second {DATA[kind]} and copy the data", rule="HP973",
                        stack=stack)  # fmt: skip
        if kind == _LAYER:
            return edit(path, Change.IN_PLACE, before, after, message, impact=_NEW_LAYER, stack=stack)
        change = Change.REPLACES_CLUSTER if kind in _CLUSTERS else Change.REPLACES
        return edit(path, change, before, after, message, stack=stack)

    def _read(self, stack: str) -> set[Place]:
        """Returns the resources that a stack refers to: its own and those of other stacks."""
        return set(self._new.references(stack, self._new.stacks[stack].get("Resources", {})))

    def _removed(self, stack: str, name: str, resource: Mapping[str, Any]) -> Iterator[Edit]:
        kind = str(resource.get("Type"))
        where = f"{name} ({kind})"
        if resource.get("DeletionPolicy", "Delete") in KEEPING:
            yield edit(where, Change.IN_PLACE, kind, None, "is removed from the stack",
                       impact="it is retained outside the stack, and billed", stack=stack)  # fmt: skip
            return
        added = [other for other, resource in resources(self._new.stacks[stack]).items()
                 if resource.get("Type") == kind and other not in resources(self._old.stacks[stack])]  # fmt: skip
        message = f"is deleted; {added[0]} replaces it" if added and kind in (*_CLUSTERS, *DATA) else "is deleted"
        if holds_data(kind, name):
            yield edit(where, Change.LOSES_DATA, kind, None, message, rule="HP973", stack=stack)
        elif kind in _CLUSTERS:
            yield edit(where, Change.REPLACES_CLUSTER, kind, None, message, stack=stack)
        elif kind in _SERVING and not _keeps_objects(resource):
            yield edit(where, Change.DRAINS, kind, None, message, impact=_SERVING[kind], stack=stack)

    def _step(self, stack: str) -> Step:
        old, new = self._pair(stack)
        if stack not in self._old.stacks:
            return Step(stack=stack, action="create", added=len(new))
        gone = [resource for name, resource in old.items() if name not in new]
        retained = [resource for resource in gone if resource.get("DeletionPolicy", "Delete") in KEEPING]
        replaced = [name for name in new if (stack, name) in self._replaced]
        changed = [
            n for n in old.keys() & new.keys() if not same(_content(old[n]), _content(new[n])) and n not in replaced
        ]
        outputs = same(self._old.stacks[stack].get("Outputs"), self._new.stacks[stack].get("Outputs"))
        added = [name for name in new if name not in old]
        touched = gone or replaced or changed or added or not outputs
        return Step(
            stack=stack,
            action="update" if touched else "none",
            added=len(added),
            changed=len(changed),
            replaced=len(replaced),
            deleted=len(gone) - len(retained),
            retained=len(retained),
        )

    # ---- exports ----

    def _exports(self, left: Sequence[str]) -> Iterator[Edit]:
        """Reports exports that are removed or changed while another deployed stack imports them, in deployment order."""
        live = dict(self._old.imports)
        for stack in self._order:
            if stack not in self._old.stacks:
                continue
            blocked = {n: users for n in self._moving(stack) if (users := _users(live, n, stack))}
            if blocked:
                users = sorted({user for names in blocked.values() for user in names})
                yield self._blocked(stack, sorted(blocked), users, left)
            live[stack] = self._new.imports[stack]

    def _moving(self, stack: str) -> list[str]:
        old, new = self._old.exports[stack], self._new.exports[stack]
        return [n for n, value in old.items() if n not in new or not same(value, new[n])
                or any(place in self._replaced for place in self._new.references(stack, new[n]))]  # fmt: skip

    def _blocked(self, stack: str, names: Sequence[str], users: Sequence[str], left: Sequence[str]) -> Edit:
        gone = [name for name in names if name not in self._new.exports[stack]]
        what = f"{'removes' if gone else 'changes'} {len(names)} {'export' if len(names) == 1 else 'exports'}"
        message = (
            f"{what} that {', '.join(users)} {'imports' if len(users) == 1 else 'import'}: {names[0].partition(':')[2]}"
        )
        behind = [user for user in users if user in left]
        if behind:
            advice = f"delete {', '.join(behind)} first (`hyperpod stacks delete {quote(behind[0])}`), then deploy"
        elif not gone or not self._can_go_first(users):
            advice = (
                "use two deployments: first the version or the part of the edit that keeps the imported "
                "exports, then the rest"
            )
            if len(gone) < len(names):
                advice = "restore the value, or deploy a second platform"
        else:
            advice = (
                f"use two deployments: first `npx cdk deploy --exclusively {join(users)}` (the stacks that stop importing), "
                "then `npx cdk deploy --all`"
            )
        return edit(stack, Change.REFUSED, list(names), None, message, rule="HP970", advice=advice,
                    impact="CloudFormation rejects the update of the stack, and the deployment stops")  # fmt: skip

    def _can_go_first(self, users: Sequence[str]) -> bool:
        """Whether stacks can be deployed before the others: what they import and read is already deployed."""
        exported = {name for values in self._old.exports.values() for name in values}
        outputs = {
            (stack, name) for stack, template in self._old.stacks.items() for name in template.get("Outputs", {})
        }
        return all(
            user in self._new.stacks
            and self._new.imports[user] <= exported
            and outputs_read(self._new.stacks[user]) <= outputs
            for user in users
        )


def holds_data(kind: str, logical_id: str) -> bool:
    """Whether a resource contains user data; copies of project files do not count."""
    return kind in DATA and _SCRIPTS not in logical_id


def _users(live: Mapping[str, frozenset[str]], name: str, stack: str) -> list[str]:
    return [other for other, names in live.items() if other != stack and name in names]


def _left_behind(stack: str) -> Edit:
    return edit(
        stack,
        Change.LEAVES_BEHIND,
        stack,
        None,
        "is deployed but not in the new app",
        rule="HP971",
        impact="no deployment changes it: its resources are unchanged, keep running and are billed",
        advice=f"if it is no longer required, delete it with `hyperpod stacks delete {quote(stack)}`",
    )


def _create_only(kind: str) -> Sequence[str]:
    entry: Mapping[str, Sequence[str]] = load("replacement")["types"].get(kind, {})
    return [*entry.get("create_only", ()), *entry.get("documented", ())]


def _property(resource: Mapping[str, Any], name: str) -> Any:
    value: Any = resource.get("Properties", {})
    for part in name.split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _content(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parts of a resource that CloudFormation compares: neither metadata nor dependencies."""
    return {key: value for key, value in resource.items() if key not in ("Metadata", "DependsOn")}


def _keeps_objects(resource: Mapping[str, Any]) -> bool:
    return bool(_property(resource, "DeletionPolicy") == "Retain")


def _group_edits(stack: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Edit]:
    for key in ("InstanceGroups", "RestrictedInstanceGroups"):
        old = {str(group.get("InstanceGroupName")): group for group in before.get(key) or ()}
        new = {str(group.get("InstanceGroupName")): group for group in after.get(key) or ()}
        for group, content in old.items():
            path = f"{name}.{key}[{group}]"
            if group not in new:
                yield edit(path, Change.DRAINS, content, None, "is removed with its nodes", stack=stack)
                continue
            for part in allowed("immutable_of_instance_group"):
                if not same(content.get(part), new[group].get(part)):
                    yield edit(
                        f"{path}.{part}", Change.REPLACES_GROUP, content.get(part), new[group].get(part), stack=stack
                    )
