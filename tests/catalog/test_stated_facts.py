"""Facts of a user that replace those of the catalog: used in their config only, and reported by a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hyperpod_constructs import Facts, InstanceGroup, StatedInstanceType, StatedRegion, use_facts
from hyperpod_constructs.cli import main
from hyperpod_constructs.core.catalog import UnknownName, _files, find_instance_type, instance_type, region
from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.config import load, load_all
from hyperpod_constructs.core.facts import InvalidFacts
from hyperpod_constructs.core.findings import Severity, errors
from hyperpod_constructs.core.spec import Cluster
from hyperpod_constructs.live.facts.refresh import Difference, Refreshed, write
from hyperpod_constructs.live.facts.refresh import load_all as load_files

NEW = "ml.p9.48xlarge"
CONFIG = """\
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {kubernetes_version: "1.35", admins: ["arn:aws:iam::111122223333:role/Admin"]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: gpu, instance_type: ml.p9.48xlarge, count: 1}
"""
FACTS = "facts: {instance_types: {ml.p9.48xlarge: {note: sheet of 2027-01, like: ml.p5.48xlarge, vcpu: 256}}}\n"


@pytest.fixture(autouse=True)
def catalog_alone() -> Iterator[None]:
    yield
    use_facts()


def written(folder: Path, text: str, name: str = "hyperpod.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_new_instance_type_has_the_values_of_another_and_its_own() -> None:
    use_facts(Facts(instance_types={NEW: StatedInstanceType(note="sheet", like="ml.p5.48xlarge", vcpu=256)}))
    kind = instance_type(NEW)
    assert (kind.vcpu, kind.memory_gib, kind.accelerator) == (256, 2048, instance_type("ml.p5.48xlarge").accelerator)
    assert kind.uncertain["vcpu"] == "stated by the user: sheet"
    assert kind.offered_in("us-west-2") is None, "regions are never copied from the other type"
    use_facts()
    assert find_instance_type(NEW) is None


def test_a_known_type_keeps_what_is_not_stated() -> None:
    before = instance_type("ml.p5.48xlarge")
    use_facts(Facts(instance_types={"ml.p5.48xlarge": StatedInstanceType(note="measured", max_pods=60)}))
    kind = instance_type("ml.p5.48xlarge")
    assert (kind.max_pods, kind.vcpu, kind.regions) == (60, before.vcpu, before.regions)


def test_a_new_region() -> None:
    use_facts(Facts(regions={"eu-south-9": StatedRegion(note="announced", zone_id_prefix="eus9")}))
    assert region("eu-south-9").hyperpod
    assert region("eu-south-9").owns_zone_id("eus9-az1")


def test_a_config_states_a_type_and_every_use_is_a_finding_that_can_be_acknowledged(tmp_path: Path) -> None:
    assert [f.rule for f in errors(load(written(tmp_path, CONFIG)).findings)] == ["HP301"]
    loaded = load(written(tmp_path, CONFIG + FACTS))
    (finding,) = [f for f in loaded.findings if f.rule == "HP033"]
    assert loaded.ok
    assert (finding.severity, finding.path) == (Severity.WARNING, "cluster.instance_groups[1].instance_type")
    assert finding.message == "ml.p9.48xlarge is defined by the config, not by the catalog (note: sheet of 2027-01)"
    accepted = "acknowledge: [{rule: HP033, reason: compared with the sheet}]\n"
    (finding,) = [f for f in load(written(tmp_path, CONFIG + FACTS + accepted)).findings if f.rule == "HP033"]
    assert finding.acknowledged == "compared with the sheet"


def test_facts_of_one_config_do_not_apply_to_another(tmp_path: Path) -> None:
    first, second = written(tmp_path, CONFIG + FACTS, "a.yaml"), written(tmp_path, CONFIG, "b.yaml")
    found = load_all([first, second]).findings
    assert [(f.rule, Path(f.file or "").name) for f in errors(found) if f.rule == "HP301"] == [("HP301", "b.yaml")]


@pytest.mark.parametrize(
    ("stated", "path", "message"),
    [
        ({"note": "x"}, "", "a new instance type requires `like`, or `vcpu` and `memory_gib`"),
        ({"note": "x", "like": "ml.p5.48xlage"}, ".like", "'ml.p5.48xlage' is not a known instance type"),
    ],
)
def test_incomplete_facts_are_a_finding(stated: dict[str, Any], path: str, message: str, tmp_path: Path) -> None:
    text = f"facts: {json.dumps({'instance_types': {NEW: stated}})}\n"
    (finding,) = [f for f in load(written(tmp_path, CONFIG + text)).findings if f.rule == "HP034"]
    assert (finding.path, finding.message) == (f'facts.instance_types["{NEW}"]{path}', message)
    with pytest.raises(InvalidFacts, match=r"facts\.instance_types"):
        use_facts(Facts.model_validate({"instance_types": {NEW: stated}}))


def test_a_note_is_needed(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, CONFIG + f"facts: {{instance_types: {{{NEW}: {{like: ml.p5.48xlarge}}}}}}\n"))
    assert any("note" in f.path for f in errors(loaded.findings))


def test_constructs_have_the_finding_too() -> None:
    use_facts(Facts(instance_types={NEW: StatedInstanceType(note="sheet", like="ml.p5.48xlarge")}))
    cluster = Cluster(instance_groups=(InstanceGroup(name="gpu", instance_type=NEW, count=1),))
    assert "HP033" in {f.rule for f in check(Context(cluster=cluster, region="us-west-2"))}


def test_a_refresh_writes_what_differs_into_a_folder_that_a_config_uses(tmp_path: Path) -> None:
    contents = load_files()
    types = contents["instance_types"]["instance_types"]
    types[NEW] = {"vcpu": 256, "memory_gib": 4096, "regions": ["us-west-2"]}
    change = Difference("instance_types", f"instance_types.{NEW}", None, types[NEW])
    assert write(Refreshed(contents, (change,), ()), tmp_path / "facts") == ("instance_types",)
    retained_facts = json.loads((tmp_path / "facts" / "instance_types.json").read_text())
    assert retained_facts["instance_types"] == {NEW: types[NEW]}
    assert not (_files.DATA / "instance_types.json").read_text().count(NEW)
    loaded = load(written(tmp_path, CONFIG + "facts: {folder: facts}\n"))
    assert loaded.ok
    (finding,) = [f for f in loaded.findings if f.rule == "HP033"]
    assert finding.path == "facts.folder"
    assert finding.message == f"facts of {retained_facts['date']} are used over those shipped: instance_types.json"
    assert instance_type(NEW).memory_gib == 4096


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no facts in the folder"), ("{", "cannot be read"), ("[]", "is not a JSON object")],
)
def test_a_folder_that_cannot_be_read(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "facts").mkdir()
        (tmp_path / "facts" / "regions.json").write_text(content)
    (finding,) = [f for f in load(written(tmp_path, CONFIG + "facts: {folder: facts}\n")).findings if f.rule == "HP034"]
    assert finding.path == "facts.folder"
    assert message in finding.message
    assert run("catalog", "refresh", "--into", tmp_path / "facts").exit_code in (0, 1)


def test_an_installed_package_is_not_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        _files, "DATA", tmp_path / "site-packages" / "hyperpod_constructs" / "core" / "catalog" / "data"
    )
    result = run("catalog", "refresh", "--write")
    assert result.exit_code == 2
    assert "use --into FOLDER to write your own" in result.output


def test_a_name_that_is_not_stated_stays_unknown() -> None:
    use_facts(Facts(instance_types={NEW: StatedInstanceType(note="sheet", like="ml.p5.48xlarge")}))
    with pytest.raises(UnknownName, match=r"did you mean 'ml\.p9\.48xlarge'"):
        instance_type("ml.p9.48xlage")
