"""HP22x: access to the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import allowed, source_of
from ..findings import Severity
from ..spec.arns import Arn
from ..spec.eks import Eks
from .context import as_text
from .registry import Problem, rule


@rule(
    "HP220",
    title="Principals are in a real account.",
    severity=Severity.NOTE,
    why="EKS accepts the access entry, but it grants nothing to the roles and users of your accounts.",
    cure="Specify a role or user in your account.",
    source=source_of("allowed", "documentation_accounts"),
    wrong="eks: {admins: ['arn:aws:iam::111122223333:role/PlatformAdmin']}\n",
    right="eks: {admins: ['arn:aws:iam::210987654321:role/PlatformAdmin']}\n",
)
def accounts_of_documentation(eks: Eks) -> Iterator[Problem]:
    places = [(f"eks.admins[{i}]", arn) for i, arn in enumerate(eks.admins)]
    places += [(f"eks.access[{i}].principal", entry.principal) for i, entry in enumerate(eks.access)]
    for path, arn in places:
        parsed = Arn.parse(arn)
        account = parsed.account if parsed else ""
        if account in allowed("documentation_accounts"):
            yield Problem(path, f"{as_text(arn)} is in account {account}, the placeholder of AWS's documentation")
