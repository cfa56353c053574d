"""`signpost backup`: both volumes as one archive, while the server runs."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, NoReturn

import click

from entrypoint.backup import encryption
from entrypoint.backup.archive import FORMAT, Manifest, Member, written
from entrypoint.backup.empty_volumes import refuse_unfinished
from entrypoint.backup.encryption import Opener, Recipient
from entrypoint.backup.layout import Volumes
from entrypoint.backup.mail_files import MailFiles
from entrypoint.backup.notes import BackupNotes, summary
from entrypoint.backup.queue_files import queue_members
from entrypoint.backup.restore import checked
from entrypoint.backup.state_files import state_members
from entrypoint.backup.tar_stream import ArchiveError
from entrypoint.backup.volume_files import BackupError
from entrypoint.commands.archive_file import (
    BUFFER,
    EXISTING,
    FILE,
    archive_file,
    described,
    fit_keys,
    key_options,
    opener,
)
from entrypoint.config import environ
from entrypoint.config.problems import ConfigurationError
from entrypoint.disks import explained, size
from entrypoint.text import second
from entrypoint.volume_format import format_of
from entrypoint.volume_mode import mode_of

_PROGRESS_EVERY = 1.0  # seconds


@click.command
@click.option("--output", type=FILE, help="Write this file (mode 0600), once all is in it.")
@click.option("--without-mail", is_flag=True, help="No mailboxes and no queue.")
@click.option("--recipient", "recipients", multiple=True, help="Encrypt for age1… or an SSH key.")
@click.option(
    *("--recipients-file", "recipients_files"),
    type=EXISTING,
    multiple=True,
    help="Encrypt for those in the file, one a line.",
)
@click.option("--verify", "archive", type=EXISTING, help="Check this archive, and make none.")
@key_options
def command(
    output: Path | None,
    without_mail: bool,
    recipients: tuple[str, ...],
    recipients_files: tuple[Path, ...],
    archive: Path | None,
    identity_files: tuple[Path, ...],
    passphrase_file: Path | None,
) -> None:
    """Write keys, certificates, secrets, accounts, learned data, queue and mail as one archive.

    The server runs on. Every message that was answered 250 before is in it. It goes to standard
    output or to a file, encrypted (age) for recipients or with a passphrase; unencrypted, whoever
    reads it has every key. Exit status 1: it is not whole, or something is missing that is named.
    """
    if archive is not None:
        if output or without_mail or recipients or recipients_files:
            raise click.UsageError("--verify makes no backup: leave the other options out")
        _verify(archive, opener(identity_files, passphrase_file))
        return
    if identity_files:
        raise click.UsageError("--identity-file opens an archive; --recipient makes one")
    if passphrase_file is not None and (recipients or recipients_files):
        raise click.UsageError("a passphrase or recipients: age cannot have both")
    if output is None and sys.stdout.isatty():
        raise click.UsageError("a backup is not for a terminal: --output FILE, or > FILE")
    volumes = Volumes()
    for folder in (volumes.data, volumes.spool):
        if mode_of(folder) == "test":
            _fail(f"{folder} is a test target's (MODE=test), and has nothing to keep")
        if output is not None and output.resolve().is_relative_to(folder):
            raise click.UsageError(
                f"--output: {folder} is what is to be saved; name another folder"
            )
    refuse_unfinished(volumes)
    with fit_keys():
        front, keys = _keys(recipients, recipients_files, passphrase_file)
    notes = BackupNotes()
    try:
        with output_file(output) as stream:
            stream.write(front)
            pieces = _with_progress(_archive(volumes, notes, mail=not without_mail), notes)
            if keys:
                encryption.encrypt(pieces, stream, keys)
            else:
                for piece in pieces:
                    stream.write(piece)
            stream.flush()
    except BackupError as error:
        _fail(f"{error}; the backup is not whole")
    except OSError as error:
        _fail(f"{explained(error)}; the backup is not whole")
    for line in notes.lines():
        click.echo(f"warning: {line}", err=True)
    if notes.unreadable:
        sys.exit(1)
    if sys.stderr.isatty():
        click.echo(summary(notes), err=True)


def _archive(volumes: Volumes, notes: BackupNotes, *, mail: bool) -> Iterator[bytes]:
    host = ""
    with suppress(ConfigurationError):  # of a server that does not run
        host = environ.load().mail_hostname
    manifest = Manifest(
        format=FORMAT,
        # Where one was exchanged: what only newer images read stays theirs.
        volumes=max(format_of(each).number for each in (volumes.data, volumes.spool)),
        version=version("signpost"),
        made=second(time.time()),
        host=host,
        mail=mail,
    )
    return written(manifest, _members(volumes, notes, mail=mail))


def _members(volumes: Volumes, notes: BackupNotes, *, mail: bool) -> Iterator[Member]:
    """In the order in which nothing can slip through: see `queue_files` and `mail_files`."""
    yield from state_members(volumes, notes)
    if mail:
        yield from queue_members(volumes, notes)
    yield from MailFiles(volumes, notes, mail=mail).members(time.time())


def _with_progress(pieces: Iterator[bytes], notes: BackupNotes) -> Iterator[bytes]:
    """On a terminal, how far it is."""
    length, said = 0, time.monotonic()
    for piece in pieces:
        length += len(piece)
        if sys.stderr.isatty() and time.monotonic() > said + _PROGRESS_EVERY:
            said = time.monotonic()
            click.echo(f"{summary(notes)}, {size(length)}", err=True)
        yield piece


def _keys(
    recipients: Sequence[str], files: Sequence[Path], passphrase_file: Path | None
) -> tuple[bytes, list[Recipient]]:
    """What stands in front of the archive, and whom it is encrypted for."""
    if passphrase_file is not None:
        front, recipient = encryption.for_passphrase(encryption.passphrase_in(passphrase_file))
        return front, [recipient]
    found = [encryption.recipient_of(text) for text in recipients]
    for path in files:
        found += encryption.recipients_in(path)
    return b"", found


@contextmanager
def output_file(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that has its name only when it is whole."""
    if path is None:
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb", BUFFER) as stream:
            yield stream
        return
    part = path.with_name(f".{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        stream = os.fdopen(os.open(part, flags, 0o600), "wb", BUFFER)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from None
    with stream:
        status = os.fstat(stream.fileno())
        if status.st_uid != os.geteuid() or status.st_nlink != 1:
            _fail(f"{part} is somebody else's file; remove it, or take a folder of root's")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _fail(f"{path}: another backup is being written there")
        except OSError:  # a network's file system, which has no locks
            pass
        # Locked as soon as another one had ended, which has given the file its name.
        if not part.exists() or not os.path.samestat(part.lstat(), status):
            _fail(f"{path}: another backup has just been written there")
        try:
            # What one that was killed has left is of no use.
            os.ftruncate(stream.fileno(), 0)
            os.fchmod(stream.fileno(), 0o600)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            part.rename(path)
        except BaseException as error:
            part.unlink(missing_ok=True)
            with suppress(OSError):
                stream.close()  # what it has kept back would be refused, too
            if isinstance(error, OSError) and error.filename is None:
                raise OSError(error.errno, error.strerror, str(path)) from None
            raise


def _verify(path: Path, opener: Opener) -> None:
    try:
        with archive_file(path) as file, encryption.opened(file, opener) as stream:
            contents = checked(stream)
    except ArchiveError as error:
        _fail(f"{path}: {error}")
    click.echo(f"{path}: whole: {described(contents)}")


def _fail(reason: str) -> NoReturn:
    click.echo(f"error: {reason}", err=True)
    sys.exit(1)
