"""Grafana dashboards and Prometheus alert rules of this library: panels and alerts as data, JSON and YAML as output.

They use only metrics that the observability add-on documents. Panels and alerts whose metrics are not collected at the
configured levels are omitted. The catalog lists what is uncertain about a metric.

>>> from hyperpod_constructs.core.spec import Metrics
>>> sorted(dashboards(Metrics()))
['accelerators', 'cluster']
>>> sorted(dashboards(Metrics(training="ADVANCED", task_governance="ADVANCED", network="ADVANCED")))
['accelerators', 'cluster', 'network', 'teams', 'training']
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..catalog import find_metric, metrics
from ..spec.observability import Metrics

_FOLDER = Path(__file__).parent
_COLUMNS = 24
_RANK = {"DISABLED": 0, "BASIC": 1, "ADVANCED": 2}
_MAXIMA = {"percent": 100, "percentunit": 1}
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboards(levels: Metrics | None = None) -> dict[str, dict[str, Any]]:
    """Returns Grafana dashboards by name, with the panels whose metrics these levels collect; by default all panels."""
    found = {}
    for name, content in _read("panels").items():
        panels = [panel for panel in content["panels"] if _collected(_queries(panel), levels)]
        if panels:
            found[name] = _dashboard(name, content, panels)
    return found


def alert_rules(levels: Metrics | None = None) -> dict[str, Any]:
    """Returns a Prometheus rule file with the alerts whose metrics these levels collect; by default all alerts."""
    rules = [_rule(alert) for alert in _read("alerts") if _collected([alert["expr"]], levels)]
    return {"groups": [{"name": "hyperpod", "rules": rules}]} if rules else {"groups": []}


def metrics_of(expression: str) -> set[str]:
    """Returns the metrics in the catalog that a PromQL expression uses.

    >>> metrics_of('sum by (node) (rate(node_cpu_seconds_total{mode="idle"}[5m]))')
    {'node_cpu_seconds_total'}
    """
    return names_in(expression) & metrics().keys()


def names_in(expression: str) -> set[str]:
    """Returns all metric names in a PromQL expression: names that are not functions, keywords, labels or in strings.

    >>> names_in('sum by (a, b) (up{job="x"} > 0) or vector(0)')
    {'up'}
    """
    text = re.sub(r'"[^"]*"', '""', expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    words = re.finditer(r"[A-Za-z_:][A-Za-z0-9_:]*(\s*\()?", text)
    return {word[0] for word in words if word[1] is None} - {"and", "or", "unless", "bool", "offset"}


def _collected(expressions: Iterable[str], levels: Metrics | None) -> bool:
    if levels is None:
        return True
    found = [find_metric(name) for expression in expressions for name in metrics_of(expression)]
    return all(_RANK[getattr(levels, metric.area)] >= _RANK[metric.level] for metric in found if metric is not None)


def _queries(panel: Mapping[str, Any]) -> list[str]:
    return [query for query, _ in panel["targets"]]


def _dashboard(name: str, content: Mapping[str, Any], panels: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "uid": f"hyperpod-{name}",
        "title": content["title"],
        "description": content["description"],
        "tags": ["hyperpod"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "annotations": {"list": []},
        "panels": list(_positioned(panels)),
    }


def _positioned(panels: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yields the panels with positions: single values in one row, followed by graphs in rows of two."""
    stats = [panel for panel in panels if panel.get("kind") == "stat"]
    graphs = [panel for panel in panels if panel.get("kind") != "stat"]
    width = _COLUMNS // max(len(stats), 1)
    for index, panel in enumerate(stats):
        yield _panel(index + 1, panel, {"x": index * width, "y": 0, "w": width, "h": 4})
    top = 4 if stats else 0
    for index, panel in enumerate(graphs):
        position = {"x": index % 2 * (_COLUMNS // 2), "y": top + index // 2 * 8, "w": _COLUMNS // 2, "h": 8}
        yield _panel(len(stats) + index + 1, panel, position)


def _panel(number: int, panel: Mapping[str, Any], position: Mapping[str, int]) -> dict[str, Any]:
    stat = panel.get("kind") == "stat"
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if "alert" in panel:
        steps.append({"color": "red", "value": panel["alert"]})
    return {
        "id": number,
        "title": panel["title"],
        "type": "stat" if stat else "timeseries",
        "datasource": DATA_SOURCE,
        "gridPos": dict(position),
        "fieldConfig": {
            "defaults": {
                "unit": panel["unit"],
                "min": 0,
                **({"max": _MAXIMA[panel["unit"]]} if panel["unit"] in _MAXIMA else {}),
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if stat else {"legend": {"displayMode": "list"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATA_SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel["targets"])
        ],
    }


def _rule(alert: Mapping[str, str]) -> dict[str, Any]:
    return {
        "alert": alert["alert"],
        "expr": alert["expr"],
        "for": alert["for"],
        "labels": {"severity": alert["severity"]},
        "annotations": {"summary": alert["summary"], "description": alert["cure"]},
    }


@cache
def _read(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_bytes())
