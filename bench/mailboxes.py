"""The image's own server with mailboxes, beside Dovecot alone: who is started, and in which order.

Both stand in one container, on the same disk, and are asked by turns.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import accounts, large_mailbox, maildir, many_accounts
from bench.large_mailbox import Mailboxes
from bench.mail_servers import DovecotAlone, MailServer, Signpost
from bench.many_accounts import COUNTS, Accounts
from bench.messages import plain
from bench.testbed import PLAIN, SIGNED

SIZE = 4_096
_NEW = 5_000  # from here on nobody has an account yet
Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How often: starts of each kind, logins, deliveries, new accounts, rounds of a mailbox.

    After so many seconds no start is repeated any more, and no round but the second.
    """

    starts: int = 2
    first: int = 60
    again: int = 120
    deliveries: int = 20
    added: int = 5
    rounds: int = 5
    starts_within: float = 30.0
    rounds_within: float = 150.0


QUICK = Effort(1, 20, 30, 5, 2, 2, starts_within=20.0, rounds_within=45.0)


@dataclass
class Outcome:
    """What was found."""

    accounts: Accounts = field(default_factory=Accounts)
    mailboxes: Mailboxes = field(default_factory=Mailboxes)


def measure(effort: Effort, say: Say) -> Outcome:
    """Run everything. Raises RuntimeError where a server does not do its work."""
    outcome = Outcome()
    began = time.monotonic()
    hashes = accounts.hashes()
    # Keys and certificate are made by the first start of all, and kept in /data.
    with Signpost(accounts.accounts(COUNTS[0], hashes)):
        pass
    _starts(effort, began, hashes, outcome.accounts, say)
    for count in COUNTS:
        for server in (Signpost, DovecotAlone):
            shutil.rmtree(server.mail, ignore_errors=True)
        begun = time.perf_counter()
        with Signpost(accounts.accounts(count, hashes)) as signpost:
            _note_start(outcome.accounts, count, False, time.perf_counter() - begun, say)
            outcome.accounts.memory[count] = many_accounts.at_rest(signpost)
            with DovecotAlone(accounts.passwd_file(count, hashes)) as alone:
                _accounts(effort, count, signpost, alone, outcome.accounts, say)
                if count == COUNTS[-1]:
                    _mailboxes(effort, began, signpost, alone, outcome.mailboxes, say)
    return outcome


def _starts(
    effort: Effort, began: float, hashes: dict[str, str], found: Accounts, say: Say
) -> None:
    for number in range(effort.starts):
        for count in COUNTS:
            begun = time.perf_counter()
            with Signpost(accounts.accounts(count, None)):
                _note_start(found, count, True, time.perf_counter() - begun, say)
                at_once = many_accounts.add_account(accounts.address(_NEW))
                found.added_at_once.setdefault(count, []).append(at_once)
        # The last one with hashes is the one that all else is asked of.
        if number == effort.starts - 1 or time.monotonic() - began > effort.starts_within:
            break
        for count in COUNTS:
            begun = time.perf_counter()
            with Signpost(accounts.accounts(count, hashes)):
                _note_start(found, count, False, time.perf_counter() - begun, say)


def _note_start(found: Accounts, count: int, plain: bool, seconds: float, say: Say) -> None:
    found.starts.setdefault((count, plain), []).append(seconds)
    kind = "plain passwords" if plain else "hashes"
    say(f"mailboxes: {count:,} accounts with {kind}, ready after {seconds:.2f} s")


def _accounts(
    effort: Effort,
    count: int,
    signpost: Signpost,
    alone: DovecotAlone,
    found: Accounts,
    say: Say,
) -> None:
    for login in many_accounts.log_in((signpost, alone), count, effort.first, effort.again):
        found.logins.append(login)
    recipient = accounts.address(count - 1)
    message = _signed()
    for _ in range(effort.deliveries):
        arrived = many_accounts.new_in(signpost.maildir(recipient))
        seconds = many_accounts.deliver(recipient, message, arrived, SIGNED.sender)
        found.delivered.setdefault(count, []).append(seconds)
    for number in range(effort.added):
        seconds = many_accounts.add_account(accounts.address(_NEW + number))
        found.added.setdefault(count, []).append(seconds)
    say(f"mailboxes: {count:,} accounts, {len(found.logins)} logins so far")


def _mailboxes(
    effort: Effort,
    began: float,
    signpost: Signpost,
    alone: DovecotAlone,
    found: Mailboxes,
    say: Say,
) -> None:
    servers: Sequence[MailServer] = (signpost, alone)
    for size in large_mailbox.SIZES:
        owner = large_mailbox.owner(size)
        for server in servers:
            shutil.rmtree(server.maildir(owner), ignore_errors=True)  # he has logged in, perhaps
        maildir.fill(signpost.maildir(owner), size, SIZE, PLAIN.sender)
        maildir.twin(signpost.maildir(owner), alone.maildir(owner))
        for server in servers:
            large_mailbox.visit(server, size)
    appended, delivered = plain(SIZE, PLAIN.sender), _signed()
    for number in range(effort.rounds):
        for size in large_mailbox.SIZES:
            for server in servers if number % 2 else reversed(servers):
                large_mailbox.read(server, size, appended, found)
            large_mailbox.receive(signpost, size, delivered, SIGNED.sender, found)
        say(f"mailboxes: round {number + 1}/{effort.rounds} of the mailbox's commands")
        if number and time.monotonic() - began > effort.rounds_within:
            break


def _signed() -> bytes:
    return SIGNED.file(SIZE).read_bytes().replace(b"\n", b"\r\n")
