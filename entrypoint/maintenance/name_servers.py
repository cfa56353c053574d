"""The name servers, watched: one that is silent is logged once, and when it answers again.

It must not know what is asked of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from entrypoint.config.settings import Settings
from entrypoint.log_line import LogLine
from entrypoint.probe.name_servers import name_servers, unanswering
from filters.log_throttle import Throttle

# A question to each so often while they answer, and more often while one does not.
_EVERY, _AGAIN = 60.0, 10.0  # seconds
_WITHIN = 5.0  # seconds, with three attempts

Look = Callable[[Sequence[str], float], Awaitable[Mapping[str, str] | None]]


class NameServerTicker:
    """Keeps what was said last."""

    def __init__(
        self, servers: Callable[[], list[str]] = name_servers, look: Look = unanswering
    ) -> None:
        self._servers, self._look = servers, look
        self._silent = Throttle[tuple[str, bool]]()
        self._next = float("-inf")

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """Ask where it is time to; the lines for the log. now: a clock's seconds."""
        now = time.monotonic() if now is None else now
        if now < self._next:
            return []
        servers = self._servers()
        found = await self._look(servers, _WITHIN) if servers else {}
        if found is None:  # the machine was busy or suspended
            return []
        self._next = now + (_AGAIN if found else _EVERY)
        every = len(found) == len(set(servers))
        before = {server for server, _ in self._silent.lasting}
        news = [server for server, _ in self._silent.news((server, every) for server in found)]
        return [*_silence(news, found, every=every), *_answering(sorted(before - set(found)))]


def _silence(news: Sequence[str], found: Mapping[str, str], *, every: bool) -> list[LogLine]:
    if not news:
        return []
    if every:
        which = ", ".join(f"{server}: {found[server]}" for server in found)
        return [
            LogLine(
                "error",
                f"DNS: no name server answers ({which}): clients wait some seconds for the "
                "greeting, mail that comes in cannot be verified, and mail to other servers waits; "
                "see DNS_SERVERS, or `dns:` in compose.yaml",
            )
        ]
    return [
        LogLine(
            "warning",
            f"DNS: the name server {server} does not answer ({found[server]}), others do; "
            "questions that it is asked first take seconds longer",
        )
        for server in news
    ]


def _answering(servers: Sequence[str]) -> list[LogLine]:
    return [LogLine("info", f"DNS: the name server {server} answers again") for server in servers]
