#!/usr/bin/env python3
"""The CDK app: a config file in, CloudFormation stacks out.

The config is `-c config=PATH` (several: comma-separated), otherwise the environment variable HYPERPOD_CONFIG, otherwise
`hyperpod.yaml`. Run by the CDK CLI (`npx cdk synth`) or directly (`python app.py`), with the same result.
"""

from hyperpod_constructs.assembly.synth import run

if __name__ == "__main__":
    run()
