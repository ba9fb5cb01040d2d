"""The cdk8s charts of this repository, `hyperpod_constructs.charts`, by a short name that exists only in a checkout."""

from hyperpod_constructs.charts import __all__ as __all__
from hyperpod_constructs.charts import __getattr__ as __getattr__
