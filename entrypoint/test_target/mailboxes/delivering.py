"""Deliveries → files in Maildirs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from entrypoint.test_target.mailboxes.addresses import (
    MailboxAddress,
    NotAMailboxError,
    mailbox_of,
)
from entrypoint.test_target.mailboxes.content import copy_of, sizes
from entrypoint.test_target.mailboxes.folders import (
    JUNK,
    directory_of,
    is_made_when_asked,
    takes_tagged_mail,
)
from entrypoint.test_target.mailboxes.maildir import Maildir, MailFile, file_name
from entrypoint.test_target.store.copies import Copy
from entrypoint.test_target.store.deliveries import Delivery

log = logging.getLogger(__name__)

_MOST_NAMED = 1_000  # addresses that the log names


@dataclass(frozen=True)
class PlannedCopy:
    """number: of the copy, among those of the message. directory: of the folder, "" for INBOX."""

    delivery: Delivery
    number: int
    recipient: str
    maildir: str
    directory: str


class Deliverer:
    """recover_up_to: seq of the last delivery that an earlier process, or try, may have begun."""

    def __init__(self, root: Path, delimiter: str) -> None:
        self._root = root
        self._delimiter = delimiter
        self._named: set[str] = set()
        self._made: set[tuple[str, str]] = set()
        self.recover_up_to = 0
        self.undeliverable = 0

    def plan(self, deliveries: Sequence[Delivery]) -> tuple[list[PlannedCopy], list[PlannedCopy]]:
        """Every copy, and of these the first one in each folder that was made or not looked at yet.

        Raises OSError.
        """
        copies = [copy for delivery in deliveries for copy in self._copies_of(delivery)]
        new = []
        for copy in copies:
            place = copy.maildir, copy.directory
            if place not in self._made:
                Maildir(self._root, copy.maildir).make(copy.directory)
                self._made.add(place)
                new.append(copy)
        return copies, new

    def write(self, copies: Sequence[PlannedCopy]) -> list[Copy]:
        """As they are when nobody has looked at them yet.

        Raises OSError; then any of them may have been written, and all can be again.
        """
        there: dict[tuple[str, str], dict[str, MailFile]] = {}
        try:
            return [self._write(copy, there) for copy in copies]
        except OSError:
            # A client may have removed the folder.
            self._made -= {(copy.maildir, copy.directory) for copy in copies}
            self.recover_up_to = max(copy.delivery.seq for copy in copies)
            raise

    def _write(self, copy: PlannedCopy, there: dict[tuple[str, str], dict[str, MailFile]]) -> Copy:
        delivery = copy.delivery
        content = copy_of(delivery.content, delivery.sender, copy.recipient)
        received = _nanoseconds(delivery.received)
        name = file_name(received, delivery.seq, copy.number, delivery.identity, sizes(content))
        maildir = Maildir(self._root, copy.maildir)
        identity = None
        if delivery.seq <= self.recover_up_to:
            place = copy.maildir, copy.directory
            if place not in there:
                files = map(MailFile, maildir.paths(copy.directory))
                there[place] = {file.name: file for file in files}
            if name in there[place]:
                identity = maildir.identity(there[place][name])
        if identity is None:
            identity = maildir.write(copy.directory, name, content, received)
        path = f"{copy.directory}/new/{name}" if copy.directory else f"new/{name}"
        return Copy(
            *(copy.maildir, name, delivery.identity, path, False),
            *(identity.inode, identity.mtime),
        )

    def _copies_of(self, delivery: Delivery) -> Iterator[PlannedCopy]:
        for number, recipient in enumerate(dict.fromkeys(delivery.recipients)):
            try:
                address = mailbox_of(recipient, self._delimiter)
            except NotAMailboxError as error:
                self._say_undeliverable(recipient, error)
                continue
            directory = self._directory(address, junk=delivery.junk)
            yield PlannedCopy(delivery, number, recipient, address.maildir, directory)

    def _directory(self, address: MailboxAddress, *, junk: bool) -> str:
        """What spam.sieve and subaddress.sieve say."""
        folder = JUNK if junk else address.tag
        directory = directory_of(folder)
        if not directory or (not junk and not takes_tagged_mail(folder)):
            return ""
        if is_made_when_asked(folder):
            return directory
        return directory if Maildir(self._root, address.maildir).has_folder(directory) else ""

    def _say_undeliverable(self, recipient: str, error: NotAMailboxError) -> None:
        self.undeliverable += 1
        if recipient not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(recipient)
            log.warning("%r is no mailbox, its mail is in the API only: %s", recipient, error)


def _nanoseconds(received: str) -> int:
    return int(datetime.fromisoformat(received).timestamp() * 1_000_000) * 1_000
