"""Every row of the matrix, synthesized once in one stack, with cdk-nag's findings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack, assertions
from options import FACTORS, allowed, config
from pairwise import Row, rows

from hyperpod_constructs.assembly.nag import JustifiedNag
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.spec import Platform

ROWS = rows(FACTORS, allowed)


@dataclass(frozen=True)
class SynthesizedRow:
    """One row, synthesized."""

    row: Row
    template: dict[str, Any]
    nag: list[str]


@cache
def synthesized_row(index: int) -> SynthesizedRow:
    """The template of a row and the unaccepted findings of cdk-nag. Findings of CDK's validator and rule errors raise."""
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False, builtin_cloud_formation_validation=True)
    stack = Stack(app, "Matrix", env=Environment(region="us-west-2"))
    HyperPodPlatform(stack, "Platform", platform=Platform.model_validate(config(ROWS[index])))
    template = assertions.Template.from_stack(stack).to_json()
    return SynthesizedRow(ROWS[index], template, JustifiedNag(app).findings())


def row_id(index: int) -> str:
    """Name of a row in a test report."""
    return f"{index}-{ROWS[index]['place']}-{ROWS[index]['capacity']}-{ROWS[index]['addons']}"
