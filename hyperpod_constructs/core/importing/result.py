"""The result of an import: the text of the config, losses, and findings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from ..config import loaded
from ..documents import parse
from ..findings import Finding
from ..spec.platform import Platform
from .draft import Draft
from .writing import config_text, shortened


@dataclass(slots=True)
class Imported:
    """An imported config.

    Attributes:
        data: data of the config, in its shortest form.
        text: text of the file.
        losses: values that could not be imported, one sentence each.
        messages: other information.
        findings: findings about the config, with fixes for values that only the user knows.
        platform: the platform; None if a required value is missing.
    """

    data: dict[str, Any]
    text: str
    losses: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    platform: Platform | None = None


DEFAULTS = max(get_args(Platform.model_fields["defaults"].annotation))
"""The current generation of default settings, which new files set."""
_CURES = {
    "region": "Set it with --region us-west-2",
    "network.availability_zone_ids": "Set at least two zone IDs: --zone usw2-az1 --zone usw2-az2",
    "eks.admins": "Set who can use kubectl: --admin arn:aws:iam::111122223333:role/Name",
}
_SUBNETS = (
    "Specify the zone ID of each subnet, in the order of the subnets: --zone usw2-az1 --zone usw2-az2. To print the IDs, "
    "run `aws ec2 describe-subnets --subnet-ids ... --query 'Subnets[].[SubnetId,AvailabilityZoneId]'`."
)


def finished(draft: Draft, *, origin: str, file: str = "hyperpod.yaml") -> Imported:
    """Converts a draft to a file and validates it. `origin` is the source, `file` the name of the new file."""
    data = {"defaults": DEFAULTS, **shortened(draft.data)}
    head = [f"Imported from {origin}.", *draft.head, *(f"Not imported: {loss}" for loss in draft.losses)]
    text = config_text(data, draft.notes, head)
    checked = loaded(parse(text, file=file), Path(file))
    return Imported(
        data=data,
        text=text,
        losses=list(draft.losses),
        messages=list(draft.messages),
        findings=[_with_cure(finding) for finding in checked.findings],
        platform=checked.platform,
    )


def _with_cure(finding: Finding) -> Finding:
    """Returns a finding whose fix is the option that sets the value, if the source does not contain it."""
    if finding.path.startswith("network.existing.node_subnets") and finding.rule == "HP011":
        return replace(finding, cure=_SUBNETS)
    cure = _CURES.get(finding.path)
    return replace(finding, cure=f"{cure}, or add it to the file.") if cure else finding
