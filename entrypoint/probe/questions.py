"""Several questions at once, under one deadline: what each was answered, or where it got stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from entrypoint.probe.dialog import Dialog, DialogError, dialog, reason
from entrypoint.probe.tls_contexts import unverified

HOST = "127.0.0.1"
# How late the event loop may be before what was not answered says nothing of who was asked.
_LATE = 1.0  # seconds
_TICK = 0.1  # seconds


@dataclass
class Probe:
    """One question. step: how far it has come. said: what was wrong with an answer that came."""

    step: str = "connect"
    answered: bool = False
    said: str = ""

    @property
    def silent(self) -> bool:
        """Whether no answer came, neither a good one nor a bad one."""
        return not self.answered and not self.said


Question = Callable[[Probe], Awaitable[None]]


@dataclass
class Answers:
    """What came back. late: the most seconds that this process itself was held up."""

    probes: Mapping[str, Probe]
    late: float = 0.0

    @property
    def conclusive(self) -> bool:
        """Whether silence says anything: not where this process was starved or suspended."""
        return self.late < _LATE


@dataclass
class _Lateness:
    """Measures how much later than it should the event loop comes round."""

    most: float = field(default=0.0)

    async def measure(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK)
            self.most = max(self.most, time.monotonic() - before - _TICK)


async def ask_all(questions: Mapping[str, Question], seconds: float) -> Answers:
    """Ask everything at once and wait so long at most. Nothing is raised."""
    probes = {name: Probe() for name in questions}
    lateness = _Lateness()
    measuring = asyncio.create_task(lateness.measure())
    tasks = [asyncio.create_task(_ask(probes[name], ask)) for name, ask in questions.items()]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    # Before the tasks are cancelled: an end may look like an answer.
    found = Answers({name: Probe(**vars(probe)) for name, probe in probes.items()}, lateness.most)
    for task in (*tasks, measuring):
        task.cancel()
    # What does not end at once (a process in the kernel) is not waited for.
    await asyncio.wait((*tasks, measuring), timeout=0.5)
    return found


async def _ask(probe: Probe, question: Question) -> None:
    try:
        await question(probe)
    except (OSError, DialogError) as error:
        probe.said = f"{probe.step}: {reason(error)}"
    except Exception as error:
        probe.said = f"{probe.step}: {type(error).__name__}: {error}"
    else:
        probe.answered = True


@asynccontextmanager
async def at_port(
    number: int, probe: Probe, *, tls: bool = False, host: str = HOST
) -> AsyncIterator[Dialog]:
    """Connect; with `tls`, in TLS from the first byte. Raises OSError or ssl.SSLError."""
    async with dialog(host, number, leave="") as link:
        if tls:
            probe.step = "TLS"
            await link.begin_tls(unverified(), "localhost")
        yield link
