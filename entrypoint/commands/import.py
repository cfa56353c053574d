"""`signpost import`: the mail of another server into an account here."""

# ruff: noqa: N999 -- named as its command is; nothing imports it by a statement
from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click

from entrypoint.commands import account_changes
from entrypoint.commands.account_argument import settings_with
from entrypoint.commands.account_changes import account_files
from entrypoint.commands.progress_line import ProgressLine, clear_line
from entrypoint.disks import VMAIL, explained, problems, size
from entrypoint.files import become
from entrypoint.mailbox_import.folder_names import Planned, planned
from entrypoint.mailbox_import.imap_sessions import StoppedError
from entrypoint.mailbox_import.mailbox_here import HereLostError, MailboxHere
from entrypoint.mailbox_import.old_server import (
    PORTS,
    LostError,
    OldMailbox,
    OldServer,
    RefusedError,
    Security,
    trusting,
)
from entrypoint.mailbox_import.record import NAME, BusyError, DamagedError, record_in
from entrypoint.mailbox_import.transfer import FolderResult, Transfer
from entrypoint.paths import account_home
from entrypoint.resolv_conf import preloaded
from entrypoint.supervise.become import PATH
from entrypoint.text import counted, printable, table

_LONGEST_PASSWORD = 8192
_LONGEST_NAME = 250  # characters of a folder's name that are shown
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_AGAIN = "run the same again"


@click.command
@click.argument("address", type=account_changes.address)
@click.option("--from", "host", required=True, metavar="HOST[:PORT]", help="The old server.")
@click.option("--user", metavar="LOGIN", help="The login there; else ADDRESS.")
@click.option("--password-file", type=_FILE, help="A file with the password there in one line.")
@click.option("--starttls", is_flag=True, help="STARTTLS on port 143, not TLS on 993.")
@click.option("--plaintext", is_flag=True, help="No TLS: all on the way can read the password.")
@click.option("--certificate-file", type=_FILE, help="A PEM file: trust this certificate, too.")
@click.option("--folder", "only", multiple=True, help="This folder and those in it; repeatable.")
@click.option("--exclude", multiple=True, help="Not this one and those in it; repeatable.")
@click.option("--list", "list_only", is_flag=True, help="Show what would be brought, and where.")
@click.pass_context
def command(
    ctx: click.Context,
    address: str,
    host: str,
    user: str | None,
    password_file: Path | None,
    starttls: bool,
    plaintext: bool,
    certificate_file: Path | None,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    list_only: bool,
) -> None:
    """Bring the mail of ADDRESS over from another server, by IMAP: folders, flags, dates.

    It brings what an earlier run has not, and removes nothing, there or here. The password there is
    prompted for, read from a file, or is the first line of standard input. Exit status 1: something
    is missing that is named; the same command goes on where it was.
    """
    if starttls and plaintext:
        raise click.UsageError("--starttls or --plaintext: it cannot be both")
    security: Security = "STARTTLS" if starttls else "none" if plaintext else "TLS"
    source = _source(host, user or address, security)
    trusted = _trusted(certificate_file)
    _check_account(ctx, address)
    _ask_our_name_servers()
    password = _password(password_file, source)
    become(VMAIL)  # who reads a stranger's answers is not root
    old, here = OldServer(source, password, trusted), MailboxHere(address)
    home = account_home(address)
    try:
        with record_in(home) as record:
            transfer = Transfer(old, here, record, partial(_write_progress, ProgressLine()))
            old.connect()
            plans, others, unreadable = _chosen(old, only, exclude)
            here.open()
            with _ended(old, here, transfer, list_only=list_only):
                transfer.look(plans, others)
                if not list_only:
                    transfer.bring()
    except BusyError:
        _fail(f"another import into {address} is at work; wait for its end")
    except DamagedError as error:
        _fail(f"{home / NAME}: {error}")
    except (LostError, RefusedError) as error:
        _fail(f"{source.host}:{source.port}: {error}; nothing is brought")
    except HereLostError as error:
        _fail(f"{address}: {error}; nothing is brought; `signpost health` shows what does not run")
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "" if error.filename else f"{home / NAME}: "
        _fail(f"{where}{explained(error)}; {_AGAIN} when that is cured")
    if not list_only:
        _check_still_there(here, address, home)
    if unreadable:
        _fail(f"{counted(unreadable, 'folder')} of {source.host} cannot be read")
    if any(result.failed or (result.reasons) for result in transfer.results):
        # Dovecot's answers do not say so.
        for each in problems(owner=None):
            click.echo(f"error: {each}; {_AGAIN} then", err=True)
        sys.exit(1)


def _source(host: str, login: str, security: Security) -> OldMailbox:
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port
        name.encode("idna")
    except ValueError:
        name, port = "", None
    if not name or parts.netloc != host or "@" in host:
        raise click.BadParameter(
            f"{printable(host)}: write HOST or HOST:PORT, such as imap.old.example:993",
            param_hint="--from",
        )
    return OldMailbox(name, PORTS[security] if port is None else port, security, login)


def _trusted(certificate_file: Path | None) -> ssl.SSLContext | None:
    """Read as root: what is copied into a container may be for root alone."""
    if certificate_file is None:
        return None
    try:
        return trusting(certificate_file)
    except ssl.SSLError:
        reason = f"{certificate_file}: it has no certificate in PEM"
    except OSError as error:
        reason = f"{certificate_file}: {explained(error)}"
    raise click.BadParameter(reason, param_hint="--certificate-file")


def _check_account(ctx: click.Context, address: str) -> None:
    if not settings_with(ctx, address).enable_imap:
        click.echo("error: it needs Dovecot: set ENABLE_IMAP=yes", err=True)
        sys.exit(2)
    if not account_files(ctx).server_runs:
        click.echo("error: the server does not run here: use `docker compose exec`", err=True)
        sys.exit(2)


def _password(path: Path | None, source: OldMailbox) -> str:
    try:
        if path is not None:
            text = path.read_text("utf-8")
        elif sys.stdin.isatty():
            question = f"Password of {source.login} at {source.host}"
            text = str(click.prompt(question, hide_input=True, err=True))
        else:
            text = sys.stdin.readline(_LONGEST_PASSWORD)
        text.encode("utf-8")  # bytes of another character set may be in it as surrogates
    except UnicodeError:
        text = ""
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0] or "\0" in text or len(text) >= _LONGEST_PASSWORD:
        where = path or "standard input"
        click.echo(
            f"error: {where}: there has to be one line, the password there, in UTF-8", err=True
        )
        sys.exit(2)
    return lines[0]


def _ask_our_name_servers() -> None:
    """The resolver asks DNS_SERVERS only by a library that is there from a process's start."""
    wanted = preloaded()
    if wanted and wanted["LD_PRELOAD"] not in Path("/proc/self/maps").read_text("utf-8"):
        sys.stdout.flush()
        os.execve(sys.argv[0], sys.argv, {"PATH": PATH, "LANG": "C.UTF-8", **wanted})  # noqa: S606


def _chosen(
    old: OldServer, only: Sequence[str], exclude: Sequence[str]
) -> tuple[list[Planned], list[Planned], int]:
    """The folders that are wanted, and the others."""
    listing = old.listing()
    plans = planned(listing.folders, listing.prefix)
    for name in (*only, *exclude):
        if not any(_is_in(each, name) for each in plans):
            names = ", ".join(_shown(each.there) for each in plans[:50])
            raise click.UsageError(f"{name}: the old server has no such folder; it has {names}")
    wanted: list[Planned] = []
    others: list[Planned] = []
    for each in plans:
        is_wanted = not only or any(_is_in(each, name) for name in only)
        is_wanted &= not any(_is_in(each, name) for name in exclude)
        (wanted if is_wanted else others).append(each)
    return wanted, others, listing.unreadable


def _is_in(plan: Planned, name: str) -> bool:
    """By its name there."""
    delimiter = plan.old.delimiter
    return plan.there == name or bool(delimiter and plan.there.startswith(name + delimiter))


@contextmanager
def _ended(
    old: OldServer, here: MailboxHere, transfer: Transfer, *, list_only: bool
) -> Iterator[None]:
    """The table, however it ends."""
    try:
        try:
            yield
        finally:
            _show(transfer, list_only=list_only)
    except StoppedError as error:
        missing = sum(each.missing for each in transfer.results)
        left = f"; {counted(missing, 'message')} missing" if missing else ""
        # Dovecot's answer does not say so.
        disks = "".join(f"; {each}" for each in problems(owner=None))
        cure = " after `signpost account quota`" if error.full and not disks else ""
        _fail(f"{error}{disks}{left}; {_AGAIN}{cure}")
    except KeyboardInterrupt:
        _fail(f"interrupted; {_AGAIN} to go on")
    finally:
        old.close()
        here.close()


def _check_still_there(here: MailboxHere, address: str, home: Path) -> None:
    """An account that is removed meanwhile ends no import: its sessions are not Dovecot's."""
    try:
        here.open()
    except HereLostError as error:
        _fail(f"{address}: {error}; if it was removed meanwhile, its mail stays in {home}")
    finally:
        here.close()


def _write_progress(line: ProgressLine, results: Sequence[FolderResult]) -> None:
    if line.is_due():
        brought, missing = sum(r.brought for r in results), sum(r.missing for r in results)
        line.write(f"{brought} of {brought + missing} messages", brought)


def _show(transfer: Transfer, *, list_only: bool) -> None:
    results = transfer.results
    clear_line()
    heads = ["FOLDER THERE", "FOLDER HERE", "MESSAGES"]
    heads += ["NEW"] if list_only else ["BROUGHT", "BEFORE", "ELSEWHERE", "FAILED", "MISSING"]
    rows = [heads]
    for each in results:
        cells = [_shown(each.plan.there), _shown(each.plan.here) or "-", str(each.messages)]
        if list_only:
            cells.append(str(each.missing))
        else:
            numbers = each.brought, each.before, each.elsewhere, each.failed, each.missing
            cells += map(str, numbers)
        rows.append(cells)
    for line in table(rows, right=range(2, len(heads))):
        click.echo(line)
    for each in results:
        if each.plan.skipped:
            click.echo(f"skipped: {_shown(each.plan.there)}: {each.plan.skipped}")
        for reason in each.reasons:
            click.echo(f"failed: {_shown(each.plan.there)}: {reason}")
    if not list_only:
        brought, taken = sum(each.brought for each in results), sum(each.size for each in results)
        click.echo(f"{counted(brought, 'message')} brought ({size(taken)})")
    if transfer.unsure:
        click.echo(f"up to {transfer.unsure} more may be stored; the next run counts them")


def _shown(name: str) -> str:
    """A folder's name: a server may have one of megabytes, and each line would be as wide."""
    return printable(name[:_LONGEST_NAME])


def _fail(reason: str) -> NoReturn:
    click.echo(f"error: {reason}", err=True)
    sys.exit(1)
