"""`signpost dns`: the records to publish, as a zone file or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from entrypoint import environ, state
from entrypoint.domain_names import domain_name
from entrypoint.problems import BrokenRuleError
from entrypoint.records import records


@click.command
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, values unsplit.")
def command(domain: str | None, as_json: bool) -> None:
    """Print the DNS records to publish, of DOMAIN or of all domains."""
    settings = environ.load()
    listed = records(settings, state.signing_keys(settings))
    if domain is not None:
        try:
            name = domain_name(domain)
        except BrokenRuleError as error:
            raise click.BadParameter(f"{domain!r}: {error}") from error
        if name not in listed:
            raise click.BadParameter(f"{name} is none of {', '.join(listed)}")
        listed = {name: listed[name]}
    if as_json:
        shaped = [
            {"domain": name, "records": [asdict(record) for record in of_domain]}
            for name, of_domain in listed.items()
        ]
        click.echo(json.dumps(shaped if domain is None else shaped[0], indent=2))
        return
    for name, of_domain in listed.items():
        click.echo(f"; {name}")
        for record in of_domain:
            click.echo(f"; {record.purpose}\n{record.zone_line()}")
