"""Refreshing from the installed libraries: the shipped facts equal those of the libraries, and differences are detected."""

import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import moto
import pytest

from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.catalog import _files
from hyperpod_constructs.live.facts import _derived, _live
from hyperpod_constructs.live.facts import refresh as module
from hyperpod_constructs.live.facts.refresh import Difference, load_all, refresh, table, write


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the data folder that tests may write to."""
    for path in _files.DATA.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(_files, "DATA", tmp_path)
    _files.load.cache_clear()
    yield tmp_path
    _files.load.cache_clear()


def test_the_pinned_libraries_reproduce_the_shipped_files() -> None:
    outcome = refresh()
    assert outcome.differences == (), table(outcome.differences)
    assert outcome.remarks == ()


def test_the_capture_of_ec2_reproduces_the_shipped_hardware() -> None:
    path = Path(moto.__file__).parent / "ec2/resources/instance_types.json.gz"
    capture = json.loads(gzip.decompress(path.read_bytes()))
    entries = load_all()["instance_types"]["instance_types"]
    for name, entry in entries.items():
        info = capture.get(name.removeprefix("ml."))
        if info is None:
            assert name == "ml.p6e-gb200.36xlarge"
            continue
        assert {field: entry[field] for field in entry if field in _live._HARDWARE} == _live.hardware(info), name


DOCTORED = [
    ("instance_types", ("instance_types", "ml.p5.48xlarge", "regions"), ["us-east-1"]),
    ("instance_types", ("mig_profiles_in_api",), []),
    ("regions", ("regions", "us-east-1", "cluster_cfn"), False),
    ("regions", ("regions", "us-west-2", "zone_id_prefix"), "usw9"),
    ("regions", ("regions", "eu-west-1", "amg"), False),
    ("limits", ("limits", "instance_count", "value"), 1),
    ("limits", ("limits", "instance_count", "min"), 5),
    ("limits", ("limits", "cloudformation_cluster_timeout_minutes", "value"), 1),
    ("limits", ("patterns", "cluster_name", "regex"), ".*"),
    ("limits", ("allowed", "node_recovery", "values"), ["Automatic"]),
    ("limits", ("allowed", "patching_strategy_cfn", "values"), ["WhenIdle", "WhenAllIdle", "DrainFirst"]),
]


@pytest.mark.parametrize(
    ("file", "path", "wrong"), DOCTORED, ids=lambda item: ".".join(item) if isinstance(item, tuple) else ""
)
def test_a_modified_fact_is_detected_and_corrected(file: str, path: tuple[str, ...], wrong: object) -> None:
    contents = load_all()
    *parents, field = path
    entry = contents[file]
    for key in parents:
        entry = entry[key]
    right, entry[field] = entry.get(field), wrong
    outcome = refresh(contents=contents)
    expected = 0 if field == "min" else right
    assert outcome.differences == (Difference(file, ".".join(path), wrong, expected),)


def test_types_that_are_added_and_removed() -> None:
    contents = load_all()
    types = contents["instance_types"]["instance_types"]
    types["ml.p9.48xlarge"] = types.pop("ml.p5.48xlarge")
    outcome = refresh(contents=contents)
    assert [(difference.path, difference.new) for difference in outcome.differences] == [
        ("instance_types.ml.p9.48xlarge", None)
    ]
    assert outcome.remarks == (
        "instance_types.json: ml.p5.48xlarge is new in the API, and its hardware is unknown: use --live",
    )


def test_a_region_that_is_new() -> None:
    contents = load_all()
    removed = contents["regions"]["regions"].pop("us-west-2")
    new = refresh(contents=contents).contents["regions"]["regions"]["us-west-2"]
    assert new["hyperpod"]
    assert {field: new[field] for field in ("zone_id_prefix", "cluster_cfn", "compute_quota_cfn", "amp", "amg")} == {
        field: removed[field] for field in ("zone_id_prefix", "cluster_cfn", "compute_quota_cfn", "amp", "amg")
    }


def test_a_removed_shape_is_reported_and_the_value_is_kept() -> None:
    contents = load_all()
    contents["limits"]["limits"]["tags"]["model"] = "sagemaker:NoSuchShape.max"
    contents["limits"]["allowed"]["patching_strategy_cfn"]["schema"] = "AWS::SageMaker::Cluster/definitions/No/enum"
    outcome = refresh(contents=contents)
    assert outcome.differences == ()
    assert outcome.remarks == (
        "limits.json: limits.tags: sagemaker:NoSuchShape.max is no longer in the service model",
        (
            "limits.json: allowed.patching_strategy_cfn: AWS::SageMaker::Cluster/definitions/No/enum is no "
            "longer in CloudFormation"
        ),
    )


def test_a_fact_that_changes_loses_its_mark() -> None:
    entry = {"value": 1, "other": 2, "uncertain": {"value": "Old.", "other": "Still."}}
    _derived.put(entry, "value", 1)
    assert "value" in entry["uncertain"]  # type: ignore[operator]
    _derived.put(entry, "value", 3)
    assert entry == {"value": 3, "other": 2, "uncertain": {"other": "Still."}}
    _derived.put(entry, "other", 4)
    assert entry == {"value": 3, "other": 4}


def test_write_changes_only_files_with_changed_facts(data: Path) -> None:
    before = {path.name: path.read_text() for path in data.iterdir()}
    contents = load_all()
    contents["limits"]["limits"]["instance_count"]["value"] = 7
    (data / "limits.json").write_text(_files.dumps(contents["limits"]))
    _files.load.cache_clear()

    with catalog.use_clock(date(2027, 1, 2)):
        assert write(refresh()) == ("limits",)
    after = {path.name: path.read_text() for path in data.iterdir()}
    assert after == before | {
        "limits.json": before["limits.json"].replace('"date": "2026-11-23"', '"date": "2027-01-02"')
    }
    assert refresh().differences == (), "the written facts are read again"


def test_nothing_to_write(data: Path) -> None:
    assert write(refresh()) == ()


def test_the_source_states_the_libraries_that_were_read() -> None:
    contents = load_all()
    contents["limits"]["source"] = "Models in botocore 1.0.0; cfn-lint 1.2 (schemas of 2020-01-01)."
    outcome = refresh(contents=contents)
    assert "1.0.0" not in outcome.contents["limits"]["source"]
    assert "2020-01-01" not in outcome.contents["limits"]["source"]
    assert outcome.differences == (), "descriptions are not facts"


def test_table() -> None:
    rows = [
        Difference("limits", "limits.tags.value", 50, 51),
        Difference("addons", "addons.x.versions", [{"version": "v1", "kubernetes_min": "1.34"}], [{"version": "v2"}]),
        Difference("limits", "allowed.fair_share.values", ["a", "b"], ["b", "a"]),
        Difference("limits", "allowed.long", "x" * 100, None),
    ]
    assert table(rows).splitlines() == [
        "addons.json",
        "  addons.x.versions          -v1 (1.34 to ?), +v2 (? to ?)",
        "limits.json",
        "  limits.tags.value          50  ->  51",
        "  allowed.fair_share.values  different order",
        f"  allowed.long               {'x' * 77}...  ->  -",
    ]
    assert table([]) == ""


def test_a_session_needs_a_region() -> None:
    with pytest.raises(ValueError, match="requires a region"):
        refresh(session=object())


def test_every_refreshable_file_is_a_file() -> None:
    assert set(module.FILES) <= set(_files.names())
