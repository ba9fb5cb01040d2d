"""Refreshing from AWS, with answers that botocore checks against its service models."""

import copy
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from hyperpod_constructs.core import catalog
from hyperpod_constructs.live.facts import _live
from hyperpod_constructs.live.facts.refresh import Refreshed, load_all, refresh

ADDON = "amazon-sagemaker-hyperpod-training-operator"

P5 = {
    "InstanceType": "p5.48xlarge",
    "VCpuInfo": {"DefaultVCpus": 192, "DefaultThreadsPerCore": 2, "ValidThreadsPerCore": [1, 2]},
    "MemoryInfo": {"SizeInMiB": 2097152},
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
    "InstanceStorageInfo": {"TotalSizeInGB": 30400},
    "GpuInfo": {"Gpus": [{"Name": "H100", "Manufacturer": "NVIDIA", "Count": 8, "MemoryInfo": {"SizeInMiB": 81920}}]},
    "NetworkInfo": {
        "MaximumNetworkCards": 32,
        "Ipv4AddressesPerInterface": 50,
        "EfaSupported": True,
        "EfaInfo": {"MaximumEfaInterfaces": 32},
    },
}


def moment(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


class Aws:
    """A session whose clients return only the responses that a test sets."""

    def __init__(self, stack: ExitStack) -> None:
        self.clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for service in ("eks", "ec2", "service-quotas"):
            client = boto3.client(service, region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
            self.clients[service] = client
            client.meta.events.register("provide-client-params.*.*", self._note)
            self.stubs[service] = stack.enter_context(Stubber(client))
        self.kubernetes: list[dict[str, Any]] = []
        self.addons: dict[str, list[dict[str, Any]]] = {}
        self.refused: dict[str, str] = {}
        self.types = [P5]
        self.offered = [name.removeprefix("ml.") for name in catalog.instance_types()]
        self.zone_ids = ["usw2-az1", "usw2-az2"]
        self.quotas: list[dict[str, Any]] = []
        self.calls: set[str] = set()

    def _note(self, model: Any, **_: Any) -> None:
        self.calls.add(f"{model.service_model.signing_name}:{model.name}")

    def client(self, service: str, region_name: str) -> Any:
        assert region_name == "us-west-2"
        return self.clients[service]

    def refresh(self, contents: dict[str, Any] | None = None) -> Refreshed:
        eks, ec2 = self.stubs["eks"], self.stubs["ec2"]
        eks.add_response("describe_cluster_versions", {"clusterVersions": self.kubernetes}, {"includeAll": True})
        for name in catalog.addons():
            if name in self.refused:
                eks.add_client_error("describe_addon_versions", self.refused[name], expected_params={"addonName": name})
                continue
            versions = self.addons.get(name, [])
            answer = [{"addonName": name, "addonVersions": versions}] if versions else []
            eks.add_response("describe_addon_versions", {"addons": answer}, {"addonName": name})
        ec2.add_response("describe_instance_types", {"InstanceTypes": self.types})
        offerings = [{"InstanceType": name, "LocationType": "region", "Location": "us-west-2"} for name in self.offered]
        ec2.add_response(
            "describe_instance_type_offerings", {"InstanceTypeOfferings": offerings}, {"LocationType": "region"}
        )
        ec2.add_response(
            "describe_availability_zones", {"AvailabilityZones": [{"ZoneId": zone_id} for zone_id in self.zone_ids]}
        )
        self.stubs["service-quotas"].add_response(
            "list_service_quotas", {"Quotas": self.quotas}, {"ServiceCode": "sagemaker"}
        )
        outcome = refresh(self, "us-west-2", contents)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
        return outcome


@pytest.fixture
def aws() -> Iterator[Aws]:
    with ExitStack() as stack:
        yield Aws(stack)


def changes(outcome: Refreshed) -> dict[str, tuple[Any, Any]]:
    return {
        f"{difference.file}.{difference.path}": (difference.old, difference.new) for difference in outcome.differences
    }


def test_the_calendar(aws: Aws) -> None:
    aws.kubernetes = [
        {
            "clusterVersion": "1.37",
            "releaseDate": moment(2026, 9, 15),
            "endOfStandardSupportDate": moment(2027, 11, 15),
            "endOfExtendedSupportDate": moment(2028, 11, 15),
        },
        {"clusterVersion": "1.38", "releaseDate": moment(2027, 1, 5)},
        {"clusterVersion": "1.22", "releaseDate": moment(2022, 4, 4)},
    ]
    outcome = aws.refresh()
    versions = outcome.contents["kubernetes"]["versions"]
    assert versions["1.37"] == {
        "released": "2026-09-15",
        "end_of_standard_support": "2027-11-15",
        "end_of_extended_support": "2028-11-15",
        "hyperpod_documented": False,
        "uncertain": {"hyperpod_documented": versions["1.37"]["uncertain"]["hyperpod_documented"]},
    }
    assert versions["1.38"] == {
        "hyperpod_documented": False,
        "released": "2027-01-05",
        "end_of_standard_support": None,
        "end_of_extended_support": None,
    }
    assert "1.22" not in versions, "older than all versions in the file"
    assert list(versions)[-2:] == ["1.37", "1.38"]


def version(name: str, *kubernetes: str, **overrides: Any) -> dict[str, Any]:
    return {"addonVersion": name, "compatibilities": [{"clusterVersion": item} for item in kubernetes], **overrides}


def test_versions_of_an_addon(aws: Aws) -> None:
    aws.addons[ADDON] = [
        version("v1.10.0-eksbuild.1", "1.37", "1.36", "1.35", requiresIamPermissions=True),
        version("v1.9.1-eksbuild.2", "1.36", "1.35", "1.34"),
        version("v1.9.0-eksbuild.1", "1.36", "1.35", "1.34"),
        version("v1.3.0-eksbuild.1", *(f"1.{minor}" for minor in range(31, 37))),
    ]
    with catalog.use_clock(date(2027, 2, 3)):
        outcome = aws.refresh()
    versions = outcome.contents["addons"]["addons"][ADDON]["versions"]
    assert [item["version"] for item in versions] == [
        *("v1.10.0-eksbuild.1", "v1.9.1-eksbuild.2", "v1.3.0-eksbuild.1", "v1.2.1", "v1.2.0"),
    ]
    assert versions[0] == {
        "version": "v1.10.0-eksbuild.1",
        "kubernetes_min": "1.35",
        "kubernetes_max": "1.37",
        "date": "2027-02-03",
        "source": "describe-addon-versions, us-west-2",
    }
    assert versions[2]["date"] == "2026-10-04", "confirmed facts do not change"
    assert f"addons.json: {ADDON} v1.10.0-eksbuild.1 supports an inline pod identity association" in outcome.remarks


def test_an_addon_that_eks_does_not_have(aws: Aws) -> None:
    outcome = aws.refresh()
    assert "addons.json: EKS has no add-on amazon-sagemaker-spaces in us-west-2" in outcome.remarks
    assert not [path for path in changes(outcome) if path.startswith("addons")]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "InvalidParameterException"])
def test_an_addon_whose_name_eks_rejects(aws: Aws, code: str) -> None:
    aws.refused = {ADDON: code}
    assert f"addons.json: EKS has no add-on {ADDON} in us-west-2" in aws.refresh().remarks


def test_other_rejections_are_not_swallowed(aws: Aws) -> None:
    aws.refused = {ADDON: "AccessDeniedException"}
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.refresh()


def test_hardware_that_is_as_shipped_changes_nothing(aws: Aws) -> None:
    assert changes(aws.refresh()) == {}


def test_hardware_that_differs(aws: Aws) -> None:
    aws.types = [copy.deepcopy(P5) | {"InstanceStorageInfo": {"TotalSizeInGB": 1}}]
    assert changes(aws.refresh()) == {"instance_types.instance_types.ml.p5.48xlarge.nvme_gb": (30400, 1)}


def test_a_type_that_is_new_in_the_api_gets_its_hardware(aws: Aws) -> None:
    contents = load_all()
    shipped = contents["instance_types"]["instance_types"].pop("ml.p5.48xlarge")
    outcome = aws.refresh(contents)
    entry = outcome.contents["instance_types"]["instance_types"]["ml.p5.48xlarge"]
    assert {field: entry[field] for field in _live._HARDWARE if field in entry} == {
        field: shipped[field] for field in _live._HARDWARE if field in shipped
    }
    assert entry["regions"] == shipped["regions"]
    assert "uncertain" not in entry, "in the price list"
    assert list(outcome.contents["instance_types"]["instance_types"])[2] == "ml.p5.48xlarge", "in the API's order"


def test_a_type_that_ec2_does_not_have_either(aws: Aws) -> None:
    contents = load_all()
    del contents["instance_types"]["instance_types"]["ml.p4d.24xlarge"]
    remarks = aws.refresh(contents).remarks
    assert "instance_types.json: ml.p4d.24xlarge is new in the API, but EC2 does not offer it in this region" in remarks


def test_offers(aws: Aws) -> None:
    aws.offered.remove("p5.48xlarge")
    outcome = aws.refresh()
    assert changes(outcome) == {
        "instance_types.instance_types.ml.p5.48xlarge.uncertain": (
            None,
            {"regions": "The price list has us-west-2, but EC2 does not offer the type there."},
        )
    }
    assert "instance_types.json: EC2 offers ml.p5e.48xlarge in us-west-2, which no HyperPod price list confirms" in (
        outcome.remarks
    )


def test_an_offer_that_is_available_again_loses_its_mark(aws: Aws) -> None:
    contents = load_all()
    entry = contents["instance_types"]["instance_types"]["ml.p5.48xlarge"]
    entry["uncertain"] = {"regions": "The price list has us-west-2, but EC2 does not offer the type there."}
    assert "uncertain" not in aws.refresh(contents).contents["instance_types"]["instance_types"]["ml.p5.48xlarge"]


def test_a_type_without_numbers_gets_them_and_loses_its_marks(aws: Aws) -> None:
    gb200 = copy.deepcopy(P5) | {
        "InstanceType": "p6e-gb200.36xlarge",
        "VCpuInfo": {"DefaultVCpus": 144, "ValidThreadsPerCore": [1]},
        "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
    }
    aws.types = [gb200]
    entry = aws.refresh().contents["instance_types"]["instance_types"]["ml.p6e-gb200.36xlarge"]
    assert (entry["vcpu"], entry["architecture"], entry["ipv4_per_interface"], entry["nvme_gb"]) == (
        144,
        "arm64",
        50,
        30400,
    )
    assert set(entry["uncertain"]) == {"regions"}, "pods are inferred again when the file is read"


def test_zone_ids(aws: Aws) -> None:
    aws.zone_ids = ["usw2-az1", "xyz1-az1"]
    assert "regions.json: the zone ids of us-west-2 start with ['usw2', 'xyz1']" in aws.refresh().remarks


def test_codes_of_quotas(aws: Aws) -> None:
    aws.quotas = [
        {"QuotaName": "ml.m5.4xlarge for cluster usage", "QuotaCode": "L-11111111"},
        {"QuotaName": "ml.p5.48xlarge for cluster usage", "QuotaCode": "L-8762A75F"},
        {"QuotaName": "ml.m5.4xlarge for training job usage", "QuotaCode": "L-22222222"},
        {"QuotaName": "Number of training plans per Region", "QuotaCode": "L-33333333"},
    ]
    assert changes(aws.refresh()) == {
        "quotas.quotas.training_plans.code": ("L-867702E6", "L-33333333"),
        "quotas.per_instance_type.cluster.codes.ml.m5.4xlarge": (None, "L-11111111"),
    }


def test_the_listed_calls_are_those_that_are_sent(aws: Aws) -> None:
    aws.refresh()
    assert aws.calls == set(_live.CALLS)
    assert {re.match("[A-Z][a-z]+", call.partition(":")[2])[0] for call in _live.CALLS} == {"Describe", "List"}
