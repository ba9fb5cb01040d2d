"""HP22x: who may use the cluster."""

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
    title="Principals are of an account that is somebody's.",
    severity=Severity.NOTE,
    why="EKS takes the entry, and nobody can use it: the account is that of AWS's documentation.",
    cure="Name a role of your account.",
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
            yield Problem(path, f"{as_text(arn)} is of {account}, an account that only stands for yours")
