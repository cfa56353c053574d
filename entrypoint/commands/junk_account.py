"""Whose junk filter a command is about: the account, its home, and what cannot be read there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from entrypoint.commands.account_argument import settings_with
from entrypoint.config.settings import Settings
from entrypoint.disks import VMAIL, explained
from entrypoint.files import acting_as, become
from entrypoint.junk.account_state import StateError
from entrypoint.junk.words import WordsError
from entrypoint.paths import MAIL, account_home
from entrypoint.text import printable


class JunkAccount:
    """An account that exists; ends the command otherwise."""

    def __init__(self, ctx: click.Context, address: str) -> None:
        self.settings = settings_with(ctx, address)
        self.home = account_home(address, MAIL)

    def make_home(self) -> None:
        """Where no mail has come yet: one may teach before. As root."""
        with errors_said():
            if not MAIL.is_dir():
                end([f"{MAIL} is missing: start a server with this volume first"], 1)
            with acting_as(VMAIL):
                for folder in (self.home.parent, self.home):
                    folder.mkdir(mode=0o700, exist_ok=True)


def become_vmail() -> None:
    """Whose all of it is; for good."""
    become(VMAIL)


def warn_if_off(settings: Settings) -> None:
    """Say that nothing is judged."""
    if not settings.junk_filter:
        text = "JUNK_FILTER=no: nothing is judged; what is learned counts once it is yes"
        click.echo(f"warning: {text}", err=True)


@contextmanager
def errors_said() -> Iterator[None]:
    """End the command where something inside cannot be read or written."""
    try:
        yield
    except (StateError, WordsError) as error:
        end([str(error)], 1)
    except OSError as error:
        end([explained(error)], 1)


def end(errors: Sequence[str], status: int) -> None:
    """End the command with these errors, if there are any."""
    for error in errors:
        click.echo(f"error: {printable(error)}", err=True)
    if errors:
        sys.exit(status)
