"""`signpost dmarc-report`: what the receivers of a domain's mail report, as a table."""

from __future__ import annotations

import sys

import click

from entrypoint.dmarc_report.as_json import as_json
from entrypoint.dmarc_report.as_text import encodable, failure_lines, source_lines, summary
from entrypoint.dmarc_report.overview import overview
from entrypoint.dmarc_report.read import read_all


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "form", flag_value="json", help="Everything, machine-readable.")
@click.option("--html", "form", flag_value="html", help="One page, to keep or to send on.")
def command(files: tuple[str, ...], form: str | None) -> None:
    """Read DMARC reports, the mail that rua= and ruf= ask for.

    FILE is an aggregate report (XML, gzip or zip), the whole mail with it as Maildir keeps it, an
    mbox, or the mail of a failure report; - is standard input. Prints every source by its result,
    what fails DMARC first: DKIM and SPF as aligned with the author domain, then what was found.
    Needs no configuration and no network.

    What is odd in a report is said below it. Exits 2 where a file could not be read, or where a
    part of a report was left out; the rest is printed all the same.
    """
    found = read_all(files)
    errors = found.errors
    view = overview(found.reports, errors, found.failures)
    if form == "json":
        click.echo(as_json(view))
    elif form == "html":
        # Jinja2 is slow to import, and the table does without.
        from entrypoint.dmarc_report.as_html import as_html

        click.echo(as_html(view), nl=False)
    elif view.reports or view.failures:
        for line, fails in source_lines(view):
            click.echo(
                click.style(encodable(line), fg="red", bold=True) if fails else encodable(line)
            )
        if view.sources:
            click.echo()
        for line in failure_lines(view):
            click.echo(encodable(line))
        if view.failures:
            click.echo()
        for line in summary(view):
            click.echo(encodable(line))
    for error in errors:
        click.echo(f"error: {error}", err=True)
    sys.exit(2 if errors else 0)
