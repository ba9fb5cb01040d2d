"""Task governance as a local service: a state machine behind the real boto3 client, its answers checked by the model."""

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
class Thing:
    request: dict[str, Any]
    id: str
    arn: str
    version: int = 1
    status: str = "Creating"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class GovernanceService:
    """`outcomes` are the statuses that the next changes settle in, one for each; good ones when there are none left."""

    aws: FakeAws
    kind: str = "ComputeQuota"
    outcomes: list[str] = field(default_factory=list)
    things: dict[str, Thing] = field(default_factory=dict)
    polls_to_settle: int = 1

    def __post_init__(self) -> None:
        kind = self.kind
        self._made = 0
        self._moving: dict[str, tuple[int, str]] = {}
        on = self.aws.on
        on("sagemaker", f"Create{kind}", self._create)
        on("sagemaker", f"Update{kind}", self._update)
        on("sagemaker", f"Describe{kind}", self._describe)
        on("sagemaker", f"Delete{kind}", self._delete)
        on("sagemaker", f"List{kind}s", self._list)
        on("sagemaker", "ListTags", lambda asked: {"Tags": _tags(self._by_arn(asked["ResourceArn"]).tags)})
        on("sagemaker", "AddTags", self._add_tags)
        on("sagemaker", "DeleteTags", self._delete_tags)

    def put(self, request: dict[str, Any], *, status: str = "Created", tags: dict[str, str] | None = None) -> Thing:
        """Something that is there already."""
        self._made += 1
        id = f"{self._made:012d}"
        thing = Thing(request, id, f"{ARN}:{WORDS[self.kind]}/{id}", status=status, tags=tags or {})
        self.things[id] = thing
        return thing

    @property
    def only(self) -> Thing:
        (thing,) = self.things.values()
        return thing

    def asked(self, verb: str) -> list[dict[str, Any]]:
        return self.aws.asked("sagemaker", f"{verb}{self.kind}")

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        if any(item.request["Name"] == asked["Name"] for item in self.things.values()):
            raise AwsFault("ConflictException", f"{asked['Name']} exists")
        thing = self.put(asked, status="Creating", tags={tag["Key"]: tag["Value"] for tag in asked.get("Tags", [])})
        self._move(thing, "Creating", "Created")
        return self._named(thing)

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        thing = self._get(asked)
        if thing.status.endswith("ing"):
            raise AwsFault("ConflictException", f"it is {thing.status}")
        if asked["TargetVersion"] != thing.version:
            raise AwsFault("ConflictException", f"version is {thing.version}, not {asked['TargetVersion']}")
        thing.version += 1
        names = (f"{self.kind}Id", "TargetVersion")
        thing.request = {**thing.request, **{key: value for key, value in asked.items() if key not in names}}
        self._move(thing, "Updating", "Updated")
        return {f"{self.kind}Arn": thing.arn, f"{self.kind}Version": thing.version}

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        thing = self._get(asked)
        if thing.status.endswith("ing"):
            raise AwsFault("ConflictException", f"it is {thing.status}")
        self._move(thing, "Deleting", "Deleted")
        return {}

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        thing = self._get(asked)
        self._settle(thing)
        if thing.status == "Deleted":
            del self.things[thing.id]
            raise AwsFault("ResourceNotFound", "no such thing")
        failed = thing.status.endswith("Failed")
        names = ("ComputeQuotaTarget", "ComputeQuotaConfig", "ActivationState", "SchedulerConfig", "Description")
        more = {name: thing.request[name] for name in names if name in thing.request}
        return {
            **self._named(thing),
            "Name": thing.request["Name"],
            f"{self.kind}Version": thing.version,
            "Status": thing.status,
            "ClusterArn": CLUSTER,
            "CreationTime": _DAY,
            **more,
            **({"FailureReason": "the webhook did not answer"} if failed else {}),
        }

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = []
        for thing in list(self.things.values()):
            if asked["NameContains"] in thing.request["Name"]:
                extra = (
                    {"ComputeQuotaTarget": thing.request["ComputeQuotaTarget"]} if self.kind == "ComputeQuota" else {}
                )
                found.append(
                    {
                        **self._named(thing),
                        "Name": thing.request["Name"],
                        "Status": thing.status,
                        "CreationTime": _DAY,
                        **extra,
                    }
                )
        return {f"{self.kind}Summaries": found}

    def _add_tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        thing = self._by_arn(asked["ResourceArn"])
        thing.tags |= {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
        return {"Tags": _tags(thing.tags)}

    def _delete_tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        for key in asked["TagKeys"]:
            self._by_arn(asked["ResourceArn"]).tags.pop(key, None)
        return {}

    def _move(self, thing: Thing, through: str, to: str) -> None:
        thing.status = through
        outcome = self.outcomes.pop(0) if self.outcomes else to
        self._moving[thing.id] = (self.polls_to_settle, outcome)

    def _settle(self, thing: Thing) -> None:
        left, outcome = self._moving.get(thing.id, (0, thing.status))
        if left <= 0:
            thing.status = outcome
            self._moving.pop(thing.id, None)
        else:
            self._moving[thing.id] = (left - 1, outcome)

    def _get(self, asked: dict[str, Any]) -> Thing:
        thing = self.things.get(asked[f"{self.kind}Id"])
        if thing is None:
            raise AwsFault("ResourceNotFound", "no such thing")
        return thing

    def _by_arn(self, arn: str) -> Thing:
        return next(thing for thing in self.things.values() if thing.arn == arn)

    def _named(self, thing: Thing) -> dict[str, Any]:
        return {f"{self.kind}Arn": thing.arn, f"{self.kind}Id": thing.id}


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
