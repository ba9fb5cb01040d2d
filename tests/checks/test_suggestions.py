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
        pytest.param(
            "HP608",
            "governance: {teams: [{name: a, quota: "
            "[{instance_type: ml.p5.48xlarge, mig_profile: mig-9g.10gb, mig_count: 1}]}]}\n",
            "Did you mean 'mig-1g.10gb'?",
            id="a MIG profile of the quota's instance type",
        ),
        pytest.param(
            "HP608",
            "governance: {teams: [{name: a, quota: "
            "[{instance_type: ml.m5.4xlarge, mig_profile: mig-9g.10gb, mig_count: 1}]}]}\n",
            "Remove mig_profile and mig_count, or specify an instance type with MIG.",
            id="no MIG profile for a type without MIG",
        ),
        pytest.param(
            "HP603",
            f"governance: {{scheduler: {{name: {'a' * 64}}}, teams: []}}\n",
            "Use 63 characters at most.",
            id="the longest name of a scheduler, which is longer than that of a team",
        ),
        pytest.param(
            "HP747",
            "storage: {buckets: [{name: inputs, namespaces: [other]}]}\n"
            "jobs: [{name: a, image: b, volumes: [{name: data, mount_path: /data, claim: inputs}]}]\n",
            "Add default to the namespaces of 'inputs' in storage.buckets.",
            id="the bucket of a claim, not a file system",
        ),
        pytest.param(
            "HP801",
            "storage: {lustre: [{name: data, efa: true, size_gib: 4801, throughput: 250}]}\n",
            "Use 19,200 GiB, the next valid size with EFA.",
            id="a size that is valid with EFA",
        ),
        pytest.param(
            "HP010",
            "cluster: {instance_groups: [{name: a, instance_type: ml.m5.4xlarge, count: 2, count_min: 2}]}\n",
            "Did you mean 'min_count'?",
            id="the key with the same words, not another one that is set",
        ),
        pytest.param(
            "HP013",
            "cluster: {provisioning: request}\n",
            "Did you mean 'Request'?",
            id="a word in another case",
        ),
        pytest.param(
            "HP012",
            "addons: {spaces: yes}\n",
            "Write `{}` to enable it with its defaults.",
            id="a mapping for a section that a word enables",
        ),
    ],
)
def test_a_suggested_value_is_valid_in_its_context(rule: str, fragment: str, fix: str) -> None:
    assert fix in fixes(rule, fragment)


def test_only_fields_of_the_group_are_suggested_in_place_of_its_properties() -> None:
    groups = (
        "[{name: a, instance_type: ml.m5.4xlarge, count: 2, properties: {EnvironmentConfig: {}, InstanceCount: 2}}]"
    )
    suggested = fixes("HP335", f"cluster: {{instance_groups: {groups}}}\n")
    assert "Set `count` instead." in suggested
    assert not [fix for fix in suggested if "lustre_size_gib" in fix]
