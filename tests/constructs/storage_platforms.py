"""A platform with storage, synthesized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED, Assembly, read_assembly

from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.core.spec import Platform

KEY = "arn:aws:kms:us-west-2:111122223333:key/11111111-2222-3333-4444-555555555555"
FSX = "AWS::FSx::FileSystem"
LINK = "AWS::FSx::DataRepositoryAssociation"
OBJECTS = "Custom::HyperPodKubernetesObjects"


def platform(**overrides: Any) -> Platform:
    return Platform.model_validate(
        {
            "name": "research",
            "region": "us-west-2",
            "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
            "cluster": {
                "instance_groups": [
                    {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
                    {
                        "name": "workers",
                        "instance_type": "ml.p5.48xlarge",
                        "count": 2,
                        "availability_zone_id": "usw2-az2",
                    },
                ]
            },
            "addons": {"fsx_csi": {}, "task_governance": {}, "training_operator": {}},
            "governance": {"teams": [{"name": "vision", "quota": [{"instance_type": "ml.p5.48xlarge", "count": 2}]}]},
            **overrides,
        }
    )


Synth = Callable[..., Assembly]


def synthesizer(folders: pytest.TempPathFactory) -> Synth:
    """Synthesizes the platform with a storage section."""

    def make(storage: dict[str, Any], **extra: Any) -> Assembly:
        folder = folders.mktemp("storage")
        app = cdk.App(outdir=str(folder), context=UNCOPIED, analytics_reporting=False)
        platform_stacks(app, platform(storage=storage, **extra), prefix="research-")
        app.synth()
        return read_assembly(folder)

    return make


def only_named(assembly: Assembly, type_: str, name: str) -> tuple[str, dict[str, Any]]:
    """The only resource of a type with a name from the config, with its logical id."""
    part = {FSX: "Lustre", "AWS::S3::Bucket": "Bucket"}[type_]
    beginning = f"Storage{part}{name.replace('-', '')}"
    ((id_, resource),) = [item for item in assembly.resources(type_).items() if item[0].startswith(beginning)]
    return id_, resource


def bucket_of(assembly: Assembly, name: str = "datasets") -> tuple[str, dict[str, Any]]:
    return only_named(assembly, "AWS::S3::Bucket", name)
