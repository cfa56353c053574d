"""`signpost health`: the image's HEALTHCHECK."""

from __future__ import annotations

import sys

import click

from entrypoint.banners import check_banners


@click.command
def command() -> None:
    """Ask the ports 25, 465 and 587 for their greeting; exit 1 where one does not answer."""
    problems = check_banners()
    for problem in problems:
        click.echo(f"unhealthy: {problem}")
    if problems:
        sys.exit(1)
    click.echo("healthy: the ports 25, 465 and 587 greet")
