"""Drawings without what only makes a page heavy: half of what Vega writes is said twice or is not seen."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG = "http://www.w3.org/2000/svg"
INHERITED = ("fill", "stroke", "stroke-width", "font-family", "font-size", "font-weight", "text-anchor")
DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("x2", "0"), ("y2", "0"), ("transform", "translate(0,0)")}
SAID_ONCE = re.compile("aria-.*|role|pointer-events|class")
"""The page labels a figure as a whole, and styles no part of it but its grid."""
GRID = "role-axis-grid"
FRACTION = re.compile(r"(?<=\d)\.(\d)\d+")

ElementTree.register_namespace("", SVG)


def lighter(svg: str) -> str:
    """The same drawing, its coordinates to a tenth of a pixel."""
    root = ElementTree.fromstring(svg)
    _lighten(root)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _lighten(element: Element) -> None:
    """Clean an element after its children, so that what they share can rise as far as it goes."""
    children: list[Element] = []
    for child in element:
        _lighten(child)
        # A group that says nothing is its members.
        children += list(child) if _name(child) == "g" and not child.attrib else [child] if _seen(child) else []
    element[:] = children
    _clean(element)
    if _name(element) in ("g", "svg"):
        _raise_what_is_shared(element)


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _seen(element: Element) -> bool:
    """Not a background that is not filled, a label that had no room, an empty path."""
    name = _name(element)
    hollow = name in ("g", "text") and len(element) == 0 and not element.text
    return not hollow and not (name == "path" and len(element.get("d", "")) == 0)


def _clean(element: Element) -> None:
    classes = element.get("class", "")
    if classes == "background":
        element.set("d", "")
    for name, value in list(element.attrib.items()):
        if SAID_ONCE.fullmatch(name) or (name, value) in DEFAULTS:
            del element.attrib[name]
        else:
            element.set(name, FRACTION.sub(r".\1", value))
    if "stroke" not in element.attrib and _name(element) == "path":
        element.attrib.pop("stroke-width", None)
    if GRID in classes:
        element.set("class", GRID)


def _raise_what_is_shared(group: Element) -> None:
    """Let the group say once what all its members say of themselves."""
    for name in INHERITED:
        values = {member.get(name) for member in group}
        value = values.pop() if len(values) == 1 else None
        if value is not None and name not in group.attrib:
            group.set(name, value)
            for member in group:
                del member.attrib[name]
