"""`signpost check`: is this a configuration that a start would take? Changes nothing."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from entrypoint import mounted_files, paths, render
from entrypoint.accounts.merge import merged
from entrypoint.accounts.store import AccountStore
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.ineffective import doubtful_passwords, ineffective_settings
from entrypoint.render import check_syntax
from entrypoint.text import counted
from entrypoint.tls.self_signed import self_signed


@click.command
def command() -> None:
    """Check the configuration and the rendered smtpd.conf, and change nothing."""
    store = AccountStore()
    settings = environ.load_to_start(kept=store.addresses())
    doubtful = list(doubtful_passwords(settings))
    settings, unfit = merged(preview(settings), store.load())
    for problem in (
        *(f"passed over: {line}" for line in unfit),
        *doubtful,
        *ineffective_settings(settings),
        *mounted_files.problems(),
    ):
        click.echo(f"warning: {problem}", err=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        # smtpd -n opens the tables and the key pair, so all of it stands in a folder of its own.
        files = render.render(settings)
        moved = [
            replace(file, content=file.content.replace(str(paths.RUN), folder)) for file in files
        ]
        render.write(moved, run)
        render.write_certificate(run, *self_signed(settings.mail_hostname))
        check_syntax(run / "smtpd.conf")
    click.echo(
        f"the configuration is good: {settings.mail_hostname}, "
        f"{counted(len(settings.domains), 'domain')}, "
        f"{counted(len(settings.accounts), 'account')}"
    )
