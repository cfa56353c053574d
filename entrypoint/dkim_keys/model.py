"""What is known of the DKIM keys of a domain, as values.

It must not know files, DNS or clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from entrypoint.config.settings import KEY_TYPES, KeyType

# next: made, and waits until DNS serves it. signing: it signs. old: it signed, and its record has
# to stay until a date. removable: the record and the key may be removed.
Status = Literal["next", "signing", "old", "removable"]
STATUSES: tuple[Status, ...] = get_args(Status)

# What the authoritative servers of the zone say of a key's record, as far as they were heard.
Answer = Literal["served", "missing", "partial", "wrong", "unreachable", "unknown"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


@dataclass(frozen=True)
class Observation:
    """One look at DNS.

    served: every server has exactly this key. missing: none has a record. partial: some have this
    key and others nothing. wrong: one has something else. unreachable: one gives no answer, and
    the others have this key. unknown: it could not be found out whom to ask. detail: who and what.
    """

    answer: Answer
    detail: str = ""


@dataclass(frozen=True)
class Key:
    """A key. Times are Unix seconds.

    created: when it was made or found. since: when its status began. published: when every server
    had it for the first time. until: of an old key, how long its record has to stay. dns: what was
    last heard that is worth telling. unserved: how often DNS was found not to serve it while it
    signed.
    """

    selector: str
    type: KeyType
    status: Status
    created: int
    since: int
    published: int | None = None
    until: int | None = None
    dns: Observation | None = None
    unserved: int = 0


@dataclass(frozen=True)
class DomainKeys:
    """The keys of a domain. asked_for: the selectors that the configuration asked for last.

    removed: selectors that were in use and are not to be used again.
    """

    asked_for: Mapping[KeyType, str] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def signing(self) -> tuple[Key, ...]:
        """The keys that sign, RSA first."""
        found = (key for key in self.keys if key.status == "signing")
        return tuple(sorted(found, key=lambda key: KEY_TYPES.index(key.type)))

    def find(self, selector: str) -> Key | None:
        """The key of a selector."""
        return next((key for key in self.keys if key.selector == selector), None)


State = Mapping[str, DomainKeys]
