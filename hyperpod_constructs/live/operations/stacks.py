"""The CloudFormation stacks of platforms, identified by their tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.stack_names import DEPLOY_ORDER, PLATFORM_TAG
from ...core.stack_templates import imports_of, rank
from .aws import error_code, pages

Json = Mapping[str, Any]


def platform_of(stack: Mapping[str, Any]) -> str | None:
    """The platform of a stack, None for stacks of other tools.

    >>> platform_of({"Tags": [{"Key": "hyperpod-constructs:platform", "Value": "research"}]})
    'research'
    """
    return next((tag["Value"] for tag in stack.get("Tags", ()) if tag["Key"] == PLATFORM_TAG), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDeletion:
    """A stack to delete.

    Attributes:
        name: name of the stack.
        id: ARN of the stack, which remains valid after its deletion.
        protected: whether termination protection prevents the deletion.
        retained: resources that are retained: type and physical ID.
        failed: whether an earlier deletion failed; resources can be retained on request only in that case.
        resources: logical IDs of its resources.
    """

    name: str
    id: str
    protected: bool
    retained: tuple[tuple[str, str], ...]
    failed: bool = False
    resources: frozenset[str] = frozenset()

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        kept = [{"type": type_, "id": id_} for type_, id_ in self.retained]
        return {"name": self.name, "protected": self.protected, "retained": kept}


class DeletionFailed(Exception):
    """Raised if CloudFormation could not delete a stack; the message contains the resources and reasons."""


def summary(stack: Json) -> dict[str, Any]:
    """A stack as one row."""
    return {
        "name": stack["StackName"],
        "platform": platform_of(stack),
        "status": stack["StackStatus"],
        "reason": stack.get("StackStatusReason"),
        "created": stack["CreationTime"],
        "updated": stack.get("LastUpdatedTime"),
    }


def is_ours(stack: Mapping[str, Any]) -> bool:
    """Whether a stack belongs to a platform, by its tag and name. Nested stacks do not.

    The tag alone is not sufficient: tags are copied, and inherited by nested stacks of other tools.

    >>> tag = {"Key": "hyperpod-constructs:platform", "Value": "research"}
    >>> is_ours({"StackName": "research-Eks", "Tags": [tag]}), is_ours({"StackName": "billing", "Tags": [tag]})
    (True, False)
    """
    platform = platform_of(stack)
    names = {f"{platform}-{end}" for end in DEPLOY_ORDER}
    return platform is not None and stack["StackName"] in names and not stack.get("ParentId")


def stacks(cloudformation: Any, *, everything: bool = False, platform: str | None = None) -> list[Json]:
    """Stacks of this library's platforms, of one platform, or all of the region."""
    found = pages(cloudformation, "describe_stacks", "Stacks")
    if platform is not None:
        return [stack for stack in found if is_ours(stack) and platform_of(stack) == platform]
    return [stack for stack in found if everything or is_ours(stack)]


def described(cloudformation: Any, name: str) -> dict[str, Any]:
    """A stack with its outputs, resources, and last failures."""
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    resources = pages(cloudformation, "list_stack_resources", "StackResourceSummaries", StackName=name)
    failed = [resource for resource in resources if resource["ResourceStatus"].endswith("_FAILED")]
    return {
        **summary(stack),
        "description": stack.get("Description"),
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs") or ()},
        "resources": [
            {
                "type": resource["ResourceType"],
                "id": resource.get("PhysicalResourceId"),
                "status": resource["ResourceStatus"],
            }
            for resource in resources
        ],
        "failures": [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed],
    }


def planned_deletions(cloudformation: Any, found: Sequence[Json]) -> list[StackDeletion]:
    """The effect of deleting stacks, in the order of `deletion_order`."""
    templates = {stack["StackName"]: template(cloudformation, stack["StackName"]) for stack in found}
    result = []
    for stack in deletion_order(found, templates):
        name = stack["StackName"]
        kept = retained(templates[name])
        listed = pages(cloudformation, "list_stack_resources", "StackResourceSummaries", StackName=name) if kept else []
        ids = [
            (resource["ResourceType"], resource.get("PhysicalResourceId") or resource["LogicalResourceId"])
            for resource in listed
            if resource["LogicalResourceId"] in kept and resource["ResourceStatus"] != "DELETE_COMPLETE"
        ]
        protected = bool(stack.get("EnableTerminationProtection"))
        result.append(
            StackDeletion(
                name=name,
                id=stack.get("StackId", name),
                protected=protected,
                retained=tuple(ids),
                failed=stack["StackStatus"] == "DELETE_FAILED",
                resources=frozenset(templates[name].get("Resources") or ()),
            )
        )
    return result


def resources_to_retain(plan: Sequence[StackDeletion], logical_ids: Sequence[str]) -> dict[str, list[str]]:
    """The resources to retain by stack: `LOGICAL_ID`, or `STACK/LOGICAL_ID` if several stacks have it.

    Raises:
        ValueError: no stack whose deletion failed has it, or several have it.
    """
    found: dict[str, list[str]] = {}
    for wanted in logical_ids:
        name, _, logical = wanted.rpartition("/")
        matches = [
            stack.name for stack in plan if stack.failed and logical in stack.resources and name in ("", stack.name)
        ]
        if not matches:
            raise ValueError(f"no stack whose deletion failed has a resource {logical!r}")
        if len(matches) > 1:
            raise ValueError(
                f"{', '.join(matches)} have a resource {logical!r}; specify the stack: {matches[0]}/{logical}"
            )
        found.setdefault(matches[0], []).append(logical)
    return found


def template(cloudformation: Any, name: str) -> Json:
    """The template of a stack as data."""
    body = cloudformation.get_template(StackName=name)["TemplateBody"]
    if not isinstance(body, str):
        found: Json = body
        return found
    import json

    import yaml

    class Loader(yaml.SafeLoader):
        """Expands CloudFormation's short tags."""

    def short(loader: Any, suffix: str, node: Any) -> Any:
        build = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
        value = build.get(type(node), loader.construct_mapping)(node)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", short)
    content = json.loads(body) if body.lstrip().startswith("{") else yaml.load(body, Loader)
    return content if isinstance(content, dict) else {}


def retained(content: Json) -> set[str]:
    """Logical IDs of the resources that are retained when their stack is deleted.

    >>> retained({"Resources": {"Data": {"DeletionPolicy": "Retain"}, "Role": {}}})
    {'Data'}
    """
    keep = ("Retain", "RetainExceptOnCreate", "Snapshot")
    return {id_ for id_, resource in (content.get("Resources") or {}).items() if resource.get("DeletionPolicy") in keep}


def deletion_order(found: Sequence[Json], templates: Mapping[str, Json]) -> list[Json]:
    """Sorts stacks in an order in which CloudFormation can delete them.

    A stack that imports a value precedes the stack that exports it. Otherwise, the order is the reverse order of
    deployment, because add-ons require nodes for their cleanup; then the newest stack is first.
    """
    exports = {
        output["ExportName"]: stack["StackName"]
        for stack in found
        for output in stack.get("Outputs") or ()
        if "ExportName" in output
    }
    needs = {
        name: {exports[name] for name in imports_of(content) if name in exports} for name, content in templates.items()
    }
    left = sorted(found, key=lambda stack: (rank(stack["StackName"]), stack["CreationTime"]), reverse=True)
    order: list[Json] = []
    while left:
        free = next(
            (s for s in left if not any(s["StackName"] in needs[o["StackName"]] for o in left if o is not s)), left[0]
        )
        order.append(free)
        left.remove(free)
    return order


def delete(
    cloudformation: Any,
    stack: StackDeletion,
    *,
    sleep: Callable[[float], None],
    every: float = 10.0,
    retain: Sequence[str] = (),
) -> Iterator[str]:
    """Deletes one stack and yields its status until it is deleted.

    Raises:
        DeletionFailed: some of its resources cannot be deleted.
    """
    cloudformation.delete_stack(StackName=stack.id, **({"RetainResources": list(retain)} if retain else {}))
    while True:
        try:
            live = cloudformation.describe_stacks(StackName=stack.id)["Stacks"][0]
        except cloudformation.exceptions.ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            return  # deleted
        status = live["StackStatus"]
        if status == "DELETE_COMPLETE":
            return
        if status.endswith("_FAILED"):
            failures = described(cloudformation, stack.id)["failures"]
            raise DeletionFailed(
                f"{stack.name} is {status}: {'; '.join(failures) or live.get('StackStatusReason', '')}"
            )
        yield status
        sleep(every)
