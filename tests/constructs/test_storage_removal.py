"""Data is deleted only if two settings allow it; security groups of file systems."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED, Assembly, read_assembly
from aws_cdk import aws_ec2 as ec2
from storage_platforms import FSX, LINK, bucket_of, only_named, platform, synthesizer

from hyperpod_constructs import HyperPodFileSystem
from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.core.spec import LustreFileSystem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def removals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Assembly]:
    """Data that is retained and data that may be destroyed, in a platform that allows data loss or not."""
    kinds = ("retain", "destroy")
    storage = {
        "lustre": [{"name": kind, "removal": kind, "data_repositories": [{"bucket": kind}]} for kind in kinds],
        "buckets": [{"name": kind, "removal": kind} for kind in kinds],
    }
    return cache(lambda allow: synthesizer(tmp_path_factory)(storage, allow_data_loss=allow))


@pytest.mark.parametrize(
    ("removal", "allow", "policy"),
    [
        ("retain", False, "RetainExceptOnCreate"),
        ("retain", True, "RetainExceptOnCreate"),
        ("destroy", False, "RetainExceptOnCreate"),
        ("destroy", True, "Delete"),
    ],
)
def test_data_is_deleted_only_if_two_settings_allow_it(
    removals: Callable[[bool], Assembly], removal: str, allow: bool, policy: str
) -> None:
    assembly = removals(allow)
    (link,) = (item for name, item in assembly.resources(LINK).items() if name.startswith(f"StorageLustre{removal}"))
    data = [only_named(assembly, FSX, removal)[1], link, bucket_of(assembly, removal)[1]]
    assert {item["DeletionPolicy"] for item in data} == {policy}
    emptied = f"StorageBucket{removal}"
    empties = [name for name in assembly.resources("Custom::S3AutoDeleteObjects") if name.startswith(emptied)]
    assert (len(empties) > 0) == (policy == "Delete")


def test_a_security_group_of_the_user_gets_lustres_ports(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("own-group")
    app = cdk.App(outdir=str(folder), context=UNCOPIED)
    built = platform_stacks(app, platform(), prefix="research-")
    stack = cdk.Stack.of(built.cluster)
    security_group = ec2.SecurityGroup(stack, "Own", vpc=built.network.vpc, allow_all_outbound=False)
    HyperPodFileSystem(
        stack, "Fs", cluster=built.cluster, file_system=LustreFileSystem(name="data"), security_group=security_group
    )
    app.synth()
    assembly = read_assembly(folder)
    rules = {
        (ingress["Properties"]["FromPort"], ingress["Properties"]["ToPort"])
        for ingress in assembly.resources("AWS::EC2::SecurityGroupIngress").values()
        if ingress["Properties"].get("Description") == "Lustre"
    }
    assert rules == {(988, 988), (1018, 1023)}
    assert len(assembly.only(FSX)["SecurityGroupIds"]) == 1
