"""`signpost check`: is this a configuration that a start would take? Changes nothing."""

from __future__ import annotations

import click

from entrypoint import mounted_files, render
from entrypoint.accounts.merge import merged
from entrypoint.accounts.store import AccountStore
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.ineffective import doubtful_passwords, ineffective_settings
from entrypoint.text import counted
from entrypoint.tls.rendered import check_rendered


@click.command
def command() -> None:
    """Check the configuration and the rendered smtpd.conf, and change nothing."""
    if environ.mode() == "test":
        from entrypoint.test_mode.preview import checked

        settings_of_test, warnings = checked(environ.variables())
        for problem in warnings:
            click.echo(f"warning: {problem}", err=True)
        click.echo(f"the configuration is good: the test target {settings_of_test.mail_hostname}")
        return
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
    check_rendered(render.render(settings), settings.mail_hostname)
    click.echo(
        f"the configuration is good: {settings.mail_hostname}, "
        f"{counted(len(settings.domains), 'domain')}, "
        f"{counted(len(settings.accounts), 'account')}"
    )
