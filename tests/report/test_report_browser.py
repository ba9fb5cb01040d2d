"""Reports in a real browser: no errors, no requests, no overflow, no findings of axe.

`HYPERPOD_SCREENSHOTS=FOLDER` takes a screenshot of each page at every width.
Needs Chromium (`apt-get install chromium`) and axe-core (`npm ci`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT
from reports import edited, many_groups, report, written
from sweep import ALL

from hyperpod_constructs.cli.report import rendered
from hyperpod_constructs.core.report import model

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
    pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci"),
]
WIDTHS = (380, 1280, 2560)
SCHEMES = ("light", "dark")
PAGES = ("sixty", "changes", "whole", "errors", "job", "fleet", *(("small", "gpu") if ALL else ()))
"""The last two have the elements of others."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory, whole: Callable[[str], Path]) -> Callable[[str], Path]:
    """The file of a page by its name."""
    folder = tmp_path_factory.mktemp("pages")
    broken = many_groups(3)
    broken["cluster"]["instance_groups"][1]["instance_type"] = "ml.p5.48xlage"
    small = {**many_groups(1), "name": "small"}
    files = {name: written(folder, content, f"{name}.yaml") for name, content in
             {"small": small, "other": {**many_groups(1), "name": "other"}, "sixty": many_groups(60), "changes": edited(),
              "errors": broken}.items()}  # fmt: skip
    example = ROOT / "examples"
    job = {"name": "train", "image": "registry.example/t:v1", "instance_type": "ml.p5.48xlarge", "instance_group": "gpu-a",
           "nodes": 4, "command": ["x"]}  # fmt: skip
    makers = {
        "small": ([files["small"]], 0),
        "default": ([ROOT / "hyperpod.yaml"], 0),
        "gpu": ([example / "gpu-multi-zone-efa.yaml"], 0),
        "sixty": ([files["sixty"]], 0),
        "changes": ([files["changes"], "--from", "examples/everything.yaml"], 3),
        "errors": ([files["errors"]], 1),
        "job": ([example / "gpu-multi-zone-efa.yaml", "--job", written(folder, job, "job.yaml")], 0),
        "fleet": ([files["small"], files["other"]], 0),
    }

    def make(name: str) -> Path:
        path = folder / f"{name}.html"
        if name == "whole":
            path.write_text(rendered(as_report(json.loads(whole("everything").read_text())), "html"))
        elif not path.exists():
            arguments, code = makers[name]
            with contextlib.chdir(ROOT):  # the report contains the file names as specified
                report("--configs-only", *arguments, "-o", path, code=code)
        return path

    return make


KINDS: tuple[tuple[frozenset[str], Callable[..., Any]], ...] = (
    (frozenset({"shapes", "outline"}), model.Drawing),
    (frozenset({"caption", "rows"}), model.Table),
    (frozenset({"caption", "text"}), model.Code),
    (frozenset({"items"}), model.Figures),
    (frozenset({"height", "kind"}), model.Box),
    (frozenset({"points"}), model.Line),
    (frozenset({"x", "text"}), model.Label),
    (frozenset({"tone", "code"}), model.Cell),
    (frozenset({"tone", "text"}), model.Notice),
    (frozenset({"blocks"}), model.Section),
    (frozenset({"sections"}), model.Part),
    (frozenset({"parts"}), model.Report),
    (frozenset({"text"}), model.Paragraph),
)


def as_report(value: Any) -> Any:
    """The model of a report from its JSON form."""
    if isinstance(value, list):
        return tuple(map(as_report, value))
    if not isinstance(value, dict):
        return value
    model = next(kind for keys, kind in KINDS if keys <= value.keys())
    return model(**{key: as_report(inner) for key, inner in value.items()})


VIOLATIONS = """options => axe.run({...options, resultTypes: ["violations"], selectors: false}).then(
  found => found.violations.map(one => [one.id, one.nodes[0].html.slice(0, 200)]))"""


def screenshots(page: Any, name: str, scheme: str) -> None:
    """Screenshots of full pages with closed sections in `HYPERPOD_SCREENSHOTS`, if it is set."""
    if folder := os.environ.get("HYPERPOD_SCREENSHOTS"):
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_external_and_fits_the_width(name: str, browser: Any, page_of: Callable[[str], Path]):
    path = page_of(name)
    page = browser.new_page()
    console_messages: list[str] = []
    requested_urls: list[str] = []
    page.on("console", lambda message: console_messages.append(message.text))
    page.on("pageerror", lambda error: console_messages.append(str(error)))
    page.on("request", lambda request: requested_urls.append(request.url))
    page.goto(path.as_uri())
    page.evaluate(AXE.read_text())
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS if scheme == "light" else (1280,):  # in the dark scheme, only the colors are different
            page.set_viewport_size({"width": width, "height": 900})
            for opened in (False, True):
                page.evaluate(f"document.querySelectorAll('details').forEach(one => one.open = {str(opened).lower()})")
                widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
                assert widths[0] <= widths[1], (scheme, width, opened)
        if name != "sixty" or ALL:  # sixty groups have the elements of few groups, and take axe the longest
            page.set_viewport_size({"width": 1280, "height": 900})
            rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}  # with all sections open
            assert page.evaluate(VIOLATIONS, rules) == [], scheme
        screenshots(page, name, scheme)
    assert console_messages == []
    assert requested_urls == [path.as_uri()]
    page.close()


def test_texts_of_drawings_stay_inside(browser: Any, page_of: Callable[[str], Path]):
    for name in ("gpu", "sixty", "changes", "whole"):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_of(name).as_uri())
        beyond = page.evaluate(
            """[...document.querySelectorAll('svg')].flatMap(svg => [...svg.querySelectorAll('text')].filter(text => {
              const box = text.getBBox(), view = svg.viewBox.baseVal;
              return box.x + box.width > view.x + view.width + 1 || box.y + box.height > view.y + view.height + 2;
            }).map(text => text.textContent))"""
        )
        assert beyond == [], name
        page.close()


def test_a_keyboard_reaches_the_content_and_sees_where_it_is(browser: Any, page_of: Callable[[str], Path]):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(page_of("default").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.close()


def test_print_shows_what_is_folded(browser: Any, page_of: Callable[[str], Path], tmp_path: Path):
    page = browser.new_page()
    page.goto(page_of("default").as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.evaluate(
        "[...document.querySelectorAll('details')].every(one => one.lastElementChild.getClientRects().length > 0)"
    )
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.close()


PICTURES = {"changes": ("changes", "light"), "gpu": ("network", "light"), "sixty": ("cluster", "dark")}
"""Page to the section and the color scheme of its picture in docs/report.md."""


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_docs_can_be_drawn_again(
    name: str, browser: Any, page_of: Callable[[str], Path], tmp_path: Path
):
    """HYPERPOD_WRITE_DOCS=1 writes the picture."""
    section, scheme = PICTURES[name]
    page = browser.new_page(viewport={"width": 1100, "height": 1000}, color_scheme=scheme)
    page.goto(page_of(name).as_uri())
    page.locator(f"#p1-{section}").evaluate("section => section.scrollIntoView()")
    stored = ROOT / "docs" / "images" / f"report-{name}.png"
    picture = stored if os.environ.get("HYPERPOD_WRITE_DOCS") else tmp_path / stored.name
    page.screenshot(path=picture)
    page.close()
    size = slice(16, 24)  # of a PNG: width and height
    assert picture.read_bytes()[size] == stored.read_bytes()[size]
