"""`signpost dns`: the records to publish, for a zone file, for a web form, or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from entrypoint import data, paths
from entrypoint.commands.domain_argument import one_of
from entrypoint.config import environ
from entrypoint.config.settings import Settings
from entrypoint.dns_records import Record, missing_addresses, records
from entrypoint.mounts import is_mount_point
from entrypoint.text import printable
from entrypoint.web.readiness import readiness

_FORMS = {
    "zone": Record.zone_line,
    "values": Record.value_line,
    "strings": Record.string_line,
}


@click.command
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, values unsplit.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMS)),
    default="zone",
    show_default=True,
    help="zone: lines of a zone file. values: name, type and the whole value, for a web form. "
    "strings: the same with TXT as quoted strings of at most 255 characters.",
)
def command(domain: str | None, as_json: bool, form: str) -> None:
    """Print the DNS records to publish, of DOMAIN or of all domains.

    Before the first start, too: the keys are made then.
    """
    settings = environ.load()
    if data.lacks_keys(settings):
        _make_keys(settings)
    ready = readiness(settings)
    passing = [name for name, objection in ready.items() if objection is None]
    listed = records(settings, *data.published_keys(settings), passing)
    for name, objection in ready.items():
        if objection is not None:
            click.echo(f"{name}: no MTA-STS record yet: {objection}", err=True)
    if (missing := missing_addresses(settings)) is not None and not settings.demo:
        click.echo(missing, err=True)
    if domain is not None:
        name = one_of(domain, listed)
        listed = {name: listed[name]}
    if as_json:
        shaped = [
            {"domain": name, "records": [asdict(record) for record in of_domain]}
            for name, of_domain in listed.items()
        ]
        click.echo(json.dumps(shaped if domain is None else shaped[0], indent=2))
        return
    line = _FORMS[form]
    for name, of_domain in listed.items():
        click.echo(f"; {name}")
        for record in of_domain:
            click.echo(f"; {record.purpose}\n{line(record)}")


def _make_keys(settings: Settings) -> None:
    """Those that the first start would make; it finds them in /data."""
    if not is_mount_point(paths.DATA):
        click.echo(
            f"warning: {paths.DATA} is no volume: these keys go with this container, and a server "
            "makes others",
            err=True,
        )
    data.ensure_keys(
        settings, say=lambda line: click.echo(f"{line.level}: {printable(line.text)}", err=True)
    )
