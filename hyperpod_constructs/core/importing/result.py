"""What an import hands over: the text of the config, what could not be kept, and what the checks say of it."""

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
    """A config that was imported.

    Attributes:
        data: of the config, in its shortest form.
        text: of the file.
        losses: what could not be kept, a sentence each.
        messages: what else the reader should know.
        findings: what the checks say of the config, with cures for what only the user knows.
        platform: that the config describes; None while something is missing.
    """

    data: dict[str, Any]
    text: str
    losses: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    platform: Platform | None = None


DEFAULTS = max(get_args(Platform.model_fields["defaults"].annotation))
"""The current generation of default settings, which written files name."""
_CURES = {
    "region": "state it: --region us-west-2",
    "network.availability_zone_ids": "state the zone ids, two or more: --zone usw2-az1 --zone usw2-az2",
    "eks.admins": "state who may use kubectl: --admin arn:aws:iam::111122223333:role/Name",
}
_SUBNETS = (
    "`aws ec2 describe-subnets --subnet-ids ... --query 'Subnets[].[SubnetId,AvailabilityZoneId]'` prints the zone id of "
    "each; state them in the order of the subnets: --zone usw2-az1 --zone usw2-az2"
)


def finished(draft: Draft, *, origin: str, file: str = "hyperpod.yaml") -> Imported:
    """The draft as a file, checked. `origin` is what it was imported from, `file` what it will be called."""
    data = {"defaults": DEFAULTS, **shortened(draft.data)}
    head = [f"Imported from {origin}.", *draft.head, *(f"Not kept: {loss}" for loss in draft.losses)]
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
    """A finding about what the source does not say, with the option that states it."""
    if finding.path.startswith("network.existing.node_subnets") and finding.rule == "HP011":
        return replace(finding, cure=_SUBNETS)
    cure = _CURES.get(finding.path)
    return replace(finding, cure=f"{cure}; or write it into the file") if cure else finding
