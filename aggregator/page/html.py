"""report.html: one file, nothing fetched, complete without its script."""

import base64
import hashlib
import json
import re
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aggregator.model import Figure, Report

SCRIPTS = tuple(f"page/{name}.js" for name in ("state", "tables", "filter", "relative", "copy", "samples", "main"))
ALLOWED = {"svg", "g", "path", "rect", "line", "text", "tspan", "title", "defs", "clipPath"}


class UnsafeDrawing(Exception):
    """A drawing holds something other than shapes and text."""


def inline(figure: Figure) -> Markup:
    """The figure's SVG for the page, after a look that it is nothing but shapes and text."""
    root = ElementTree.fromstring(figure.svg)
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        active = [key for key in element.attrib if key.lower().startswith("on") or key.lower().endswith("href")]
        if name not in ALLOWED or active:
            raise UnsafeDrawing(f"figure {figure.name}: unexpected {name} {active}")
    opened = f'<svg role="img" aria-label="{Markup.escape(figure.title)}"'
    start = re.compile(r'^<svg( xmlns="[^"]*")?( xmlns:xlink="[^"]*")?( version="[^"]*")?')
    # A function, since a title's backslashes would mean something in a replacement's text.
    body = start.sub(lambda _: opened, figure.svg.strip())
    return Markup(_unique_ids(body, figure.name))


def _unique_ids(svg: str, name: str) -> str:
    """Clip paths are named the same in every drawing; in one page they must not be."""
    svg = re.sub(r'\bid="(\w+)"', rf'id="{name}-\1"', svg)
    return re.sub(r"url\(#(\w+)\)", rf"url(#{name}-\1)", svg)


def embedded(data: object) -> Markup:
    """Data as JSON. Raises ValueError for a number that is none."""
    return inert(json.dumps(data, allow_nan=False, separators=(",", ":")))


def inert(text: str) -> Markup:
    """JSON in ASCII, of which no parser of HTML takes anything for markup."""
    return Markup(text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}))


def _source(environment: Environment, *names: str) -> Markup:
    """Files of ours, as they are."""
    assert environment.loader is not None
    return Markup("".join(environment.loader.get_source(environment, name)[0] for name in names))


def _hash(text: str) -> str:
    """How a Content-Security-Policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def render_html(report: Report) -> str:
    """report.html."""
    environment = Environment(
        loader=PackageLoader("aggregator"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(inline=inline, embedded=embedded, inert=inert)
    script = _source(environment, *SCRIPTS)
    return environment.get_template("report.html.j2").render(
        report=report, style=_source(environment, "style.css"), script=script, script_hash=_hash(script)
    )
