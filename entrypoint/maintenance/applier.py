"""One application of the configuration after the other: when files have changed, or on request.

Nothing that goes wrong ends it: what is live stays live, the trouble is logged once and it is tried
again. Whoever requests an application hears how it ended, or within about a second who keeps it
waiting. It must not know what is read, nor what goes live how.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Account, Settings
from entrypoint.log import write_lines
from entrypoint.log_line import LogLine, Say
from entrypoint.maintenance.apply import Prepared
from entrypoint.maintenance.control_socket import Outcome
from entrypoint.maintenance.progress import Progress
from entrypoint.maintenance.reload import NotLiveYetError
from entrypoint.maintenance.watch import WatchedFiles
from filters.log_throttle import LogThrottle, Throttle

log = logging.getLogger(__name__)

LOOKS_EVERY = 2.0  # seconds
# A file that is wrong is seldom mended by itself; another program may be about to answer again.
RETRIES = 60.0
PREPARED_WITHIN = 5.0  # then whoever waits hears of it
RETRIES_SOON = 2.0  # the first time, then twice as long each time


class Applier:
    """prepare: reads everything, given what is live. go_live: has it live.

    clock: seconds that only go on.
    """

    def __init__(
        self,
        files: WatchedFiles,
        prepare: Callable[[Settings | None], Awaitable[Prepared]],
        go_live: Callable[[Prepared, Progress, Say], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files, self._prepare, self._go_live = files, prepare, go_live
        self._clock = clock
        self._late, self._wrong = LogThrottle(log), Throttle[LogLine]()
        self._requests: list[asyncio.Future[Outcome]] = []
        self._wake = asyncio.Event()
        self._current: asyncio.Task[Settings] | None = None
        self._going_live = False
        self._slow = False  # somebody has not answered for longer than usual
        self._retry_at: float | None = None
        self._pause = RETRIES_SOON
        self._live: Settings | None = None
        # What the configuration says, whether all of it is live yet or not.
        self.settings: Settings | None = None
        self.has_settings = asyncio.Event()

    async def request(self) -> Outcome:
        """Have live what stands in the files now; how that ended."""
        mine: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._requests.append(mine)
        self._wake.set()
        if self._slow and self._going_live and self._current is not None:
            # What is new does not wait for who does not answer: that one is asked again.
            self._current.cancel()
        return await mine

    async def run(self) -> None:
        """Look and apply, until cancelled."""
        while True:
            pause = await self.step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()

    async def step(self) -> float:
        """Look, and apply what is due; the seconds until the next look."""
        now = self._clock()
        self._files.look(now)
        due = self._due()
        if due is None or due > now:
            return LOOKS_EVERY if due is None else min(LOOKS_EVERY, due - now)
        requests, self._requests = self._requests, []
        self._files.read()
        await self._apply_for(requests)
        return 0.0

    def _due(self) -> float | None:
        """When the files are to be read; None while there is no reason to."""
        if self._requests:
            return self._files.rests_at(requested=True)
        if self._files.changed:
            return self._files.rests_at(requested=False)
        return self._retry_at

    async def _apply_for(self, requests: Sequence[asyncio.Future[Outcome]]) -> None:
        lines: list[LogLine] = []

        def answer(reasons: Sequence[str]) -> None:
            outcome = Outcome(not reasons, tuple(reasons), tuple(lines))
            for request in requests:
                if not request.done():
                    request.set_result(outcome)

        def slow(what: str) -> None:
            self._slow = True
            reasons = _with(progress, [what])
            trouble = "; ".join(reasons)
            self._late.error("a change is not live yet: %s", trouble, cause=trouble)
            answer(reasons)

        progress = Progress(slow)
        self._current = asyncio.create_task(self._apply(lines, progress))
        try:
            await asyncio.wait({self._current})
        finally:
            self._current.cancel()
            self._slow = self._going_live = False
        if self._current.cancelled():
            # By a newer request; those who have no answer yet get the same as that one.
            self._requests = [each for each in requests if not each.done()] + self._requests
            return
        answer(_with(progress, self._ended(self._current, lines)))

    async def _apply(self, lines: list[LogLine], progress: Progress) -> Settings:
        with progress.waiting("the configuration is still being read", PREPARED_WITHIN):
            prepared = await self._prepare(self._live)
        self._going_live = True
        lines += prepared.lines
        self.settings = prepared.settings
        self.has_settings.set()
        await self._go_live(prepared, progress, lines.append)
        return prepared.settings

    def _ended(self, task: asyncio.Task[Settings], lines: list[LogLine]) -> list[str]:
        """Log how it ended; why it is not live."""
        reasons: list[str] = []
        before, error, soon = self._live, task.exception(), False
        if isinstance(error, ConfigurationError):
            reasons = error.errors
        elif isinstance(error, NotLiveYetError):
            reasons, soon = list(error.reasons), True
        elif isinstance(error, TimeoutError):
            reasons, soon = ["the configuration could not be read in time"], True
        elif error is not None:
            reasons = [f"{type(error).__name__}: {error}"]
        else:
            self._live = task.result()
            self._late.recovered()
            if before is not None:
                for text in differences(before, self._live):
                    log.info("%s", text)
        self._retry(now=self._clock(), failed=bool(reasons), soon=soon)
        errors = [LogLine("error", f"the change is not live: {text}") for text in reasons]
        news = self._wrong.news([*lines, *errors])
        # The start has logged its warnings.
        if before is not None or reasons:
            write_lines(log, news)
        return reasons

    def _retry(self, *, now: float, failed: bool, soon: bool) -> None:
        if not failed:
            self._retry_at, self._pause = None, RETRIES_SOON
        elif soon:
            self._retry_at, self._pause = now + self._pause, min(2 * self._pause, RETRIES)
        else:
            self._retry_at = now + RETRIES


def _with(progress: Progress, reasons: Sequence[str]) -> list[str]:
    """The reasons, and how far it has come."""
    return [*reasons, progress.text] if reasons and progress.text else [*reasons]


Value = TypeVar("Value")


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """Domains, accounts, aliases and senders: nothing else changes while the server runs."""
    for name, before, after in _changed(
        dict.fromkeys(old.domains, 1), dict.fromkeys(new.domains, 1)
    ):
        if before is None and after is not None:
            yield f"domain {name} added; publish its records: signpost dns {name}"
        else:
            yield f"domain {name} removed"
    for name, was, now in _changed(
        {each.address: each for each in old.accounts}, {each.address: each for each in new.accounts}
    ):
        if was is None or now is None:
            yield f"account {name} {'added' if was is None else 'removed'}"
        else:
            yield from (f"account {name}: {what}" for what in _account(was, now))
    for name, source, goal in _changed(
        {each.address: each.targets for each in old.all_aliases},
        {each.address: each.targets for each in new.all_aliases},
    ):
        if goal is None:
            yield f"alias {name} removed"
        else:
            yield f"alias {name} {'added' if source is None else 'changed'}: {', '.join(goal)}"
    for name, _, goal in _changed(
        {each.account: each.addresses for each in old.send_as},
        {each.account: each.addresses for each in new.send_as},
    ):
        yield f"account {name} may also send as: {', '.join(goal or ()) or 'nobody else'}"


def _account(old: Account, new: Account) -> Iterator[str]:
    if old.secret != new.secret:
        yield "another password"
    if old.quota != new.quota:
        yield "another quota"
    for name, was, now in _changed(
        {each.name: each.hash for each in old.app_passwords},
        {each.name: each.hash for each in new.app_passwords},
    ):
        what = "revoked" if now is None else "added" if was is None else "replaced"
        yield f"app password {name} {what}"


def _changed(
    old: Mapping[str, Value], new: Mapping[str, Value]
) -> Iterator[tuple[str, Value | None, Value | None]]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)
