"""Renders findings as text, JSON, YAML, Markdown, SARIF and GitHub annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Literal

from .findings import Finding, Severity, errors, summary
from .terminal import paragraph, readable

Format = Literal["text", "json", "yaml", "markdown", "sarif", "github"]
FORMATS: tuple[Format, ...] = ("text", "json", "yaml", "markdown", "sarif", "github")

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def rule_page(rule: str) -> str:
    """The page that documents a rule: in the repository, or on the site in HYPERPOD_DOCS_URL.

    >>> rule_page("HP301")
    'docs/rules.md#hp301'
    """
    site = os.environ.get("HYPERPOD_DOCS_URL", "").rstrip("/")
    return f"{site}/docs/rules.html#{rule.lower()}" if site else f"docs/rules.md#{rule.lower()}"


def render(findings: Sequence[Finding], form: Format = "text") -> str:
    """Renders findings in one of the formats, without a trailing newline.

    >>> render([]), render([], "json")
    ('no findings', '{"findings": [], "summary": {"error": 0, "warning": 0, "note": 0, "acknowledged": 0}}')
    """
    renderers = dict(zip(FORMATS, (text, as_json, as_yaml, markdown, sarif, github), strict=True))
    return renderers[form](findings)


def text(findings: Sequence[Finding]) -> str:
    """Findings for a terminal, with a summary as the last line."""
    blocks = [paragraph(str(finding)) for finding in findings]
    last = summary(findings)
    if errors(findings):
        first = errors(findings)[0].rule
        last += f"; for details, see `hyperpod explain {first}` or {rule_page(first)}"
    return "\n".join([*blocks, last])


def as_json(findings: Sequence[Finding]) -> str:
    """One JSON object: `findings`, each with the `page` of its rule, and `summary` with the counts."""
    counts = {str(severity): 0 for severity in Severity} | {"acknowledged": 0}
    for finding in findings:
        counts["acknowledged" if finding.acknowledged is not None else str(finding.severity)] += 1
    listed = [{**finding.as_dict(), "page": rule_page(finding.rule)} for finding in findings]
    return json.dumps({"findings": listed, "summary": counts})


def as_yaml(findings: Sequence[Finding]) -> str:
    """The same as `as_json`, as YAML."""
    import yaml

    return str(yaml.safe_dump(json.loads(as_json(findings)), sort_keys=False)).rstrip("\n")


def markdown(findings: Sequence[Finding]) -> str:
    """A Markdown table, for comments on pull requests."""
    rows = []
    for finding in findings:
        fix = f"Fix: {finding.cure}" if finding.cure else ""
        text = " ".join(filter(None, (f"{finding.message}.", finding.consequence, fix)))
        level = "acknowledged" if finding.acknowledged is not None else str(finding.severity)
        rule = f"[{finding.rule}]({rule_page(finding.rule)})"
        cells = (level, rule, f"`{finding.path}`", finding.place, text)
        rows.append([readable(cell).replace("|", "\\|") for cell in cells])
    head = [["Severity", "Rule", "Path", "Location", "Problem"], ["---"] * 5] if rows else []
    lines = [f"| {' | '.join(cells)} |" for cells in [*head, *rows]]
    return "\n".join([*lines, *([""] if rows else []), summary(findings)])


def sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0 for code scanning services. Acknowledged findings are suppressed results."""
    from .checks import find

    used = sorted({finding.rule for finding in findings})
    rules = [_sarif_rule(rule) for rule in map(find, used) if rule is not None]
    driver = {"name": "hyperpod validate", "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_sarif_result(finding) for finding in findings]}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _sarif_rule(rule: Any) -> dict[str, Any]:
    page = rule_page(rule.id)
    described: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": f"Requirement not met: {rule.title}"},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.cure}\nSource: {rule.source}\nPage: {page}"},
        "defaultConfiguration": {"level": str(rule.severity)},
    }
    if "://" in page:  # SARIF requires absolute URIs
        described["helpUri"] = page
    return described


def _sarif_result(finding: Finding) -> dict[str, Any]:
    text = " ".join(part for part in (f"{finding.path}: {finding.message}.", finding.consequence, finding.cure) if part)
    result: dict[str, Any] = {"ruleId": finding.rule, "level": str(finding.severity), "message": {"text": text}}
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding.path}]}
    if finding.file is not None:
        place: dict[str, Any] = {"artifactLocation": {"uri": finding.file.replace("\\", "/")}}
        if finding.line is not None:
            place["region"] = {"startLine": finding.line, "startColumn": finding.column or 1}
        location["physicalLocation"] = place
    result["locations"] = [location]
    if finding.acknowledged is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.acknowledged}]
    return result


def github(findings: Sequence[Finding]) -> str:
    """GitHub Actions workflow commands, shown as annotations; acknowledged findings are notices."""
    lines = []
    for finding in findings:
        level = str(finding.severity) if finding.acknowledged is None else "notice"
        place = {"file": finding.file, "line": finding.line, "col": finding.column, "title": finding.rule}
        properties = ",".join(f"{key}={_property(value)}" for key, value in place.items() if value is not None)
        text = f"{finding.path}: {finding.message}"
        details = [finding.consequence, finding.cure and f"fix: {finding.cure}"]
        details.append(f"acknowledged: {finding.acknowledged}" if finding.acknowledged is not None else "")
        message = "\n".join([text, *(detail for detail in details if detail), rule_page(finding.rule)])
        lines.append(f"::{'notice' if level == 'note' else level} {properties}::{_data(message)}")
    return "\n".join([*lines, summary(findings)])


def rules_reference() -> str:
    """The rule reference in Markdown, written to `docs/rules.md`."""
    from .checks import AREAS, rules

    head = (
        "# Rules\n\nGenerated from the rule registry; `hyperpod explain RULE` prints one rule.\nAn error is "
        "a configuration that AWS or Kubernetes certainly rejects, or whose result is certainly broken.\nErrors "
        "marked certain cannot be acknowledged. To acknowledge other errors and warnings, add them to the config:\n"
        "`acknowledge: [{rule: HP212, path: eks, reason: a lab}]`.\n"
    )
    contents = [
        f"- {area}: " + ", ".join(f"[{rule.id}](#{rule.id.lower()})" for rule in rules() if rule.id.startswith(start))
        for start, area in AREAS.items()
        if any(rule.id.startswith(start) for rule in rules())
    ]
    parts = [head, "\n", "\n".join(contents), "\n"]
    for start, area in AREAS.items():
        of_area = [rule for rule in rules() if rule.id.startswith(start)]
        if of_area:
            parts += [f"\n## {area}\n", *map(_rule_markdown, of_area)]
    return "".join(parts)


def _rule_markdown(rule: Any) -> str:
    severity = (
        f"{rule.severity}, certain" if rule.is_certain and rule.severity is Severity.ERROR else str(rule.severity)
    )
    lines = [
        f'\n<a id="{rule.id.lower()}"></a>\n',
        f"### {rule.id}: {rule.title.rstrip('.')}\n",
        f"{severity}. {rule.why}\n",
        f"- Fix: {rule.cure}",
    ]
    lines.append(f"- Source: {rule.source}")
    for title, example in (("Wrong", rule.wrong), ("Right", rule.right)):
        if example:
            lines += ["", f"{title}:", "", "```yaml", example.rstrip("\n"), "```"]
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")
