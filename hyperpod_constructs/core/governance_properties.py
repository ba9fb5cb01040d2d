"""Converts the governance spec to resource properties: plain data, no CDK.

The properties of CloudFormation's types and the members of the service's create requests have the same names and
structure, so one function serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .spec.governance import QuotaResource, Scheduler, Team


def scheduler_config_properties(
    scheduler: Scheduler, *, name: str, cluster_arn: str, tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Properties of `AWS::SageMaker::ClusterSchedulerConfig`, or the request of CreateClusterSchedulerConfig.

    >>> properties = scheduler_config_properties(Scheduler(fair_share=False), name="policy", cluster_arn="arn")
    >>> properties["SchedulerConfig"]
    {'FairShare': 'Disabled'}
    """
    config: dict[str, Any] = {
        "PriorityClasses": [{"Name": each.name, "Weight": each.weight} for each in scheduler.priority_classes],
        "FairShare": _enabled(scheduler.fair_share),
        "IdleResourceSharing": _enabled(scheduler.idle_resource_sharing),
    }
    return _given(
        {
            "Name": name,
            "ClusterArn": cluster_arn,
            "Description": scheduler.description,
            "SchedulerConfig": _given(config),
            "Tags": _tags(tags),
        }
    )


def compute_quota_properties(
    team: Team, *, name: str, cluster_arn: str, tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Properties of `AWS::SageMaker::ComputeQuota`, or the request of CreateComputeQuota.

    >>> team = Team(name="vision", quota=[QuotaResource(instance_type="ml.p5.48xlarge", count=4)], borrow_limit=100)
    >>> properties = compute_quota_properties(team, name="vision", cluster_arn="arn")
    >>> properties["ComputeQuotaConfig"]["ResourceSharingConfig"], properties["ComputeQuotaTarget"]
    ({'Strategy': 'LendAndBorrow', 'BorrowLimit': 100}, {'TeamName': 'vision', 'FairShareWeight': 0})
    """
    sharing: dict[str, Any] = {
        "Strategy": team.sharing,
        "BorrowLimit": team.borrow_limit,
        "AbsoluteBorrowLimits": _resources(team.borrow_limits),
    }
    return _given(
        {
            "Name": name,
            "ClusterArn": cluster_arn,
            "Description": team.description,
            "ComputeQuotaConfig": _given(
                {
                    "ComputeQuotaResources": _resources(team.quota),
                    "ResourceSharingConfig": _given(sharing),
                    "PreemptTeamTasks": team.preempt,
                }
            ),
            "ComputeQuotaTarget": {"TeamName": team.name, "FairShareWeight": team.fair_share_weight},
            "ActivationState": _enabled(team.active),
            "Tags": _tags(tags),
        }
    )


def _resources(resources: Sequence[QuotaResource]) -> list[dict[str, Any]]:
    return [
        _given(
            {
                "InstanceType": each.instance_type,
                "Count": each.count,
                "Accelerators": each.accelerators,
                "VCpu": each.vcpu,
                "MemoryInGiB": each.memory_gib,
                "AcceleratorPartition": (
                    {"Type": each.mig_profile, "Count": each.mig_count or 0} if each.mig_profile else None
                ),
            }
        )
        for each in resources
    ]


def _enabled(value: bool | None) -> str | None:
    return None if value is None else "Enabled" if value else "Disabled"


def _tags(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value != []}
