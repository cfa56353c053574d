"""`signpost start`: settings → state → rendered files → smtpd -n → supervisor."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import NoReturn

import click

from entrypoint import data, paths, render
from entrypoint.accounts.store import Store as Mailboxes
from entrypoint.config import environ
from entrypoint.config.problems import DiskError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.dns_records import records
from entrypoint.files import claim_tree, own_folder
from entrypoint.log import write_log
from entrypoint.maintenance.environment import keep
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.maintenance.reload import all_told
from entrypoint.maintenance.sessions import forget_sessions
from entrypoint.paths import DOVECOT_RUN, SPOOL
from entrypoint.probe.new_login import make_probe_login
from entrypoint.render import check_syntax
from entrypoint.resolv_conf import use_servers
from entrypoint.tls import sources
from entrypoint.web.readiness import readiness

FILTER_USERS = ("signer", "verifier")
_QUEUE_FOLDERS = ("queue", "corrupt", "incoming", "temporary", "purge")
PATH = "/opt/signpost/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@click.command
def command() -> None:
    """Start the mail server (the container's default)."""
    settings = environ.load_to_start(kept=Mailboxes().addresses())
    number = version("signpost")
    os.environ["TZ"] = settings.tz
    _say(settings, "info", f"signpost {number}: {settings.mail_hostname}")
    for path in (paths.DATA, SPOOL):
        if not path.is_mount():
            _say(
                settings,
                "warning",
                f"{path} is no volume: what it holds is temporary and goes with this container",
            )
    settings = _prepare(settings, number)
    _tell_records(settings)
    if settings.demo:
        _tell_demo(settings)
    _become_supervisor(settings)


def _prepare(settings: Settings, number: str) -> Settings:
    """Write what the programs need, and try the keys that they will sign with.

    Raises ConfigurationError where that is not possible.
    """
    use_servers(settings.dns_servers)
    try:
        # The mount point of a fresh volume: smtpd wants root and exactly this mode.
        own_folder(SPOOL, "root", "root", 0o711)
        _claim_volumes(settings)
        # smtpd empties this folder before it makes it, and warns where it is not there.
        own_folder(SPOOL / "purge", "opensmtpq", "root", 0o700)
        for user in FILTER_USERS:
            _make_filter_spool(user)
        with suppress(OSError):  # filters.logins says so, and goes on without its file
            _make_filter_spool("logins")
        # Left by a container that was killed: a number in it may be another process's now.
        shutil.rmtree(DOVECOT_RUN, ignore_errors=True)
        written = settings
        known = KnownHashes()
        settings = data.ensure(written, number, say=partial(_say, settings), hash_of=known.hash_of)
        data.signing_keys(settings)
        served = sources.chosen(settings, paths.DATA)
        render.write(render.render(settings))
        known.remember()
        all_told()
        forget_sessions()
        _make_logins_folder()
        make_probe_login(imap=settings.enable_imap)
        keep(os.environ, written, settings)
        render.write_certificate(
            paths.RUN, served.certificate.read_bytes(), served.key.read_bytes()
        )
    except OSError as error:
        raise DiskError([explained(error)]) from error
    check_syntax(paths.RUN / "smtpd.conf")
    return settings


def _claim_volumes(settings: Settings) -> None:
    """What an image with other numbers for its users has written belongs to them again."""
    trees = [
        *((SPOOL / name, "opensmtpq", "root") for name in _QUEUE_FOLDERS),
        (SPOOL / "offline", "root", "opensmtpq"),
        *((SPOOL / "filters" / user, user, user) for user in (*FILTER_USERS, "logins")),
        (paths.DATA / "mail", "vmail", "vmail"),
        (paths.DATA / "accounts/logins", "logins", "logins"),
    ]
    for path, user, group in trees:
        if claim_tree(path, user, group):
            _say(settings, "warning", f"{path}: was another user's; it is {user}'s again")


def _make_filter_spool(user: str) -> None:
    """Where a filter's large messages wait, or its state: on the queue's disk, for it alone."""
    folder = SPOOL / "filters" / user
    own_folder(folder.parent, "root", "root", 0o711)
    own_folder(folder, user, user, 0o700)


def _make_logins_folder() -> None:
    """Where filters.logins answers: whoever can reach its socket may try passwords."""
    own_folder(paths.RUN / "logins", "root", "logins", 0o770)
    # Where it counts failures, and the submission filter tells it of them.
    own_folder(paths.RUN / "guard", "logins", "signer", 0o750)


def _tell_records(settings: Settings) -> None:
    ready = readiness(settings)
    for name, objection in ready.items():
        if objection is not None:
            _say(settings, "warning", f"{name}: no MTA-STS record yet: {objection}")
    passing = [name for name, objection in ready.items() if objection is None]
    listed = records(settings, *data.published_keys(settings), passing)
    _say(settings, "info", "DNS records to publish (`signpost dns` prints them again):")
    for of_domain in listed.values():
        for record in of_domain:
            _say(settings, "info", record.zone_line())


def _tell_demo(settings: Settings) -> None:
    account = settings.accounts[0].address
    secret = data.demo_password()
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
    arguments = ["-m", "entrypoint.supervise", str(paths.RUN / "supervisord.conf")]
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
