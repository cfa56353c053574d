"""`signpost start`: settings → state → rendered files → smtpd -n → supervisor."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import click

from entrypoint import data, mounted_files, paths, pseudonyms, render, resolv_conf
from entrypoint.accounts.store import AccountStore
from entrypoint.backup.empty_volumes import refuse_unfinished
from entrypoint.backup.held import held_line
from entrypoint.config import environ
from entrypoint.config.named_files import named_files
from entrypoint.config.problems import ConfigurationError, DiskError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained, takes_nothing
from entrypoint.dns_records import records
from entrypoint.doctor.client_addresses import check_clients
from entrypoint.files import claim_tree, own_folder
from entrypoint.journal.files import JOURNAL, sweep
from entrypoint.junk.run_folder import make_run_folder
from entrypoint.log import start_logging, use_pseudonyms, write_lines
from entrypoint.log_line import LogLine
from entrypoint.mail_owner import claim_mail
from entrypoint.maintenance.environment import keep
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.maintenance.reload import all_told
from entrypoint.maintenance.sessions import forget_sessions
from entrypoint.metrics.folder import make_metrics
from entrypoint.mounts import is_mount_point
from entrypoint.paths import DOVECOT_RUN, SERVER_LOCK, SPOOL
from entrypoint.probe.new_login import make_probe_login
from entrypoint.queued_senders import clear_unrewritable
from entrypoint.render import check_syntax
from entrypoint.rights import missing_capabilities, refused_ports
from entrypoint.supervise.become import become_supervisor
from entrypoint.supervise.denied_mail import note_denied
from entrypoint.tls import sources
from entrypoint.volume_format import mark_volumes
from entrypoint.volume_mode import claim_volumes
from entrypoint.web.readiness import readiness

log = logging.getLogger(__name__)

FILTER_USERS = ("signer", "verifier")
_QUEUE_FOLDERS = ("queue", "corrupt", "incoming", "temporary", "purge")


@click.command
def command() -> None:
    """Start the mail server, which the container does by itself.

    Where it runs already, nothing is touched, and the exit status is 1.
    """
    if not claim_server():
        click.echo(
            "error: the server runs in this container already; nothing was changed. "
            "To start it anew: docker compose restart",
            err=True,
        )
        sys.exit(1)
    if environ.mode() == "test":
        from entrypoint.test_mode.start import start  # of which production imports nothing

        start(environ.variables())
    settings = environ.load_to_start(kept=AccountStore().addresses())
    number = version("signpost")
    os.environ["TZ"] = settings.tz
    start_logging("signpost", settings.log_format)
    log.info("signpost %s: %s", number, settings.mail_hostname)
    for path in (paths.DATA, SPOOL):
        if not is_mount_point(path):
            log.warning(
                "%s is no volume: what it holds is temporary and goes with this container", path
            )
    if lacking := missing_capabilities():
        log.warning(
            "root lacks %s here: what needs that will fail (`cap_add` of compose.yaml)",
            ", ".join(lacking),
        )
    if (objection := refused_ports()) is not None:
        raise ConfigurationError([objection])
    settings = _prepare(settings, number)
    _tell_clients(settings)
    _tell_records(settings)
    if settings.demo:
        _tell_demo(settings)
    become_supervisor(settings.log_format, settings.tz)


def claim_server(path: Path = SERVER_LOCK) -> bool:
    """Whether no other start runs here; then none may until this process ends.

    The kernel keeps the lock through exec, and lets go of it when the process is killed.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # a start that can write nothing says so later, and why
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    os.set_inheritable(lock, True)
    return True


def _prepare(settings: Settings, number: str) -> Settings:
    """Write what the programs need, and try the keys that they will sign with.

    Raises ConfigurationError where that is not possible.
    """
    _use_servers(settings.dns_servers)
    try:
        # A tmpfs is everybody's to write to, unless it was given a mode.
        own_folder(SERVER_LOCK.parent, "root", "root", 0o755)
        refuse_unfinished()
        claim_volumes("production")
        _mark_volumes()
        # The mount point of a fresh volume: smtpd wants root and exactly this mode.
        own_folder(SPOOL, "root", "root", 0o711)
        _claim_volumes()
        # smtpd empties this folder before it makes it, and warns where it is not there.
        own_folder(SPOOL / "purge", "opensmtpq", "root", 0o700)
        for line in clear_unrewritable(SPOOL):
            log.warning("%s", line)
        if (held := held_line()) is not None:
            log.warning("%s", held)
        for user in FILTER_USERS:
            _make_filter_spool(user)
        with suppress(OSError):  # filters.logins says so, and goes on without its file
            _make_filter_spool("logins")
        # Left by a container that was killed: a number in it may be another process's now.
        shutil.rmtree(DOVECOT_RUN, ignore_errors=True)
        written = settings
        known = KnownHashes(salt_key=data.salt_key)
        settings = data.ensure(written, number, say=_say, hash_of=known.hash_of)
        data.signing_keys(settings)
        served = sources.chosen(settings, paths.DATA)
        render.write(render.render(settings))
        known.remember()
        all_told()
        forget_sessions()
        _make_logins_folder()
        make_probe_login(imap=settings.enable_imap)
        keep(os.environ, written, settings)
        mounted_files.note(named_files(os.environ, settings))
        _make_journal(settings)
        make_metrics(settings.metrics_port)
        make_run_folder(enabled=settings.junk_filter)
        render.write_certificate(
            paths.RUN, served.certificate.read_bytes(), served.key.read_bytes()
        )
    except OSError as error:
        raise DiskError([explained(error)]) from error
    check_syntax(paths.RUN / "smtpd.conf")
    return settings


def _mark_volumes() -> None:
    """A disk that takes nothing is no reason not to start: maintenance does it once it does."""
    try:
        mark_volumes()
    except OSError as error:
        if not takes_nothing(error):
            raise
        log.warning("an older image would not be refused: %s", explained(error))


def _claim_volumes() -> None:
    """What an image with other numbers for its users has written belongs to them again."""
    trees = [
        *((SPOOL / name, "opensmtpq", "root") for name in _QUEUE_FOLDERS),
        (SPOOL / "offline", "root", "opensmtpq"),
        *((SPOOL / "filters" / user, user, user) for user in (*FILTER_USERS, "logins")),
        (paths.DATA / "accounts/logins", "logins", "logins"),
    ]
    for path, user, group in trees:
        if claim_tree(path, user, group):
            log.warning("%s: was another user's; it is %s's again", path, user)
    own_folder(paths.DENIED, "root", "root", 0o700)
    if paths.MAIL.is_dir():
        claimed = claim_mail(alone=True)
        write_lines(log, claimed.lines())
        for mailbox in claimed.left:  # maintenance looks again, and says so
            domain, _, local = mailbox.partition("/")
            note_denied(f"{local}@{domain}")


def _make_filter_spool(user: str) -> None:
    """Where a filter's large messages wait, or its state: on the queue's disk, for it alone."""
    folder = SPOOL / "filters" / user
    own_folder(folder.parent, "root", "root", 0o711)
    own_folder(folder, user, user, 0o700)


def _make_journal(settings: Settings) -> None:
    """The journal's folder, root's alone, and what its lines have in the place of addresses.

    Neither is a reason not to start where the disk takes nothing.
    """
    try:
        if settings.trace_days:
            own_folder(JOURNAL, "root", "root", 0o700)
        else:
            sweep(JOURNAL, 0, time.time())
    except OSError as error:
        log.warning("there is no journal for `signpost trace`: %s", explained(error))
    if not settings.anonymize_emails:
        pseudonyms.stop_using()
        return
    try:
        key = data.pseudonym_key()
    except OSError as error:
        key = secrets.token_hex(20)
        log.warning("addresses have other pseudonyms until the next start: %s", explained(error))
    pseudonyms.use(key, settings.recipient_delimiter)
    use_pseudonyms()


def _make_logins_folder() -> None:
    """Where filters.logins answers: whoever can reach its socket may try passwords."""
    own_folder(paths.RUN / "logins", "logins", "login-checks", 0o750)
    # Where it counts failures, and the submission filter tells it of them.
    own_folder(paths.RUN / "guard", "logins", "signer", 0o750)


def _tell_clients(settings: Settings) -> None:
    """Where one client looks like another, nothing can go by addresses; whoever reads this learns
    it at the start, and not from what gets through.
    """
    off = "SPF, DNSBL and blocks by address do nothing there"
    if settings.host.rootless:
        where = ", ".join(settings.host.shared) or "a gateway"
        log.warning(
            "the engine is rootless: if it makes the clients' connections, all appear at %s, and "
            "%s; `signpost doctor` says whether they do",
            where,
            off,
        )
    found = check_clients(paths.CLIENT_COUNTS)
    if found.status == "fail":
        log.warning("clients: %s; %s; %s", found.detail, off, found.cure)


def _tell_records(settings: Settings) -> None:
    ready = readiness(settings)
    for name, objection in ready.items():
        if objection is not None:
            log.warning("%s: no MTA-STS record yet: %s", name, objection)
    passing = [name for name, objection in ready.items() if objection is None]
    if settings.anonymize_emails:  # some records hold an address
        log.info("`signpost dns` prints the DNS records to publish")
        return
    listed = records(settings, *data.published_keys(settings), passing)
    log.info("DNS records to publish (`signpost dns` prints them again):")
    for of_domain in listed.values():
        for record in of_domain:
            log.info("%s", record.zone_line())


def _tell_demo(settings: Settings) -> None:
    account = settings.accounts[0].address
    secret = data.demo_password()
    _bare(settings, f"demo account {account} password: {secret}")
    log.info(
        "this is a demo and no mail leaves it; next, set DOMAINS and ACCOUNTS "
        "(compose.yaml shows how)"
    )


def _say(line: LogLine) -> None:
    write_lines(log, [line])


def _bare(settings: Settings, message: str) -> None:
    """A line that people and scripts look for: nothing stands before it."""
    if settings.log_format == "json":
        log.info("%s", message)
    else:
        print(message, file=sys.stderr, flush=True)


def _use_servers(servers: Sequence[str]) -> None:
    """Have these name servers asked; the container's own where none are given."""
    try:
        if servers:
            resolv_conf.ask(servers)
        else:
            resolv_conf.forget()
    except OSError as error:
        raise ConfigurationError(
            [
                f"DNS_SERVERS: {resolv_conf.OURS} cannot be written ({error.strerror}); "
                "set dns: in compose.yaml"
            ]
        ) from error
