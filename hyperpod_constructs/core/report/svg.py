"""A diagram as an SVG element. Colors and fonts are in the style sheet, so that they follow dark mode and print."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from ..terminal import readable
from .model import Box, Drawing, Label, Shape

_PADDING = 2


def svg(drawing: Drawing, name: str) -> Element:
    """Returns the SVG element; `name` is unique in the document and the prefix of the IDs in the element."""
    width, height = drawing.width + 2 * _PADDING, drawing.height + 2 * _PADDING
    root = Element(
        "svg",
        {
            "viewBox": f"{-_PADDING} {-_PADDING} {_number(width)} {_number(height)}",
            "width": _number(width),
            "height": _number(height),
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
        },
    )
    _text(root, "title", drawing.title, id=f"{name}-title")
    _text(root, "desc", drawing.desc, id=f"{name}-desc")
    arrow = SubElement(SubElement(root, "defs"), "marker", _ARROW | {"id": f"{name}-arrow"})
    SubElement(arrow, "path", {"d": "M0 0L8 4L0 8z"})
    for shape in drawing.shapes:
        root.append(_shape(shape, f"url(#{name}-arrow)"))
    return root


_ARROW = {
    "viewBox": "0 0 8 8",
    "refX": "7",
    "refY": "4",
    "markerWidth": "7",
    "markerHeight": "7",
    "orient": "auto-start-reverse",
}


def _shape(shape: Shape, arrow: str) -> Element:
    if isinstance(shape, Box):
        sizes = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
        element = Element("rect", {"class": shape.kind, **{key: _number(value) for key, value in sizes.items()}})
        if "bar" not in shape.kind:
            element.set("rx", "4")
    elif isinstance(shape, Label):
        element = Element("text", {"x": _number(shape.x), "y": _number(shape.y)})
        if shape.kind:
            element.set("class", shape.kind)
        element.text = readable(shape.text)
    else:
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
        element = Element("polyline", {"class": shape.kind, "points": points})
        if shape.kind.startswith("route"):
            element.set("marker-end", arrow)
    if shape.title:
        title = _text(element, "title", shape.title)
        if isinstance(shape, Label):  # the title precedes the text
            title.tail, element.text = element.text, None
    return element


def _text(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = readable(text)
    return element


def _number(value: float) -> str:
    """Formats a coordinate without unnecessary digits."""
    return f"{value:.1f}".removesuffix(".0")
