"""The archive encrypted: the age format (age-encryption.org/v1), by pyrage, from front to end.

For recipients it is one age file, which `age --decrypt` opens. For a passphrase there stands in
front, armored, an identity that only the passphrase opens, and the rest is for that identity: age
has passphrases for what fits into memory only. It must not know what is in the archive.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import pyrage

from entrypoint.backup.tar_stream import ArchiveError, Readable
from entrypoint.text import printable

_AGE = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----\n"
_ARMOR_END = b"-----END AGE ENCRYPTED FILE-----\n"
_LONGEST_ARMOR = 100  # lines; an identity has nine
_LONGEST_FILE = 1 << 20  # bytes of recipients, identities, a passphrase
_PIPE = 1 << 16
_SECRET = "AGE-SECRET-KEY-1"  # noqa: S105 -- how each begins
_NO_RECIPIENT = "is no recipient: age1…, or a public key ssh-ed25519 or ssh-rsa"

# pyrage has no types: x25519's and ssh's.
Recipient: TypeAlias = object
Identity: TypeAlias = object


class Writable(Protocol):
    """Where the archive goes."""

    def write(self, data: bytes, /) -> object:
        """All of it."""


class UnfitKeyError(Exception):
    """A recipient, identity or passphrase that cannot be used; the text holds no secret."""


def recipient_of(text: str) -> Recipient:
    """`age1…` or an SSH public key. Raises UnfitKeyError."""
    for kind in (pyrage.x25519.Recipient, pyrage.ssh.Recipient):
        with suppress(pyrage.RecipientError):
            return kind.from_str(text)
    secret = text.strip().upper().startswith(_SECRET)
    shown = f"{_SECRET}…, which is secret," if secret else repr(printable(text[:80]))
    raise UnfitKeyError(f"{shown} {_NO_RECIPIENT}")


def recipients_in(path: Path) -> list[Recipient]:
    """One a line, as for `age -R`. Raises UnfitKeyError and OSError."""
    found: list[Recipient] = []
    for number, line in _lines(path):
        try:
            found.append(recipient_of(line))
        except UnfitKeyError:  # the line may be another file's secret
            raise UnfitKeyError(f"{path}: its line {number} {_NO_RECIPIENT}") from None
    if not found:
        raise UnfitKeyError(f"{path}: no recipient in it")
    return found


def identities_in(path: Path) -> list[Identity]:
    """Those that `age-keygen` writes, or an SSH private key. Raises UnfitKeyError and OSError."""
    text = _text(path)
    if "PRIVATE KEY-----" in text:
        try:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        except pyrage.IdentityError:
            raise UnfitKeyError(f"{path}: no SSH key that age can use without a password") from None
    found: list[Identity] = []
    for number, line in _lines(path):
        try:
            found.append(pyrage.x25519.Identity.from_str(line))
        except pyrage.IdentityError:
            raise UnfitKeyError(f"{path}: its line {number} is no AGE-SECRET-KEY-1…") from None
    if not found:
        raise UnfitKeyError(f"{path}: no identity in it")
    return found


def passphrase_in(path: Path) -> str:
    """The first line, which is all that may be there. Raises UnfitKeyError and OSError."""
    lines = _text(path).splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise UnfitKeyError(f"{path}: one line with the passphrase is wanted")
    return lines[0]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """What is neither empty nor a comment, with its number."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        content = stream.read(_LONGEST_FILE + 1)
    try:
        if len(content) <= _LONGEST_FILE:
            return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise UnfitKeyError(f"{path}: no text file of a few lines")


def for_passphrase(passphrase: str) -> tuple[bytes, Recipient]:
    """What stands in front, and the recipient of the rest. It takes a second and 256 MB."""
    identity = pyrage.x25519.Identity.generate()
    front = pyrage.passphrase.encrypt(str(identity).encode(), passphrase, armored=True)
    front = front.replace(b"\r\n", b"\n")
    return front if front.endswith(b"\n") else front + b"\n", identity.to_public()


def encrypt(pieces: Iterator[bytes], output: Writable, recipients: Sequence[Recipient]) -> None:
    """Write the pieces. What reading and writing raise is raised as it is."""
    between = _Between(pieces, output)
    try:
        pyrage.encrypt_io(between, between, list(recipients))
    except Exception:
        if between.error is not None:
            raise between.error from None
        raise


class _Between:
    """The pieces as a file that is read, and a file that is written, without losing an error."""

    def __init__(self, pieces: Iterator[bytes], output: Writable) -> None:
        self._pieces, self._output = pieces, output
        self._left = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        found, self._left = self._left[:size], self._left[size:]
        return bytes(found)

    def write(self, data: bytes) -> int:
        try:
            self._output.write(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back here."""


@dataclass(frozen=True)
class Opener:
    """What opens an archive that is encrypted."""

    identities: tuple[Identity, ...] = ()
    passphrase: str | None = None


@contextmanager
def opened(file: BinaryIO, opener: Opener = Opener()) -> Iterator[Readable]:
    """The archive in a file from its beginning, decrypted if it is encrypted. Raises ArchiveError.

    It is read to its end, and again by the next call.
    """
    identities: Sequence[Identity] = opener.identities
    file.seek(0)
    start = file.read(len(_ARMOR))
    file.seek(0)
    if start == _ARMOR:
        if opener.passphrase is None:
            raise ArchiveError("it is encrypted with a passphrase; give --passphrase-file")
        identities = [_front(file, opener.passphrase)]
    elif start.startswith(_AGE):
        if not identities:
            raise ArchiveError("it is encrypted for a recipient; give --identity-file")
    else:
        yield file
        return
    decrypted = _Decrypted(file, identities)
    try:
        yield decrypted
    finally:
        decrypted.close()


def _front(file: BinaryIO, passphrase: str) -> Identity:
    armored = b""
    for _ in range(_LONGEST_ARMOR):
        line = file.readline(256)
        armored += line
        if line == _ARMOR_END:
            break
    try:
        found = pyrage.passphrase.decrypt(armored, passphrase).decode("ascii")
        return pyrage.x25519.Identity.from_str(found.strip())
    except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError):
        raise ArchiveError("the passphrase is another, or the file is damaged") from None


class _Decrypted:
    """What a thread decrypts, through a pipe: pyrage writes, and whoever reads wants to read."""

    def __init__(self, file: BinaryIO, identities: Sequence[Identity]) -> None:
        self._reader, writer = os.pipe()
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._decrypt, args=(file, writer, list(identities)), daemon=True
        )
        self._thread.start()

    def _decrypt(self, file: BinaryIO, writer: int, identities: list[Identity]) -> None:
        try:
            with os.fdopen(writer, "wb", _PIPE) as output:
                pyrage.decrypt_io(file, output, identities)
        except BaseException as error:  # of whoever reads
            self._error = error

    def read(self, size: int, /) -> bytes:
        """Raises ArchiveError where the file is damaged, cut off, or for somebody else."""
        if data := os.read(self._reader, size):
            return data
        self._thread.join()
        if self._error is None:
            return b""
        if isinstance(self._error, pyrage.DecryptError):
            raise ArchiveError(f"it cannot be decrypted: {printable(str(self._error))}")
        if isinstance(self._error, OSError) and self._error.errno:
            raise self._error
        raise ArchiveError("it cannot be decrypted: it is damaged, or was cut off")

    def close(self) -> None:
        """A thread that still decrypts ends: nobody reads its pipe."""
        os.close(self._reader)
        self._thread.join()
