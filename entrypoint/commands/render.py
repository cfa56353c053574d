"""`signpost render`: what a start would write, secrets masked."""

from __future__ import annotations

import click

from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.render import render_masked


@click.command
def command() -> None:
    """Print every file that a start would write, secrets masked."""
    for file in render_masked(preview(environ.load())):
        click.echo(f"==> {file.path} {file.owner}:{file.group} {file.mode:04o}")
        click.echo(file.content)
