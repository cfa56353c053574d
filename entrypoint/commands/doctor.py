"""`signpost doctor`: what the world sees of this server, as a table or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from entrypoint.config import environ
from entrypoint.doctor.examine import examine
from entrypoint.doctor.finding import EXIT_STATUS, Finding, table, worst

_PAINT = {"ok": "green", "skipped": "cyan", "warn": "yellow", "fail": "red"}


@click.command
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option(
    "--no-color",
    envvar="NO_COLOR",
    show_envvar=True,
    is_flag=False,
    flag_value="yes",
    default="",
    metavar="",
    help="No colour on a terminal, either.",
)
def command(as_json: bool, no_color: str) -> None:
    """Check what the world sees of this server, domain by domain, and say how to cure it.

    Exit status 0 where all is well (or was skipped), 1 for warnings, 2 for failures.
    """
    settings = environ.load()
    findings = examine(settings)
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        _print(settings.mail_hostname, findings, coloured=not no_color and sys.stdout.isatty())
    sys.exit(EXIT_STATUS[worst(findings)])


def _print(host: str, findings: Sequence[Finding], *, coloured: bool) -> None:
    for line in table(host, findings):
        mark: str = line.mark or ""
        if coloured and line.mark is not None:
            mark = click.style(
                mark, fg=_PAINT[line.mark], bold=True if line.mark == "fail" else None
            )
        click.echo(f"{line.before}{mark}{line.after}")
