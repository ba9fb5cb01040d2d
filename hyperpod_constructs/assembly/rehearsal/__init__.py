"""`hyperpod rehearse`: a simulated deployment on this machine, in virtual time, with the code of the library's functions.

No call reaches AWS or a cluster. AWS is simulated by models, and the report lists what is not modeled.
"""

from .plan import Fault, Step, Timing
from .play import Rehearsal
from .real_server import RealKubernetes
from .stack import Outcome

__all__ = ["Fault", "Outcome", "RealKubernetes", "Rehearsal", "Step", "Timing"]
