"""What an edit does to a live cluster, told before `cdk diff` shows resources.

Each field of the spec carries its change policy; this module compares two platforms field by field, or the properties of a
deployed template with a new one, and says the worst first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .catalog import minor
from .documents import join
from .spec.addons import Addons
from .spec.base import Change, SpecModel, change_of, is_token
from .spec.platform import Platform

WORST_FIRST = (
    *(Change.LOSES_DATA, Change.REPLACES_CLUSTER, Change.REFUSED, Change.REPLACES_GROUP, Change.REPLACES),
    *(Change.DRAINS, Change.IN_PLACE, Change.NONE),
)
REPLACING = frozenset(WORST_FIRST[:5])
"""Changes after which something is not what it was, or that do not go through at all."""

MEANING: Mapping[Change, str] = {
    Change.LOSES_DATA: "the resource is replaced, and its data is gone",
    Change.REPLACES_CLUSTER: "CloudFormation replaces the HyperPod or the EKS cluster, with all nodes and what runs on them",
    Change.REFUSED: "the service refuses the change on what is deployed",
    Change.REPLACES_GROUP: "a group cannot be changed so: its nodes go, and new ones come",
    Change.REPLACES: "CloudFormation replaces the one resource",
    Change.DRAINS: "nodes or pods are restarted, drained or removed; running work is interrupted",
    Change.IN_PLACE: "is changed in place, and running work goes on",
    Change.NONE: "changes nothing that is deployed",
}
"""Policy to what it means for somebody who has work running."""

_ADVICE: Mapping[Change, str] = {
    Change.LOSES_DATA: "copy the data first, or make a second one and move",
    Change.REPLACES_CLUSTER: "deploy a second platform beside it, move the work, then delete the first",
    Change.REFUSED: "leave it, or deploy a second platform",
    Change.REPLACES_GROUP: "add a group under a new name, move the work, then remove the old one",
    Change.REPLACES: "check that nothing depends on the old one meanwhile",
    Change.DRAINS: "do it when no job runs, or after a checkpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One difference and what it does.

    Attributes:
        path: config path, or logical id and property of a template.
        change: what it does.
        before: the old value, None where there was none.
        after: the new value, None where there is none.
        message: the difference in words.
        advice: what to do instead, or before.
    """

    path: str
    change: Change
    before: Any
    after: Any
    message: str
    advice: str

    def __str__(self) -> str:
        lines = [f"{self.change}: {self.path}: {self.message}", f"  then: {MEANING[self.change]}"]
        return "\n".join([*lines, f"  instead: {self.advice}"] if self.advice else lines)


def edits(old: Platform, new: Platform) -> list[Edit]:
    """What is different between two platforms, worst first.

    >>> from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Network
    >>> def platform(**group):
    ...     cluster = Cluster(instance_groups=[InstanceGroup(name="w", instance_type="ml.p5.48xlarge", **group)])
    ...     return Platform(name="a", region="us-west-2", network=Network(), cluster=cluster)
    >>> print(edits(platform(count=4), platform(count=2))[0])
    drains: cluster.instance_groups[0].count: 4 becomes 2
      then: nodes or pods are restarted, drained or removed; running work is interrupted
      instead: remove named nodes with BatchDeleteClusterNodes: UpdateCluster chooses which ones go
    """
    return _ordered(_compared("", old, new))


def _ordered(found: Iterator[Edit]) -> list[Edit]:
    return sorted(found, key=lambda edit: (WORST_FIRST.index(edit.change), edit.path))


def replaces(found: Sequence[Edit]) -> bool:
    """Whether something is replaced, refused or lost."""
    return any(edit.change in REPLACING for edit in found)


def _compared(path: str, old: SpecModel, new: SpecModel) -> Iterator[Edit]:
    gone = _addons_gone(old, new)
    yield from (_edit(join(path, name), Change.DRAINS, item, None, _GONE) for name, item in gone.items())
    for name, info in type(new).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after and name not in gone:
            yield from _field(join(path, name), name, change_of(info) or Change.IN_PLACE, before, after)


_GONE = "is removed with its pods: what relies on it stops"


def _addons_gone(old: SpecModel, new: SpecModel) -> Mapping[str, SpecModel]:
    """The add-ons that will be uninstalled: left out, switched off, or come along with one that is."""
    if not isinstance(old, Addons) or not isinstance(new, Addons):
        return {}
    kept = new.effective()
    return {name: addon for name, addon in old.effective().items() if name not in kept}


def _field(path: str, name: str, change: Change, before: Any, after: Any) -> Iterator[Edit]:
    if isinstance(before, SpecModel) and isinstance(after, SpecModel):
        if type(before) is type(after):
            yield from _compared(path, before, after)
        else:
            yield _edit(path, change, before, after)
    elif _named(before) and _named(after) and (before or after):
        yield from _members(path, change, before, after)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            if before.get(key) != after.get(key):
                yield _edit(join(path, str(key)), change, before.get(key), after.get(key))
    else:
        yield _special(path, name, before, after) or _edit(path, change, before, after)


def _named(values: Any) -> bool:
    """Whether it is a list of models with names, which are then told apart by name."""
    return isinstance(values, tuple) and all(
        isinstance(value, SpecModel) and hasattr(value, "name") for value in values
    )


def _members(path: str, change: Change, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Edit]:
    old = {item.name: (index, item) for index, item in enumerate(before)}
    new = {item.name: (index, item) for index, item in enumerate(after)}
    for name, (index, item) in new.items():
        if name in old:
            if item != old[name][1]:
                yield from _field(join(path, index), "", change, old[name][1], item)
        else:
            yield _edit(join(path, index), Change.IN_PLACE, None, item, f"{name!r} is new")
    for name, (index, item) in old.items():
        if name not in new:
            yield _removed(join(path, index), path, name, item)


def _removed(place: str, path: str, name: str, item: Any) -> Edit:
    if path.startswith("storage.") and getattr(item, "existing_id", None) is None:
        gone = Change.LOSES_DATA if item.removal == "destroy" else Change.IN_PLACE
        kept = "" if item.removal == "destroy" else "; it is kept, and paid for, outside of the stacks"
        return _edit(place, gone, item, None, f"{name!r} is removed{kept}")
    if path.endswith("instance_groups"):
        loses = getattr(item, "lustre_size_gib", None) is not None
        return _edit(
            place, Change.LOSES_DATA if loses else Change.DRAINS, item, None, f"{name!r} is removed with its nodes"
        )
    return _edit(place, Change.DRAINS, item, None, f"{name!r} is removed")


def _special(path: str, name: str, before: Any, after: Any) -> Edit | None:
    """Fields whose policy depends on the direction of the change."""
    numbers = isinstance(before, int) and isinstance(after, int)
    if name == "count" and numbers and after < before and "instance_groups" in path:
        advice = "remove named nodes with BatchDeleteClusterNodes: UpdateCluster chooses which ones go"
        return _edit(path, Change.DRAINS, before, after, advice=advice)
    if name == "size_gib" and numbers and after < before and path.startswith("storage."):
        return _edit(path, Change.REFUSED, before, after, advice="FSx does not shrink: make a smaller one and move")
    if name == "kubernetes_version" and _is_version(before) and _is_version(after):
        steps = minor(after)[1] - minor(before)[1]
        if steps < 0:
            advice = "within 7 days of an upgrade, roll back one minor version; else deploy a second platform"
            return _edit(path, Change.REFUSED, before, after, advice=advice)
        if steps > 1:
            advice = f"upgrade one minor version at a time: `hyperpod upgrade-plan` has the {steps} steps"
            return _edit(path, Change.REFUSED, before, after, advice=advice)
    if name == "authentication_mode" and after == "API":
        return _edit(path, Change.IN_PLACE, before, after, advice="mind that EKS never goes back")
    if name == "version" and path == "addons.task_governance.version" and str(before).startswith("v1.3"):
        advice = "v1.3 does not go to v1.5 directly: take v1.4 first, or delete the add-on with its CRDs"
        refused = str(after).startswith(("v1.5", "v1.6"))
        return _edit(path, Change.REFUSED if refused else Change.DRAINS, before, after, advice=advice)
    if name == "autoscaling" and before is not None and after is None:
        return _edit(
            path, Change.DRAINS, before, after, advice="delete the node pools first, so that no new nodes appear"
        )
    return None


def _is_version(value: Any) -> bool:
    parts = value.split(".") if isinstance(value, str) and not is_token(value) else []
    return len(parts) == 2 and all(part.isdecimal() and part.isascii() and len(part) < 5 for part in parts)


def _edit(path: str, change: Change, before: Any, after: Any, message: str = "", advice: str | None = None) -> Edit:
    return Edit(
        path=path,
        change=change,
        before=before,
        after=after,
        message=message or _difference(before, after),
        advice=_ADVICE.get(change, "") if advice is None else advice,
    )


_LONGEST = 80
"""Characters of a value that are shown whole."""


def _difference(before: Any, after: Any) -> str:
    """What becomes what; of large values the parts that differ, by name.

    >>> rest = {str(number): "x" * 20 for number in range(5)}
    >>> _difference({**rest, "b": [{"c": 1}]}, {**rest, "b": [{"c": 2}]})
    'b[0].c: 1 becomes 2'
    """
    if max(len(_text(before)), len(_text(after))) <= _LONGEST:
        return f"{_text(before)} becomes {_text(after)}"
    parts = list(_parts("", before, after))
    said = [f"{f'{path}: ' if path else ''}{_around(one, other)}" for path, one, other in parts[:3]]
    return "; ".join([*said, f"and {len(parts) - 3} more"] if len(parts) > 3 else said)


def _parts(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The smallest parts of two values that differ, with their place."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _parts(join(path, str(key)), before.get(key), after.get(key))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _parts(join(path, index), one, other)
    elif before != after:
        yield path, before, after


def _around(before: Any, after: Any) -> str:
    """Two values, cut from where they begin to differ when they are long."""
    one, other = _text(before), _text(after)
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - 20) if max(len(one), len(other)) > _LONGEST else 0
    return f"{_cut(one, start)} becomes {_cut(other, start)}"


def _cut(text: str, start: int) -> str:
    """A window of a text."""
    window = text[start : start + _LONGEST - 4]
    return ("..." if start else "") + window + ("..." if start + len(window) < len(text) else "")


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, SpecModel):
        return repr(getattr(value, "name", "")) if hasattr(value, "name") else "a setting"
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)


Resources = Mapping[tuple[str, str], Mapping[str, Any]]
"""(Type, logical id) of resources to their properties, of one or more templates."""

_REPLACED_BY = {
    "AWS::SageMaker::Cluster": ("replaced_by_aws_sagemaker_cluster", Change.REPLACES_CLUSTER),
    "AWS::EKS::Cluster": ("replaced_by_aws_eks_cluster", Change.REPLACES_CLUSTER),
    "AWS::EC2::VPC": ("replaced_by_aws_ec2_vpc", Change.REPLACES_CLUSTER),
    "AWS::EC2::Subnet": ("replaced_by_aws_ec2_subnet", Change.REPLACES_CLUSTER),
    "AWS::FSx::FileSystem": ("replaced_by_aws_fsx_filesystem", Change.LOSES_DATA),
}
"""Resource type to the catalog's list of properties whose edit replaces it, and what that does."""


def resources_of(templates: Sequence[Mapping[str, Any]]) -> Resources:
    """The resources of templates that matter here.

    >>> resources_of([{"Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}}}])
    {('AWS::EC2::VPC', 'Vpc'): {'CidrBlock': '10.0.0.0/16'}}
    """
    return {
        (resource["Type"], logical_id): resource.get("Properties", {})
        for template in templates
        for logical_id, resource in template.get("Resources", {}).items()
        if resource.get("Type") in _REPLACED_BY
    }


def template_edits(deployed: Resources, new: Resources) -> list[Edit]:
    """What CloudFormation would answer with a replacement, worst first.

    A resource whose logical id is gone is replaced too, when the new templates have one of its type.
    """
    return _ordered(_template_edits(deployed, new))


def _template_edits(deployed: Resources, new: Resources) -> Iterator[Edit]:
    from .catalog import allowed

    for (kind, logical_id), before in deployed.items():
        listed, change = _REPLACED_BY[kind]
        after = new.get((kind, logical_id))
        if after is None:
            others = [name for other, name in new if other == kind and (kind, name) not in deployed]
            said = f"is gone; its place is taken by {others[0]}" if others else "is gone"
            yield _edit(f"{logical_id} ({kind})", change, before, None, said)
            continue
        for name in allowed(listed):
            old_value, new_value = _property(before, name), _property(after, name)
            if old_value != new_value:
                yield _edit(f"{logical_id} ({kind}).{name}", change, old_value, new_value)
        if kind == "AWS::SageMaker::Cluster":
            yield from _group_edits(logical_id, before, after)


def _group_edits(logical_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Edit]:
    from .catalog import allowed

    for key in ("InstanceGroups", "RestrictedInstanceGroups"):
        old = {str(group.get("InstanceGroupName")): group for group in before.get(key) or ()}
        new = {str(group.get("InstanceGroupName")): group for group in after.get(key) or ()}
        for name, group in old.items():
            path = f"{logical_id}.{key}[{name}]"
            if name not in new:
                yield _edit(path, Change.DRAINS, group, None, f"{name!r} is removed with its nodes")
                continue
            for part in allowed("immutable_of_instance_group"):
                if group.get(part) != new[name].get(part):
                    yield _edit(f"{path}.{part}", Change.REPLACES_GROUP, group.get(part), new[name].get(part))


def _property(properties: Mapping[str, Any], name: str) -> Any:
    value: Any = properties
    for part in name.split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
