"""The keys, moved on as time and DNS allow: what the running server calls about once a minute.

It must not know how it is called. Files are worked with in processes of their own, which wait for
the lock and act as the keys' owner; so is DNS, without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.dkim_keys.expected_key import ExpectedKey
from entrypoint.dkim_keys.model import DomainKeys, Key, Observation
from entrypoint.dkim_keys.store import KeyStore
from entrypoint.log_line import LogLine
from entrypoint.processes import in_child
from filters.log_throttle import Throttle

SECONDS = 25.0  # for all questions of a tick
_LOADED_WITHIN = 10.0  # what asks them
_KEY_SECONDS = 12.0
_FILES_SECONDS = 30.0  # an RSA key takes a tenth of one, or several

# Seconds from one look at a key in DNS to the next.
_WAITS, _WAITS_LONG, _LONG = 50, 600, 86_400
_IN_TROUBLE, _WELL = 300, 3_600

_Name = tuple[str, str]
_Public = Mapping[_Name, tuple[object, ExpectedKey]]


@dataclass(frozen=True)
class _Followed:
    """What the files say. due: the keys that DNS is to be asked about; tried: these, and those of
    them that cannot be read. public: what was read of keys, so that it need not be read again.
    """

    notes: list[LogLine]
    errors: list[str]
    due: Mapping[_Name, ExpectedKey]
    tried: frozenset[_Name]
    public: _Public


class KeyTicker:
    """Keeps what need not outlast the process: when each key was looked up, what was said last."""

    def __init__(self, store: Callable[[Settings], KeyStore] = KeyStore, port: int = 53) -> None:
        self._store = store
        self._port = port
        self._asked: dict[_Name, float] = {}
        self._public: _Public = {}
        self._errors = Throttle[str]()

    async def tick(self, settings: Settings, now: float | None = None) -> list[LogLine]:
        """Follow settings, calendar and DNS; the lines for the log. Nothing is raised.

        It takes at most half a minute, nearly all of it waiting for DNS. now: Unix time.
        """
        now = time.time() if now is None else now
        notes: list[LogLine] = []
        try:
            found = await self._followed(settings, now)
            errors, notes = found.errors, found.notes
            self._asked |= dict.fromkeys(found.tried, now)
            if found.due:
                # DNS is asked without the lock: a command must not wait for it.
                look = partial(_observe, [*found.due.values()], settings.dns_servers, self._port)
                seen = await in_child(look, SECONDS + _LOADED_WITHIN)
                notes += await in_child(
                    partial(self._taken_in, settings, found.due, seen, int(now)), _FILES_SECONDS
                )
        except (ConfigurationError, OSError) as error:
            errors = _errors(error)
        return self._lines(notes, errors)

    async def follow(self, settings: Settings) -> tuple[list[LogLine], list[str]]:
        """Follow the settings and what commands have written, without DNS: the lines for the log,
        and what is wrong. Nothing is raised.
        """
        notes: list[LogLine] = []
        try:
            found = await self._followed(settings, time.time())
            errors, notes = found.errors, found.notes
        except (ConfigurationError, OSError) as error:
            errors = _errors(error)
        return self._lines(notes, errors), errors

    async def _followed(self, settings: Settings, now: float) -> _Followed:
        found = await in_child(partial(self._files, settings, now), _FILES_SECONDS)
        self._public = found.public
        return found

    def _lines(self, notes: list[LogLine], errors: list[str]) -> list[LogLine]:
        return [*notes, *(LogLine("error", text) for text in self._errors.news(errors))]

    # -- with files: in a process of its own ------------------------------------------------

    def _files(self, settings: Settings, now: float) -> _Followed:
        store, notes, errors = self._store(settings), list[LogLine](), list[str]()
        with store.locked():
            try:
                notes += store.reconcile(int(now))
            except ConfigurationError as error:
                errors = error.errors
            errors = [*errors, *store.undone]
            # The domains whose keys are good are signed for, whatever is wrong with others.
            store.sync()
            due = set() if settings.demo else self._due(store, now)
            state, found, public = store.load(), dict[_Name, ExpectedKey](), dict(self._public)
            for domain, selector in sorted(due):
                key = state[domain].find(selector)
                assert key is not None  # noqa: S101 -- of the same state, under the lock
                try:
                    found[domain, selector] = self._public_key(store, domain, key, public)
                except ConfigurationError as error:
                    errors = errors + [text for text in error.errors if text not in errors]
        return _Followed(notes, errors, found, frozenset(due), public)

    def _due(self, store: KeyStore, now: float) -> set[_Name]:
        state, found = store.load(), set[_Name]()
        for domain in store.settings.signing_domains:
            for key in state.get(domain, DomainKeys()).keys:
                pause, asked = _pause(key, now), self._asked.get((domain, key.selector), -_LONG)
                if pause is not None and abs(now - asked) >= pause:
                    found.add((domain, key.selector))
        return found

    def _public_key(
        self,
        store: KeyStore,
        domain: str,
        key: Key,
        public: dict[_Name, tuple[object, ExpectedKey]],
    ) -> ExpectedKey:
        """Loading a key takes a tenth of a second, so its public part is kept."""
        name, stamp = (domain, key.selector), store.stamp(domain, key.selector)
        if name not in public or public[name][0] != stamp:
            public[name] = stamp, ExpectedKey.of(store.read(domain, key))
        return public[name][1]

    def _taken_in(
        self,
        settings: Settings,
        keys: Mapping[_Name, ExpectedKey],
        seen: Mapping[_Name, Observation],
        now: int,
    ) -> list[LogLine]:
        store, public = self._store(settings), dict(self._public)
        with store.locked():
            state, by_domain = store.load(), dict[str, dict[str, Observation]]()
            for (domain, selector), observation in seen.items():
                key = state.get(domain, DomainKeys()).find(selector)
                # It may have been removed or replaced while DNS was asked.
                with suppress(ConfigurationError):
                    if (
                        key is not None
                        and self._public_key(store, domain, key, public) == keys[domain, selector]
                    ):
                        by_domain.setdefault(domain, {})[selector] = observation
            notes = store.observe(by_domain, now)
            store.sync()
        return notes


def _errors(error: ConfigurationError | OSError) -> list[str]:
    if isinstance(error, ConfigurationError):
        return error.errors
    if isinstance(error, TimeoutError):
        return ["the files of DKIM keys cannot be read and written in time"]
    return [explained(error)]


def _pause(key: Key, now: float) -> int | None:
    """How long DNS is not asked again about a key; None: not at all."""
    if key.status == "next":
        return _WAITS if now - key.since < _LONG else _WAITS_LONG
    if key.status == "signing":
        well = key.dns is not None and key.dns.answer == "served"
        return _WELL if well else _IN_TROUBLE
    return None


def _observe(
    keys: Sequence[ExpectedKey], servers: Sequence[str], port: int
) -> dict[_Name, Observation]:
    # DNS is in memory only while it is asked, about once an hour.
    from entrypoint.dkim_keys.observations import observe_all

    return asyncio.run(observe_all(keys, servers, port, SECONDS, _KEY_SECONDS))
