"""The looks at how things are, each bounded and in a child process of root's (`observations`)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from entrypoint import login_guard, smtpctl
from entrypoint.disks import VMAIL
from entrypoint.files import acting_as
from entrypoint.metrics import words
from entrypoint.metrics.folder import publish, write_names
from entrypoint.metrics.observations import MAILBOXES, STATE, MailboxTotals, State
from entrypoint.paths import DATA, RUN, SPOOL, account_home
from entrypoint.smtpctl import QueuedEnvelope
from filters.disk_room import room_of
from filters.watched_file import Stamp, file_stamp

_QUEUE_SECONDS = 10.0
_GUARD_SECONDS = 2.0
_AGENTS = {"mda": "local", "mta": "relay", "bounce": "bounce"}
_VOLUMES = {"data": DATA, "queue": SPOOL}
_CERTIFICATE = RUN / "tls/cert.pem"
# mail/DOMAIN/NAME/Maildir/.FOLDER/cur
_MESSAGES = ("cur", "new")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# When the certificate ends, and of which file that was read.
Certificate = tuple[Stamp | None, float | None]


def look_at_state(before: Certificate = (None, None)) -> Certificate:
    """Write down all but the mailboxes. before: what this returned last. Raises OSError."""
    write_names()
    certificate = _certificate(before)
    envelopes, oldest = _queue(time.time())
    rooms = {name: room_of(path) for name, path in _VOLUMES.items()}
    state = State(
        at=time.time(),
        envelopes=envelopes,
        oldest=oldest,
        certificate=certificate[1],
        blocks=_blocks(),
        disks={name: (room.free, room.size) for name, room in rooms.items()},
    )
    publish(STATE, json.dumps(asdict(state)) + "\n")
    return certificate


def look_at_mailboxes(addresses: Iterable[str]) -> None:
    """Write down how many messages the accounts have, and their bytes. Raises OSError.

    It has all the time that others leave it: a million messages are some seconds of reading names.
    """
    os.nice(19)
    domains: dict[str, tuple[int, int, int]] = {}
    with acting_as(VMAIL):
        for address in addresses:
            domain = address.rpartition("@")[2]
            messages, size = mailbox_size(account_home(address) / "Maildir")
            accounts, number, total = domains.get(domain, (0, 0, 0))
            domains[domain] = accounts + 1, number + messages, total + size
    publish(MAILBOXES, json.dumps(asdict(MailboxTotals(time.time(), domains))) + "\n")


def mailbox_size(maildir: Path) -> tuple[int, int]:
    """Messages and bytes of one Maildir, by the names of the files where these have the size."""
    messages = size = 0
    for folder in (maildir, *_subfolders(maildir)):
        for name in _MESSAGES:
            try:
                descriptor = os.open(folder / name, _FOLDER)
            except OSError:
                continue
            try:
                with os.scandir(descriptor) as entries:
                    for entry in entries:
                        messages += 1
                        size += _size(entry)
            except OSError:
                pass  # removed meanwhile
            finally:
                os.close(descriptor)
    return messages, size


def _subfolders(maildir: Path) -> list[Path]:
    try:
        with os.scandir(maildir) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _size(entry: os.DirEntry[str]) -> int:
    """`1764228000.M1P2.host,S=1234,W=1250:2,S` (Dovecot's); else what the file has."""
    _, mark, rest = entry.name.partition(",S=")
    number = rest.partition(",")[0].partition(":")[0]
    if mark and number.isascii() and number.isdigit() and len(number) < 16:
        return int(number)
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _queue(
    now: float,
) -> tuple[tuple[tuple[str, str, str, int], ...] | None, dict[str, int]]:
    """Envelopes by agent, state and age, and the time of the oldest; None: smtpd does not say."""
    try:
        numbers, oldest = asyncio.run(_listed(now))
    except (smtpctl.SmtpctlError, TimeoutError, ValueError):
        return None, {}
    return tuple((*key, number) for key, number in sorted(numbers.items())), oldest


async def _listed(now: float) -> tuple[Counter[tuple[str, str, str]], dict[str, int]]:
    numbers, oldest = Counter[tuple[str, str, str]](), dict[str, int]()
    async with asyncio.timeout(_QUEUE_SECONDS):
        async for line in smtpctl.lines_of("show", "queue"):
            envelope = QueuedEnvelope.parse(line)
            agent = _AGENTS.get(envelope.agent, words.OTHER)
            numbers[agent, envelope.state, age_of(now - envelope.created)] += 1
            oldest[agent] = min(envelope.created, oldest.get(agent, envelope.created))
    return numbers, oldest


def age_of(seconds: float) -> str:
    """Which of the ages."""
    return next((name for name, most in words.AGES if seconds < most), words.OLDER)


def _certificate(before: Certificate) -> Certificate:
    stamp = file_stamp(_CERTIFICATE)
    if stamp is not None and stamp == before[0]:
        return before
    from cryptography import x509  # not in memory for as long as the server runs

    try:
        found = x509.load_pem_x509_certificate(_CERTIFICATE.read_bytes())
    except (OSError, ValueError):
        return None, None
    return stamp, found.not_valid_after_utc.timestamp()


def _blocks() -> dict[str, int] | None:
    """How many blocks are in force; None where nobody says so."""
    try:
        rows = login_guard.ask("list", seconds=_GUARD_SECONDS)
        scopes = Counter("login" if login else "client" for _, login, _, _ in rows)
    except (OSError, ValueError, TypeError):
        return None
    return {"client": scopes["client"], "login": scopes["login"]}
