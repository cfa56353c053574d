"""What lies in mailboxes, or in the outside MX's folder: when it came, and what was done to it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.end_to_end.letters import Letter

_WITHIN = 120.0  # seconds without any new message
_POLL = 0.1
_NAME = re.compile(rb"^message-id: <letter-(\d+)@", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Stored:
    """One file: the clock when it got its name in the mailbox, and its unfolded header."""

    at: float
    header: bytes
    path: Path

    @property
    def account(self) -> str:
        """Whose INBOX it is in: DOMAIN/NAME/Maildir/new."""
        _, maildir, name, domain = self.path.parents[:4]
        return f"{name.name}@{domain.name}" if maildir.name == "Maildir" else ""


def count(mail: Path) -> int:
    """How many files."""
    return sum(1 for _ in mail.rglob("new/*"))


def wait_for(mail: Path, letters: int) -> None:
    """Until so many are there. Raises RuntimeError where they do not come."""
    found, since = -1, time.monotonic()
    while (more := count(mail)) < letters:
        if more > found:
            found, since = more, time.monotonic()
        if time.monotonic() - since > _WITHIN:
            raise RuntimeError(f"{found} of {letters} messages are stored")
        time.sleep(_POLL)


def look(mail: Path) -> dict[int, Stored]:
    """Every stored message by its number. Raises RuntimeError where one is there twice."""
    found: dict[int, Stored] = {}
    for path in mail.rglob("new/*"):
        header = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        header = re.sub(rb"\n[ \t]+", b" ", header)
        names = _NAME.findall(header)
        if len(names) != 1 or int(names[0]) in found:
            raise RuntimeError(f"{path}: Message-ID {names}, not one that is new")
        # A rename and a link both set it, and nobody has touched the file since.
        found[int(names[0])] = Stored(path.stat().st_ctime, header, path)
    return found


def check(found: dict[int, Stored], letters: Sequence[Letter], proof: Sequence[str]) -> None:
    """Raises RuntimeError where one of these is not there, or lacks one of the patterns."""
    for letter in letters:
        if letter.number not in found:
            raise RuntimeError(f"{letter.number} is not stored")
        header = found[letter.number].header
        domain = letter.sender.rpartition("@")[2]
        for pattern in proof:
            wanted = pattern.format(domain=re.escape(domain)).encode()
            if not re.search(wanted, header, re.IGNORECASE | re.MULTILINE):
                raise RuntimeError(f"no {wanted!r} in\n{header.decode('latin-1')}")
