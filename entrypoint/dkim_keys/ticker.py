"""The keys, moved on as time and DNS allow: what the running server calls about once a minute.

It must not know how it is called. A tick changes the process's effective user for moments, so
no other thread may work with files meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.dkim_keys import publication
from entrypoint.dkim_keys.model import DomainKeys, Key, Note, Observation
from entrypoint.dkim_keys.publication import PublicKey
from entrypoint.dkim_keys.store import Store
from entrypoint.log import Level
from entrypoint.probe import authoritative as authority
from filters.mailauth.dns.resolver import DnsResolver, Lookup

SECONDS = 25.0  # for all questions of a tick
_KEY_SECONDS = 12.0
_KEY_QUESTIONS = 100
_AT_ONCE = 20  # keys

# Seconds from one look at a key in DNS to the next.
_WAITS, _WAITS_LONG, _LONG = 50, 600, 86_400
_IN_TROUBLE, _WELL = 300, 3_600

_Name = tuple[str, str]


class Ticker:
    """Keeps what need not outlast the process: when each key was looked up, what was said last."""

    def __init__(self, store: Callable[[Settings], Store] = Store, port: int = 53) -> None:
        self._store = store
        self._port = port
        self._asked: dict[_Name, float] = {}
        self._public: dict[_Name, tuple[object, PublicKey]] = {}
        self._errors: list[str] = []

    def tick(self, settings: Settings, now: float | None = None) -> list[tuple[Level, str]]:
        """Follow settings, calendar and DNS; the lines for the log. Nothing is raised.

        It takes at most half a minute, nearly all of it waiting for DNS. now: Unix time.
        """
        now = time.time() if now is None else now
        store, notes = self._store(settings), list[Note]()
        try:
            with store.locked():
                errors = self._reconcile(store, int(now), notes)
                keys = {} if settings.demo else self._due(store, now, errors)
            # DNS is asked without the lock: a command must not wait for it.
            seen = asyncio.run(_observe(list(keys.values()), settings, self._port)) if keys else {}
            if seen:
                with store.locked():
                    notes += self._taken_in(store, keys, seen, int(now))
                    store.sync()
        except ConfigurationError as error:
            errors = error.errors
        except OSError as error:
            errors = [explained(error)]
        notes += [Note("error", text) for text in errors if text not in self._errors]
        self._errors = errors
        return [(note.level, note.text) for note in notes]

    def _reconcile(self, store: Store, now: int, notes: list[Note]) -> list[str]:
        errors: list[str] = []
        try:
            notes += store.reconcile(now)
        except ConfigurationError as error:
            errors = error.errors
        errors = [*errors, *store.undone]
        # The domains whose keys are good are signed for, whatever is wrong with others.
        store.sync()
        return errors

    def _due(self, store: Store, now: float, errors: list[str]) -> dict[_Name, PublicKey]:
        state, found = store.load(), dict[_Name, PublicKey]()
        for domain in store.settings.signing_domains:
            for key in state.get(domain, DomainKeys()).keys:
                name = domain, key.selector
                pause = _pause(key, now)
                if pause is None or abs(now - self._asked.get(name, -_LONG)) < pause:
                    continue
                self._asked[name] = now
                try:
                    found[name] = self._public_key(store, domain, key)
                except ConfigurationError as error:
                    errors += [text for text in error.errors if text not in errors]
        return found

    def _public_key(self, store: Store, domain: str, key: Key) -> PublicKey:
        """Loading a key takes a tenth of a second, so its public part is kept."""
        name, stamp = (domain, key.selector), store.stamp(domain, key.selector)
        if name not in self._public or self._public[name][0] != stamp:
            self._public[name] = stamp, PublicKey.of(store.read(domain, key))
        return self._public[name][1]

    def _taken_in(
        self,
        store: Store,
        keys: Mapping[_Name, PublicKey],
        seen: Mapping[_Name, Observation],
        now: int,
    ) -> list[Note]:
        state, by_domain = store.load(), dict[str, dict[str, Observation]]()
        for (domain, selector), observation in seen.items():
            key = state.get(domain, DomainKeys()).find(selector)
            # It may have been removed or replaced while DNS was asked.
            with suppress(ConfigurationError):
                if (
                    key is not None
                    and self._public_key(store, domain, key) == keys[domain, selector]
                ):
                    by_domain.setdefault(domain, {})[selector] = observation
        return store.observe(by_domain, now)


def _pause(key: Key, now: float) -> int | None:
    """How long DNS is not asked again about a key; None: not at all."""
    if key.status == "next":
        return _WAITS if now - key.since < _LONG else _WAITS_LONG
    if key.status == "signing":
        well = key.dns is not None and key.dns.answer == "served"
        return _WELL if well else _IN_TROUBLE
    return None


async def _observe(
    keys: list[PublicKey], settings: Settings, port: int
) -> dict[_Name, Observation]:
    resolver = DnsResolver(settings.dns_servers or None, port=port)
    few, end = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop().time() + SECONDS
    seen: dict[_Name, Observation] = {}

    async def look(key: PublicKey) -> None:
        lookup = Lookup(resolver, seconds=_KEY_SECONDS, queries=_KEY_QUESTIONS)
        try:
            async with asyncio.timeout_at(end), few, asyncio.timeout(_KEY_SECONDS):
                found = await publication.observe(key, lookup, partial(authority.ask, port=port))
        except TimeoutError:
            found = Observation("unknown", "the name servers do not answer in time")
        seen[key.domain, key.selector] = found

    try:
        await asyncio.gather(*map(look, keys))
    finally:
        await resolver.close()
    return seen
