"""The model of one AWS account in one region: its resources, the references between them, and rejected requests."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.catalog import DeployedKind, deployed_kinds

_SHAPES = {
    "AWS::EC2::VPC": r"vpc-[0-9a-f]{8,17}",
    "AWS::EC2::Subnet": r"subnet-[0-9a-f]{8,17}",
    "AWS::EC2::SecurityGroup": r"sg-[0-9a-f]{8,17}",
    "AWS::EC2::RouteTable": r"rtb-[0-9a-f]{8,17}",
    "AWS::EC2::InternetGateway": r"igw-[0-9a-f]{8,17}",
    "AWS::EC2::NatGateway": r"nat-[0-9a-f]{8,17}",
    "AWS::EC2::EIP": r"eipalloc-[0-9a-f]{8,17}",
    "AWS::IAM::Role": r"arn:[\w-]+:iam::\d{12}:role/.+|[\w+=,.@-]+",
    "AWS::Logs::LogGroup": r"[\w./#-]+",
    "AWS::Lambda::LayerVersion": r"arn:[\w-]+:lambda:.+:layer:.+:\d+",
    "AWS::KMS::Key": r"arn:[\w-]+:kms:.+|[0-9a-f-]{36}",
    "AWS::EKS::Cluster": r"(?:arn:[\w-]+:eks:[\w-]+:\d{12}:cluster/)?[0-9A-Za-z][\w-]{0,99}",
    "AWS::SageMaker::Cluster": r"arn:[\w-]+:sagemaker:[\w-]+:\d{12}:cluster/\w{12}",
    "AWS::SNS::Topic": r"arn:[\w-]+:sns:.+",
    "AWS::APS::Workspace": r"arn:[\w-]+:aps:.+",
    "AWS::FSx::FileSystem": r"fs-[0-9a-f]{8,17}",
}
"""The format of names of existing resources that the app did not create; other kinds accept any text."""

CUT = "cut-reference"
ANYTHING = "*"
"""Placeholder for a file name: an asset whose files are unknown is assumed to contain every file."""


class Refused(Exception):
    """Raised for a request that AWS would reject."""


class NotModeled(Exception):
    """Raised for a resource or an operation without a model."""


@dataclass(eq=False)
class AwsResource:
    """An existing AWS resource that a stack or another resource created. Kubernetes objects are not included."""

    kind: str
    id: str
    name: str
    stack: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    since: float = 0.0
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Identifiers by which others may refer to it."""
        return {self.id, *(value for value in self.attributes.values() if isinstance(value, str) and value)}


class Account:
    """All resources in one account and region."""

    def __init__(self, account: str, region: str, partition: str = "aws") -> None:
        self.account, self.region, self.partition = account, region, partition
        self.resources: dict[tuple[str, str], AwsResource] = {}
        self.known_names: set[str] = set()
        """Every name that a resource of the rehearsal has or had: a reference to one of these must resolve."""
        self.objects: dict[str, set[str]] = {}
        """Bucket name to the keys in it."""
        self.taken: dict[tuple[str, str], str] = {}
        """Kind and name of a resource that a service created, to the resource that caused it."""
        self._names: dict[tuple[str, str], AwsResource] = {}
        self._created: dict[str, int] = {}

    # Resources

    def of_kind(self, kind: str) -> Iterator[AwsResource]:
        """Returns every resource of a kind."""
        return (resource for resource in list(self.resources.values()) if resource.kind == kind)

    def find(self, kind: str, name: Any) -> AwsResource | None:
        """Returns the resource of a kind that has this id, ARN or other identifier."""
        return self._names.get((kind, name)) if isinstance(name, str) else None

    def exists(self, kind: str, name: Any) -> bool:
        """Whether a name can be referred to: an existing resource, or a valid name of one that the app did not create."""
        if self.find(kind, name) is not None:
            return True
        if not isinstance(name, str) or name in self.known_names or name == CUT:
            return False
        shape = _SHAPES.get(kind)
        return CUT not in name and (shape is None or re.fullmatch(shape, name) is not None)

    def add(self, resource: AwsResource) -> None:
        """Adds a resource."""
        self.resources[resource.kind, resource.id] = resource
        for name in resource.names:
            self._names[resource.kind, name] = resource
        self.known_names |= resource.names

    def remove(self, resource: AwsResource) -> None:
        """Removes a resource."""
        self.resources.pop((resource.kind, resource.id), None)
        for name in resource.names:
            if self._names.get((resource.kind, name)) is resource:
                del self._names[resource.kind, name]

    # Facts of the catalog about a kind

    def check_references(self, kind: str, properties: Mapping[str, Any]) -> None:
        """Rejects properties that refer to a resource that does not exist."""
        model = deployed_kinds().get(kind)
        for path, target in (model.refers if model else {}).items():
            for name in values_at(properties, path):
                if not self.exists(target, name):
                    short = target.rpartition("::")[2]
                    raise Refused(f"{path.replace('[]', '')}: the {short} {name!r} does not exist")

    def check_unused(self, resource: AwsResource) -> None:
        """Rejects the deletion of a resource that is still in use."""
        model = deployed_kinds().get(resource.kind)
        for kind in model.held_by if model else ():
            for other in self.of_kind(kind):
                if other is not resource and any(
                    name in resource.names for name in _references_of(other, resource.kind)
                ):
                    raise Refused(
                        f"{resource.id} is still used by {kind.rpartition('::')[2]} {other.id} ({other.stack}.{other.name})"
                    )

    def mentions(self, resource: AwsResource) -> bool:
        """Whether any other resource refers to this one in its properties, alone or within a longer text."""
        return any(
            name in text
            for other in self.resources.values()
            if other is not resource
            for text in _texts_in(other.properties)
            for name in resource.names
        )

    def check_name_free(self, kind: str, id: str) -> None:
        """Rejects a name that is in use."""
        if (kind, id) in self.taken:
            raise Refused(f"{id} already exists: {self.taken[kind, id]} created it")
        taken = self.resources.get((kind, id))
        if taken is not None:
            raise Refused(f"{id} already exists ({taken.stack}.{taken.name})")

    def identify(self, kind: str, stack: str, name: str, properties: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Returns a physical id and attributes in the service's format; a second resource has another id."""
        model = deployed_kinds().get(kind)
        seed = f"{self.account}/{self.region}/{stack}/{name}/{kind}"
        count = self._created[seed] = self._created.get(seed, 0) + 1
        fields = _Fields(self, stack, name, properties, f"{seed}/{count}")
        if model is None:
            return fields.text("{name64}"), {}
        explicit = _explicit_name(model, properties)
        identity = explicit or fields.text(model.id)
        fields.given["id"] = identity
        return identity, {key: fields.text(text) for key, text in model.attributes.items()}


class _Fields(dict[str, str]):
    """The values of the placeholders in the format of an id or an attribute."""

    def __init__(self, account: Account, stack: str, name: str, properties: Mapping[str, Any], seed: str) -> None:
        super().__init__()
        self._digest = hashlib.sha256(seed.encode()).hexdigest()
        self._properties = properties
        suffix = self._digest[:12].upper()
        full = f"{stack}-{name}"
        self.given = {
            "account": account.account,
            "region": account.region,
            "partition": account.partition,
            "stack": stack,
            "logical": name,
            "stack5": stack[:5],
            "logical5": name[:5],
            "ip": ".".join(["52", *(str(int(self._digest[i : i + 2], 16)) for i in (0, 2, 4))]),
            "uuid": "-".join(self._digest[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))),
            "name64": f"{full[:51]}-{suffix}",
            "name100": f"{full[:87]}-{suffix}",
            "lower63": f"{re.sub('[^a-z0-9-]', '', full.lower())[:50]}-{suffix.lower()}",
        }

    def text(self, format_: str) -> str:
        return string.Formatter().vformat(format_, (), self)

    def __missing__(self, key: str) -> str:
        if key in self.given:
            return self.given[key]
        digits = re.fullmatch(r"(hex|HEX)(\d+)", key)
        if digits:
            text = self._digest[: int(digits[2])]
            return text if digits[1] == "hex" else text.upper()
        value = self._properties.get(key, "")
        return value if isinstance(value, str) else str(value)


def _explicit_name(model: DeployedKind, properties: Mapping[str, Any]) -> str:
    """Returns a name that the template sets, if the service uses it as the id."""
    if model.id not in ("{name64}", "{name100}", "{lower63}"):
        return ""
    short = model.name.rpartition("::")[2]
    named = ("Name", f"{short}Name")
    return next((str(properties[key]) for key in named if isinstance(properties.get(key), str)), "")


def values_at(properties: Any, path: str) -> Iterator[Any]:
    """The values at a path such as `Groups[].Subnets[]`.

    >>> list(values_at({"A": [{"B": 1}, {"B": 2}, {}]}, "A[].B"))
    [1, 2]
    """
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    if not isinstance(properties, Mapping) or name not in properties:
        return
    found = properties[name]
    for item in (found if isinstance(found, list) else [found]) if head.endswith("[]") else [found]:
        if rest:
            yield from values_at(item, rest)
        else:
            yield item


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(item)


def _references_of(resource: AwsResource, kind: str) -> Iterator[Any]:
    model = deployed_kinds().get(resource.kind)
    for path, target in (model.refers if model else {}).items():
        if target == kind:
            yield from values_at(resource.properties, path)
