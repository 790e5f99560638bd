"""report.html: one file that fetches nothing and is complete without its script."""

import base64
import hashlib
import re
from collections.abc import Callable
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from aggregator.report.model import Figure, Packed, Panel, Report
from aggregator.report.page import card, size_limits

SCRIPTS = tuple(
    f"page/{name}.js" for name in ("packed", "state", "tables", "filter", "relative", "copy", "samples", "main")
)
ALLOWED = {"svg", "g", "path", "rect", "line", "text", "tspan", "title"}
BACKGROUND = re.compile(r'<rect width="[\d.%]+" height="[\d.%]+" fill="white"/>')
"""The background of a drawing; in the page, drawings have the page's background, light or dark."""
ABOUT_SAMPLES, HELD_SAMPLES = Markup("<!--about samples-->"), Markup("<!--samples-->")
"""Where the raw samples go. No text of a record can be one of these: its angle brackets are escaped."""


class UnsafeDrawing(Exception):
    """A drawing holds something other than shapes and text."""


def inline(figure: Figure | Panel) -> Markup:
    """The SVG of a figure or of one panel for the page, after a look that it is nothing but shapes and text."""
    root = ElementTree.fromstring(figure.svg)
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        active = [key for key in element.attrib if key.lower().startswith("on") or key.lower().endswith("href")]
        if name not in ALLOWED or active:
            raise UnsafeDrawing(f"{figure.title}: unexpected {name} {active}")
    opened = f'<svg role="img" aria-label="{Markup.escape(figure.title)}"'
    start = re.compile(r'^<svg( xmlns="[^"]*")?( xmlns:xlink="[^"]*")?( version="[^"]*")?')
    # A function, since a title's backslashes would mean something in a replacement's text.
    return Markup(BACKGROUND.sub("", start.sub(lambda _: opened, figure.svg.strip()), count=1))


def held(packed: Packed, name: str) -> Markup:
    """Data for the page's script, in an element of that id. No parser of HTML takes anything in it for markup."""
    kind = "text/plain" if packed.zipped else "application/json"
    inert = packed.text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"})
    return Markup(f'<script type="{kind}" id="{name}">{inert}</script>')


def _hash(text: str) -> str:
    """How a Content-Security-Policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def page_environment(**filters: Callable[..., str]) -> Environment:
    """How this project's templates are rendered to HTML."""
    environment = Environment(
        loader=PackageLoader("aggregator"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(inline=inline, **filters)
    return environment


def source(environment: Environment, *names: str) -> Markup:
    """Files of this project, as they are."""
    assert environment.loader is not None
    return Markup("".join(environment.loader.get_source(environment, name)[0] for name in names))


def render_html(report: Report, address: str = "") -> str:
    """report.html. The image of a link needs a whole address: `address` is that of the report's folder, if known."""
    environment = page_environment(held=held)
    script = source(environment, *SCRIPTS)
    template = environment.get_template("report.html.j2")
    page = template.render(
        report=report,
        card=address + card.NAME,
        style=source(environment, "style.css"),
        script=script,
        script_hash=_hash(script),
        about_samples=ABOUT_SAMPLES,
        held_samples=HELD_SAMPLES,
    )
    # The samples get the bytes that the rest of the page leaves.
    samples = report.samples(size_limits.for_samples(len(page.encode())))
    packed = held(samples.packed, "samples") if samples.packed else Markup()
    return page.replace(ABOUT_SAMPLES, escape(samples.said)).replace(HELD_SAMPLES, packed)
