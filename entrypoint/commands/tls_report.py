"""`signpost tls-report`: what the senders to a domain report of TLS, as a table."""

from __future__ import annotations

import sys

import click

from entrypoint.dmarc_report.as_text import encodable
from entrypoint.tls_report.read import read_tls_files
from entrypoint.tls_report.shown import as_json, lines, once, summary


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "json_wanted", is_flag=True, help="Everything, machine-readable.")
def command(files: tuple[str, ...], json_wanted: bool) -> None:
    """Read TLS reports, the mail that _smtp._tls asks for (RFC 8460).

    FILE is a report (JSON, gzip or zip), the whole mail with it as Maildir keeps it, or an mbox;
    - is standard input. Prints what failed first: which policy, which result, between which
    servers. Needs no configuration and no network.

    What is odd in a report is said below it. Exits 2 where a file could not be read, or where a
    part of a report was left out; the rest is printed all the same.
    """
    read, errors = read_tls_files(files)
    reports, repeated = once(read)
    if json_wanted:
        click.echo(as_json(reports, repeated, errors))
    elif reports:
        for line, fails in lines(reports):
            shown = encodable(line)
            click.echo(click.style(shown, fg="red", bold=True) if fails else shown)
        click.echo()
        for line in summary(reports, repeated):
            click.echo(encodable(line))
    for error in errors:
        click.echo(f"error: {error}", err=True)
    sys.exit(2 if errors else 0)
