"""`make docs` builds the pages as a site, with strict checks and without network access."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from assembly import ROOT
from proving import every

from hyperpod_constructs.core.checks import rules

pytestmark = pytest.mark.slow

BUILD = ROOT / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, built with a proxy address that does not respond."""
    out = tmp_path_factory.mktemp("docs") / "out"
    out.mkdir()
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    for version in ("1.0.0", "1.1.0"):
        completed = subprocess.run(
            [sys.executable, BUILD, out, version], capture_output=True, text=True, check=False, env=nowhere
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
    return out


def test_every_page_is_on_the_site_and_is_found(site: Path) -> None:
    built = {path.relative_to(site / "1.1.0").as_posix() for path in (site / "1.1.0").rglob("*.html")}
    for path in (ROOT / "docs").rglob("*.md"):
        page = path.relative_to(ROOT).with_suffix(".html").as_posix()
        assert page.replace("README.html", "index.html") in built
    found = json.loads((site / "1.1.0" / "search.json").read_text())
    assert "deep health checks" in json.dumps(found).lower()


def test_every_link_of_the_site_has_a_target(site: Path) -> None:
    count, dead = 0, set()
    for page in (site / "1.1.0").rglob("*.html"):
        if page.name == "404.html":  # its links start at the root of the server
            continue
        for address in re.findall(r'(?:href|src)="?([^" >]+)', page.read_text()):
            if re.match(r"[a-z]+:", address):
                continue
            target, _, anchor = address.partition("#")
            path = (page.parent / unquote(target)).resolve() if target else page
            path = path / "index.html" if path.is_dir() else path
            count += 1
            if not path.exists() or (anchor and path.suffix == ".html" and not _has(path, anchor)):
                dead.add(f"{page.relative_to(site)}: {address}")
    print(f"{count} links")
    assert count > 1000
    assert sorted(dead) == []


_IDS: dict[Path, set[str]] = {}


def _has(page: Path, anchor: str) -> bool:
    if page not in _IDS:
        _IDS[page] = set(re.findall(r'\bid="?([^" >]+)', page.read_text()))
    return unquote(anchor) in _IDS[page]


def test_every_rule_has_an_anchor(site: Path) -> None:
    page = site / "1.1.0" / "docs" / "rules.html"
    assert every(_has(page, rule.id.lower()) for rule in rules())


def test_the_versions_are_listed_newest_first(site: Path) -> None:
    assert json.loads((site / "versions.json").read_text()) == [
        {"version": "1.1.0", "title": "1.1.0", "aliases": ["latest"]},
        {"version": "1.0.0", "title": "1.0.0", "aliases": []},
    ]
    assert "1.1.0/index.html" in (site / "index.html").read_text()
    assert '"provider": "mike"' in (site / "1.1.0" / "index.html").read_text().replace('":"', '": "')


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("build_site", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    stage = module.stage

    def with_a_dead_link(folder: Path) -> None:
        stage(folder)
        with (folder / "docs" / "cost.md").open("a") as page:
            page.write("\n[gone](gone.md) and [no anchor](cost.md#gone)\n")

    module.stage = with_a_dead_link
    assert module.build(tmp_path, "1.0.0") != 0
    assert not (tmp_path / "1.0.0").exists()
