"""`hyperpod import` of files: every name is handled, and the written config creates the resources of the source."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT, Assembly
from click.testing import CliRunner, Result
from sweep import sample
from syrupy.assertion import SnapshotAssertion

from hyperpod_constructs.cli import main
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.cluster_properties import GroupPlacement, group_properties, restricted_group_properties
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.importing.cluster_stack import import_cluster_stack
from hyperpod_constructs.core.importing.draft import Draft
from hyperpod_constructs.core.importing.groups import ClusterDefaults, group_of
from hyperpod_constructs.core.importing.stack import import_stack
from hyperpod_constructs.core.importing.terraform import import_variables
from hyperpod_constructs.core.importing.writing import config_text, shortened
from hyperpod_constructs.core.spec import InstanceGroup, Platform, RestrictedInstanceGroup

DATA = Path(__file__).parent / "data"
SOURCES = [path.relative_to(DATA).as_posix() for path in sorted(DATA.rglob("*.*"))]
ADMIN = "arn:aws:iam::111122223333:role/Admin"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def imported(source: str, target: Path, *options: str, folder: Path = DATA) -> Result:
    kind = source.split("/")[0]
    if kind == "tfvars":
        pytest.importorskip("hcl2", reason="the extra `import` is not installed")
    result = run("import", kind, folder / source, "-o", target, *options)
    assert result.exit_code in (0, 3), result.output
    return result


def test_each_kind_has_twelve_files():
    assert Counter(source.split("/")[0] for source in SOURCES) == {"cluster-stack": 12, "stack": 12, "tfvars": 12}


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_is_converted_to_this_config(
    source: str, tmp_path: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(DATA.parent)  # the header contains the path as specified
    result = imported(source, tmp_path / "hyperpod.yaml", folder=Path("data"))
    text = (tmp_path / "hyperpod.yaml").read_text()
    messages = [line for line in result.stderr.splitlines() if line.startswith(("note:", "not imported:"))]
    assert snapshot == "\n".join([text, *messages])


FOR_THE_USER = {
    "cluster-stack/02-as-init-writes-it.yaml": {"HP202"},
    "cluster-stack/05-existing-network-and-eks.yaml": {"HP011", "HP318"},
    "cluster-stack/06-version-that-yaml-shortens.yaml": {"HP202", "HP803"},
    "cluster-stack/07-snake-case-groups.yaml": {"HP324"},
    "cluster-stack/11-chart-values.yaml": {"HP413"},
    "cluster-stack/12-existing-file-system.yaml": {"HP807"},
    "stack/06-existing.json": {"HP011", "HP505"},
    "stack/07-placeholders.json": {"HP011"},
    "stack/10-own-role-and-scripts.json": {"HP318"},
    "tfvars/01-shortest.tfvars": {"HP324"},
    "tfvars/02-every-switch-as-shipped.tfvars": {"HP110"},
    "tfvars/03-all-addons.tfvars": {"HP324"},
    "tfvars/04-closed.tfvars": {"HP110", "HP409"},
    "tfvars/05-restricted.tfvars": {"HP110"},
    "tfvars/06-existing-network-and-eks.tfvars": {"HP011", "HP318"},
    "tfvars/07-existing-eks-subnets.tfvars": {"HP011"},
    "tfvars/08-quotas.tfvars": {"HP324"},
    "tfvars/09-expressions-and-unknown.tfvars": {"HP110"},
    "tfvars/10-karpenter.tfvars": {"HP110", "HP380"},
    "tfvars/11-chart-switches.tfvars": {"HP110", "HP413"},
    "tfvars/12-own-workspaces.tfvars": {"HP110", "HP820"},
}
"""Errors of the written files: what the source does not say (zones, accounts, mount names), or has wrong."""


@pytest.mark.parametrize("source", SOURCES)
def test_validate_finds_only_what_the_user_must_answer(source: str, tmp_path: Path):
    file = tmp_path / "hyperpod.yaml"
    result = imported(source, file)
    found = load(file).findings
    assert {finding.rule for finding in errors(found)} == FOR_THE_USER.get(source, set())
    for finding in found:  # import and validate report the same findings
        assert f"{finding.severity} {finding.rule} {finding.path}: {finding.message}" in result.stderr
    assert result.exit_code == (3 if errors(found) or "not imported: " in result.stderr else 0)


# ---- what is made of it, held against what the source makes ----

ADMIN = "arn:aws:iam::111122223333:role/Admin"
ANSWERS: dict[str, dict[str, Any]] = {
    "cluster-stack/02-as-init-writes-it.yaml": {"eks.kubernetes_version": "1.35"},
    "cluster-stack/06-version-that-yaml-shortens.yaml": {
        "eks.kubernetes_version": "1.35",
        "storage.lustre.0.lustre_version": "2.15",
    },
    "cluster-stack/07-snake-case-groups.yaml": {"cluster.instance_groups.1.taints": []},
    "cluster-stack/11-chart-values.yaml": {"dependencies.gpu_operator": False},
    "cluster-stack/12-existing-file-system.yaml": {"storage.lustre.0.existing_mount_name": "abcdef12"},
    "stack/06-existing.json": {
        "eks.existing.oidc_provider_arn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-2.amazonaws.com/id/EX",
    },
    "stack/07-placeholders.json": {
        "network.existing.vpc_id": "vpc-0123456789abcdef1",
        "network.existing.node_subnets": [
            {"subnet_id": "subnet-0123456789abcdef1"},
            {"subnet_id": "subnet-0123456789abcdef2"},
        ],
    },
    "tfvars/01-shortest.tfvars": {"cluster.instance_groups.1.taints": []},
    "tfvars/03-all-addons.tfvars": {"cluster.instance_groups.1.taints": []},
    "tfvars/08-quotas.tfvars": {"cluster.instance_groups.1.taints": []},
    "tfvars/04-closed.tfvars": {"dependencies.enabled": False},
    "tfvars/07-existing-eks-subnets.tfvars": {
        "network.existing.node_subnets": [
            {"subnet_id": "subnet-0123456789abcdef1"},
            {"subnet_id": "subnet-0123456789abcdef2"},
        ],
    },
    "tfvars/10-karpenter.tfvars": {"cluster.node_recovery": "Automatic"},
    "tfvars/11-chart-switches.tfvars": {"dependencies.gpu_operator": False},
}
"""What a user writes into the file for what is left to answer, besides zones, account and administrators."""


def put(data: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        data = data[int(part)] if isinstance(data, list) else data.setdefault(part, {})
    data[last] = value


def completed_config(source: str, folder: Path) -> Path:
    """The written file with the user's answers."""
    file = folder / "hyperpod.yaml"
    imported(source, file)
    prefix = {"us-east-1": "use1", "us-east-2": "use2", "us-west-2": "usw2"}[yaml.safe_load(file.read_text())["region"]]
    zones = (
        ["usw2-az1", "usw2-az2"]
        if prefix == "usw2"
        else [f"{prefix}-az{n}" for n in ((5, 6) if "estricted" in source and prefix == "use1" else (1, 2))]
    )
    options = [word for zone in zones for word in ("--zone", zone)]
    imported(source, file, "--force", "--admin", ADMIN, "--account", "111122223333", *options)
    data = yaml.safe_load(file.read_text())
    for path, value in ANSWERS.get(source, {}).items():
        put(data, path, value)
    for subnet, zone in zip(data["network"].get("existing", {}).get("node_subnets", []), zones, strict=False):
        subnet["availability_zone_id"] = zone
    file.write_text(config_text(data))
    return file


def source_values(source: str) -> dict[str, Any]:
    """The values of the source, with the defaults of its format, by the names of the templates."""
    table = catalog.load("importing")
    path = DATA / source
    if source.startswith("tfvars"):
        import hcl2

        options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
        variables = hcl2.loads(path.read_text(), serialization_options=options)
        return {name: variables.get(name, entry.get("default")) for name, entry in table["variables"].items()}
    content = yaml.safe_load(path.read_text())
    if source.startswith("stack"):
        if isinstance(content, dict):
            content = content.get("Parameters", content)
        else:
            pairs = [
                (e["ParameterKey"], e["ParameterValue"]) if isinstance(e, dict) else e.split("=", 1) for e in content
            ]
            content = dict(pairs)
        return {name: content.get(name, entry.get("default")) for name, entry in table["parameters"].items()}
    return {
        name: entry.get("cli_default") if content.get(entry["cli"]) is None else content[entry["cli"]]
        for name, entry in table["parameters"].items()
        if "cli" in entry
    }


def created_kinds(source: str) -> dict[str, bool]:
    """Which kinds of resource the source creates, read from its settings."""
    values = source_values(source)

    def enabled(name: str) -> bool:
        return str(values[name]).lower() == "true"

    if source.startswith("tfvars"):
        restricted = bool(values["restricted_instance_groups"])
        return {
            "AWS::EC2::VPC": enabled("create_vpc_module"),
            "AWS::EC2::NatGateway": enabled("create_vpc_module") and not enabled("closed_network"),
            "AWS::EKS::Cluster": enabled("create_eks_module"),
            "AWS::SageMaker::Cluster": True,
            "AWS::FSx::FileSystem": not restricted
            and enabled("create_fsx_module")
            and enabled("create_new_fsx_filesystem"),
            "AWS::S3::Bucket": not restricted and enabled("create_s3_bucket_module"),
            "Custom::HyperPodHelmRelease": enabled("create_helm_chart_module"),
            "AWS::APS::Workspace": not restricted
            and enabled("create_observability_module")
            and enabled("create_prometheus_workspace"),
            "AWS::Grafana::Workspace": not restricted
            and enabled("create_observability_module")
            and enabled("create_grafana_workspace"),
            "addon amazon-sagemaker-hyperpod-taskgovernance": not restricted
            and enabled("create_task_governance_module"),
            "addon amazon-sagemaker-hyperpod-training-operator": not restricted
            and enabled("create_hyperpod_training_operator_module"),
            "addon aws-fsx-csi-driver": not restricted and enabled("create_fsx_module"),
            "AWS::SageMaker::ComputeQuota": bool(values["task_governance_compute_quotas"]),
        }
    return {
        "AWS::EC2::VPC": enabled("CreateVPCStack"),
        "AWS::EC2::NatGateway": enabled("CreateVPCStack"),
        "AWS::EKS::Cluster": enabled("CreateEKSClusterStack"),
        "AWS::SageMaker::Cluster": True,
        "AWS::FSx::FileSystem": enabled("CreateFsxStack") and not values.get("FsxFileSystemId"),
        "Custom::HyperPodHelmRelease": enabled("CreateHelmChartStack"),
        "addon amazon-sagemaker-hyperpod-inference": enabled("EnableHPInferenceFeature"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("source", sample(SOURCES, 5, kind=lambda name: name.split("/")[0]))
def test_the_templates_have_the_kinds_of_resource_that_the_source_makes(
    source: str, tmp_path: Path, assemble: Callable[[Path], Assembly]
):
    file = completed_config(source, tmp_path)
    assert [str(finding) for finding in errors(load(file).findings)] == []
    resources = assemble(file).resources()
    kinds = {resource["Type"] for resource in resources.values()}
    kinds |= {f"addon {r['Properties']['AddonName']}" for r in resources.values() if r["Type"] == "AWS::EKS::Addon"}
    expected = created_kinds(source)
    if source == "tfvars/04-closed.tfvars":
        del expected[
            "Custom::HyperPodHelmRelease"
        ]  # configured without the chart: a vendored chart requires a download
    assert {kind: kind in kinds for kind in expected} == expected
    groups = json.dumps(next(r for r in resources.values() if r["Type"] == "AWS::SageMaker::Cluster")["Properties"])
    text = (DATA / source).read_text()
    names = set(
        re.findall(
            r'(?:InstanceGroupName|instance_group_name)"?: ?"?([\w-]+)|^    name +=[ ]"([\w-]+)"\n +instance_type',
            text,
            re.M,
        )
    )
    assert [found for found in names if not any(f'"{name}"' in groups for name in found if name)] == []


# ---- every name is known, and none is dropped in silence ----


def _effects(make: Callable[[dict[str, Any]], Draft], base: dict[str, Any], name: str, value: Any) -> bool:
    """Whether a value of a name changes the config or is reported."""
    before, after = make(base), make({**base, name: value})
    messages = [*after.losses, *after.messages]
    return (
        before.data != after.data
        or any(name in text for text in messages)
        or messages != [*before.losses, *before.messages]
    )


def other(default: Any) -> Any:
    """A value that is not the default."""
    if isinstance(default, bool):
        return not default
    if str(default) in ("true", "false"):
        return "false" if default == "true" else "true"
    if isinstance(default, int | float):
        return default * 2
    return [{"InstanceGroupName": "other", "InstanceType": "ml.m5.4xlarge"}] if isinstance(default, list) else "other-1"


@pytest.mark.parametrize("name", catalog.load("importing")["parameters"])
def test_no_parameter_is_dropped_silently(name: str):
    entry = catalog.load("importing")["parameters"][name]
    base = {"ResourceNamePrefix": "lab", "AvailabilityZoneIds": "use2-az1,use2-az2"}
    value = json.dumps([{"InstanceGroupName": "a"}]) if entry.get("numbered") else other(entry.get("default", ""))
    value = "Continuous" if name == "NodeProvisioningMode" else value
    assert _effects(import_stack, base, name, value)
    if "cli" in entry:
        cli = {"resource_name_prefix": "lab", "availability_zone_ids": ["use2-az1", "use2-az2"]}
        if not entry.get("numbered"):
            value = other(entry.get("cli_default", ""))
        assert _effects(import_cluster_stack, cli, entry["cli"], value)


@pytest.mark.parametrize("name", catalog.load("importing")["variables"])
def test_no_variable_is_dropped_silently(name: str):
    entry = catalog.load("importing")["variables"][name]
    base = {"resource_name_prefix": "lab", "aws_region": "us-west-2"}
    value = other(entry.get("default", ""))
    if name.endswith("instance_groups"):
        value = [{"name": "other", "instance_type": "ml.m5.4xlarge", "instance_count": 1}]
    if name == "task_governance_compute_quotas":
        base, value = {**base, "create_task_governance_module": True}, [{"target": {"team_name": "vision"}}]
    if name == "private_subnet_cidrs":
        value = ["10.9.0.0/16"]
    assert _effects(import_variables, base, name, value)


def test_every_target_of_a_name_is_a_field():
    table = catalog.load("importing")
    for entry in (*table["parameters"].values(), *table["variables"].values()):
        assert ("to" in entry) != ("why" in entry), entry
        model: Any = Platform
        for part in entry.get("to", "").replace("[]", "").split(".") if "to" in entry else ():
            assert part in model.model_fields, entry["to"]
            annotation = str(model.model_fields[part].annotation)
            found = re.findall(r"hyperpod_constructs\.core\.spec\.(\w+)\.(\w+)", annotation)
            if found:
                model = getattr(__import__(f"hyperpod_constructs.core.spec.{found[0][0]}", fromlist=["_"]), found[0][1])


def test_numbers_of_names():
    table = catalog.load("importing")
    print(f"{len(table['parameters'])} parameters and {len(table['variables'])} variables are accounted for")
    assert (len(table["parameters"]), len(table["variables"])) == (52, 109)


# ---- groups: the other way round ----

PLACE = GroupPlacement(
    subnet_ids=["subnet-1"],
    security_group_ids=["sg-1"],
    execution_role_arn="arn:aws:iam::111122223333:role/N",
    lifecycle=None,
)
AROUND = ClusterDefaults(
    zones={"subnet-1": "usw2-az1"}, security_group_ids=["sg-1"], execution_role_arn="arn:aws:iam::111122223333:role/N"
)


def groups_of_examples() -> list[Any]:
    files = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "tests" / "configs").glob("*.yaml"))]
    found = []
    for file in files:
        platform = load(file).platform
        assert platform is not None
        found += [pytest.param(group, id=f"{file.stem}-{group.name}") for group in platform.cluster.groups]
    return found


@pytest.mark.parametrize("group", groups_of_examples())
def test_a_group_is_restored_from_its_properties(group: InstanceGroup | RestrictedInstanceGroup):
    restricted = isinstance(group, RestrictedInstanceGroup)
    properties = restricted_group_properties(group, PLACE) if restricted else group_properties(group, PLACE)
    back = group_of(properties, AROUND, restricted=restricted)
    assert back.losses == [] or group.properties
    restored = type(group).model_validate(back.data)
    names = {"subnet_ids", "security_group_ids", "availability_zone_id", "execution_role_arn", "lifecycle"}
    names |= {
        "container_data",
        "max_count",
        "properties",
        "input_bucket_arns",
        "output_bucket_arns",
        "reward_functions",
    }
    names |= {"gated_recipes"}  # these are not in the group's properties, or in other ones
    assert restored.model_dump(exclude=names) == group.model_dump(exclude=names)


# ---- the writer ----


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_written_config_reads_back_as_it_was(file: Path):
    data = yaml.safe_load(file.read_text())
    data.pop("jobs", None)
    assert yaml.safe_load(config_text(data)) == data
    assert Platform.model_validate(shortened(data)) == Platform.model_validate(data)
