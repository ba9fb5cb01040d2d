"""Administrators of an existing EKS cluster: their access entries are created or not changed."""

from __future__ import annotations

from typing import Any

import pytest
from assembly import ROOT, UNCOPIED
from aws_cdk import App, Environment, Stack, assertions

from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.config import load

pytestmark = pytest.mark.slow

ADMINS = ("arn:aws:iam::111122223333:role/PlatformAdmin", "arn:aws:iam::111122223333:user/operator")


def entries(*, admin_entries: bool) -> set[Any]:
    """Principals of the access entries in the template of a platform on an existing EKS cluster."""
    loaded = load(ROOT / "examples" / "existing-vpc-and-eks.yaml").platform
    assert loaded is not None
    assert loaded.eks.existing is not None
    existing = loaded.eks.existing.model_copy(update={"admin_entries": admin_entries})
    eks = loaded.eks.model_copy(update={"existing": existing, "admins": ADMINS})
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region=loaded.region))
    HyperPodPlatform(stack, "Platform", platform=loaded.model_copy(update={"eks": eks}))
    found = assertions.Template.from_stack(stack).find_resources("AWS::EKS::AccessEntry")
    return {
        principal for resource in found.values() if isinstance(principal := resource["Properties"]["PrincipalArn"], str)
    }


def test_administrators_get_access_entries() -> None:
    assert set(ADMINS) <= entries(admin_entries=True)


def test_existing_access_entries_of_administrators_are_not_changed() -> None:
    assert entries(admin_entries=False).isdisjoint(ADMINS)
