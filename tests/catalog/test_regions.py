"""Regions, and the HyperPod features that each supports."""

import pytest
from proving import every

from hyperpod_constructs.core import catalog


def test_hyperpod_is_in_nineteen_regions() -> None:
    with_hyperpod = {name for name, region in catalog.regions().items() if region.hyperpod}
    assert len(with_hyperpod) == 19
    assert {name for name, region in catalog.regions().items() if region.cluster_cfn} == with_hyperpod


def test_both_governance_types_are_together_in_three_regions_only() -> None:
    regions = {
        name for name, region in catalog.regions().items() if region.scheduler_config_cfn and region.compute_quota_cfn
    }
    assert regions == {"us-east-1", "eu-central-1", "ap-south-1"}


def test_one_region() -> None:
    oregon = catalog.region("us-west-2")
    assert (oregon.health_monitoring_agent_account, oregon.inference_operator_account, oregon.gpu_operator_account) == (
        *("905418368575", "861276088053", "586794468202"),
    )
    assert (oregon.amp, oregon.amg, oregon.observability, oregon.inference, oregon.opt_in) == (
        True,
        True,
        True,
        True,
        False,
    )


def test_regions_without_images() -> None:
    for name in ("ap-south-2", "ap-northeast-2"):
        assert catalog.region(name).health_monitoring_agent_account is None
    without_inference = {name for name, region in catalog.regions().items() if region.hyperpod and not region.inference}
    assert without_inference == {"ap-south-2", "ap-northeast-2", "ca-central-1"}


def test_accounts_are_account_numbers() -> None:
    for region in catalog.regions().values():
        for account in (
            *(region.health_monitoring_agent_account, region.inference_operator_account, region.gpu_operator_account),
        ):
            assert account is None or (len(account) == 12 and account.isdigit()), region.name


def test_a_region_without_hyperpod_is_distinguished_from_an_unknown_region() -> None:
    paris = catalog.find_region("eu-west-3")
    assert paris is not None
    assert not paris.hyperpod
    assert catalog.find_region("eu-west-9") is None
    with pytest.raises(catalog.UnknownName, match="unknown region 'us-wset-2'; did you mean 'us-west-2'"):
        catalog.region("us-wset-2")


def test_zone_ids_belong_to_one_region() -> None:
    prefixes = [region.zone_id_prefix for region in catalog.regions().values()]
    assert len(set(prefixes)) == len(prefixes)
    assert catalog.region("us-west-2").owns_zone_id("usw2-az3")
    for wrong in ("use1-az3", "us-west-2a", "usw2-az", "usw2-azx", "usw2", ""):
        assert not catalog.region("us-west-2").owns_zone_id(wrong), wrong


def test_zone_id_prefixes_agree_with_a_capture_of_ec2() -> None:
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    for region_name, zones in RegionsAndZonesBackend.zones.items():
        region = catalog.region(region_name)
        assert every(region.owns_zone_id(zone.zone_id) for zone in zones), region_name
        assert catalog.region_of_zone_id(zones[0].zone_id) == region


def test_zones_without_control_planes_are_of_their_region() -> None:
    rejected_zones = {zone: name for name, region in catalog.regions().items() for zone in region.eks_refused_zone_ids}
    assert rejected_zones == {"use1-az3": "us-east-1", "usw1-az2": "us-west-1", "cac1-az3": "ca-central-1"}
    assert every(catalog.region(name).owns_zone_id(zone) for zone, name in rejected_zones.items())
