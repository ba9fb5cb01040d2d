"""ARN types: the type of resource that each ARN field refers to, so that one set of rules can validate all ARNs.

A field is annotated with the type of its ARN (`RoleArn`, `KeyArn`). The type does not validate the value,
which can be a token in CDK apps; the rules in `checks/arns.py` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel

from ..catalog import pattern

_IAM_NAME = r"(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
BUCKET_NAME = pattern("s3_bucket_name")
"""S3 bucket names: 3 to 63 lowercase letters, digits, hyphens and single dots; the first and last characters are
letters or digits.
"""


class Names(NamedTuple):
    """The type of resource that the ARN of a field refers to.

    Attributes:
        what: the type of resource with its article, such as "an IAM role".
        service: the ARN's service, such as "iam".
        resource: regular expression of everything after the account.
        example: the resource part of an example ARN.
        regional: whether the ARN contains a region, which must be the platform's region.
        account: "own": must be the platform's account; "any": can be another account; "none": the ARN contains no account.
        aws_owned: whether `aws` is allowed in place of the account, for resources that AWS provides.
    """

    what: str
    service: str
    resource: str
    example: str
    regional: bool = False
    account: Literal["own", "any", "none"] = "any"
    aws_owned: bool = False

    def form(self, *, partition: str = "aws", region: str = "us-west-2", account: str = "111122223333") -> str:
        """Returns an example ARN of this type, for messages.

        >>> ROLE.form()
        'arn:aws:iam::111122223333:role/Name'
        """
        owner = "" if self.account == "none" else account
        return f"arn:{partition}:{self.service}:{region if self.regional else ''}:{owner}:{self.example}"


class Arn(NamedTuple):
    """The parts of an ARN.

    >>> Arn.parse("arn:aws:iam::111122223333:role/Admin")
    Arn(partition='aws', service='iam', region='', account='111122223333', resource='role/Admin')
    >>> Arn.parse("Admin") is None
    True
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """Returns the parts, or None if the text does not have the six parts of an ARN."""
        found = re.fullmatch(r"arn:(aws[a-z-]*):([a-z0-9-]+):([a-z0-9-]*):([0-9]{12}|aws|):(\S+)", text, re.ASCII)
        return cls(*found.groups()) if found else None

    def fits(self, names: Names) -> bool:
        """Whether service and resource match this type of ARN, and region and account are present or absent as required."""
        owner = {"": names.account == "none", "aws": names.aws_owned}.get(self.account, names.account != "none")
        return (
            self.service == names.service
            and bool(self.region) == names.regional
            and owner
            and re.fullmatch(names.resource, self.resource, re.ASCII) is not None
        )


PRINCIPAL = Names("an IAM role or user", "iam", rf"(role|user)/{_IAM_NAME}", "role/Name")
ROLE = Names("an IAM role", "iam", rf"role/{_IAM_NAME}", "role/Name", account="own")
POLICY = Names("an IAM managed policy", "iam", rf"policy/{_IAM_NAME}", "policy/Name", account="own", aws_owned=True)
KEY = Names(
    "a KMS key", "kms", rf"key/({_UUID}|mrk-[0-9a-f]{{32}})", "key/12345678-1234-1234-1234-123456789012", regional=True
)
KEY_OR_ALIAS = Names("a KMS key", "kms", rf"{KEY.resource}|alias/[\w/:-]{{1,250}}", KEY.example, regional=True)
PROMETHEUS_KEY = Names("a single-Region KMS key", "kms", rf"key/{_UUID}", KEY.example, regional=True)
BUCKET = Names("an S3 bucket", "s3", BUCKET_NAME, "my-bucket", account="none")
PLAN = Names(
    "a training plan", "sagemaker", r"training-plan/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}", "training-plan/name",
    regional=True, account="own",
)  # fmt: skip
TOPIC = Names(
    "an SNS topic", "sns", r"[A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{1,251}\.fifo", "topic", regional=True, account="own"
)
WORKSPACE = Names(
    "an Amazon Managed Prometheus workspace", "aps", r"workspace/ws-[0-9A-Za-z-]+", "workspace/ws-0123",
    regional=True, account="own",
)  # fmt: skip
CERTIFICATE = Names(
    "an AWS Certificate Manager certificate", "acm", rf"certificate/{_UUID}",
    "certificate/12345678-1234-1234-1234-123456789012", regional=True, account="own",
)  # fmt: skip
OIDC_PROVIDER = Names(
    "an IAM OIDC provider", "iam", r"oidc-provider/[a-z0-9.-]+(/[\w.-]+)+",
    "oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", account="own",
)  # fmt: skip

PrincipalArn = Annotated[str, PRINCIPAL]
RoleArn = Annotated[str, ROLE]
PolicyArn = Annotated[str, POLICY]
KeyArn = Annotated[str, KEY]
KeyOrAliasArn = Annotated[str, KEY_OR_ALIAS]
PrometheusKeyArn = Annotated[str, PROMETHEUS_KEY]
BucketArn = Annotated[str, BUCKET]
TrainingPlanArn = Annotated[str, PLAN]
TopicArn = Annotated[str, TOPIC]
WorkspaceArn = Annotated[str, WORKSPACE]
CertificateArn = Annotated[str, CERTIFICATE]
OidcProviderArn = Annotated[str, OIDC_PROVIDER]


def arns_in(value: Any, path: str, names: Names | None = None) -> Iterator[tuple[str, str, Names]]:
    """Yields the config path, the text and the required type of every ARN in a value, except in disabled parts.

    >>> from hyperpod_constructs.core.spec import Eks
    >>> [(path, names.what) for path, _, names in arns_in(Eks(admins=["arn:aws:iam::111122223333:role/A"]), "eks")]
    [('eks.admins[0]', 'an IAM role or user')]
    """
    if isinstance(value, BaseModel):
        if not getattr(value, "enabled", True):
            return
        for field, field_names in _fields_with_arns(type(value)):
            yield from arns_in(getattr(value, field), f"{path}.{field}", field_names)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from arns_in(item, f"{path}[{index}]", names)
    elif isinstance(value, str) and names is not None:
        yield path, value, names


@cache
def _fields_with_arns(model: type[BaseModel]) -> tuple[tuple[str, Names | None], ...]:
    """Returns the fields of a model that contain ARNs or other models, with their ARN type if they have one."""
    found = []
    for name, info in model.model_fields.items():
        types = [item for item in (*info.metadata, *_inside(info.annotation)) if isinstance(item, Names)]
        models = [item for item in _inside(info.annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
        if types or models:
            found.append((name, types[0] if types else None))
    return tuple(found)


def _inside(annotation: Any) -> Iterator[Any]:
    """Yields an annotation and all its nested arguments."""
    yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)
