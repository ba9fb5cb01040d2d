"""`hyperpod synth`: the templates of a config, without the CDK CLI."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Check configs and write the CloudFormation templates.")
@click.argument("configs", nargs=-1, metavar="[CONFIG]...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Output folder; default: cdk.out.")
def synth(configs: tuple[Path, ...], out: Path | None) -> None:
    """Check CONFIG (default: hyperpod.yaml) and write the templates that `cdk deploy` would deploy.

    Needs no AWS account and asks AWS nothing. The feature flags are those of the cdk.json in this folder, else the shipped
    ones. Exit code: 0, or 1 with the findings when the config is wrong; then nothing is written.
    """
    from ..assembly.synth import main

    raise SystemExit(main(configs, out))
