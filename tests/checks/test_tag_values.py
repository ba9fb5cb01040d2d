"""Tags that a service would reject, reported at the path of the tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from botocore.session import get_session
from rule_configs import findings_in, over_base

from hyperpod_constructs.core.catalog import load
from hyperpod_constructs.core.stack_names import PLATFORM_TAG

SNAPSHOTS = Path(__file__).parents[1] / "__snapshots__" / "test_app"


def findings(**parts: object) -> list[tuple[str, str]]:
    found = findings_in(over_base(yaml.safe_dump(parts, allow_unicode=True)))
    return [(finding.path, finding.message) for finding in found if finding.rule == "HP024"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("team", "R&D", "the tag value 'R&D' has characters that AWS rejects: '&'"),
        ("team", "a,b;c,d", "the tag value 'a,b;c,d' has characters that AWS rejects: ',;'"),
        ("team(s)", "a", "the tag key 'team(s)' has characters that AWS rejects: '()'"),
        ("team", "a\tb", r"the tag value 'a\tb' has characters that AWS rejects: '\t'"),
    ],
)
def test_characters(key: str, value: str, message: str):
    place = f'["{key}"]' if "(" in key else f".{key}"
    assert findings(tags={key: value}) == [(f"tags{place}", message)]
    assert findings(cluster={"tags": {key: value}}) == [(f"cluster.tags{place}", message)]


@pytest.mark.parametrize("value", ["", "Forschung & Entwicklung".replace("&", "und"), "研究/1:2=3+4-5@6_7.8", "größe"])
def test_letters_of_any_language_are_allowed(value: str):
    assert findings(tags={"team": value}) == []


def test_the_characters_are_those_of_the_service_model():
    model = get_session().get_service_model("sagemaker")
    for shape in ("TagKey", "TagValue"):
        assert r"[\p{L}\p{Z}\p{N}_.:/=+\-@]" in model.shape_for(shape).metadata["pattern"]


def test_keys_that_differ_in_case_only():
    assert findings(tags={"Owner": "ml", "owner": "platform"}) == [
        ("tags.owner", "the tag keys 'owner' and 'Owner' differ only in case")
    ]
    assert findings(tags={"Team": "a"}, cluster={"tags": {"team": "b"}}) == [
        ("cluster.tags.team", "the tag keys 'team' and 'Team' differ only in case")
    ]
    assert findings(tags={"Team": "a"}, cluster={"tags": {"Team": "b"}}) == []


def test_a_key_that_differs_only_in_case():
    key = PLATFORM_TAG.capitalize()
    assert findings(tags={key: "mine"}) == [
        (f'tags["{key}"]', f"the tag keys '{key}' and '{PLATFORM_TAG}' (added automatically) differ only in case")
    ]


def test_47_tags_fit():
    tags = {f"k{n}": "v" for n in range(48)}
    message = "48 tags; the limit is 47, because 3 more are added to some resources"
    assert findings(tags=tags) == [("tags", message)]
    tags.pop("k0")
    assert findings(tags=tags) == []
    assert findings(tags=tags, cluster={"tags": {"more": "v"}}) == [("cluster.tags", message)]


def test_the_additions_are_those_in_the_templates():
    added = load("limits")["added_tags"]
    assert PLATFORM_TAG in added
    largest: set[str] = set()
    for file in SNAPSHOTS.glob("*.json"):
        for resource in json.loads(file.read_text())["Resources"].values():
            tags = resource.get("Properties", {}).get("Tags", [])
            keys = {tag["Key"] for tag in tags} if isinstance(tags, list) else set(tags)
            largest = max(largest, keys, key=len)
    assert largest == set(added)
