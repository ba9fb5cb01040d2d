"""Dashboards and alert rules: their structure, their queries, and the effect of metric levels."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hyperpod_constructs.constructs.addons.observability import metric_levels
from hyperpod_constructs.core.catalog import metrics
from hyperpod_constructs.core.dashboards import alert_rules, dashboards, metrics_of, names_in
from hyperpod_constructs.core.spec import Metrics

ALL = dashboards()
ADVANCED = Metrics(
    training="ADVANCED",
    task_governance="ADVANCED",
    network="ADVANCED",
    accelerated_compute="ADVANCED",
    custom="ADVANCED",
    node="ADVANCED",
)
QUERY = {"type": "object", "required": ["refId", "expr", "datasource"]}
PANEL = {
    "type": "object",
    "required": ["id", "title", "type", "gridPos", "targets", "datasource", "fieldConfig"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "title": {"type": "string", "minLength": 1},
        "type": {"enum": ["stat", "timeseries"]},
        "gridPos": {
            "type": "object",
            "required": ["x", "y", "w", "h"],
            "properties": {"x": {"minimum": 0, "maximum": 23}, "w": {"minimum": 1, "maximum": 24}},
        },
        "targets": {"type": "array", "minItems": 1, "items": QUERY},
    },
}
DASHBOARD = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "minItems": 1, "items": PANEL},
    },
}


def queries(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


QUERIES = [query for board in ALL.values() for query in queries(board)]
QUERIES += [rule["expr"] for rule in alert_rules()["groups"][0]["rules"]]


@pytest.mark.parametrize("name", sorted(ALL))
def test_dashboards_have_the_shape_that_grafana_loads(name: str) -> None:
    board = json.loads(json.dumps(ALL[name]))
    Draft202012Validator(DASHBOARD).validate(board)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    cells = [
        (x, y)
        for panel in board["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_shares_have_a_whole_axis_and_legends_distinguish_series() -> None:
    for board in ALL.values():
        for panel in board["panels"]:
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["min"] == 0
            assert (defaults.get("max") == 1) == (defaults["unit"] == "percentunit")
            for target in panel["targets"]:
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    assert label in target["expr"] or label == "instance", panel["title"]


def test_identities_are_unique() -> None:
    assert len({board["uid"] for board in ALL.values()}) == len(ALL)
    assert len({board["title"] for board in ALL.values()}) == len(ALL)


def test_rules_are_a_rule_file() -> None:
    text = yaml.safe_dump(alert_rules())
    (group,) = yaml.safe_load(text)["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) >= 8
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"[0-9]+[mh]", rule["for"])
        assert rule["annotations"].keys() == {"summary", "description"}
        # a label in a text must be a label that the expression keeps
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            labels = re.findall(r"by \(([^)]*)\)", rule["expr"])
            aggregated = "by (" in rule["expr"]
            assert not aggregated or any(label in item for item in labels), rule["alert"]


@pytest.mark.parametrize("query", QUERIES)
def test_only_documented_metrics_are_queried(query: str) -> None:
    assert names_in(query), query
    assert names_in(query) == metrics_of(query), query
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")


def test_everything_in_the_catalog_is_used() -> None:
    queried = {name for board in ALL.values() for query in queries(board) for name in metrics_of(query)}
    queried |= {name for rule in alert_rules()["groups"][0]["rules"] for name in metrics_of(rule["expr"])}
    unused = {name for name, metric in metrics().items() if name not in queried and metric.area != "inference"}
    assert unused == set()


def test_uncertain_metrics_are_marked() -> None:
    uncertain = {name for name, metric in metrics().items() if metric.uncertain}
    assert {name for name in metrics() if name.startswith("DCGM")} <= uncertain
    assert not [name for name in uncertain if name.startswith("training_")]


def test_levels_determine_the_metrics() -> None:
    assert set(dashboards(ADVANCED)) == set(ALL)
    basic = dashboards(Metrics())
    assert set(basic) == {"cluster", "accelerators"}
    titles = [panel["title"] for panel in basic["accelerators"]["panels"]]
    assert "NeuronCores busy by node" not in titles, "Neuron metrics require the advanced level"
    alerts = {rule["alert"] for rule in alert_rules(Metrics())["groups"][0]["rules"]}
    assert "QueueStuck" not in alerts
    assert "QueueStuck" in {rule["alert"] for rule in alert_rules(ADVANCED)["groups"][0]["rules"]}


def test_levels_have_the_values_of_the_addon() -> None:
    levels = metric_levels(Metrics(network="ADVANCED", interval_seconds=60))
    assert levels == {
        "trainingMetrics": {"level": "BASIC", "scrapeInterval": 60},
        "inferenceMetrics": {"level": "BASIC", "scrapeInterval": 60},
        "taskGovernanceMetrics": {"level": "DISABLED", "scrapeInterval": 60},
        "scalingMetrics": {"level": "DISABLED", "scrapeInterval": 60},
        "customMetrics": {"level": "BASIC", "scrapeInterval": 60},
        "nodeMetrics": {"level": "BASIC", "scrapeInterval": 60},
        "acceleratedComputeMetrics": {"level": "BASIC", "scrapeInterval": 60},
        "networkMetrics": {"level": "ADVANCED", "scrapeInterval": 60},
    }
