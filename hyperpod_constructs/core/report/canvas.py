"""Layout of diagrams: shapes, and texts that are shortened or wrapped to fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .model import Box, Drawing, Label, Line, Shape

_SIZES = {"": 13.0, "strong": 14.4, "zone": 14.4, "small": 11.5, "mono": 11.0, "badge": 12.2, "on": 13.3}
"""Font size by kind of text; 10% larger for bold text, which is wider."""
_EM = {
    **dict.fromkeys("iljI|'.,:;! ", 0.34),
    **dict.fromkeys('frt()[]-/\\"', 0.41),
    **dict.fromkeys("mMW%@", 0.96),
    "w": 0.83,
}
"""Width of characters as fractions of the font size, for the widest common font."""
_CAPITAL, _OTHER, _MONO = 0.7, 0.62, 0.61
_BADGE_HEIGHT = 16


def text_width(text: str, kind: str = "") -> float:
    """Returns the maximum width of a text in a diagram.

    >>> text_width("il") < text_width("mm")
    True
    """
    size = _SIZES.get(kind.partition(" ")[0], 13.0) * (1.1 if " strong" in kind else 1.0)
    if kind == "mono":
        return len(text) * _MONO * size
    return size * sum(_EM.get(character) or (_CAPITAL if character.isupper() else _OTHER) for character in text)


def fitted(text: str, width: float, kind: str = "") -> str:
    """Shortens a text to a width by omitting its middle, so that a number at the end of a name is kept.

    >>> fitted("research", 100), fitted("a-very-long-name-of-a-group-12", 100)
    ('research', 'a-very…oup-12')
    """
    if len(text) < 4 or len(text) * 7 < width or (full_width := text_width(text, kind)) <= width:
        return text
    max_characters = max(3, int(len(text) * width / full_width))
    while True:
        end = (max_characters - 1) // 2
        shown = f"{text[: max_characters - 1 - end]}…{text[len(text) - end :]}"
        if max_characters <= 3 or text_width(shown, kind) <= width:
            return shown
        max_characters -= 1


def halves(name: str, width: float, kind: str = "") -> list[str]:
    """Splits a name into one or two lines, after a hyphen if there is one.

    >>> halves("a-very-long-name-of-a-group-12", 120)
    ['a-very-long-', 'name-of-a-group-12']
    """
    if text_width(name, kind) <= width:
        return [name]
    first = next((at for at in range(len(name) - 1, 3, -1) if text_width(name[:at], kind) <= width), 4)
    hyphen = name.rfind("-", 3, first)
    cut = hyphen + 1 if hyphen >= first // 2 else first
    return [name[:cut], name[cut:]]


def wrapped(text: str, width: float, lines: int, kind: str = "") -> list[str]:
    """Wraps a text to a maximum number of lines; the last line contains the rest.

    >>> wrapped("spot; filled by Karpenter", 100, 2)
    ['spot; filled by', 'Karpenter']
    """
    found: list[str] = []
    for word in text.split(" "):
        if found and (len(found) == lines or text_width(f"{found[-1]} {word}", kind) <= width):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


@dataclass
class Canvas:
    """Collects shapes, and grows to contain them."""

    shapes: list[Shape] = field(default_factory=list)
    outline: list[tuple[int, str]] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, kind: str, title: str = "") -> None:
        """Adds a rectangle."""
        self.shapes.append(Box(x, y, width, height, kind, title))

    def text(self, x: float, y: float, text: str, kind: str = "", *, width: float = 0) -> None:
        """Adds a text with its baseline at y; a text wider than `width` is shortened, and its title is the full text."""
        shown = fitted(text, width, kind) if width else text
        self.shapes.append(Label(x, y, shown, kind, text if shown != text else ""))

    def badge(self, right: float, y: float, text: str, kind: str) -> float:
        """Adds a small badge whose right edge is at `right`; returns its width."""
        width = text_width(text, "badge") + 10
        self.box(right - width, y, width, _BADGE_HEIGHT, f"badge {kind}")
        self.shapes.append(Label(right - width + 5, y + 12, text, f"badge-text {kind}"))
        return width

    def line(self, *points: tuple[float, float], kind: str = "route", title: str = "") -> None:
        """Adds a line with an arrow at its end."""
        self.shapes.append(Line(points, kind, title))

    def describe(self, depth: int, text: str) -> None:
        """Adds a line to the outline."""
        self.outline.append((depth, text))

    def drawing(
        self, id: str, title: str, desc: str, width: float, height: float, legend: Iterable[tuple[str, str]] = ()
    ) -> Drawing:
        """Returns the drawing."""
        return Drawing(id, title, desc, width, height, tuple(self.shapes), tuple(self.outline), tuple(legend))
