"""A report as plain data: sections of text, tables and diagrams, rendered as HTML, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["", "bad", "warn", "note", "good", "new", "gone"]
"""The meaning of a badge. Every badge also has a word, so that no information depends on color alone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a style.

    Attributes:
        text: the text.
        tone: meaning of the badge that contains the text; empty for text without a badge.
        code: whether the text is a name, a CIDR or another literal value.
    """

    text: str
    tone: Tone = ""
    code: bool = False


Content: TypeAlias = str | Cell


def code(text: object) -> Cell:
    """Returns a cell with a literal value.

    >>> code("10.1.0.0/16").code
    True
    """
    return Cell(str(text), code=True)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A highlighted paragraph."""

    text: str
    tone: Tone = "note"


@dataclass(frozen=True, slots=True)
class Figures:
    """Key figures: name, value and a remark."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption. Columns in `numbers` are right-aligned; a folded table is collapsed."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Content, ...], ...]
    numbers: tuple[int, ...] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Literal text of several lines, such as a manifest."""

    caption: str
    text: str


# ---- diagrams ----


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle. `kind` is a class of the style sheet; `title` is the tooltip and the text for screen readers."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A text in a diagram; `title` is the full text if it was shortened."""

    x: float
    y: float
    text: str
    kind: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, with an arrow at its end."""

    points: tuple[tuple[float, float], ...]
    kind: str = "route"
    title: str = ""


Shape: TypeAlias = Box | Label | Line


@dataclass(frozen=True, slots=True)
class Drawing:
    """A diagram, with the same content as text.

    Attributes:
        id: ID, unique in the section.
        title: short name.
        desc: description in one or two sentences.
        width: width in units of the diagram, about one pixel each.
        height: height in the same units.
        shapes: shapes in drawing order.
        legend: kinds of boxes with their meanings.
        outline: the content as an indented list (depth, text), for Markdown and for screen readers.
    """

    id: str
    title: str
    desc: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
    outline: tuple[tuple[int, str], ...]
    legend: tuple[tuple[str, str], ...] = ()


Block: TypeAlias = Paragraph | Notice | Figures | Table | Code | Drawing


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report with a heading."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The report of one platform or one job."""

    id: str
    title: str
    subtitle: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A document with the reports of platforms or jobs."""

    title: str
    parts: tuple[Part, ...]


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Content]],
    *,
    numbers: Sequence[int] = (),
    folded: bool = False,
    empty: str = "",
) -> tuple[Block, ...]:
    """Returns a table as blocks; without rows, a paragraph with the text `empty`, or nothing."""
    if not rows:
        return (Paragraph(empty),) if empty else ()
    return (Table(caption, tuple(head), tuple(map(tuple, rows)), tuple(numbers), folded),)
