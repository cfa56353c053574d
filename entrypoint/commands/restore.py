"""`signpost restore`: a backup into empty volumes, and the release of its queue."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

import click

from entrypoint import smtpctl
from entrypoint.backup import empty_volumes, encryption, held_queue, moved_keys
from entrypoint.backup.encryption import Opener
from entrypoint.backup.held import held_line
from entrypoint.backup.layout import Volumes
from entrypoint.backup.moved_keys import RestoredKey
from entrypoint.backup.restore import Contents, Restore, checked
from entrypoint.backup.tar_stream import ArchiveError
from entrypoint.commands.archive_file import archive_file, described, key_options, opener
from entrypoint.config import environ
from entrypoint.config.problems import ConfigurationError
from entrypoint.disks import explained
from entrypoint.mounts import is_mount_point
from entrypoint.text import printable


@click.command
@click.argument("archive", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--release-queue", is_flag=True, help="Send what is held of the queue; it may go out twice."
)
@click.option("--keep-keys", is_flag=True, help="Sign with keys that DNS has moved past, too.")
@key_options
def command(
    archive: Path | None,
    release_queue: bool,
    keep_keys: bool,
    identity_files: tuple[Path, ...],
    passphrase_file: Path | None,
) -> None:
    """Restore ARCHIVE, a file that `signpost backup` has written, into new and empty volumes.

    It is read and checked whole before anything is written. The mail that was in the queue is
    held: what was delivered after the backup would go out a second time. Once the server runs,
    `signpost restore --release-queue` sends it.
    """
    if archive is None and not release_queue:
        raise click.UsageError("an archive to restore, or --release-queue")
    if environ.mode() == "test":
        raise click.UsageError("a test target (MODE=test) keeps nothing and restores nothing")
    volumes = Volumes()
    if archive is not None:
        if not archive.exists() or str(archive) == "-":
            raise click.UsageError(
                f"{archive}: no such file in this container. It is read twice, so mount it: "
                "docker compose run --rm -v $PWD/FILE:/FILE:ro signpost restore /FILE"
            )
        for folder in (volumes.data, volumes.spool):
            if not is_mount_point(folder):
                _fail(f"{folder} is no volume: what is restored would go with this container")
        try:
            with archive_file(archive) as file:
                keys = opener(identity_files, passphrase_file)
                _restore(file, keys, volumes, keep_keys=keep_keys)
        except ArchiveError as error:
            _fail(f"{archive}: {error}")
        except OSError as error:
            _fail(explained(error))
    if release_queue:
        _release()
    elif (line := held_line(volumes.spool)) is not None:
        click.echo(line)


def _restore(file: BinaryIO, keys: Opener, volumes: Volumes, *, keep_keys: bool) -> None:
    with empty_volumes.claimed(volumes):
        with encryption.opened(file, keys) as stream:
            contents = checked(stream)
        click.echo(described(contents))
        if empty_volumes.begun(volumes):  # what that has left is in the way
            empty_volumes.begin(volumes)
        contents.room.check(volumes)
        moved = keys_left_out(contents, keep_keys=keep_keys)
        instead = {}
        if any(key.use == "DKIM" for key in moved):
            instead[moved_keys.STATE] = moved_keys.state_without(contents.keys, moved)
        restore = Restore(volumes, without={key.member for key in moved}, instead=instead)
        with encryption.opened(file, keys) as stream:
            try:
                restore.write(stream)
            except (ArchiveError, OSError):
                click.echo(
                    "error: the restore was not finished, and the server does not start with these "
                    "volumes; once the cause is gone, run it again",
                    err=True,
                )
                raise
    click.echo("restored; start the server")


def keys_left_out(contents: Contents, *, keep_keys: bool) -> Sequence[RestoredKey]:
    """Say what DNS says of the keys; those that are not to be restored."""
    servers: tuple[str, ...] = ()
    with suppress(ConfigurationError):  # the restore needs none
        servers = environ.load().dns_servers
    try:
        found = asyncio.run(moved_keys.look(contents.keys, servers))
    except ValueError as error:
        raise ArchiveError(f"its keys cannot be used: {printable(str(error))}") from None
    for key in found:
        name = f"{key.use} key {printable(key.selector)} of {printable(key.domain)}"
        why = printable(key.seen.detail or key.seen.answer)
        if not key.moved:
            if key.seen.answer != "served":
                click.echo(f"warning: {name}: whether DNS serves it is not known: {why}", err=True)
        elif keep_keys:
            click.echo(
                f"warning: {name}: DNS has moved past it ({why}), and it signs all the same",
                err=True,
            )
        else:
            click.echo(
                f"warning: {name}: DNS has moved past it ({why}); it is not restored. The first "
                "start makes a new one and prints its record. (--keep-keys restores it)",
                err=True,
            )
    return [] if keep_keys else [key for key in found if key.moved]


def _release() -> None:
    try:
        released = asyncio.run(held_queue.release())
    except smtpctl.SmtpctlError as error:
        _fail(smtpctl.in_words(error))
    for line in held_queue.lines(released):
        click.echo(line)
    if released.left:
        sys.exit(1)


def _fail(reason: str) -> NoReturn:
    click.echo(f"error: {reason}", err=True)
    sys.exit(1)
