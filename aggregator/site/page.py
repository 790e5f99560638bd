"""index.html of the site: no script, nothing fetched, every link relative."""

from aggregator.report.page.html import page_environment, source
from aggregator.site.index import Index


def render_index(index: Index) -> str:
    """index.html."""
    environment = page_environment()
    style = source(environment, "style.css", "site.css")
    return environment.get_template("site.html.j2").render(index=index, style=style)
