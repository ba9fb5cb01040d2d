"""Fixes that name a value: the value is accepted at the same place."""

from __future__ import annotations

import pytest
from rule_configs import findings_in, over_base


def fixes(rule: str, fragment: str) -> list[str]:
    """The fixes of a rule's findings in a config."""
    return [finding.cure for finding in findings_in(over_base(fragment)) if finding.rule == rule]


@pytest.mark.parametrize(
    ("rule", "fragment", "fix"),
    [
        pytest.param(
            "HP521",
            'eks: {kubernetes_version: "1.29"}\naddons: {kube_proxy: {}}\n',
            "Use Kubernetes 1.31 to 1.35, or check with `hyperpod addons --live`.",
            id="Kubernetes versions that HyperPod documents, of all versions of the add-on",
        ),
    ],
)
def test_a_suggested_value_is_valid_in_its_context(rule: str, fragment: str, fix: str) -> None:
    assert fix in fixes(rule, fragment)
