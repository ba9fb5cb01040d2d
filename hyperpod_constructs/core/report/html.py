"""A report as one self-contained HTML file: style and diagrams are embedded, without scripts or external URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from xml.etree.ElementTree import Element, tostring

from ..terminal import paragraph, readable
from .model import Block, Cell, Code, Content, Drawing, Figures, Notice, Paragraph, Part, Report, Section, Table
from .svg import svg

Node = Element | str


def el(tag: str, *children: Node | None, **attributes: str) -> Element:
    """Returns an element; in attribute names, a trailing underscore is removed, and others are replaced by hyphens.

    >>> tostring(el("p", "a < ", el("b", "c"), "!", class_="x"), encoding="unicode", method="html")
    '<p class="x">a &lt; <b>c</b>!</p>'
    """
    element = Element(tag, {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif child is not None:
            text = readable(child) if tag != "pre" else paragraph(child)
            if last is None:
                element.text = (element.text or "") + text
            else:
                last.tail = (last.tail or "") + text
    return element


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy: the page can load only the embedded style."""


def html(report: Report) -> str:
    """Returns the whole document."""
    style = Element("style")
    style.text = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    several = len(report.parts) > 1
    body = el(
        "body",
        el("a", "Skip to the content", href="#content", class_="skip"),
        el("header", el("p", "hyperpod report", class_="kind"), el("h1", report.title), *_subtitle(report)),
        el("nav", _contents(report, several=several), aria_label="Contents"),
        el("main", *(_part(part, several=several) for part in report.parts), id="content", tabindex="-1"),
        el("footer", el("p", "Generated from the config and its templates, without requests to AWS.")),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("title", f"{report.title} - hyperpod report"),
        style,
    )
    page = el("html", head, body, lang="en")
    return "<!doctype html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _subtitle(report: Report) -> list[Element]:
    return [el("p", report.parts[0].subtitle, class_="subtitle")] if len(report.parts) == 1 else []


def _contents(report: Report, *, several: bool) -> Element:
    """Returns links to the parts of a report, or to the sections if it has only one part."""
    if several:
        return el("ul", *(el("li", el("a", part.title, href=f"#{part.id}")) for part in report.parts))
    part = report.parts[0]
    return el("ul", *(el("li", el("a", section.title, href=f"#{part.id}-{section.id}")) for section in part.sections))


def _part(part: Part, *, several: bool) -> Element:
    if not several:
        return el("div", *(_section(section, part.id, level=2) for section in part.sections), class_="part", id=part.id)
    name = f"{part.id}-name"
    sections = (_section(section, part.id, level=3, parent=(name, part.title)) for section in part.sections)
    details = el("details", el("summary", f"Report of {part.title}"), *sections)
    heading = el("h2", part.title, id=name)
    return el("article", heading, el("p", part.subtitle, class_="subtitle"), details, class_="part", id=part.id)


def _section(section: Section, part: str, *, level: int, parent: tuple[str, str] = ("", "")) -> Element:
    """Returns a section; `parent` is the ID and the text of the parent heading if the report has several parts."""
    id, (name, title) = f"{part}-{section.id}", parent
    blocks = [block for item in section.blocks for block in _block(item, id, title)]
    heading = el(f"h{level}", section.title, id=f"{id}-title")
    return el("section", heading, *blocks, id=id, aria_labelledby=f"{name} {id}-title".strip())


def _block(block: Block, id: str, parent: str) -> Iterable[Element]:
    if isinstance(block, Paragraph):
        yield el("p", block.text)
    elif isinstance(block, Notice):
        yield el("p", block.text, class_=f"notice {block.tone}")
    elif isinstance(block, Figures):
        yield el("dl", *(_figure(*item) for item in block.items), class_="figures")
    elif isinstance(block, Table):
        yield _table(block, parent)
    elif isinstance(block, Code):
        yield el("details", el("summary", block.caption), el("pre", block.text, tabindex="0", aria_label=block.caption))
    else:
        yield from _drawing(block, id, parent)


def _figure(name: str, value: str, remark: str) -> Element:
    return el("div", el("dt", name), el("dd", el("strong", value), " ", el("span", remark) if remark else None))


def _table(block: Table, parent: str) -> Element:
    def cell(tag: str, column: int, content: Node, **attributes: str) -> Element:
        return el(tag, content, class_="number" if column in block.numbers else "", **attributes)

    head = el("tr", *(cell("th", column, text, scope="col") for column, text in enumerate(block.head)))
    body = [
        el(
            "tr",
            *(
                cell("th" if column == 0 else "td", column, _content(text), scope="row" if column == 0 else "")
                for column, text in enumerate(row)
            ),
        )
        for row in block.rows
    ]
    caption = el("caption", block.caption)
    region = el(
        "div",
        el("table", caption, el("thead", head), el("tbody", *body)),
        **_scrollable("table", block.caption, parent),
    )
    if not block.folded:
        return region
    return el("details", el("summary", f"{block.caption} ({len(block.rows)})"), region)


def _scrollable(kind: str, name: str, parent: str) -> dict[str, str]:
    """Returns the attributes of a region that scrolls horizontally on narrow screens, also by keyboard."""
    return {
        "class_": f"scrolls {kind}",
        "role": "region",
        "aria_label": f"{kind}: {name}{f' of {parent}' if parent else ''}",
        "tabindex": "0",
    }


def _content(content: Content) -> Node:
    if isinstance(content, str):
        return content
    return el("span", content.text, class_=f"mark {content.tone}") if content.tone else _literal(content)


def _literal(cell: Cell) -> Node:
    return (
        el("code", *_with_line_breaks(cell.text), class_="short" if len(cell.text) < 20 else "")
        if cell.code
        else cell.text
    )


_BREAKS = re.compile(r"(?<=[./:])(?=[^./:])|(?=\[)")


def _with_line_breaks(text: str) -> Iterable[Node]:
    """Yields a name with positions for line breaks."""
    first, *rest = _BREAKS.split(text) if len(text) > 16 else [text]
    yield first
    for part in rest:
        yield el("wbr")
        yield part


def _drawing(drawing: Drawing, id: str, parent: str) -> Iterable[Element]:
    name = f"{id}-{drawing.id}"
    legend = [el("li", el("span", class_=f"key {kind}"), el("span", text)) for kind, text in drawing.legend]
    yield el(
        "figure",
        el("figcaption", drawing.title),
        el("div", svg(drawing, name), **_scrollable("drawing", drawing.title, parent)),
        el("ul", *legend, class_="legend", aria_label=f"Key of {drawing.title}") if legend else None,
    )
    yield el("details", el("summary", f"{drawing.title} as text"), _outline(drawing.outline))


def _outline(lines: Iterable[tuple[int, str]]) -> Element:
    """Returns an outline as nested lists."""
    root = el("ul", class_="outline")
    stack = [root]
    for depth, text in lines:
        del stack[depth + 1 :]
        while len(stack) <= depth:
            parent = stack[-1][-1] if len(stack[-1]) else stack[-1]
            nested = el("ul")
            parent.append(nested)
            stack.append(nested)
        stack[-1].append(el("li", text))
    return root
