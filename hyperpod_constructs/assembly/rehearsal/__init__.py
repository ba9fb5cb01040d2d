"""`hyperpod rehearse`: a deployment played on this machine, in virtual time, with the code of our own functions.

Nothing here reaches AWS or a cluster. What AWS does is a model, and what is not modelled is reported.
"""

from .plan import Fault, Step, Timing
from .play import Rehearsal
from .real_server import RealKubernetes
from .stack import Outcome

__all__ = ["Fault", "Outcome", "RealKubernetes", "Rehearsal", "Step", "Timing"]
