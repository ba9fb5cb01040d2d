"""From files to platforms: structural errors in plain language, all findings in one run, locations in the correct file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperpod_constructs.core.config import load, load_all
from hyperpod_constructs.core.findings import errors

GOOD = """\
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {kubernetes_version: "1.35", admins: ["arn:aws:iam::111122223333:role/Admin"]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
"""


def write(folder: Path, text: str, name: str = "hyperpod.yaml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_good_config(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD))
    assert loaded.ok
    assert loaded.platform is not None
    assert loaded.platform.cluster.instance_groups[0].count == 2


@pytest.mark.parametrize(
    ("old", "new", "rule", "path", "message", "cure", "place"),
    [
        ("kubernetes_version", "kuberentes_version", "HP010", "eks.kuberentes_version", "kuberentes_version",
         "Did you mean 'kubernetes_version'?", (4, 7)),
        ("instance_type", "instanceType", "HP010", "cluster.instance_groups[0].instanceType", "instanceType",
         "Did you mean 'instance_type'?", (7, 22)),
        ("region: us-west-2", "region: us-west-2\nkubernetes_version: '1.35'", "HP010", "kubernetes_version",
         "unknown key", "Move it to `eks.kubernetes_version`.", (3, 1)),
        ("kubernetes_version", "version", "HP010", "eks.version", "unknown key",
         "Did you mean 'kubernetes_version'?", (4, 7)),
        (", count: 2", ", count: 2, zone: usw2-az1", "HP010", "cluster.instance_groups[0].zone", "unknown key",
         "Did you mean 'availability_zone_id'?", (7, 62)),
        ("name: research", "platform: {region: us-west-2, tags: {}}\nname: research", "HP010", "platform", "unknown key",
         "Remove `platform:` and write its keys one level up: region, tags.", (1, 1)),
        (", count: 2", ", count: 2, version: 1", "HP010", "cluster.instance_groups[0].version", "unknown key",
         "Did you mean 'image_release_version'?", (7, 62)),
        ("eks: {", "eks: {size_gib: 1, ", "HP010", "eks.size_gib", "unknown key", "Remove it; valid keys: ", (4, 7)),
        ("count: 2", "count: 2}\n\t- {", "HP001", "", "YAML", "Check for a tab", (8, 1)),
        (", count: 2", "", "HP011", "cluster.instance_groups[0].count", "'count' is missing", "Add `count:`", (7, 7)),
        ('"1.35"', "1.35", "HP014", "eks.kubernetes_version", "1.35 without quotes", 'quotes around it: "1.35"', (4, 27)),
        ('"1.35"', "1.30", "HP014", "eks.kubernetes_version", "1.30 without quotes", 'quotes around it: "1.30"', (4, 27)),
        ("count: 2", "count: two", "HP012", "cluster.instance_groups[0].count", "a whole number, not the text 'two'", "",
         (7, 59)),
        ("count: 2", "count: -3", "HP013", "cluster.instance_groups[0].count", "-3 is out of range: the minimum is 0",
         "", (7, 59)),
        ("[usw2-az1, usw2-az2]", "usw2-az1", "HP012", "network.availability_zone_ids", "must be a list",
         "Write it in brackets: [usw2-az1].", (3, 34)),
        ("[usw2-az1, usw2-az2]}", "[usw2-az1, usw2-az2], mode: closd}", "HP013", "network.mode", "'closd' is not one of",
         "Did you mean 'closed'?", (3, 62)),
        ("[usw2-az1, usw2-az2]}", "[usw2-az1, usw2-az2], flow_logs: yes}", "HP012", "network.flow_logs",
         "true or false, not the text 'yes'", "Write true.", (3, 67)),
        ("eks: {", "eks: {endpoint_access: 7, ", "HP013", "eks.endpoint_access", "7 is not one of", "", (4, 24)),
        ("name: research", "name: [research", "HP001", "", "YAML", "", (2, 7)),
        ("network: {", "network: {vpc_cidr: 7, ", "HP014", "network.vpc_cidr", "7 without quotes", "", (3, 21)),
    ],
)  # fmt: skip
def test_shape_errors_are_reported_in_plain_words(
    tmp_path: Path, old: str, new: str, rule: str, path: str, message: str, cure: str, place: tuple[int, int]
) -> None:
    assert old in GOOD
    loaded = load(write(tmp_path, GOOD.replace(old, new)))
    finding = next(f for f in loaded.findings if f.rule == rule)
    assert (finding.path, finding.line, finding.column) == (path, *place)
    assert message in finding.message
    assert cure in finding.cure
    assert loaded.platform is None
    assert "Input" not in finding.message
    assert finding.consequence
    assert finding.source


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "7\n", "null\n"])
def test_an_object_that_is_not_a_mapping(tmp_path: Path, text: str) -> None:
    loaded = load(write(tmp_path, text))
    assert loaded.platform is None
    assert [f.rule for f in loaded.findings if f.severity == "error"] == ["HP012"]


def test_shape_and_rule_findings_are_reported_together(tmp_path: Path) -> None:
    text = GOOD.replace("[usw2-az1, usw2-az2]", "[usw2-az1]").replace("eks: {", "eks: {speed: 3, ")
    rules = {f.rule for f in load(write(tmp_path, text)).findings}
    assert {"HP010", "HP110"} <= rules


def test_the_default_in_place_of_an_invalid_value_is_not_reported(tmp_path: Path) -> None:
    text = GOOD.replace("[usw2-az1, usw2-az2]", "usw2-az1")
    rules = {f.rule for f in load(write(tmp_path, text)).findings if f.path.startswith("network.availability")}
    assert rules == {"HP012"}


def test_job_files_carry_their_own_place(tmp_path: Path) -> None:
    write(
        tmp_path, "name: train\nimage: registry/train:v1\ninstance_type: ml.p5.48xlage\nnodes: 1\n", "jobs/train.yaml"
    )
    loaded = load(write(tmp_path, GOOD + "jobs: [jobs/train.yaml]\n"))
    finding = next(f for f in loaded.findings if f.rule == "HP710")
    assert finding.path == "jobs[0].instance_type"
    assert (finding.file, finding.line, finding.column) == (str(tmp_path / "jobs/train.yaml"), 3, 16)


def test_the_shape_of_a_job_file(tmp_path: Path) -> None:
    write(tmp_path, "name: train\nimgae: registry/train:v1\n", "jobs/train.yaml")
    loaded = load(write(tmp_path, GOOD + "jobs: [jobs/train.yaml]\n"))
    found = {f.rule: f for f in loaded.findings if f.file is not None and f.file.endswith("train.yaml")}
    assert found["HP010"].cure == "Did you mean 'image'?"
    assert found["HP010"].line == 2
    assert loaded.platform is None


def test_a_job_with_errors_is_not_a_job(tmp_path: Path) -> None:
    """The values could be read, but one key occurs twice: nothing is synthesized, and no rule checks it."""
    twice = "name: train\nimage: registry/train:v1\ninstance_type: ml.p5.48xlage\nnodes: 1\nnodes: 2\n"
    write(tmp_path, twice, "jobs/train.yaml")
    loaded = load(write(tmp_path, GOOD + "jobs: [jobs/train.yaml]\n"))
    found = [f.rule for f in loaded.findings if f.file == str(tmp_path / "jobs/train.yaml")]
    assert found == ["HP005"]
    assert loaded.platform is None


def test_a_job_file_that_is_missing_is_reported_in_the_config(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD + "jobs: [jobs/missing.yaml]\n"))
    [finding] = [f for f in loaded.findings if f.rule == "HP002"]
    assert (finding.path, finding.line, finding.column) == ("jobs[0]", 8, 8)
    assert "missing.yaml" in finding.message


@pytest.mark.parametrize("key", ["http_proxy", "no_proxy"])
def test_a_proxy_setting_is_unknown_and_the_fix_refers_to_the_page(tmp_path: Path, key: str) -> None:
    loaded = load(write(tmp_path, GOOD.replace("network: {", f'network: {{{key}: "http://proxy.example:3128", ', 1)))
    (finding,) = [f for f in loaded.findings if f.rule == "HP010"]
    assert finding.path == f"network.{key}"
    assert "docs/closed-network.md" in finding.cure


def test_every_document_of_a_job_file_is_a_job(tmp_path: Path) -> None:
    first = "name: train\nimage: registry/train:v1\ninstance_type: ml.p5.48xlarge\nnodes: 1\n"
    second = "name: other\nimage: registry/train:v1\ninstance_type: ml.p5.48xlage\nnodes: 1\n"
    write(tmp_path, f"{first}---\n{second}---\n", "jobs/two.yaml")
    inline = "{name: third, image: registry/train:v1, instance_type: ml.g5.2xlage, nodes: 1}"
    loaded = load(write(tmp_path, GOOD + f"jobs: [jobs/two.yaml, {inline}]\n"))
    found = [(f.path, f.file, f.line) for f in loaded.findings if f.rule == "HP710"]
    two, config = str(tmp_path / "jobs/two.yaml"), str(tmp_path / "hyperpod.yaml")
    assert sorted(found) == [("jobs[1].instance_type", two, 8), ("jobs[2].instance_type", config, 8)]
    assert loaded.platform is not None
    assert [job.name for job in loaded.platform.jobs] == ["train", "other", "third"]


COMPANIONS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: scripts, namespace: nobody}
data: {run.sh: echo}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: data}, spec: {selectr: {app: data}, ports: [{port: 80}]}}
"""


def test_manifests_are_read_with_all_documents_and_reported_at_their_path(tmp_path: Path) -> None:
    write(tmp_path, COMPANIONS, "jobs/companions.yaml")
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: token}, stringData: {token: abc}}"
    loaded = load(write(tmp_path, GOOD + f"manifests: [jobs/companions.yaml, {secret}]\n"))
    file, config = str(tmp_path / "jobs/companions.yaml"), str(tmp_path / "hyperpod.yaml")
    found = {f.rule: (str(f.severity), f.path, f.file, f.line, f.message) for f in loaded.findings}
    assert found["HP737"] == ("error", "manifests[1].spec.selectr", file, 9, "unknown key 'selectr'")
    assert found["HP738"] == (
        "warning",
        "manifests[0].metadata.namespace",
        file,
        3,
        "the namespace 'nobody' is neither `default` nor the namespace of a team",
    )
    assert found["HP739"] == (
        "warning",
        "manifests[2]",
        config,
        8,
        "the values of the Secret token become part of the template",
    )


@pytest.mark.parametrize(
    ("entry", "rule", "path", "message"),
    [
        ("manifests: [missing.yaml]", "HP002", "manifests[0]", "file not found"),
        ("manifests: companions.yaml", "HP012", "manifests", "must be a list of manifest paths or objects"),
        ("manifests: [3]", "HP012", "manifests[0]", "must be a Kubernetes object"),
        ("manifests: [{kind: Service}]", "HP737", "manifests[0]", "the key apiVersion is missing"),
        ("manifests: [{apiVersion: v1, kind: Service}]", "HP737", "manifests[0]", "this Service has no name"),
        (
            "manifests: [{apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: a}}]",
            "HP737",
            "manifests[0]",
            "PyTorchJob a is a job",
        ),
        (
            "manifests: [{apiVersion: v1, kind: Pod, metadata: {name: a}}, "
            "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}}]",
            "HP737",
            "manifests[1]",
            "Pod a is also in manifests[0]",
        ),
    ],
)
def test_manifests_that_are_wrong(tmp_path: Path, entry: str, rule: str, path: str, message: str) -> None:
    found = [f for f in load(write(tmp_path, f"{GOOD}{entry}\n")).findings if f.rule == rule]
    assert [f.path for f in found] == [path]
    assert message in found[0].message


def test_acknowledgements(tmp_path: Path) -> None:
    text = GOOD + "acknowledge: [{rule: HP212, path: eks, reason: a lab}, {rule: HP110, reason: no}]\n"
    findings = load(write(tmp_path, text)).findings
    assert next(f for f in findings if f.rule == "HP212").acknowledged == "a lab"
    assert [f.path for f in findings if f.rule == "HP032"] == ["acknowledge[1]"]


def test_certain_errors_are_not_acknowledged(tmp_path: Path) -> None:
    text = GOOD.replace(", usw2-az2", "") + "acknowledge: [{rule: HP110, reason: one is enough}]\n"
    loaded = load(write(tmp_path, text))
    assert not loaded.ok
    assert {"HP110", "HP031"} <= {f.rule for f in loaded.findings if f.acknowledged is None}


def test_two_configs_of_one_name_collide(tmp_path: Path) -> None:
    first, second = write(tmp_path, GOOD, "a.yaml"), write(tmp_path, GOOD, "b.yaml")
    other = write(tmp_path, GOOD.replace("name: research", "name: other"), "c.yaml")
    assert [f.rule for f in load_all([first, second, other]).findings if f.severity == "error"] == ["HP026"]
    assert len(load_all([first, other]).configs) == 2
    (collision,) = [f for f in load_all([first, second]).findings if f.rule == "HP026"]
    assert (collision.file, collision.line) == (str(second), 1)


def test_an_entry_without_a_key_is_not_reported_as_too_few_entries(tmp_path: Path) -> None:
    subnets = "existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: subnet-0123456789abcdef0}]}"
    text = GOOD.replace("availability_zone_ids: [usw2-az1, usw2-az2]", subnets)
    loaded = load(write(tmp_path, text))
    assert "HP011" in {f.rule for f in loaded.findings}
    assert [f.message for f in loaded.findings if f.rule == "HP013"] == []


def test_limits_of_this_library_are_not_attributed_to_aws(tmp_path: Path) -> None:
    (found,) = [f for f in load(write(tmp_path, GOOD.replace("count: 2", "count: -3"))).findings if f.rule == "HP013"]
    assert "AWS refuses" not in found.consequence


def test_a_chart_that_is_not_vendored_yet_is_reported_with_the_command(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD + "dependencies: {chart: {path: vendor/hyperpod-chart}}\n")
    (found,) = [f for f in load(file).findings if f.rule == "HP002"]
    assert f"hyperpod chart vendor --config {file} {tmp_path / 'vendor/hyperpod-chart'}" in found.cure


def test_the_shipped_config_reports_its_placeholder_admin() -> None:
    found = load(Path(__file__).parents[1] / "hyperpod.yaml").findings
    assert [(f.path, str(f.severity)) for f in found if f.rule == "HP220"] == [("eks.admins[0]", "note")]


def test_local_folders_are_read_relative_to_the_config(tmp_path):
    folder = tmp_path / "conf"
    for name in ("scripts/on_create.sh", "vendor/chart/Chart.yaml"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    (folder / "hyperpod.yaml").write_text(
        """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
dependencies: {chart: {path: vendor/chart}}
cluster:
  lifecycle: {source: scripts}
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2, lifecycle: {source: "s3://sagemaker-mine/x/"}}
"""
    )
    platform = load(folder / "hyperpod.yaml").platform
    assert platform is not None
    assert platform.cluster.lifecycle.source == str(folder / "scripts")
    assert platform.cluster.instance_groups[0].lifecycle.source == "s3://sagemaker-mine/x/"
    assert platform.dependencies.chart.path == str(folder / "vendor/chart")


def test_local_folders_that_are_missing_or_empty_are_findings(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "hyperpod.yaml").write_text(
        """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
dependencies: {chart: {path: vendor}}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2, lifecycle: {source: empty}}
"""
    )
    loaded = load(tmp_path / "hyperpod.yaml")
    found = {f.path: f.message for f in loaded.findings if f.rule == "HP002"}
    assert not loaded.ok
    assert found == {
        "dependencies.chart.path": f"the folder {tmp_path / 'vendor'} does not exist",
        "cluster.instance_groups[0].lifecycle.source": f"the folder {tmp_path / 'empty'} does not contain on_create.sh",
    }


def test_a_group_that_could_not_be_read_is_not_missed_by_jobs_and_teams(tmp_path):
    (tmp_path / "hyperpod.yaml").write_text(
        """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: workers, instance_type: ml.g5.48xlarge, count: two}
addons: {training_operator: {}}
jobs: [{name: train, image: "registry/train:v1", instance_type: ml.g5.48xlarge, nodes: 1}]
"""
    )
    found = {(f.rule, f.path) for f in errors(load(tmp_path / "hyperpod.yaml").findings)}
    assert found == {("HP012", "cluster.instance_groups[1].count")}


OLD = """\
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {kubernetes_version: "1.35", admins: ["arn:aws:iam::111122223333:role/Admin"]}
cluster:
  autoscaling: {groups: [burst]}
  counts: autoscaler
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: burst, instance_type: ml.g5.8xlarge, count: 0, max_count: 4}
storage: {buckets: [{name: data}]}
"""


def test_a_config_keeps_the_defaults_of_the_first_version(tmp_path: Path) -> None:
    """AWS cannot change these settings of an existing cluster."""
    old, new = (load(write(tmp_path, text)).platform for text in (OLD, OLD + "defaults: 2\n"))
    assert old is not None
    assert new is not None
    assert (old.completed_cluster.cluster_name, old.completed_eks.cluster_name) == (None, None)
    assert (new.completed_cluster.cluster_name, new.completed_eks.cluster_name) == ("research", "research")
    for platform, settings in ((old, ("shared", "shared", True)), (new, ("per-group", "per-group", False))):
        assert platform.cluster.autoscaling is not None
        found = (
            platform.cluster.execution_roles,
            platform.cluster.autoscaling.pools,
            platform.storage.buckets[0].nodes,
        )
        assert found == settings


def test_settings_of_a_config_do_not_depend_on_its_defaults(tmp_path: Path) -> None:
    text = OLD.replace("cluster:\n", "cluster:\n  cluster_name: own\n  execution_roles: per-group\n", 1)
    text = text.replace("{name: data}", "{name: data, nodes: false}").replace("[burst]}", "[burst], pools: per-group}")
    platform = load(write(tmp_path, text.replace("eks: {", "eks: {cluster_name: mine, "))).platform
    assert platform is not None
    assert platform.cluster.autoscaling is not None
    assert (platform.completed_cluster.cluster_name, platform.completed_eks.cluster_name) == ("own", "mine")
    assert (platform.cluster.execution_roles, platform.cluster.autoscaling.pools) == ("per-group", "per-group")
    assert not platform.storage.buckets[0].nodes


def test_old_defaults_are_reported(tmp_path: Path) -> None:
    (finding,) = [item for item in load(write(tmp_path, GOOD)).findings if item.rule == "HP029"]
    assert finding.severity == "note"
    assert finding.message == "1 or not set: settings without a value have the defaults of version 0.1.0"
    assert not [item for item in load(write(tmp_path, GOOD + "defaults: 2\n")).findings if item.rule == "HP029"]


@pytest.mark.parametrize(
    "part", ["cluster: 3", "cluster: {autoscaling: 3}", "storage: {buckets: {name: a}}", "eks: []"]
)
def test_invalid_types_are_findings_also_for_keys_with_a_default(tmp_path: Path, part: str) -> None:
    key = part.partition(":")[0]
    text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(key))
    loaded = load(write(tmp_path, f"{part}\n" + (text if key != "cluster" else text.partition("  instance_groups")[0])))
    assert loaded.platform is None
    assert "HP012" in {finding.rule for finding in loaded.findings}
