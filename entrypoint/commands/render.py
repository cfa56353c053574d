"""`signpost render`: what a start would write, secrets masked."""

from __future__ import annotations

import click

from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.render import RenderedFile, render_masked


@click.command
def command() -> None:
    """Print every file that a start would write, secrets masked."""
    for file in _files():
        click.echo(f"==> {file.path} {file.owner}:{file.group} {file.mode:04o}")
        click.echo(file.content)


def _files() -> list[RenderedFile]:
    if environ.mode() == "test":
        from entrypoint.test_mode.preview import masked_files

        return masked_files(environ.variables())
    return render_masked(preview(environ.load()))
