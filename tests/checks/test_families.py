"""Families of values that services reject: generated from a valid value, each an error at its own path.

The valid value of every family passes; `test_the_table_has_enough_cases` prints the number of invalid values.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from proving import every
from pydantic import BaseModel
from rich_config import ACCOUNT, RICH, ROLE, changed, found_in, values_by_path
from rule_configs import BASE, merged

from hyperpod_constructs.core.findings import Severity
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.core.spec.arns import Names, _fields_with_arns, _inside


def wrong_arns(arn: str, path: str) -> Iterator[tuple[str, str]]:
    """Invalid ARNs: the name of the mistake, and the ARN."""
    partition, service, region, account, resource = arn.split(":", 5)[1:]
    kind, _, name = resource.rpartition("/")

    def arn_with(**parts: str) -> str:
        values = {"p": partition, "s": service, "r": region, "a": account, "n": resource, **parts}
        return "arn:{p}:{s}:{r}:{a}:{n}".format(**values)

    yield "bare name", name
    yield "placeholder", arn_with(n=f"{kind}/${{NAME}}")
    yield "angle brackets", arn_with(n=f"{kind}/<name>")
    yield "wildcard", arn_with(n=f"{kind}/*")
    yield "space", arn_with(n=f"{resource} x")
    yield "trailing slash", arn_with(n=f"{resource}/")
    yield "other service", arn_with(s="lambda")
    yield "other partition", arn_with(p="aws-us-gov")
    yield "China", arn_with(p="aws-cn")
    yield "account of 11 digits", arn_with(a="22223333444")
    if region:
        yield "other region", arn_with(r="us-east-1")
        yield "no region", arn_with(r="")
    if service in ("iam", "sagemaker", "sns", "aps", "acm") and not re.search(
        r"admins|principal|members|viewers", path
    ):
        yield "other account", arn_with(a="999988887777")
    if service == "kms":
        yield "key that is none", arn_with(n="key/my-key")
        if not re.search("secrets_key|signing_key|lustre", path):
            yield "alias", arn_with(n="alias/mine")


def _bucket(name: str, *namespaces: str) -> dict[str, Any]:
    return {"name": name, "namespaces": list(namespaces)}


ARNS = [(path, text) for path, text in values_by_path(RICH) if text.startswith("arn:")]
WRONG_ARNS = [(path, way, text) for path, arn in ARNS for way, text in wrong_arns(arn, path)]

WRONG: list[tuple[str, Any]] = [
    *(
        (path, name)
        for path in (
            "cluster.lifecycle_bucket_name",
            "storage.buckets[0].log_bucket_name",
            "addons.inference_operator.tls_bucket_name",
        )
        for name in ("My_Bucket", "s3://bucket", "arn:aws:s3:::bucket", "ab", "a" * 64, "-a-b", "a..b", "192.168.0.1", "b/p")
    ),
    *(
        ("cluster.instance_groups[1].scheduled_update.schedule", f"cron({fields})")
        for fields in (
            "0 3 * * SUN *", "0 3 ? * ? *", "0 3 1 * SUN *", "0 3 ? * SUN", "60 3 ? * SUN *", "0 24 ? * SUN *",
            "*/5 3 ? * SUN *", "0 3 32 * ? *", "0 3 ? 13 SUN *", "0 3 ? * SUNDAY *", "0 3 ? * 8 *", "0 3 ? * SUN 1999",
            "0 3 ? * MON-FRI *", "* * * * ? *",
        )
    ),
    ("cluster.instance_groups[1].scheduled_update.schedule", "0 3 ? * SUN *"),
    *(
        ("dependencies.image_registry", text)
        for text in (
            "https://registry.example.com/mirror", "oci://registry.example.com", "registry.example.com/", "registry/Mirror",
            "registry.example.com/mirror:v1", "registry.example.com/a b", "registry.example.com:port/m", "",
        )
    ),
    *(
        ("addons.spaces.web_ui.domain", text)
        for text in (
            "https://j.example.com/", "j.example.com/lab", "j.example.com:443", "localhost", "J.example.com",
            "*.example.com", "j_1.example.com", "-j.example.com", "a" * 64 + ".example.com", "j..example.com",
        )
    ),
    *(
        (f"addons.training_operator.resources.requests.{name}", text)
        for name, text in (
            ("memory", "2GB"), ("memory", "2GiB"), ("memory", "2 Gi"), ("memory", "two"), ("cpu", "2 cores"), ("cpu", "4"),
            ("cpu", "2001m"), ("cpu", "-1"), ("memory", "2gi"), ("memory", "2KB"),
        )
    ),
    ("addons.cert_manager.configuration.resources.requests.memory", "1GB"),
    ("dependencies.values.mpi-operator.resources.requests.cpu", "1core"),
    *(
        (f"addons.cert_manager.tolerations[0].{name}", value)
        for name, value in (
            ("operator", "Exist"), ("operator", "In"), ("value", "yes"), ("effect", "NoRun"), ("effect", "noSchedule"),
            ("tolerationSeconds", 60), ("key", "my key"),
        )
    ),
    ("addons.observability.grafana.workspace_id", "my-grafana"),
    ("addons.observability.grafana.workspace_id", "g-012345678"),
    ("addons.observability.grafana.workspace_id", "G-0123456789"),
    ("addons.observability.grafana.workspace_name", "my grafana"),
    *(("cluster.restricted_instance_groups[0].lustre_size_gib", size) for size in (1201, 1300, 3600, 5000, 100799)),
    *(("cluster.restricted_instance_groups[0].lustre_throughput", item) for item in (126, 300, 750, 999)),
    *(
        ("eks.public_access_cidrs[0]", block)
        for block in (
            "10.0.0.0/8", "172.16.1.0/24", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.1/32", "169.254.0.0/16",
            "224.0.0.0/4", "240.0.0.0/8", "203.0.113.0/33", "203.0.113", "::/0",
        )
    ),
    ("eks.public_access_cidrs", [f"203.0.113.{n}/32" for n in range(41)]),
    ("cluster.instance_groups[1].subnet_ids[0]", "subnet-0123456789abcdef0"),
    ("cluster.restricted_instance_groups[0].subnet_ids[0]", "subnet-0123456789abcdef0"),
    ("addons.coredns.autoscaling.min_replicas", 6),
    *(("addons.kube_proxy.version", f"v1.{minor}.0-eksbuild.1") for minor in (29, 31, 36, 40)),
    *(
        (f"cluster.instance_groups[1].properties.{name}", value)
        for name, value in (
            ("InstanceCont", 4), ("LifecycleConfig", {}), ("ImageID", "ami-1"), ("ThreadsPerCores", 1),
            ("NetworkInterfaces", {}), ("KubernetesConfig.Label", {}), ("InstanceStorageConfigs", {}),
            ("ScheduledUpdateConfig.ScheduleExpresion", "x"), ("CapacityRequirements.Spots", {}),
        )
    ),
    *(
        (f"cluster.properties.{name}", value)
        for name, value in (("NodeRecover", "None"), ("NodeRecovery", "Manual"), ("TieredStorageConfg", {}), ("Tags", {}))
    ),
    ("cluster.instance_groups[1].properties.InstanceCount", "three"),
    ("cluster.instance_groups[1].properties.ThreadsPerCore", "two"),
    ("cluster.instance_groups[1].labels", {"a" * 64: "x"}),
    ("cluster.instance_groups[1].labels", {"example.com/" + "a" * 64: "x"}),
    ("cluster.instance_groups[1].taints", [{"key": "a" * 64, "effect": "NoSchedule"}]),
    ("storage.buckets[0].namespaces[0]", "My_NS"),
    ("storage.lustre[0].name", "My_Data"),
    ("storage.lustre[0].data_repositories[1]", {"bucket": "s3://inputs/raw/", "path": "/other"}),
    ("storage.lustre[0].data_repositories[0].bucket", "s3://My_Bucket/raw"),
    ("storage.lustre[1]", {"name": "scratch"}),
]  # fmt: skip


def test_the_rich_config_is_right() -> None:
    assert [finding for finding in found_in(RICH) if finding.severity is Severity.ERROR] == []


def test_the_table_has_enough_cases() -> None:
    print(f"{len(WRONG_ARNS)} wrong ARNs in {len(ARNS)} fields, {len(WRONG)} other wrong values")
    assert len(WRONG_ARNS) + len(WRONG) >= 300


@pytest.mark.parametrize(("path", "way", "text"), WRONG_ARNS)
def test_a_wrong_arn_is_an_error_at_its_field(path: str, way: str, text: str) -> None:
    found = [
        finding for finding in found_in(changed(path, text)) if finding.path == path and finding.severity != "note"
    ]
    assert [finding.severity for finding in found] == [Severity.ERROR]  # one finding only
    assert found[0].cure


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_value_that_a_service_rejects_is_an_error_at_its_field(path: str, value: Any) -> None:
    found = [finding for finding in found_in(changed(path, value)) if finding.severity is Severity.ERROR]
    assert found, "no finding"
    assert every(finding.path.startswith(path) or path.startswith(finding.path) for finding in found)
    assert every(finding.cure for finding in found)


def test_every_field_with_an_arn_states_the_kind_of_resource() -> None:
    visited: set[type[BaseModel]] = set()

    def walk(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
        if model in visited:
            return
        visited.add(model)
        typed = {name for name, names in _fields_with_arns(model) if names is not None}
        for name, info in model.model_fields.items():
            if re.search(r"(^|_)arns?$", name) or name in ("admins", "principal", "members", "viewers"):
                yield f"{model.__name__}.{name}", name in typed
            for inner in _inside(info.annotation):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from walk(inner)

    fields = dict(walk(Platform))
    assert len(fields) > 25
    assert [name for name, typed in fields.items() if not typed] == []


def test_names_match_their_examples() -> None:
    from hyperpod_constructs.core.spec import arns

    kinds = [value for value in vars(arns).values() if isinstance(value, Names)]
    assert len(kinds) > 10
    for names in kinds:
        parsed = arns.Arn.parse(names.form())
        assert parsed is not None
        assert parsed.fits(names), names.what


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (
            "eks.admins[0]",
            f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0a1b",
        ),
        ("eks.admins[0]", "arn:aws:iam::999988887777:role/Partner"),
        ("eks.secrets_key_arn", f"arn:aws:kms:us-west-2:{ACCOUNT}:alias/eks"),
        ("cluster.instance_groups[1].volume.kms_key_arn", f"arn:aws:kms:us-west-2:999988887777:key/mrk-{'0a' * 16}"),
        ("permissions_boundary_arn", "arn:aws:iam::aws:policy/PowerUserAccess"),
        ("cluster.instance_groups[1].scheduled_update.schedule", "cron(30 23 1 */3 ? 2027)"),
        ("addons.training_operator.resources.requests.memory", "1.5Gi"),
        ("addons.kube_proxy.version", "v1.33.0-eksbuild.1"),
        ("dependencies.image_registry", "localhost:5000"),
        ("cluster.instance_groups[1].properties.GainedAfterThisRelease", 1),
        ("storage.lustre[0].data_repositories[1]", {"bucket": "s3://inputs/other", "path": "/other"}),
    ],
)
def test_valid_values_of_services_are_not_errors(path: str, value: Any) -> None:
    assert [str(finding) for finding in found_in(changed(path, value)) if finding.severity is Severity.ERROR] == []


@pytest.mark.parametrize(
    ("edit", "rule", "path"),
    [
        (  # two kinds of claims with one name in one namespace, by the team's name and by the name of its namespace
            {
                "lustre": [{"name": "data", "namespaces": ["hyperpod-ns-vision"]}],
                "buckets": [_bucket("data", "vision")],
            },
            "HP806",
            "storage.buckets[0].name",
        ),
        (  # two volumes with one name: volumes have no namespace
            {
                "lustre": [{"name": "a", "namespaces": ["default"]}, {"name": "a-s3"}],
                "buckets": [_bucket("a", "default")],
            },
            "HP806",
            "storage.buckets[0].name",
        ),
        ({"buckets": [_bucket("data", "nobody")]}, "HP811", "storage.buckets[0].namespaces[0]"),
    ],
)
def test_claims_and_volumes_are_one_each(edit: dict[str, Any], rule: str, path: str) -> None:
    config = {**RICH, "storage": edit}
    assert (rule, path) in [(finding.rule, finding.path) for finding in found_in(config)]


def test_a_namespace_that_nothing_creates_is_reported_also_without_teams() -> None:
    config = merged(
        BASE, {"addons": {"fsx_csi": {}}, "storage": {"lustre": [{"name": "data", "namespaces": ["nobody"]}]}}
    )
    (finding,) = [item for item in found_in(config) if item.rule == "HP811"]
    assert (finding.path, finding.severity) == ("storage.lustre[0].namespaces[0]", "warning")


@pytest.mark.parametrize(
    ("claim", "reported"),
    [("scratch", True), ("results", True), ("their-own", False)],
    ids=["file system", "bucket", "other"],
)
def test_a_job_uses_claims_of_its_own_namespace(claim: str, reported: bool) -> None:
    job = {
        "name": "train",
        "image": "registry/train:v1",
        "instance_type": "ml.p5.48xlarge",
        "nodes": 1,
        "volumes": [{"name": "data", "mount_path": "/data", "claim": claim}],
    }
    storage = {"lustre": [{"name": "scratch", "namespaces": ["vision"]}], "buckets": [_bucket("results", "vision")]}
    config = {**RICH, "storage": storage}
    for namespace, wrong in (({}, reported), ({"team": "vision"}, False)):
        found = [
            finding.path for finding in found_in({**config, "jobs": [{**job, **namespace}]}) if finding.rule == "HP747"
        ]
        assert found == (["jobs[0].volumes[0].claim"] if wrong else [])


@pytest.mark.parametrize(
    ("values", "reported"),
    [
        ({"mpi-operator": {"enable": True}}, ["dependencies.values.mpi-operator.enable"]),
        ({"mpi-operater": {}}, ["dependencies.values.mpi-operater"]),
        ({"storage": {"persistentVolumeClaim": {"storageClass": "x"}}}, None),
        ({"health-monitoring-agent": {"hmaimage": "x", "imageTags": "y"}}, None),
        ({"mpi-operator.enabled": False}, None),
        ({"mpi-operator": {"mpiOperator": {"nodeSelector": {"any": "label"}}}, "global": {"region": "us-west-2"}}, []),
        ({"nvidia-device-plugin": {"anything": 1}}, []),
    ],
)
def test_values_that_the_chart_does_not_read_are_reported(values: dict[str, Any], reported: list[str] | None) -> None:
    found = [finding for finding in found_in(changed("dependencies.values", values)) if finding.rule == "HP407"]
    assert len(found) == 1 if reported is None else [finding.path for finding in found] == reported


@pytest.mark.parametrize(
    ("selector", "reported"),
    [
        ({"node.kubernetes.io/instance-type": "ml.m5.4xlarge"}, False),
        ({"node.kubernetes.io/instance-type": "ml.m5.2xlarge"}, True),
        ({"node.kubernetes.io/instance-type": "ml.m5.4xlarge", "team": "a"}, True),
        ({"team": "a"}, False),
        ({"team": "b"}, True),
        ({"kubernetes.io/arch": "arm64"}, True),
        ({"somebody.example.com/label": "x"}, False),
    ],
)
def test_selectors_that_no_group_satisfies_are_reported(selector: dict[str, str], reported: bool) -> None:
    job = {"name": "train", "image": "registry/train:v1", "nodes": 1, "node_selector": selector}
    found = [finding.path for finding in found_in({**RICH, "jobs": [job]}) if finding.rule == "HP752"]
    assert found == (["jobs[0].node_selector"] if reported else [])
    for path in ("addons.training_operator.node_selector", "addons.cert_manager.configuration.nodeSelector"):
        found = [finding.path for finding in found_in(changed(path, selector)) if finding.rule == "HP516"]
        assert found == ([path] if reported else [])


def test_selectors_are_checked_for_groups_with_labels() -> None:
    """A label with a domain is known if one of several groups sets it."""
    label = {"somebody.example.com/label": "x"}
    config = merged(RICH, {"addons": {"training_operator": {"node_selector": label}}})
    assert [finding.path for finding in found_in(config) if finding.rule == "HP516"] == []
    groups = config["cluster"]["instance_groups"]
    assert len(groups) > 1
    for value, reported in (("x", False), ("y", True)):
        first = {**groups[0], "labels": {**groups[0].get("labels", {}), "somebody.example.com/label": value}}
        labeled = merged(config, {"cluster": {"instance_groups": [first, *groups[1:]]}})
        found = [finding.path for finding in found_in(labeled) if finding.rule == "HP516"]
        assert found == (["addons.training_operator.node_selector"] if reported else [])


@pytest.mark.parametrize(
    ("accesses", "messages"),
    [
        ([{}, {"policy": "edit", "namespaces": ["a"]}], []),
        ([{"namespaces": ["a"]}, {"namespaces": ["b"]}], []),
        ([{"policy": "edit", "namespaces": ["a"]}, {"policy": "edit", "namespaces": ["a", "b"]}], ["eks.access[0]"]),
        ([{}, {}], ["eks.access[1]"]),
        ([{}, {"namespaces": ["a"]}], ["eks.access[1]"]),
        ([{"policy": "cluster-admin"}, {"policy": "view"}], ["eks.access[1]"]),
    ],
)
def test_a_principal_may_have_several_policies(accesses: list[dict[str, Any]], messages: list[str]) -> None:
    config = merged(BASE, {"eks": {"access": [{"principal": ROLE, **access} for access in accesses]}})
    found = [(finding.path, finding.severity.value) for finding in found_in(config) if finding.rule == "HP215"]
    assert found == [(path, "warning") for path in messages]


def test_a_cluster_of_restricted_groups_only_is_right_without_add_ons() -> None:
    config = copy.deepcopy(BASE)
    config["cluster"] = {"restricted_instance_groups": [{"name": "rig", "instance_type": "ml.p5.48xlarge", "count": 2}]}
    assert [item for item in found_in(config) if item.rule == "HP315" or item.severity is Severity.ERROR] == []
    config["addons"] = {"training_operator": {}}
    (finding,) = [item for item in found_in(config) if item.rule == "HP315"]
    assert finding.message == "all groups are restricted, and cert_manager, training_operator cannot run on their nodes"


@pytest.mark.parametrize(("zone", "messages"), [("usw2-az4", []), ("usw2-az5", ["warning"]), ("usw2-az9", ["warning"])])
def test_a_zone_that_the_region_is_not_known_to_have(zone: str, messages: list[str]) -> None:
    config = merged(BASE, {"network": {"availability_zone_ids": ["usw2-az1", zone]}})
    assert [finding.severity.value for finding in found_in(config) if finding.rule == "HP112"] == messages
