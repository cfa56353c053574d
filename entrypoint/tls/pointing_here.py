"""The further names that point here, as last heard of DNS, and when DNS is asked again.

It is asked beside everything else. It must not know what follows from the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from entrypoint.config.settings import Settings
from entrypoint.tls.acme_plan import Held
from entrypoint.web.published import names

if TYPE_CHECKING:
    from filters.mailauth.dns.resolver import Resolver

# What asks DNS is imported by who does: maintenance has this module in memory for good.

_SECONDS = 20.0  # for all questions
_QUESTIONS = 5000


async def pointing_here(host: str, names: Sequence[str], resolver: Resolver) -> dict[str, bool]:
    """Whether each name points to an address of the host's, where that is known.

    Nothing is raised.
    """
    from entrypoint.probe.addresses import addresses_of

    ours = (await addresses_of(host, resolver)).known
    found = await asyncio.gather(*(addresses_of(name, resolver) for name in names))
    points = {name: each.point_to(ours) for name, each in zip(names, found, strict=True)}
    return {name: here for name, here in points.items() if here is not None}


async def _ask(
    host: str, names: Sequence[str], servers: Sequence[str], port: int
) -> dict[str, bool]:
    from filters.mailauth.dns.resolver import DnsResolver, Lookup

    resolver = DnsResolver(tuple(servers) or None, port=port)
    lookup = Lookup(resolver, seconds=_SECONDS, queries=_QUESTIONS)
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            return await pointing_here(host, names, lookup)
    except TimeoutError:
        return {}
    finally:
        await resolver.close()


# From one question to the next, while something is missing: a person publishes records in the
# hour after a change, or another day.
_SOON, _LATER, _HOUR = 60.0, 600.0, 3600.0
_MOST_SECONDS = 40.0  # DNS itself has 20


class OpenQuestion(Protocol):
    """A look at DNS that was begun."""

    def poll(self) -> Mapping[str, bool] | None:
        """By name, whether it points here, where that is known; None while DNS is asked."""

    def drop(self) -> None:
        """Nobody wants to know any more."""


Ask = Callable[[Settings, tuple[str, ...]], OpenQuestion]


class NamesPointingHere:
    """Keeps the last answer."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask or DnsQuestion
        self._about: object = None
        self._since = self._when = 0.0
        self._question: OpenQuestion | None = None
        self._answer: Mapping[str, bool] | None = None

    def known(self, settings: Settings, held: Held, now: float) -> tuple[str, ...] | None:
        """The names that point here; None while DNS is asked, half a minute at most.

        A name that nothing is known of now is left as it is in the certificate. Raises OSError.
        """
        wanted = names(settings)
        about = (settings.mail_hostname, wanted)
        if about != self._about:
            self._about, self._since = about, now
            if self._question is not None:
                self._question.drop()
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
        answer = self._answer or {}
        return tuple(name for name in wanted if answer.get(name, name in held.names))

    def _is_old(self, now: float) -> bool:
        pause = _SOON if abs(now - self._since) < _HOUR else _LATER
        return self._answer is None or abs(now - self._when) >= pause


class DnsQuestion:
    """A question that is asked beside other work."""

    def __init__(self, settings: Settings, wanted: tuple[str, ...], port: int = 53) -> None:
        """Begin."""
        asking = _ask(settings.mail_hostname, wanted, settings.dns_servers, port)
        self._task = asyncio.create_task(asking)

    def poll(self) -> Mapping[str, bool] | None:
        """What is known; nothing where that failed."""
        if not self._task.done():
            return None
        return {} if self._task.exception() else self._task.result()

    def drop(self) -> None:
        """Nobody wants to know any more."""
        self._task.cancel()
