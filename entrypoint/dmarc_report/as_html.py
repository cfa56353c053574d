"""An Overview → one HTML page: no script, nothing from elsewhere, every value escaped.

It must not know files or XML.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from entrypoint.dmarc_report.as_text import arrived, dkim_text, period, spf_text, words
from entrypoint.dmarc_report.overview import Overview
from entrypoint.text import printable


def as_html(view: Overview) -> str:
    """The page, ASCII only, so that it reads the same whatever encoding it is kept in."""
    environment = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Escaping leaves bidirectional overrides and control characters as they are.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"dkim": dkim_text, "spf": spf_text, "words": words}
    template = environment.get_template("dmarc-report.html.j2")
    page = template.render(view=view, period=period, arrived=arrived)
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")
