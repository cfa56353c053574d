"""The disks, watched: a full one is logged once, and mail that waits goes on once there is room.

smtpd tries a local delivery again 10 n² seconds after it took the mail: after a day that is every
half hour. So `smtpctl schedule` has it try as soon as something was deleted. It must not know how
it is called. Disks are looked at in a process of its own, which writes as who writes mail.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from entrypoint import smtpctl
from entrypoint.config.problems import VolumeError
from entrypoint.config.settings import Settings
from entrypoint.disks import VMAIL, Disk, disks
from entrypoint.log_line import LogLine
from entrypoint.paths import DATA
from entrypoint.processes import in_child
from entrypoint.volume_format import mark_volumes
from filters.log_throttle import Throttle

# So much more room than at the last look is worth another try while the disk is full.
_GROWN = 16 * 1024  # bytes
_GROWN_INODES = 4
# Deliveries that had begun when there was no room yet have failed by then.
_ONCE_MORE = 20.0  # seconds
_MOST_A_LOOK = 50  # envelopes that are scheduled with one look: it takes half a second
_MANY = 2000  # envelopes; smtpd tries all it has then
_SMTPCTL_SECONDS = 10.0
_LOOK_SECONDS = 30.0
_SILENT = f"the disks do not answer within {_LOOK_SECONDS:g} s"
_TRY_EVERY = 60.0  # seconds from one look to the next that writes, while all is well

Smtpctl = Callable[[Sequence[str]], Awaitable[str]]


async def looked_at(thoroughly: bool) -> list[Disk | str]:
    """The disks; thoroughly: by writing to them, too. Raises TimeoutError."""
    return await in_child(partial(_look, VMAIL if thoroughly else None), _LOOK_SECONDS)


def _look(owner: str | None) -> list[Disk | str]:
    found = disks(owner=owner)
    if owner is not None and not any(isinstance(each, str) or each.trouble for each in found):
        # A start on a full disk could not.
        with suppress(OSError, VolumeError):
            mark_volumes()
    return found


class DiskTicker:
    """Keeps what was said last, and what there was room for."""

    def __init__(
        self,
        look: Callable[[bool], Awaitable[list[Disk | str]]] = looked_at,
        ask: Smtpctl | None = None,
    ) -> None:
        self._look, self._smtpctl = look, ask or _ask
        self._full = Throttle[str]()
        self._tried = float("-inf")
        # The least room since the disk is full; None while it is not.
        self._least: tuple[int, int] | None = None
        self._short = False
        self._again_at: float | None = None
        self._once_more = False
        self._waiting: deque[str] = deque()
        self._unheard, self._silent = Throttle[str](), Throttle[str]()

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """Look once; the lines for the log. now: a clock's seconds that only go on."""
        now = time.monotonic() if now is None else now
        # A disk that sleeps is not woken up every time.
        thoroughly = bool(self._full.lasting) or now - self._tried >= _TRY_EVERY
        if thoroughly:
            self._tried = now
        try:
            found = await self._look(thoroughly)
        except TimeoutError:
            return [LogLine("error", text) for text in self._silent.news([_SILENT])]
        self._silent.news(())
        lines = self._tell(found)
        for disk in found:
            if isinstance(disk, Disk) and DATA in disk.folders:
                self._watch(disk, settings.message_size_limit, now)
        try:
            if self._again_at is not None and now >= self._again_at:
                self._waiting = await self._deferred()
                self._again_at = now + _ONCE_MORE if self._once_more else None
                self._once_more = False
            await self._schedule()
            self._unheard.news(())
        except smtpctl.SmtpctlError as error:
            self._waiting.clear()
            self._again_at = now + _ONCE_MORE
            if self._unheard.news(["smtpctl"]):  # whatever it says of the reason
                text = f"what waits in the queue is not tried again: {error}"
                lines.append(LogLine("warning", text))
        return lines

    def _tell(self, found: Sequence[Disk | str]) -> list[LogLine]:
        troubles = {
            each if isinstance(each, str) else " and ".join(map(str, each.folders)): (
                each if isinstance(each, str) else each.problem
            )
            for each in found
        }
        full = sorted(name for name, trouble in troubles.items() if trouble is not None)
        over = sorted(self._full.lasting.difference(full))
        # The numbers change all the time: what counts is which disk it is.
        lines = [LogLine("error", str(troubles[name])) for name in self._full.news(full)]
        return lines + [LogLine("info", f"the disk of {name} takes mail again") for name in over]

    def _watch(self, disk: Disk, largest: int, now: float) -> None:
        """Has room come back for what may be waiting?"""
        free, inodes = disk.room.free, disk.room.free_inodes
        if disk.trouble:
            least, least_inodes = self._least or (free, inodes)
            if free - least >= _GROWN or inodes - least_inodes >= _GROWN_INODES:
                self._again_at = now
                self._least = free, inodes
            else:
                self._least = min(free, least), min(inodes, least_inodes)
        elif self._least is not None:
            self._least = None
            self._again_at, self._once_more = now, True
        # A large message needs more than a disk that is not full has.
        if free < largest:
            self._short = True
        elif self._short and free >= 2 * largest:
            self._short = False
            self._again_at, self._once_more = now, True

    async def _deferred(self) -> deque[str]:
        """The local deliveries that wait."""
        listed = smtpctl.envelopes_of(await self._smtpctl(("show", "queue")))
        waiting = [each.evpid for each in listed if each.agent == "mda" and each.state == "pending"]
        if len(waiting) > _MANY:
            await self._smtpctl(("schedule", "all"))
            return deque()
        return deque(waiting)

    async def _schedule(self) -> None:
        for _ in range(min(_MOST_A_LOOK, len(self._waiting))):
            await self._smtpctl(("schedule", self._waiting.popleft()))


async def _ask(arguments: Sequence[str]) -> str:
    try:
        return await smtpctl.run(*arguments, seconds=_SMTPCTL_SECONDS)
    except smtpctl.SmtpctlRefusedError:
        if arguments[0] == "show":
            raise
        return ""  # the envelope may have gone meanwhile
