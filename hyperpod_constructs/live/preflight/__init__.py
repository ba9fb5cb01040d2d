"""Pre-flight: what only the live account can tell, asked read-only before anything is deployed.

    from hyperpod_constructs.live.preflight import preflight

    findings = preflight(platform, session=boto3.Session())

Findings are those of the checks: same shape, rules HP9xx. Each probe is independent: what one may not ask, the others still
find out.
"""

from .engine import Progress, preflight
from .probes import Probe, probes

__all__ = ["Probe", "Progress", "preflight", "probes"]
