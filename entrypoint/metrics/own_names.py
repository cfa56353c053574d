"""Our domains and keys, for labels: a name of anybody else is `other`.

    {"domains": ["example.org"], "keys": [["example.org", "mail"]]}

The file is written by who may read the keys' names, at the start and while the server runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.metrics.words import OTHER
from entrypoint.paths import METRICS
from filters.json_file import parse_json
from filters.watched_file import Stamp, file_stamp

NAMES = METRICS / "names.json"
# What is more is `other`: each is a time series for as long as Prometheus keeps any.
MOST_DOMAINS = 1000
_LOOK_EVERY = 1.0  # seconds


@dataclass(frozen=True)
class OwnNames:
    """keys: domain and selector."""

    domains: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, domains: Iterable[str], keys: Iterable[tuple[str, str]]) -> OwnNames:
        """As many as may be labels, the first ones."""
        first = frozenset(list(dict.fromkeys(domains))[:MOST_DOMAINS])
        return cls(first, frozenset(key for key in keys if key[0] in first))

    def key_of(self, author: str, selector: str) -> tuple[str, str] | None:
        """As the signer chooses: the domain's own, or its nearest parent's."""
        labels = author.split(".")
        parents = (".".join(labels[place:]) for place in range(len(labels)))
        return next(((name, selector) for name in parents if (name, selector) in self.keys), None)

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps({"domains": sorted(self.domains), "keys": sorted(self.keys)}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> OwnNames:
        """Raises ValueError."""
        return parse_json(
            text,
            lambda found: cls.of(
                map(str, found["domains"]),
                [(str(domain), str(selector)) for domain, selector in found["keys"]],
            ),
        )


class WatchedNames:
    """The names as the file has them now; it is looked at once a second, where one is unknown."""

    def __init__(self, path: Path = NAMES, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._stamp: Stamp | None = None
        self._next_look = float("-inf")
        self._names = OwnNames()

    def all(self) -> OwnNames:
        """Those of now."""
        return self._fresh()

    def domain(self, name: str) -> str:
        """The domain itself if it is ours."""
        return name if name in self._names.domains or name in self._fresh().domains else OTHER

    def key(self, author: str, selector: str) -> tuple[str, str]:
        """Domain and selector of the key that signs for an author domain, if it is ours."""
        found = self._names.key_of(author, selector) or self._fresh().key_of(author, selector)
        return found or (self.domain(author), OTHER)

    def _fresh(self) -> OwnNames:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            stamp = file_stamp(self._path)
            if stamp != self._stamp:
                try:
                    self._names = OwnNames.from_json(self._path.read_text("utf-8"))
                    self._stamp = stamp
                except (OSError, ValueError):
                    pass  # those of before
        return self._names
