"""The account's mailbox here, written by Dovecot's own imap program on a socket of ours.

So quotas, keywords and numbers are Dovecot's, other sessions see each message at once, and no
password of the account is needed. The program runs as this process's user, vmail.
"""

from __future__ import annotations

import hashlib
import imaplib
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from imapclient.exceptions import IMAPClientError
from imapclient.response_parser import parse_fetch_response

from entrypoint.mailbox_import.bounded_imap import LARGEST_MESSAGE, BoundedClient, within
from entrypoint.text import printable

_IMAP = "/usr/lib/dovecot/imap"
_ANSWER = 300.0  # seconds; a disk may be slow


class HereLostError(Exception):
    """The program has ended or hangs."""


class NotTakenError(Exception):
    """Dovecot has not taken messages: none of those that were given. full: for their quota."""

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


@dataclass(frozen=True)
class NewMessage:
    """A message that is to be stored."""

    content: bytes
    flags: tuple[str, ...]
    date: datetime | None


@dataclass(frozen=True)
class Position:
    """A folder, and which number its next message gets."""

    uidvalidity: int
    uidnext: int


# All messages of a folder have come since then, whichever it is.
ANYWHERE = Position(0, 1)


def digest(content: bytes) -> str:
    """What a message is known by. As Dovecot has it: every line ends in CRLF, and no NUL.

    Of more CRs before a line's end it leaves out one.
    """
    plain = storable(content).replace(b"\r\n", b"\n")
    if b"\r\n" in plain:
        plain = re.sub(rb"\r+\n", b"\n", plain)
    return hashlib.blake2b(plain, digest_size=16).hexdigest()


def storable(content: bytes) -> bytes:
    """IMAP has no NUL; servers put 0x80 in its place."""
    return content.replace(b"\0", b"\x80") if b"\0" in content else content


class MailboxHere:
    """One account's folders."""

    def __init__(self, address: str, program: str = _IMAP) -> None:
        self._address, self._program = address, program
        self._process: subprocess.Popen[bytes] | None = None
        self._client: BoundedClient | None = None
        self._folders: set[str] = set()
        self._log = -1
        self._log_read = 0

    def open(self) -> None:
        """Start the program. Raises HereLostError."""
        self.close()
        ours, its = socket.socketpair()
        # Its log is this command's: by itself it is no part of the server.
        self._log, self._log_read = os.memfd_create("imap"), 0
        with its:
            self._process = subprocess.Popen(  # noqa: S603 -- an address of ours
                [self._program, "-u", self._address],
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=self._log,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd="/",
            )
        try:
            with within(_ANSWER):
                self._client = BoundedClient(ours, seconds=_ANSWER)
                self._folders = {str(name) for _, _, name in self._client.list_folders()}
        except (imaplib.IMAP4.error, IMAPClientError, OSError, ValueError) as error:
            ours.close()
            reason = f"Dovecot does not open it: {self._explained(str(error))}"
            self.close()
            raise HereLostError(reason) from None

    def close(self) -> None:
        """End the program."""
        client, process = self._client, self._process
        self._client = self._process = None
        if client is not None:
            with suppress(Exception), within(2.0):
                client.logout()
            with suppress(Exception):
                client.shutdown()
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(2.0)
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _explained(self, reason: str) -> str:
        """What Dovecot answers, and the last error that it has logged for it."""
        logged = os.pread(self._log, 65536, self._log_read).decode("utf-8", "replace")
        self._log_read = os.fstat(self._log).st_size
        errors = re.findall(r"(?:Error|Fatal|Panic): (.+)", logged)
        return printable(": ".join(filter(None, (reason, *errors[-1:]))))[:1000]

    def make(self, folder: str, *, subscribed: bool) -> None:
        """Make the folder if it is not there. Raises NotTakenError."""
        with self._session() as client:
            if folder not in self._folders:
                try:
                    client.create_folder(folder)
                except imaplib.IMAP4.abort:
                    raise
                except (imaplib.IMAP4.error, IMAPClientError) as error:
                    if not client.folder_exists(folder):
                        raise NotTakenError(self._explained(str(error))) from None
                self._folders.add(folder)
            if subscribed:
                client.subscribe_folder(folder)

    def position(self, folder: str) -> Position:
        """Where the folder is now."""
        with self._session() as client:
            status = client.folder_status(folder, ["UIDVALIDITY", "UIDNEXT"])
            return Position(int(status[b"UIDVALIDITY"]), int(status[b"UIDNEXT"]))

    def store(self, folder: str, messages: Sequence[NewMessage]) -> None:
        """Store all of them, or none. Raises NotTakenError."""
        given = []
        for each in messages:
            # Its own order: flags, date, message.
            item: dict[str, object] = {"msg": storable(each.content), "flags": each.flags}
            if each.date is not None:
                item["date"] = each.date
            given.append(item)
        with self._session() as client:
            try:
                typ, data = client.multiappend(folder, given)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                # After BAD Dovecot reads the messages behind it as commands: no more of them.
                reason = self._explained(str(error))
                self.close()
                raise NotTakenError(reason) from None
            if typ != "OK":
                said = b" ".join(filter(None, data)).decode("utf-8", "replace")
                raise NotTakenError(self._explained(said), full="[OVERQUOTA]" in said)

    def since(self, folder: str, position: Position) -> Counter[str]:
        """Digests of the messages that have come since then; none in a folder that is another."""
        found: Counter[str] = Counter()
        now = self.position(folder)
        if position != ANYWHERE and now.uidvalidity != position.uidvalidity:
            return found
        if now.uidnext <= position.uidnext:
            return found
        with self._session() as client:
            client.select_folder(folder, readonly=True)
            uids = client.search(f"UID {position.uidnext}:*")
        for uid in (each for each in uids if each >= position.uidnext):
            with self._session() as client:
                client.allow(LARGEST_MESSAGE)
                _, data = client.imap.uid("FETCH", str(uid), "(UID BODY.PEEK[])")
                for items in parse_fetch_response(data).values():
                    if isinstance(content := items.get(b"BODY[]"), bytes):
                        found[digest(content)] += 1
        with self._session() as client:
            client.unselect_folder()
        return found

    @contextmanager
    def _session(self) -> Iterator[BoundedClient]:
        if self._client is None:
            raise HereLostError("Dovecot's imap does not run")
        self._client.allow(0)
        try:
            with within(_ANSWER):
                yield self._client
        except (imaplib.IMAP4.error, IMAPClientError, OSError, ValueError) as error:
            raise HereLostError(self._explained(str(error) or type(error).__name__)) from None
