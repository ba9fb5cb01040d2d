"""Task governance as a local service: a state machine behind the real boto3 client, with responses checked by the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fake_aws import AwsFault, FakeAws

ARN = "arn:aws:sagemaker:us-west-2:111122223333"
CLUSTER = f"{ARN}:cluster/abcdefghij12"
_DAY = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = {"ClusterSchedulerConfig": "cluster-scheduler-config", "ComputeQuota": "compute-quota"}


@dataclass
class Item:
    request: dict[str, Any]
    id: str
    arn: str
    version: int = 1
    status: str = "Creating"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class GovernanceService:
    """`outcomes` are the statuses that the next changes settle in, one for each; success if the list is empty."""

    aws: FakeAws
    kind: str = "ComputeQuota"
    outcomes: list[str] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    polls_to_settle: int = 1

    def __post_init__(self) -> None:
        kind = self.kind
        self._count = 0
        self._moving: dict[str, tuple[int, str]] = {}
        on = self.aws.on
        on("sagemaker", f"Create{kind}", self._create)
        on("sagemaker", f"Update{kind}", self._update)
        on("sagemaker", f"Describe{kind}", self._describe)
        on("sagemaker", f"Delete{kind}", self._delete)
        on("sagemaker", f"List{kind}s", self._list)
        on("sagemaker", "ListTags", lambda request: {"Tags": _tags(self._by_arn(request["ResourceArn"]).tags)})
        on("sagemaker", "AddTags", self._add_tags)
        on("sagemaker", "DeleteTags", self._delete_tags)

    def put(self, request: dict[str, Any], *, status: str = "Created", tags: dict[str, str] | None = None) -> Item:
        """An item that already exists."""
        self._count += 1
        id = f"{self._count:012d}"
        item = Item(request, id, f"{ARN}:{WORDS[self.kind]}/{id}", status=status, tags=tags or {})
        self.items[id] = item
        return item

    @property
    def only(self) -> Item:
        (item,) = self.items.values()
        return item

    def received(self, verb: str) -> list[dict[str, Any]]:
        return self.aws.received("sagemaker", f"{verb}{self.kind}")

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        if any(item.request["Name"] == request["Name"] for item in self.items.values()):
            raise AwsFault("ConflictException", f"{request['Name']} exists")
        item = self.put(request, status="Creating", tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", [])})
        self._move(item, "Creating", "Created")
        return self._named(item)

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        item = self._get(request)
        if item.status.endswith("ing"):
            raise AwsFault("ConflictException", f"it is {item.status}")
        if request["TargetVersion"] != item.version:
            raise AwsFault("ConflictException", f"version is {item.version}, not {request['TargetVersion']}")
        item.version += 1
        names = (f"{self.kind}Id", "TargetVersion")
        item.request = {**item.request, **{key: value for key, value in request.items() if key not in names}}
        self._move(item, "Updating", "Updated")
        return {f"{self.kind}Arn": item.arn, f"{self.kind}Version": item.version}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        item = self._get(request)
        if item.status.endswith("ing"):
            raise AwsFault("ConflictException", f"it is {item.status}")
        self._move(item, "Deleting", "Deleted")
        return {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        item = self._get(request)
        self._settle(item)
        if item.status == "Deleted":
            del self.items[item.id]
            raise AwsFault("ResourceNotFound", "no such item")
        failed = item.status.endswith("Failed")
        names = ("ComputeQuotaTarget", "ComputeQuotaConfig", "ActivationState", "SchedulerConfig", "Description")
        details = {name: item.request[name] for name in names if name in item.request}
        return {
            **self._named(item),
            "Name": item.request["Name"],
            f"{self.kind}Version": item.version,
            "Status": item.status,
            "ClusterArn": CLUSTER,
            "CreationTime": _DAY,
            **details,
            **({"FailureReason": "the webhook did not answer"} if failed else {}),
        }

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        found = []
        for item in list(self.items.values()):
            if request["NameContains"] in item.request["Name"]:
                extra = (
                    {"ComputeQuotaTarget": item.request["ComputeQuotaTarget"]} if self.kind == "ComputeQuota" else {}
                )
                found.append(
                    {
                        **self._named(item),
                        "Name": item.request["Name"],
                        "Status": item.status,
                        "CreationTime": _DAY,
                        **extra,
                    }
                )
        return {f"{self.kind}Summaries": found}

    def _add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        item = self._by_arn(request["ResourceArn"])
        item.tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return {"Tags": _tags(item.tags)}

    def _delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        for key in request["TagKeys"]:
            self._by_arn(request["ResourceArn"]).tags.pop(key, None)
        return {}

    def _move(self, item: Item, transient: str, final: str) -> None:
        item.status = transient
        outcome = self.outcomes.pop(0) if self.outcomes else final
        self._moving[item.id] = (self.polls_to_settle, outcome)

    def _settle(self, item: Item) -> None:
        remaining, outcome = self._moving.get(item.id, (0, item.status))
        if remaining <= 0:
            item.status = outcome
            self._moving.pop(item.id, None)
        else:
            self._moving[item.id] = (remaining - 1, outcome)

    def _get(self, request: dict[str, Any]) -> Item:
        item = self.items.get(request[f"{self.kind}Id"])
        if item is None:
            raise AwsFault("ResourceNotFound", "no such item")
        return item

    def _by_arn(self, arn: str) -> Item:
        return next(item for item in self.items.values() if item.arn == arn)

    def _named(self, item: Item) -> dict[str, Any]:
        return {f"{self.kind}Arn": item.arn, f"{self.kind}Id": item.id}


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
