"""The further names that lead here, as last heard of DNS, and when DNS is asked again.

It is asked in a process of its own, which is polled and never waited for. It must not know what
follows from the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from entrypoint.config.settings import Settings
from entrypoint.probe.addresses import addresses_of
from entrypoint.tls.acme_plan import Held
from entrypoint.tls.polled import PolledProcess
from entrypoint.web.published import names
from filters.mailauth.dns.resolver import DnsResolver, Lookup, Resolver

_SECONDS = 20.0  # for all questions
_QUESTIONS = 5000


async def leading(host: str, names: Sequence[str], resolver: Resolver) -> dict[str, bool]:
    """Whether each name points to an address of the host's, where that is known.

    Nothing is raised.
    """
    ours = (await addresses_of(host, resolver)).known
    found = await asyncio.gather(*(addresses_of(name, resolver) for name in names))
    points = {name: each.point_to(ours) for name, each in zip(names, found, strict=True)}
    return {name: here for name, here in points.items() if here is not None}


async def _run(host: str, names: Sequence[str], servers: Sequence[str]) -> dict[str, bool]:
    resolver = DnsResolver(tuple(servers) or None)
    lookup = Lookup(resolver, seconds=_SECONDS, queries=_QUESTIONS)
    try:
        return await leading(host, names, lookup)
    finally:
        await resolver.close()


def main() -> None:
    """Ask, and print."""
    parser = argparse.ArgumentParser("entrypoint.tls.pointing_here")
    parser.add_argument("--name-server", action="append", default=[])
    parser.add_argument("host")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_run(options.host, options.names, options.name_server))))


if __name__ == "__main__":
    main()


# From one question to the next, while something is missing: a person publishes records in the
# hour after a change, or another day.
_SOON, _LATER, _HOUR = 60.0, 600.0, 3600.0
_MOST_SECONDS = 40.0  # DNS itself has 20
# Its own packages are found without PATH; nothing of the configuration is among it.
_ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


class Question(Protocol):
    """A look at DNS that was begun."""

    def poll(self) -> Mapping[str, bool] | None:
        """By name, whether it leads here, where that is known; None while DNS is asked."""


Ask = Callable[[Settings, tuple[str, ...]], Question]


class Leads:
    """Keeps the last answer."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask or Asking
        self._about: object = None
        self._since = self._when = 0.0
        self._question: Question | None = None
        self._answer: Mapping[str, bool] | None = None

    def leading(self, settings: Settings, held: Held, now: float) -> tuple[str, ...] | None:
        """The names that lead here; None while DNS is asked, half a minute at most.

        A name that nothing is known of now is left as it is in the certificate. Raises OSError.
        """
        wanted = names(settings)
        about = (settings.mail_hostname, wanted)
        if about != self._about:
            self._about, self._since = about, now
            self._question = self._answer = None
        if not wanted or (now < held.renewal and held.names.issuperset(wanted)):
            return ()  # nothing is asked for, or not yet
        if self._question is None and self._is_old(now):
            self._question = self._ask(settings, wanted)
        if self._question is not None:
            answer = self._question.poll()
            if answer is None:
                return None
            self._question, self._answer, self._when = None, answer, now
        known = self._answer or {}
        return tuple(name for name in wanted if known.get(name, name in held.names))

    def _is_old(self, now: float) -> bool:
        pause = _SOON if abs(now - self._since) < _HOUR else _LATER
        return self._answer is None or abs(now - self._when) >= pause


class Asking(PolledProcess):
    """A question in a process of its own."""

    def __init__(self, settings: Settings, wanted: tuple[str, ...]) -> None:
        """Begin. Raises OSError."""
        servers = (word for server in settings.dns_servers for word in ("--name-server", server))
        command = [
            *(sys.executable, "-m", "entrypoint.tls.pointing_here", *servers),
            *(settings.mail_hostname, *wanted),
        ]
        super().__init__(command, _ENVIRON, _MOST_SECONDS, stderr=subprocess.DEVNULL)

    def poll(self) -> Mapping[str, bool] | None:
        """What it has printed; nothing where it failed."""
        ended = self.ended()
        if ended is None:
            return None
        found: Mapping[str, bool] = {}
        with contextlib.suppress(ValueError):
            found = json.loads(ended[1])
        return found
