"""What becomes of a domain's keys: facts in, new state and what is to be made out.

A key of a domain that has one already waits until DNS serves it, so what signs was seen published
or is the domain's very first. Pure: it must not know files, DNS or clocks. Times: Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from entrypoint.config.settings import KeyType
from entrypoint.dkim_keys.model import DomainKeys, Key, Observation
from entrypoint.log_line import Level, LogLine
from entrypoint.text import day

# smtpd gives a message up after four days, others after five (RFC 5321 §4.5.4.1: "at least 4-5
# days"); two more for those who verify when they fetch their mail, and for caches.
GRACE = 7 * 86_400
_DAY = 86_400
_TROUBLE = ("missing", "partial", "wrong")
_SHOWN: Mapping[KeyType, str] = {"rsa": "RSA", "ed25519": "Ed25519"}


class KeyRefusedError(Exception):
    """It may not be done; the text says why."""


@dataclass(frozen=True)
class Step:
    """What is to be: first the files of `make`, then the state, then the log."""

    keys: DomainKeys
    make: tuple[Key, ...] = ()
    notes: tuple[LogLine, ...] = ()


def reconcile(
    before: DomainKeys | None,
    asked_for: Mapping[KeyType, str],
    files: Collection[str],
    fresh: Mapping[KeyType, str],
    now: int,
    established: Collection[str] = (),
) -> Step:
    """Follow the configuration and what happened to the files; before: None where nothing is known.

    files: the selectors whose key is there. fresh: names for keys that cannot have the one that
    is asked for. established: of a domain of which nothing is known, the keys that an earlier
    version or a person left; the others wait for DNS beside them.
    """
    draft = _Draft(before or DomainKeys(), now)
    draft.drop_lost(files)
    for kind, name in asked_for.items():
        changed = draft.before.asked_for.get(kind) != name
        if not changed and draft.of(kind, "signing", "next"):
            continue
        if draft.is_taken(name, kind, files):
            name = _fresh(fresh, kind)
        draft.ask_for(name, kind, files)
    draft.retire_types(asked_for)
    draft.keep_signing(established)
    return draft.step(asked_for)


def rotate(
    before: DomainKeys, asked_for: Collection[KeyType], fresh: Mapping[KeyType, str], now: int
) -> Step:
    """Make the next key of each type that has none under way."""
    draft = _Draft(before, now)
    for kind in asked_for:
        if not draft.of(kind, "next"):
            draft.ask_for(_fresh(fresh, kind), kind, ())
    return draft.step(before.asked_for)


def is_due(keys: DomainKeys, asked_for: Collection[KeyType], days: int, now: int) -> bool:
    """Is a key to be rotated by its age? Not before DNS served it, nor while one waits."""
    if any(key.status == "next" for key in keys.keys):
        return False
    return any(
        key.type in asked_for and key.published is not None and now - key.since >= days * _DAY
        for key in keys.signing
    )


def observe(before: DomainKeys, seen: Mapping[str, Observation], now: int) -> Step:
    """Take in what DNS says of keys, by selector: a key that waited may sign now."""
    draft = _Draft(before, now)
    for selector, observation in seen.items():
        key = draft.keys.get(selector)
        if key is not None and key.status == "next":
            draft.waiting(key, observation)
        elif key is not None and key.status == "signing":
            draft.in_use(key, observation)
    return draft.step(before.asked_for)


def expire(before: DomainKeys, now: int) -> Step:
    """Let go of the old keys whose time is over."""
    draft = _Draft(before, now)
    for key in before.keys:
        if key.status == "old" and (key.until or 0) <= now:
            draft.change(key, "removable")
            draft.note(
                "info",
                f"the record of {_named(key)} may be taken out of DNS, and the key removed "
                "(`signpost keys remove`)",
            )
    return draft.step(before.asked_for)


def remove(
    before: DomainKeys, selector: str, asked_for: Collection[KeyType], now: int
) -> DomainKeys:
    """The state without a key. Raises RefusedError while the key is needed."""
    key = before.find(selector)
    if key is None:
        raise KeyRefusedError(f"there is no key {selector}")
    if key.status == "signing":
        raise KeyRefusedError(f"{selector} signs; another key has to sign first")
    if key.status == "old" and (key.until or 0) > now:
        raise KeyRefusedError(
            f"mail that {selector} signed may still be on its way: it may be removed from "
            f"{day(key.until or 0)} on"
        )
    alone = not any(each.type == key.type for each in before.signing)
    if key.status == "next" and key.type in asked_for and alone:
        raise KeyRefusedError(
            f"{selector} is the only {_SHOWN[key.type]} key; DKIM_KEY_TYPES says which are wanted"
        )
    return replace(
        before,
        keys=tuple(each for each in before.keys if each != key),
        removed=(*before.removed, selector),
    )


class _Draft:
    """A state in the making."""

    def __init__(self, before: DomainKeys, now: int) -> None:
        self.before = before
        self.keys = {key.selector: key for key in before.keys}
        self.removed = list(before.removed)
        self._now = now
        self._make: list[Key] = []
        self._notes: list[LogLine] = []

    def step(self, asked_for: Mapping[KeyType, str]) -> Step:
        after = DomainKeys(dict(asked_for), tuple(self.keys.values()), tuple(self.removed))
        make = tuple(self.keys[key.selector] for key in self._make)
        return Step(after, make, tuple(self._notes))

    def note(self, level: Level, text: str) -> None:
        self._notes.append(LogLine(level, text))

    def of(self, kind: KeyType, *statuses: str) -> list[Key]:
        return [key for key in self.keys.values() if key.type == kind and key.status in statuses]

    def change(self, key: Key, status: str, until: int | None = None) -> None:
        self.keys[key.selector] = replace(
            key,
            status=status,  # type: ignore[arg-type]  # one of STATUSES
            since=self._now,
            until=until,
        )

    def is_taken(self, name: str, kind: KeyType, files: Collection[str]) -> bool:
        """Has DNS, or had it, another key under that name?"""
        known = self.keys.get(name)
        if known is not None:
            return known.type != kind
        return name in self.removed and name not in files

    def ask_for(self, name: str, kind: KeyType, files: Collection[str]) -> None:
        """Have a key of this name, as the next one unless it signs already."""
        known = self.keys.get(name)
        if known is not None and known.status in ("signing", "next"):
            return
        for other in self.of(kind, "next"):
            self.change(other, "removable")
        if known is not None:
            self.change(replace(known, dns=None), "next")
            return
        self.keys[name] = Key(name, kind, "next", created=self._now, since=self._now)
        if name not in files:
            self._make.append(self.keys[name])

    def drop_lost(self, files: Collection[str]) -> None:
        """Forget the keys whose file is gone."""
        for key in self.before.keys:
            if key.selector in files:
                continue
            del self.keys[key.selector]
            self.removed.append(key.selector)
            if key.status == "signing":
                self.note("error", f"the file of {_named(key)}, which signed, is gone")
            elif key.status == "next":
                self.note("warning", f"the file of {_named(key)}, the next one, is gone")

    def retire_types(self, asked_for: Collection[KeyType]) -> None:
        """Let go of the types that are no longer wanted, as soon as mail is signed without."""
        for key in tuple(self.keys.values()):
            if key.type in asked_for:
                continue
            if key.status == "next":
                self.change(key, "removable")
            if key.status != "signing":
                continue
            others = [each for kind in asked_for for each in self.of(kind, "signing")]
            if any(each.published or not key.published for each in others):
                self._retire(key)
                self.note("info", f"{_named(key)} signs no longer: its type is not wanted")

    def keep_signing(self, established: Collection[str]) -> None:
        """Never be without a key that signs: one that DNS had, or else the first ones."""
        if any(key.status == "signing" for key in self.keys.values()):
            return
        known = [key for key in self.keys.values() if key.published is not None]
        waiting = [key for key in self.keys.values() if key.status == "next"]
        for kind in dict.fromkeys(key.type for key in known):
            key = max((k for k in known if k.type == kind), key=lambda k: k.published or 0)
            self.change(key, "signing")
            self.note("warning", f"{_named(key)} signs again: DNS had it before")
        if known:
            return
        for key in waiting:
            if not established or key.selector in established:
                self.change(key, "signing")

    def waiting(self, key: Key, seen: Observation) -> None:
        if seen.answer != "served":
            if seen != key.dns:
                level: Level = "info" if seen.answer == "missing" else "warning"
                self.note(level, f"{_named(key)} waits for DNS: {_told(seen)}")
            self.keys[key.selector] = replace(key, dns=seen)
            return
        before = self.of(key.type, "signing")
        self.change(replace(key, published=self._now, dns=seen), "signing")
        self.note("info", f"{_named(key)} signs from now on: every name server of the zone has it")
        for other in before:
            self._retire(other)
            self.note(
                "info",
                f"{_named(other)} signs no longer; its record has to stay until "
                f"{day(self._now + GRACE)}",
            )

    def in_use(self, key: Key, seen: Observation) -> None:
        if seen.answer == "served":
            if key.published is None or (key.dns is not None and key.dns.answer != "served"):
                self.note("info", f"{_named(key)}: every name server of the zone has it")
            published = self._now if key.published is None else key.published
            self.keys[key.selector] = replace(key, published=published, dns=seen)
        elif seen.answer in _TROUBLE and seen != key.dns:
            self.note(
                "error",
                f"{_named(key)} signs, and DNS does not serve it: {_told(seen)}; publish what "
                "`signpost dns` prints",
            )
            self.keys[key.selector] = replace(key, dns=seen, unserved=key.unserved + 1)

    def _retire(self, key: Key) -> None:
        self.change(key, "old", until=self._now + GRACE)


def _fresh(fresh: Mapping[KeyType, str], kind: KeyType) -> str:
    try:
        return fresh[kind]
    except KeyError:
        raise KeyRefusedError("there is no room for a new selector: set a shorter one") from None


def _named(key: Key) -> str:
    return f"DKIM key {key.selector} ({_SHOWN[key.type]})"


def _told(seen: Observation) -> str:
    return seen.detail or seen.answer
