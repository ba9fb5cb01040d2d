"""Data is deleted only when two switches say so; security groups of file systems."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED, read_assembly
from aws_cdk import aws_ec2 as ec2
from storage_platforms import FSX, LINK, Synth, bucket_of, platform, synthesizer

from hyperpod_constructs import HyperPodFileSystem
from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.core.spec import LustreFileSystem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    return synthesizer(tmp_path_factory)


@pytest.mark.parametrize(
    ("removal", "allow", "policy"),
    [
        ("retain", False, "RetainExceptOnCreate"),
        ("retain", True, "RetainExceptOnCreate"),
        ("destroy", False, "RetainExceptOnCreate"),
        ("destroy", True, "Delete"),
    ],
)
def test_data_is_deleted_only_if_two_settings_allow_it(synth: Synth, removal: str, allow: bool, policy: str) -> None:
    assembly = synth(
        {
            "lustre": [{"name": "data", "removal": removal, "data_repositories": [{"bucket": "datasets"}]}],
            "buckets": [{"name": "datasets", "removal": removal}],
        },
        allow_data_loss=allow,
    )
    data = [*assembly.resources(FSX).values(), *assembly.resources(LINK).values(), bucket_of(assembly)[1]]
    assert {item["DeletionPolicy"] for item in data} == {policy}
    empties = [name for name in assembly.resources("Custom::S3AutoDeleteObjects") if name.startswith("Storage")]
    assert (len(empties) > 0) == (policy == "Delete")


def test_a_security_group_of_the_user_gets_lustres_ports(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("own-group")
    app = cdk.App(outdir=str(folder), context=UNCOPIED)
    built = platform_stacks(app, platform(), prefix="research-")
    stack = cdk.Stack.of(built.cluster)
    own = ec2.SecurityGroup(stack, "Own", vpc=built.network.vpc, allow_all_outbound=False)
    HyperPodFileSystem(
        stack, "Fs", cluster=built.cluster, file_system=LustreFileSystem(name="data"), security_group=own
    )
    app.synth()
    assembly = read_assembly(folder)
    rules = {
        (ingress["Properties"]["FromPort"], ingress["Properties"]["ToPort"])
        for ingress in assembly.resources("AWS::EC2::SecurityGroupIngress").values()
        if ingress["Properties"].get("Description") == "Lustre"
    }
    assert rules == {(988, 988), (1018, 1023)}
    assert len(assembly.one(FSX)["SecurityGroupIds"]) == 1
