"""Archives that only their owner reads, from front to end."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pyrage
import pytest

from entrypoint.backup import encryption
from entrypoint.backup.encryption import Opener, UnfitKeyError
from entrypoint.backup.restore import checked
from entrypoint.backup.tar_stream import ArchiveError

from .volumes import archive, make, members

IDENTITY = pyrage.x25519.Identity.generate()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return archive(members(make(tmp_path_factory.mktemp("volumes"))))


def encrypted(plain: bytes, recipient: object) -> bytes:
    output = io.BytesIO()
    pieces = (plain[place : place + 1000] for place in range(0, len(plain), 1000))
    encryption.encrypt(pieces, output, [recipient])
    return output.getvalue()


def read(data: bytes, opener: Opener) -> bytes:
    with encryption.opened(io.BytesIO(data), opener) as stream:
        found = b""
        while piece := stream.read(7000):
            found += piece
        return found


def test_a_recipient_reads_it_and_nobody_else(plain: bytes) -> None:
    data = encrypted(plain, IDENTITY.to_public())
    assert b"srs" not in data
    assert read(data, Opener((IDENTITY,))) == plain
    for opener, said in (
        (Opener((pyrage.x25519.Identity.generate(),)), "it cannot be decrypted: No matching keys"),
        (Opener(), "encrypted for a recipient; give --identity-file"),
        (Opener(passphrase="x"), "encrypted for a recipient; give --identity-file"),
    ):
        with pytest.raises(ArchiveError, match=said):
            read(data, opener)


def test_an_ssh_key_is_a_recipient(plain: bytes, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    recipient = encryption.recipient_of(key.with_suffix(".pub").read_text().strip())
    data = encrypted(plain, recipient)
    assert read(data, Opener(tuple(encryption.identities_in(key)))) == plain


def test_a_passphrase_opens_it_and_no_other(plain: bytes) -> None:
    front, recipient = encryption.for_passphrase("correct horse")
    data = front + encrypted(plain, recipient)
    assert read(data, Opener(passphrase="correct horse")) == plain
    for opener, said in (
        (Opener(passphrase="correct hors"), "the passphrase is another, or the file is damaged"),
        (Opener((IDENTITY,)), "encrypted with a passphrase; give --passphrase-file"),
    ):
        with pytest.raises(ArchiveError, match=said):
            read(data, opener)
    with pytest.raises(ArchiveError, match="the passphrase is another"):
        read(front[:200] + data[210:], Opener(passphrase="correct horse"))


@pytest.mark.parametrize("place", [30, 150, 300, 70_000, -1])
def test_a_byte_that_was_changed_is_found(plain: bytes, place: int) -> None:
    large = plain + os.urandom(200_000)
    data = bytearray(encrypted(large, IDENTITY.to_public()))
    data[place] ^= 1
    with pytest.raises(ArchiveError):
        read(bytes(data), Opener((IDENTITY,)))


@pytest.mark.parametrize("length", [22, 100, 250, 70_000, 131_400, -1, -16])
def test_what_was_cut_off_is_found(plain: bytes, length: int) -> None:
    large = plain + os.urandom(200_000)
    data = encrypted(large, IDENTITY.to_public())
    with pytest.raises(ArchiveError):
        read(data[:length], Opener((IDENTITY,)))


def test_what_was_cut_off_between_two_pieces_is_found(plain: bytes) -> None:
    """age encrypts 64 KiB at a time, with 16 bytes more; only the last piece says that it is it."""
    whole = plain + os.urandom(200_000)
    data = encrypted(whole, IDENTITY.to_public())
    pieces = -(-len(whole) // 65_536)
    head = len(data) - len(whole) - 16 * pieces
    for number in range(pieces):
        with pytest.raises(ArchiveError):
            read(data[: head + number * (65_536 + 16)], Opener((IDENTITY,)))


def test_whoever_stops_reading_leaves_no_thread_behind(plain: bytes) -> None:
    data = encrypted(os.urandom(3_000_000), IDENTITY.to_public())
    with encryption.opened(io.BytesIO(data), Opener((IDENTITY,))) as stream:
        assert len(stream.read(10)) == 10


def test_errors_of_reader_and_writer_are_their_own() -> None:
    class Full:
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    def broken() -> None:
        raise LookupError("mine")

    with pytest.raises(OSError, match="No space left") as caught:
        encryption.encrypt(iter([b"x" * 200_000]), Full(), [IDENTITY.to_public()])
    assert caught.value.errno == 28
    with pytest.raises(LookupError, match="mine"):
        encryption.encrypt((broken() or b"" for _ in "x"), io.BytesIO(), [IDENTITY.to_public()])


def test_keys_that_are_none_are_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text, function, said in (
        ("", encryption.recipients_in, "no recipient in it"),
        ("# only a comment\n", encryption.recipients_in, "no recipient in it"),
        ("# one\nage1nonsense\n", encryption.recipients_in, "its line 2 is no recipient: age1…"),
        ("\x1b[31mage1\n", encryption.recipients_in, "its line 1 is no recipient"),
        # The wrong file, whose key would be in cron's mail.
        ("AGE-SECRET-KEY-1NONSENSE\n", encryption.recipients_in, "its line 1 is no recipient"),
        ("", encryption.identities_in, "no identity in it"),
        ("\nAGE-SECRET-KEY-1NONSENSE\n", encryption.identities_in, "its line 2 is no AGE-SECRET"),
        ("-----BEGIN PRIVATE KEY-----\nx\n", encryption.identities_in, "no SSH key"),
        ("", encryption.passphrase_in, "one line with the passphrase is wanted"),
        ("two\nlines\n", encryption.passphrase_in, "one line with the passphrase is wanted"),
        ("x" * (1 << 20) + "y", encryption.passphrase_in, "no text file of a few lines"),
    ):
        path.write_text(text)
        with pytest.raises(UnfitKeyError, match=said) as caught:
            function(path)
        assert "NONSENSE" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("age1nonsense", True),
        ("age1\x1b[31m", False),
        ("AGE-SECRET-KEY-1NONSENSE", False),
        ("age-secret-key-1nonsense", False),
    ],
)
def test_what_is_no_recipient_is_shown_unless_it_is_a_secret(text: str, shown: bool) -> None:
    with pytest.raises(UnfitKeyError, match="is no recipient") as caught:
        encryption.recipient_of(text)
    assert (text in str(caught.value)) is shown


def test_an_archive_is_checked_through_it(plain: bytes) -> None:
    data = encrypted(plain, IDENTITY.to_public())
    for _ in range(2):
        with encryption.opened(io.BytesIO(data), Opener((IDENTITY,))) as stream:
            assert checked(stream).members["mail"] == 2
