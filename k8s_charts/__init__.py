"""The cdk8s charts, `hyperpod_constructs.charts`, by a short name."""

from hyperpod_constructs.charts import __all__ as __all__
from hyperpod_constructs.charts import __getattr__ as __getattr__
