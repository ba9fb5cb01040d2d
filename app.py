#!/usr/bin/env python3
"""The CDK app: a config file in, CloudFormation stacks out.

The config is `-c config=PATH` (several: comma-separated), else the environment variable HYPERPOD_CONFIG, else
`hyperpod.yaml`. Run by the CDK CLI (`npx cdk synth`) or directly (`python app.py`), with the same result.
"""

import gc
import sys

from hyperpod_constructs.assembly.synth import main

if __name__ == "__main__":
    gc.disable()  # a short process: looking for garbage in what aws_cdk defines takes a twentieth of its time
    sys.exit(main())
