"""Smaller drawings: half of Vega's SVG is redundant or invisible."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

SVG = "http://www.w3.org/2000/svg"
INHERITED = ("fill", "stroke", "stroke-width", "font-family", "font-size", "font-weight", "text-anchor")
DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("x2", "0"), ("y2", "0"), ("transform", "translate(0,0)")}
SAID_ONCE = re.compile("aria-.*|role|pointer-events|class")
"""The page labels a figure as a whole, and styles no part of it but its grid."""
OF_CASE = "case "
NAMED = re.compile(rf"{OF_CASE}([0-9a-f]+) (.+)", re.DOTALL)
"""A mark's description that names its case by digest: it stays, as the mark's title, and the mark by itself."""
GRID = "role-axis-grid"
PLACE = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")
COMMAND, NUMBER = re.compile(r"([A-Za-z])([^A-Za-z]*)"), re.compile(r"-?[\d.]+")
OWN = ("transform", "x2", "y2", "d")
"""Where a line or a shape is, and its form; Vega starts each at its own origin."""
FRACTION = re.compile(r"(?<=\d)\.(\d)\d+")

ElementTree.register_namespace("", SVG)


def smaller(svg: str) -> str:
    """The same drawing, its coordinates to a tenth of a pixel."""
    return _written(ElementTree.fromstring(svg))


def panel(cell: Element, box: str) -> str:
    """One panel of a drawing as a drawing of its own, of which the view box is seen."""
    root = Element(f"{{{SVG}}}svg", {"viewBox": box, "fill": "none"})
    root.extend(cell)
    return _written(root)


def cells(svg: str) -> list[Element]:
    """The panels of Vega's drawing of a facet, in order; of a drawing without panels, the whole."""
    root = ElementTree.fromstring(svg)
    groups = [group for group in root.iter(f"{{{SVG}}}g") if group.get("class", "").split()[-1:] == ["cell"]]
    return [content for group in groups for content in group] or [root]


def _written(root: Element) -> str:
    _reduce(root)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _reduce(element: Element) -> None:
    """Reduce an element after its children, so that attributes that they share can move up as far as possible."""
    children: list[Element] = []
    for child in element:
        _reduce(child)
        # A group that says nothing is its members.
        children += list(child) if _name(child) == "g" and not child.attrib else [child] if _seen(child) else []
    element[:] = children
    _name_mark(element)
    _clean(element)
    if _name(element) in ("g", "svg"):
        _join_alike(element)
        _raise_what_is_shared(element)


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _name_mark(element: Element) -> None:
    named = NAMED.fullmatch(element.get("aria-label", ""))
    if named and _name(element) in ("path", "line"):
        element.set("data-case", named[1])
        SubElement(element, f"{{{SVG}}}title").text = named[2]


def _seen(element: Element) -> bool:
    """Whether an element is visible: not an unfilled background, an empty label or an empty path."""
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
    if _name(element) == "text" and len(element) == 0 and (place := PLACE.fullmatch(element.get("transform", ""))):
        del element.attrib["transform"]
        element.attrib |= {"x": place[1], "y": place[2]}
    if GRID in classes:
        element.set("class", GRID)


def _join_alike(group: Element) -> None:
    """Join all lines and shapes that look alike into one path: there are thousands of ticks, intervals and points."""
    paths: dict[tuple[tuple[str, str], ...], Element] = {}
    for member in [member for member in group if _name(member) in ("line", "path")]:
        place = PLACE.fullmatch(member.get("transform", "translate(0,0)" if _name(member) == "line" else ""))
        if place is None or len(member):
            continue
        x, y = float(place[1]), float(place[2])
        drawn = _line(member, x, y) if _name(member) == "line" else _moved(member.get("d", ""), x, y)
        look = tuple(sorted((name, value) for name, value in member.attrib.items() if name not in OWN))
        if look in paths:
            group.remove(member)
        else:
            paths[look] = member
            member.tag, member.attrib = f"{{{SVG}}}path", dict(look)
        paths[look].set("d", paths[look].get("d", "") + drawn)


def _line(line: Element, x: float, y: float) -> str:
    across, down = line.get("x2", "0"), line.get("y2", "0")
    return f"M{x:g} {y:g}" + (f"v{down}" if across == "0" else f"h{across}" if down == "0" else f"l{across} {down}")


def _moved(path: str, x: float, y: float) -> str:
    """The path at another place; relative commands stay the same."""
    found = []
    for letter, numbers in COMMAND.findall(path):
        values = [float(number) for number in NUMBER.findall(numbers)]
        if letter.isupper():
            # Of an arc the last two of seven numbers are a place, of every other command all are.
            step = {"A": 7, "H": 1, "V": 1}.get(letter, 2)
            for index in range(len(values)):
                turn = index % step
                if step != 7 or turn > 4:
                    values[index] += y if letter == "V" or (step > 1 and turn == step - 1) else x
        found.append(letter + ",".join(f"{round(value, 1):g}" for value in values))
    return "".join(found)


def _raise_what_is_shared(group: Element) -> None:
    """Move the attributes that all members of a group share to the group."""
    for name in INHERITED:
        values = {member.get(name) for member in group}
        value = values.pop() if len(values) == 1 else None
        if value is not None and name not in group.attrib:
            group.set(name, value)
            for member in group:
                del member.attrib[name]
