"""Asks before what cannot be undone."""

from __future__ import annotations

import sys

import click


def confirm(question: str, asker: str = "it") -> None:
    """End the command unless the answer is yes; where nobody can be asked, with the cure.

    asker: what of the command line asks.
    """
    if not sys.stdin.isatty():
        click.echo(f"error: {asker} asks on a terminal; without one, add --yes", err=True)
        sys.exit(1)
    click.confirm(question, abort=True, err=True)
