"""What a job takes from its team."""

from __future__ import annotations

from ..spec.governance import Governance
from ..spec.jobs import Job


def with_team_defaults(job: Job, governance: Governance | None) -> Job:
    """The job with its team's priority, where it names none itself.

    >>> governance = Governance(teams=[{"name": "vision", "priority": "low"}])
    >>> with_team_defaults(Job(name="a", image="b", team="vision"), governance).effective_priority
    'low-priority'
    """
    if governance is None or job.team is None or job.effective_priority is not None:
        return job
    priority = next((team.priority for team in governance.teams if team.name == job.team), None)
    return job if priority is None else job.model_copy(update={"priority": priority})
