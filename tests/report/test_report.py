"""`hyperpod report` without synthesis: content, changes, exit codes, and valid output formats."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from assembly import ROOT
from proving import every
from reports import copied_examples, data, edited, many_groups, report, sections, texts_of, written

from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.report import Subject, artifacts, exposure
from hyperpod_constructs.core.report.canvas import fitted, text_width
from hyperpod_constructs.core.report.words import words_of
from hyperpod_constructs.core.spec import DependencyChart

EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "hyperpod.yaml"]
SECTIONS = (
    *("overview", "findings", "network", "cluster", "workloads", "jobs", "order", "cost", "quotas", "access"),
    *("exposure", "artifacts", "support", "removal", "assumptions"),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with a placeholder for the vendored chart of the closed network."""
    return copied_examples(tmp_path_factory.mktemp("report"))


class Page(HTMLParser):
    """The parts of a page: ids, references to them, headings, unclosed tags, and addresses."""

    VOID = ("meta", "wbr", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.headings: list[int] = []
        self.addresses: list[str] = []
        self.titles = 0
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.references |= {item for key in ("aria-labelledby",) for item in attributes.get(key, "").split()}
        self.references |= {attributes["href"][1:]} if attributes.get("href", "").startswith("#") else set()
        self.addresses += [
            attributes[key] for key in ("src", "href") if key in attributes and not attributes[key].startswith("#")
        ]
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# ---- each example ----


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_has_a_report(examples: Path, example: Path, tmp_path: Path) -> None:
    page, text = tmp_path / "report.html", tmp_path / "report.md"
    report("--configs-only", examples / example.name, "-o", page)
    report("--configs-only", examples / example.name, "-o", text)
    html = page.read_text()
    found = Page(html)
    assert len(found.ids) == len(set(found.ids))
    assert found.references <= set(found.ids)
    assert found.headings[0] == 1
    assert every(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert found.addresses == []
    assert found.open == []
    assert {"main", "header", "nav", "footer", "svg", "table", "caption", "title", "desc"} <= found.tags
    assert "script" not in found.tags
    assert "@media print" in html
    assert "prefers-color-scheme: dark" in html
    name = yaml.safe_load(example.read_text())["name"]
    assert text.read_text().startswith(f"# {name}\n")
    assert len(text.read_text()) < 65_536


def test_a_report_has_every_section_and_states_what_is_omitted() -> None:
    found = sections(data(ROOT / "hyperpod.yaml"))
    assert tuple(found) == SECTIONS
    assert "omitted" in texts_of(found["order"])
    assert "--configs-only" in texts_of(found["overview"])


def test_the_same_config_gives_the_same_bytes(tmp_path: Path) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        report("--configs-only", ROOT / "examples/everything.yaml", "-o", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


# ---- what is in it ----


def test_the_network_is_drawn_with_zones_sizes_uses_routes_and_endpoints() -> None:
    drawing = texts_of(sections(data(ROOT / "examples/gpu-multi-zone-efa.yaml"))["network"][0])
    for text in (
        "VPC 10.192.0.0/16 and 10.1.0.0/16, 10.2.0.0/16 in us-east-1",
        "zone use1-az4, with a NAT gateway",
        "node subnet 10.1.0.0/16: nodes use up to 620 of 65,531; routes: 0.0.0.0/0 to NAT in use1-az4",
        "public subnet 10.192.2.0/24: load balancers and NAT; routes: 0.0.0.0/0 to the internet gateway",
        "VPC endpoints: s3, ecr.api, ecr.dkr",
    ):
        assert text in drawing


def test_the_drawing_of_a_closed_network_states_that_it_has_no_internet_access(examples: Path) -> None:
    found = sections(data(examples / "closed-network.yaml"))
    assert "no internet gateway, no NAT gateway" in texts_of(found["network"])
    assert "eks-auth" in texts_of(found["network"])
    assert "no connection to the internet" in texts_of(found["exposure"])


def test_groups_are_drawn_with_the_details_for_a_reviewer() -> None:
    drawing = texts_of(sections(data(ROOT / "examples/gpu-multi-zone-efa.yaml"))["cluster"][0])
    assert "use1-az4, node subnet 10.1.0.0/16, 2 groups" in drawing
    assert (
        "group gpu-a: 8 x ml.p5.48xlarge; 8 x NVIDIA H100 each, 64 in total; 32 EFA each, EFA-only; stress, connectivity; "
        "volume 1,000 GiB; updates: cron(0 3 ? * SUN *)"
    ) in drawing


def test_teams_are_drawn_against_capacity() -> None:
    found = sections(data(ROOT / "examples/everything.yaml"))["workloads"]
    assert "ml.p5.48xlarge: 4 of 4 instances allocated" in texts_of(found[0])
    assert "team vision: 2 instances" in texts_of(found[0])
    assert "hyperpod-ns-vision" in texts_of(found)
    assert "amazon-sagemaker-hyperpod-training-operator v1.3.0-eksbuild.1 in aws-hyperpod" in texts_of(found[0])


def test_quotas_by_their_names_and_codes() -> None:
    rows = texts_of(sections(data(ROOT / "examples/gpu-multi-zone-efa.yaml"))["quotas"][0])
    assert "ml.p5.48xlarge for cluster usage\nsagemaker\nL-8762A75F\n16\n16" in rows
    assert "EC2-VPC Elastic IPs" in rows


@pytest.mark.parametrize("count", [1, 12, 60])
def test_one_to_sixty_groups_are_all_there_and_no_name_is_cut_without_a_title(count: int, tmp_path: Path) -> None:
    path = written(tmp_path, many_groups(count))
    drawing = sections(data(path))["cluster"][0]
    names = [group["name"] for group in many_groups(count)["cluster"]["instance_groups"]]
    boxes = [shape["title"] for shape in drawing["shapes"] if "height" in shape]
    assert [sum(title.startswith(f"group {name}: ") for title in boxes) for name in names] == [1] * count
    labels = [shape for shape in drawing["shapes"] if "text" in shape]
    assert [label for label in labels if "…" in label["text"] and not label["title"]] == []
    for label in labels:
        assert label["x"] + text_width(label["text"], label["kind"]) <= drawing["width"] + 8


def test_a_cut_name_keeps_its_end() -> None:
    assert fitted("team-0-workers-with-a-rather-long-name-17", 160).endswith("17")


# ---- changes ----


def test_changes_are_listed_first_with_cost_and_in_the_drawings(tmp_path: Path) -> None:
    found = data(written(tmp_path, edited()), "--from", ROOT / "examples/everything.yaml", code=3)
    parts = sections(found)
    assert next(iter(parts)) == "changes"
    notice, changes, cost = parts["changes"]
    assert "replaces the group: 1, restarts: 3, in place: " in notice["text"]
    severities = [row[0]["text"] for row in changes["rows"]]
    assert severities[0] == "replaces the group"
    assert severities == sorted(severities, key=["replaces the group", "restarts", "in place"].index)
    assert cost["caption"] == "Known cost before and after, in USD per hour"
    assert next(row[3]["text"] for row in cost["rows"] if row[0] == "network") == "+0.05"
    assert "EC2 price of these instances" in texts_of(cost)
    outline = [line for _, line in parts["cluster"][0]["outline"]]
    assert [re.search(r"\((\w[\w ]*)\)$", line)[1] for line in outline if line.endswith(")")] == [  # type: ignore[index]
        "restarts", "replaces the group", "new"]  # fmt: skip
    assert "(removed)" in texts_of(parts["workloads"][0])
    assert "HyperPodPyTorchJob vision in namespace hyperpod-ns-vision (restarts)" in texts_of(parts["workloads"][0])
    assert texts_of(parts["network"][0]).count("(new)") == 3


def test_equal_configs_are_reported_as_equal(tmp_path: Path) -> None:
    example = ROOT / "examples/everything.yaml"
    assert "no differences" in report("--configs-only", example, "--from", example).stdout


def test_undeployable_edits_and_data_loss(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "examples/lustre.yaml").read_text())
    (system,) = config["storage"]["lustre"]
    system["removal"] = "destroy"
    old = written(tmp_path, config | {"allow_data_loss": True}, "old.yaml")
    system["deployment_type"] = "SCRATCH_2"
    for key in ("throughput", "efa"):
        del system[key]
    config["cluster"]["provisioning"] = "Request"
    new = written(tmp_path, config | {"allow_data_loss": True})
    text = report("--configs-only", new, "--from", old, code=3).stdout
    assert "🛑 cannot be deployed" in text
    assert "🛑 loses data" in text


# ---- findings ----


def test_a_config_with_errors_has_a_report_of_its_findings(tmp_path: Path) -> None:
    config = many_groups(2)
    config["cluster"]["instance_groups"][1]["instance_type"] = "ml.p5.48xlage"
    found = data(written(tmp_path, config), code=1)
    (section,) = found["parts"][0]["sections"]
    assert "This config cannot be deployed: 1 error" in section["blocks"][0]["text"]
    assert "Did you mean 'ml.p5.48xlarge'?" in texts_of(section)


def test_a_file_that_cannot_be_read_is_a_finding_too(tmp_path: Path) -> None:
    assert "HP002" in report("--configs-only", tmp_path / "nowhere.yaml", code=1).stdout


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "examples/teams.yaml").read_text())
    config["acknowledge"] = [{"rule": "HP212", "reason": "<script>alert(1)</script> \u202e|x @admin"}]
    path = written(tmp_path, config | {"eks": {"admins": [], "public_access_cidrs": []}})
    page = tmp_path / "report.html"
    report("--configs-only", path, "-o", page)
    html, text = page.read_text(), report("--configs-only", path).stdout
    assert "&lt;script&gt;" in html
    assert "<script" not in html + text
    assert "\u202e" not in html + text
    assert "\\|x &#64;admin" in text


# ---- several, jobs, use ----


def test_several_configs_are_one_document(tmp_path: Path, examples: Path) -> None:
    paths = [written(tmp_path, many_groups(count), f"{count}.yaml") for count in (1, 3)]
    found = data(*paths)
    assert [part["title"] for part in found["parts"]] == ["groups-1", "groups-3"]
    page = tmp_path / "all.html"
    report(*paths, "-o", page)
    parsed = Page(page.read_text())
    assert len(parsed.ids) == len(set(parsed.ids))


def test_a_comment_is_never_longer_than_github_allows(tmp_path: Path) -> None:
    paths = [written(tmp_path, {**many_groups(60), "name": f"n-{number}"}, f"{number}.yaml") for number in range(3)]
    text = report("--configs-only", *paths).stdout
    assert len(text) <= 65_000
    assert "Omitted because of the length limit of comments: " in text


def test_a_job_has_a_report(tmp_path: Path) -> None:
    job = {
        "name": "pretrain",
        "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/t:v1",
        "instance_type": "ml.p5.48xlarge",
        "instance_group": "gpu-a",
        "nodes": 4,
        "command": ["train"],
    }
    file = written(tmp_path, job, "job.yaml")
    found = json.loads(report(ROOT / "examples/gpu-multi-zone-efa.yaml", "--job", file, "--format", "json").stdout)
    parts = sections(found)
    assert tuple(parts) == ("overview", "findings", "numbers", "takes", "manifest")
    numbers = texts_of(parts["numbers"])
    assert "cpu\n179\nml.p5.48xlarge has 192 vCPU, 12.03 reserved, 179.97 for pods; rounded down" in numbers
    assert "group gpu-a: 4 of 8 nodes for 4 replicas; 8 replicas, 2 jobs of this size at a time" in texts_of(
        parts["takes"]
    )
    assert "one node of ml.p5.48xlarge, 1 replica" in texts_of(parts["takes"])
    assert '"kind": "HyperPodPyTorchJob"' in texts_of(parts["manifest"])
    job_report = json.loads(report("--job", file, "--format", "json").stdout)
    assert "No cluster is specified" in texts_of(sections(job_report)["takes"])


def test_a_job_that_the_cluster_cannot_hold(tmp_path: Path) -> None:
    job = {
        "name": "a",
        "image": "registry.example/t:v1",
        "instance_type": "ml.p4d.24xlarge",
        "nodes": 1,
        "command": ["x"],
    }
    result = report(ROOT / "examples/gpu-multi-zone-efa.yaml", "--job", written(tmp_path, job, "job.yaml"), code=1)
    assert "HP740" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml", "--from", "b.yaml", "--deployed", "c"], "--from and --deployed are mutually exclusive"),
        (["a.yaml", "b.yaml", "--from", "c.yaml"], "require one CONFIG"),
        (["a.yaml", "b.yaml", "--job", "c.yaml"], "a job runs on one cluster"),
        (["a.yaml", "-o", "report.txt"], "the extension is not .html, .md or .json"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    assert message in report(*arguments, code=2).output


def test_nothing_is_half_written(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "report.html"
    assert "cannot be written" in report("--configs-only", ROOT / "hyperpod.yaml", "-o", missing, code=1).output
    folder = tmp_path / "report.html"
    folder.mkdir()
    assert "cannot be written" in report("--configs-only", ROOT / "hyperpod.yaml", "-o", folder, code=1).output
    assert list(tmp_path.iterdir()) == [folder]


def test_references_of_templates_are_reported_by_name() -> None:
    role = {"Type": "AWS::IAM::Role", "Metadata": {"aws:cdk:path": "a-Eks/Eks/Cluster/Role/Resource"}}
    found = words_of({"a-Eks": {"Resources": {"R1": role}}})
    assert found.text("a-Eks", {"Fn::Join": ["", [{"Fn::GetAtt": ["R1", "Arn"]}, "/*"]]}) == "<Eks/Cluster/Role>/*"
    assert found.text("a-Eks", {"Fn::Sub": "arn:${AWS::Partition}:${R1}"}) == "arn:aws:<Eks/Cluster/Role>"
    assert found.text("a-Eks", {"Fn::If": ["a", "b", "c"]}) == "<Fn::If>"


OCI = {"reference": "oci://registry.example/charts/hyperpod", "version": "1.2.3", "digest": "sha256:" + "a" * 64}


def test_a_chart_of_an_oci_registry_has_its_source_and_version() -> None:
    platform = load(ROOT / "hyperpod.yaml").platform
    assert platform is not None
    platform = platform.model_copy(update={"dependencies": DependencyChart(chart=OCI)})
    chart = {"Kind": "oci", **{key.capitalize(): value for key, value in OCI.items()}}
    release = {"Type": "Custom::HyperPodHelmRelease", "Properties": {"Release": "hyperpod", "Chart": chart}}
    for words_ in (None, words_of({"a-Eks": {"Resources": {"Chart": release}}})):
        row = artifacts.section(Subject("hyperpod.yaml", platform, ()), words_).blocks[0].rows[0]  # type: ignore[union-attr]
        assert [getattr(cell, "text", cell) for cell in row][1:] == list(OCI.values())


def test_open_security_groups_have_sources_or_destinations() -> None:
    platform = load(ROOT / "hyperpod.yaml").platform
    assert platform is not None
    rules = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}]
    properties = {"SecurityGroupIngress": rules, "SecurityGroupEgress": rules}
    stacks = {"a-Network": {"Resources": {"Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}}}}
    table = exposure.section(Subject("hyperpod.yaml", platform, ()), words_of(stacks)).blocks[1]
    assert [(row[1], row[2].text, row[2].tone) for row in table.rows] == [  # type: ignore[union-attr]
        ("in", "all sources (0.0.0.0/0)", "warn"), ("out", "all destinations (0.0.0.0/0)", "note")]  # fmt: skip
