"""An archive that is opened by its keys: what `backup --verify` and `restore` have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from entrypoint.backup import encryption
from entrypoint.backup.encryption import Opener, UnfitKeyError
from entrypoint.backup.restore import Contents
from entrypoint.disks import size
from entrypoint.text import counted, printable

BUFFER = 1 << 20
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)


def key_options(function: Callable[..., None]) -> Callable[..., None]:
    """What opens an archive."""
    function = click.option(
        *("--identity-file", "identity_files"),
        type=EXISTING,
        multiple=True,
        help="The key that opens it: of age-keygen, or of SSH.",
    )(function)
    return click.option(
        "--passphrase-file", type=EXISTING, help="A file with the passphrase in its one line."
    )(function)


@contextmanager
def fit_keys() -> Iterator[None]:
    """A key that cannot be used ends the command, with what is wrong."""
    try:
        yield
    except UnfitKeyError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)


@contextmanager
def archive_file(path: Path) -> Iterator[BinaryIO]:
    """An archive that can be read from its beginning as often as one likes. Raises OSError."""
    with path.open("rb", BUFFER) as file:
        if not file.seekable():
            raise click.UsageError(f"{path}: an archive is read twice, so no pipe will do")
        yield file


def opener(identity_files: Sequence[Path], passphrase_file: Path | None) -> Opener:
    """What the options name."""
    with fit_keys():
        identities = [each for path in identity_files for each in encryption.identities_in(path)]
        passphrase = None if passphrase_file is None else encryption.passphrase_in(passphrase_file)
    return Opener(tuple(identities), passphrase)


def described(contents: Contents) -> str:
    """What an archive has, for a person."""
    manifest, members = contents.manifest, contents.members
    mail = (
        f"{counted(members['mail'], 'message')}, {members['queue']} of the queue"
        if manifest.mail
        else "without mail"
    )
    host = f" of {printable(manifest.host)}" if manifest.host else ""
    return (
        f"a backup{host} from {printable(manifest.made)}, Signpost {printable(manifest.version)}: "
        f"{mail}, {counted(members['other'], 'other file')}, {size(contents.size)}"
    )
