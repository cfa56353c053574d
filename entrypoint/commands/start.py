"""`signpost start`: settings → state → rendered files → smtpd -n → supervisor."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import click

from entrypoint import environ, render, state
from entrypoint.logline import write_log
from entrypoint.passwords import verify_seconds
from entrypoint.problems import ConfigurationError
from entrypoint.records import records
from entrypoint.resolv_conf import use_servers
from entrypoint.settings import Settings
from entrypoint.syntax import check_syntax
from filters.mailauth.dkim_sign import SigningKey

SPOOL = Path("/var/spool/smtpd")
FILTER_USERS = ("signer", "verifier")
PATH = "/opt/signpost/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# smtpd checks a login's hash in the process that carries all filter lines (facts of 7.6).
_SLOW_HASH = 0.010  # seconds


@click.command
def command() -> None:
    """Start the mail server (the container's default)."""
    settings = environ.load()
    number = version("signpost")
    os.environ["TZ"] = settings.tz
    _say(settings, "info", f"signpost {number}: {settings.mail_hostname}")
    for path in (state.DATA, SPOOL):
        if not path.is_mount():
            _say(
                settings,
                "warning",
                f"{path} is no volume: what it holds is temporary and goes with this container",
            )
    settings, keys = _prepare(settings, number)
    _tell_records(settings, keys)
    if settings.demo:
        _tell_demo(settings)
    _become_supervisor(settings)


def _prepare(settings: Settings, number: str) -> tuple[Settings, list[SigningKey]]:
    """Write what the programs need, and read the keys that they will sign with.

    Raises ConfigurationError where that is not possible.
    """
    use_servers(settings.dns_servers)
    try:
        # The mount point of a fresh volume: smtpd wants root and exactly this mode.
        SPOOL.mkdir(parents=True, exist_ok=True)
        SPOOL.chmod(0o711)
        # smtpd empties this folder before it makes it, and warns where it is not there.
        (SPOOL / "purge").mkdir(mode=0o700, exist_ok=True)
        shutil.chown(SPOOL / "purge", "opensmtpq", "root")
        for user in FILTER_USERS:
            _make_filter_spool(user)
        settings = state.ensure(settings, number)
        keys = state.signing_keys(settings)
        certificate, key = state.certificate_paths(settings)
        render.write(render.render(settings))
        render.write_certificate(render.RUN, certificate.read_bytes(), key.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            [f"{error.filename}: cannot be written or read: {error.strerror}; mount it writable"]
        ) from error
    check_syntax(render.RUN / "smtpd.conf")
    for account in settings.accounts:
        seconds = verify_seconds(account.secret.get_secret_value())
        if seconds > _SLOW_HASH:
            _say(
                settings,
                "warning",
                f"ACCOUNTS: {account.address}: checking its hash takes {1000 * seconds:.0f} ms, "
                "and all mail waits meanwhile; a $6$ hash with the usual rounds is quicker",
            )
    return settings, keys


def _make_filter_spool(user: str) -> None:
    """Where a filter's large messages wait: on the queue's disk, for that filter alone."""
    folder = SPOOL / "filters" / user
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o711)
    folder.chmod(0o700)
    shutil.chown(folder, user, user)


def _tell_records(settings: Settings, keys: Sequence[SigningKey]) -> None:
    listed = records(settings, keys)
    _say(settings, "info", "DNS records to publish (`signpost dns` prints them again):")
    for of_domain in listed.values():
        for record in of_domain:
            _say(settings, "info", record.zone_line())


def _tell_demo(settings: Settings) -> None:
    account = settings.accounts[0].address
    secret = state.demo_password()
    _bare(settings, f"demo account {account} password: {secret}")
    _say(
        settings,
        "info",
        "this is a demo and no mail leaves it; next, set DOMAINS and ACCOUNTS "
        "(compose.yaml shows how)",
    )


def _become_supervisor(settings: Settings) -> NoReturn:
    """Exec, so that no secret stays in any process's environment."""
    clean = {"PATH": PATH, "TZ": settings.tz, "LANG": "C.UTF-8"}
    arguments = ["-m", "entrypoint.supervise", str(render.RUN / "supervisord.conf")]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, *arguments, settings.log_format], clean
    )


def _say(settings: Settings, level: str, message: str) -> None:
    write_log(settings.log_format, level, "signpost", message)


def _bare(settings: Settings, message: str) -> None:
    """A line that people and scripts look for: nothing stands before it."""
    if settings.log_format == "json":
        _say(settings, "info", message)
    else:
        print(message, file=sys.stderr, flush=True)
