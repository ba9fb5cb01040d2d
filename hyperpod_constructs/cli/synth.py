"""`hyperpod synth`: the templates of a config, without the CDK CLI."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Validate configs and write the CloudFormation templates.")
@click.argument("configs", nargs=-1, metavar="[CONFIG]...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Output folder. Default: cdk.out.")
def synth(configs: tuple[Path, ...], out: Path | None) -> None:
    """Validate CONFIG (default: hyperpod.yaml) and write the templates that `cdk deploy` deploys.

    Requires no AWS account and sends no requests to AWS. The feature flags are those of the cdk.json in this folder,
    otherwise the packaged ones. Exit code: 0, or 1 with the findings if the config is invalid; then nothing is written.
    """
    from ..assembly.synth import main

    raise SystemExit(main(configs, out))
