"""`signpost dmarc-report`: what the receivers of a domain's mail report, as a table."""

from __future__ import annotations

import sys

import click

from entrypoint.dmarc_report.as_json import as_json
from entrypoint.dmarc_report.as_text import source_lines, summary
from entrypoint.dmarc_report.overview import overview
from entrypoint.dmarc_report.read import read_files


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "form", flag_value="json", help="Everything, machine-readable.")
@click.option("--html", "form", flag_value="html", help="One page, to keep or to send on.")
def command(files: tuple[str, ...], form: str | None) -> None:
    """Read DMARC aggregate reports, the mail that rua= asks for.

    FILE is a report (XML, gzip or zip), or the whole mail with it as Maildir keeps it; - is
    standard input. Prints every source by its result, what fails DMARC first: DKIM and SPF as
    aligned with the author domain, then what was found. Needs no configuration and no network.

    Exits 2 where a file could not be read; the others are printed all the same.
    """
    reports, errors = read_files(files)
    view = overview(reports, errors)
    if form == "json":
        click.echo(as_json(view))
    elif form == "html":
        # Jinja2 is slow to import, and the table does without.
        from entrypoint.dmarc_report.as_html import as_html

        click.echo(as_html(view), nl=False)
    elif reports:
        for line, fails in source_lines(view):
            click.echo(
                click.style(_encodable(line), fg="red", bold=True) if fails else _encodable(line)
            )
        click.echo()
        for line in summary(view):
            click.echo(_encodable(line))
    for error in errors:
        click.echo(f"error: {error}", err=True)
    sys.exit(2 if errors else 0)


def _encodable(line: str) -> str:
    """A terminal that is not UTF-8 gets escapes, not a traceback."""
    encoding = sys.stdout.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)
