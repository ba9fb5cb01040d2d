"""The `hyperpod` command. Subcommands are imported when they are used, for a short start-up time."""

from __future__ import annotations

import gc
import os
from typing import Any

import click

from ..core.process import end, without_plugins
from .lazy import Commands, LazyGroup

without_plugins()

# run the garbage collector rarely: classes are never freed, and scanning them takes 5% of a command's time
gc.set_threshold(100_000)

COMMANDS: Commands = {
    "init": ("project", "Write an app: config, CDK app, test."),
    "import": ("imports", "Write a hyperpod.yaml from another tool's config, or from deployed resources."),
    "adopt": ("adopt", "Show how stacks adopt deployed resources, and prepare the import."),
    "validate": ("validate", "Validate configs and report all problems at once."),
    "synth": ("synth", "Validate configs and write the CloudFormation templates."),
    "explain": ("explain", "Print a rule, a job's numbers or the cost."),
    "show": ("show", "Print the effective config: subnets, versions, roles, groups."),
    "schema": ("validate", "Print the JSON Schema of the config."),
    "diff": ("diff", "Show what a config change does to a deployed platform."),
    "report": ("report", "Write a report for reviewers: diagrams, changes, cost, access."),
    "rehearse": ("rehearse", "Simulate a deployment on this machine, without AWS."),
    "catalog": ("catalog", "Show and refresh the facts about instance types, regions and versions."),
    "preflight": ("preflight", "Check in the AWS account whether a config can be deployed."),
    "versions": ("versions", "List Kubernetes versions with their support dates."),
    "addons": ("versions", "List the add-on versions for each Kubernetes version."),
    "upgrade-plan": ("versions", "Print the steps of a Kubernetes upgrade."),
    "chart": ("chart", "Vendor the dependency chart; print a chart's digest."),
    "mirror": ("mirror", "List the images that a closed network requires, and references outside AWS."),
    "jobs": ("jobs", "Render, submit and monitor training jobs."),
    "clusters": ("clusters", "List and describe clusters and their nodes."),
    "context": ("context", "Configure kubectl for a cluster."),
    "stacks": ("stacks", "List, describe and delete the stacks of platforms."),
    "nodes": ("nodes", "Reboot and replace nodes."),
    "software": ("nodes", "Update the software of nodes."),
}


class Hyperpod(LazyGroup):
    """The `hyperpod` command."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the command line. Unhandled exceptions become one sentence; HYPERPOD_DEBUG=1 shows the traceback."""
        if not args and "args" not in kwargs:  # called as the process, not by a test
            with end():
                return self.main(args=None, **kwargs)
        try:
            return super().main(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("HYPERPOD_DEBUG"):
                raise
            from .faults import user_message

            message, code = user_message(error)
            click.echo(f"Error: {message}", err=True)
            raise SystemExit(code) from None


@click.group(cls=Hyperpod, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperpod-constructs")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Amazon SageMaker HyperPod clusters on Amazon EKS: validate, explain, render, operate.

    Exit codes: 0 success, 1 errors or a failure, 2 incorrect usage, 3 review required (a change that replaces a
    resource, an AWS request without a response, a timeout), 70 a bug.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False  # also on a terminal, see no-color.org
