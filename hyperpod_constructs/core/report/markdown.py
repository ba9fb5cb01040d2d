"""A report as Markdown for a comment on a pull request, within GitHub's length limit."""

from __future__ import annotations

from collections.abc import Iterator

from ..terminal import paragraph, readable
from .model import Block, Cell, Code, Content, Drawing, Figures, Notice, Paragraph, Part, Report, Section, Table

LONGEST = 65_000
"""Maximum length of a comment; GitHub's limit is 65,536 characters."""
_SIGNS = {"bad": "🛑", "warn": "⚠️", "note": "ℹ️", "good": "✅", "new": "➕", "gone": "➖"}  # noqa: RUF001
_OPEN = ("changes", "overview", "findings")
"""Sections that are expanded; the others are collapsed."""


def markdown(report: Report, *, longest: int = LONGEST) -> str:
    """Returns the report as Markdown; sections that would exceed `longest` characters are omitted and listed."""
    pieces = [(f"# {_plain(report.title)}\n", "")]
    for part in report.parts:
        pieces += [(text, f"{part.title}: {title}") for title, text in _part(part, several=len(report.parts) > 1)]
    kept, length, omitted = [], 400, []
    for text, title in pieces:
        if length + len(text) > longest:
            omitted.append(title)
        else:
            kept.append(text)
            length += len(text) + 1
    if omitted:
        named = ", ".join(omitted[:5]) + (f" and {len(omitted) - 5} more" if len(omitted) > 5 else "")
        kept.append(
            f"> Omitted because of the length limit of comments: {_plain(named)[:300]}. The HTML report is complete.\n"
        )
    return "\n".join(kept)


def _part(part: Part, *, several: bool) -> Iterator[tuple[str, str]]:
    if several:
        yield "title", f"## {_plain(part.title)}\n"
    yield "subtitle", f"{_plain(part.subtitle)}\n"
    for section in part.sections:
        yield section.title, _section(section, "###" if several else "##")


def _section(section: Section, heading: str) -> str:
    inner = "\n".join(_block(block) for block in section.blocks)
    if section.id in _OPEN:
        return f"{heading} {section.title}\n\n{inner}"
    return f"<details><summary><b>{_plain(section.title)}</b></summary>\n\n{inner}\n</details>\n"


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"{_plain(block.text)}\n"
    if isinstance(block, Notice):
        return f"> {_SIGNS.get(block.tone, '')} {_plain(block.text)}\n"
    if isinstance(block, Figures):
        return "".join(
            f"- **{_plain(name)}**: {_plain(value)}{f' ({_plain(remark)})' if remark else ''}\n"
            for name, value, remark in block.items
        )
    if isinstance(block, Code):
        return f"{_plain(block.caption)}:\n\n{fenced(block.text)}\n"
    if isinstance(block, Drawing):
        return f"**{_plain(block.title)}**\n\n" + "".join(
            f"{'  ' * depth}- {_plain(text)}\n" for depth, text in block.outline
        )
    return _table(block)


def fenced(text: str) -> str:
    r"""Returns literal text in a code fence that is longer than any fence in the text.

    >>> fenced("a")
    '```\na\n```'
    """
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{paragraph(text)}\n{fence}"


def _table(block: Table) -> str:
    marks = ["---:" if column in block.numbers else "---" for column in range(len(block.head))]
    rows = [[_plain(text) for text in block.head], marks, *([_content(cell) for cell in row] for row in block.rows)]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    if block.folded:
        return f"<details><summary>{_plain(block.caption)} ({len(block.rows)})</summary>\n\n{text}\n</details>\n"
    return f"**{_plain(block.caption)}**\n\n{text}"


def _content(content: Content) -> str:
    if not isinstance(content, Cell):
        return _plain(content)
    if content.tone:
        return f"{_SIGNS.get(content.tone, '')} {_plain(content.text)}".strip()
    return f"<code>{_plain(content.text)}</code>" if content.code and content.text else _plain(content.text)


_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "|": "\\|",
        "*": "\\*",
        "_": "\\_",
        "`": "\\`",
        "[": "\\[",
        "]": "\\]",
        "@": "&#64;",
        "#": "&#35;",
    }
)


def _plain(text: str) -> str:
    r"""Escapes a text so that Markdown shows it unchanged on one line, without links, mentions or formatting.

    >>> _plain("a|b <c> @team #1")
    'a\\|b &lt;c&gt; &#64;team &#35;1'
    """
    return readable(" ".join(text.split())).translate(_ESCAPES)
