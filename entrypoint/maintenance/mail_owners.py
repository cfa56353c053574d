"""Has mail that was copied in as root taken over (entrypoint.mail_owner) while the server runs.

All folders are looked at now and then, and the messages of an account as soon as Dovecot says that
it may not read them: `entrypoint.supervise.denied_mail` notes that in a folder. What cannot be
taken over stands in a file, for `signpost health`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.files import write_file
from entrypoint.log_line import LogLine
from entrypoint.mail_owner import Claimed, claim_mail
from entrypoint.paths import DENIED, LEFT_MAIL
from entrypoint.processes import in_child
from filters.log_throttle import Throttle

EVERY = 2.0  # seconds from one look for what was denied to the next
_ALL_EVERY = 300.0
_ALL_SECONDS = 600.0
# An account's messages are not looked at again before, whatever its client tries meanwhile.
_ONCE_IN = 60.0


async def claimed(whole: Collection[str]) -> Claimed:
    """Raises TimeoutError or OSError."""
    return await in_child(partial(claim_mail, whole=frozenset(whole)), _ALL_SECONDS)


class MailOwnersTicker:
    """Keeps when it looked at what."""

    def __init__(
        self,
        claim: Callable[[Collection[str]], Awaitable[Claimed]] = claimed,
        denied: Path = DENIED,
        left: Path = LEFT_MAIL,
    ) -> None:
        self._claim, self._denied, self._left = claim, denied, left
        self._next_all = 0.0
        self._still: frozenset[str] = frozenset()  # mailboxes with something left
        self._not_before: dict[str, float] = {}
        self._said = Throttle[str]()

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """Look once; the lines for the log. now: a clock's seconds that only go on."""
        now = time.monotonic() if now is None else now
        whole = self._denied_now(settings, now)
        if not whole and now < self._next_all:
            return []
        self._next_all = now + _ALL_EVERY
        found = await self._claim(whole | self._still)
        self._still = frozenset(found.left)
        left = sorted(found.left.values())
        write_file(self._left, json.dumps(left).encode(), "root", "root", 0o600)
        return found.lines() + [LogLine("error", text) for text in self._said.news(left)]

    def _denied_now(self, settings: Settings, now: float) -> set[str]:
        """Mailboxes (`DOMAIN/NAME`) that Dovecot could not read or write; none twice soon."""
        addresses = {account.address for account in settings.accounts}
        found = set()
        with contextlib.suppress(FileNotFoundError):
            for note in self._denied.iterdir():
                if note.name not in addresses:
                    note.unlink(missing_ok=True)
                elif now >= self._not_before.get(note.name, 0.0):
                    note.unlink(missing_ok=True)
                    self._not_before[note.name] = now + _ONCE_IN
                    local, _, domain = note.name.rpartition("@")
                    found.add(f"{domain}/{local}")
        return found
