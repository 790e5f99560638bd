"""index.html of the site: no script, nothing fetched, every link relative."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aggregator.report.page.html import inline
from aggregator.site.index import Index


def render_index(index: Index) -> str:
    """index.html."""
    loader = PackageLoader("aggregator")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inline"] = inline
    style = Markup("".join(loader.get_source(environment, name)[0] for name in ("style.css", "site.css")))
    return environment.get_template("site.html.j2").render(index=index, style=style)
