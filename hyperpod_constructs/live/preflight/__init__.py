"""Preflight: read-only checks of the account before a deployment.

    from hyperpod_constructs.live.preflight import preflight

    findings = preflight(platform, session=boto3.Session())

Findings have the same format as those of rules; their IDs are HP9xx. Probes are independent: if one is not permitted,
the others still run.
"""

from .engine import Progress, preflight
from .probes import Probe, probes

__all__ = ["Probe", "Progress", "preflight", "probes"]
