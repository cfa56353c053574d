"""Samples → counters. Each label is one of a closed set of values, whatever a sample says."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter

from entrypoint.log_fields.junk import DECISIONS
from entrypoint.metrics import words
from entrypoint.metrics.own_names import WatchedNames
from entrypoint.metrics.refusals import REASONS

# No message is larger, and no number of samples.
_LARGEST = 1 << 40


class Counters:
    """Those of this process's life, in a registry."""

    def __init__(self, registry: CollectorRegistry, names: WatchedNames) -> None:
        self._registry, self._names = registry, names
        self._lines = self._counter(
            "log_lines", "Lines of the log", ("program", words.PROGRAMS), ("level", words.LEVELS)
        )
        self._connections = self._counter("smtp_connections", "Connections of SMTP clients")
        self._accepted = self._counter("messages_accepted", "Messages that were accepted (250)")
        self._bytes = self._counter("messages_accepted_bytes", "Their bytes")
        self._recipients = self._named(
            "recipients_accepted", "Their recipients, by our domains", "domain"
        )
        self._rejected = self._counter(
            "smtp_rejected",
            "Commands and messages that were refused, by why",
            ("reason", REASONS),
            ("kind", words.KINDS),
        )
        self._verified = self._counter(
            "messages_verified",
            "What was found out about messages that came in (RFC 8601)",
            ("method", words.METHODS),
            ("result", words.RESULTS),
        )
        self._dispositions = self._counter(
            "messages_disposition",
            "What became of messages by their author's DMARC policy",
            ("disposition", words.DISPOSITIONS),
        )
        self._signed = self._named(
            "dkim_signatures", "DKIM signatures, by our keys", "domain", "selector"
        )
        self._unsigned = self._named(
            "messages_unsigned", "Messages of our domains that could not be signed", "domain"
        )
        self._deliveries = self._counter(
            "deliveries",
            "Tries to deliver to a mailbox (local) or to another server (relay)",
            ("agent", words.AGENTS),
            ("result", words.OUTCOMES),
        )
        self._ended = self._counter(
            "queue_given_up", "Recipients that left the queue otherwise", ("how", words.ENDS)
        )
        self._store_errors = self._counter(
            "mailbox_store_errors", "Messages that Dovecot could not store as was asked"
        )
        self._verdicts = self._counter(
            "junk_verdicts",
            "What the junk filter has said of deliveries, by what has decided",
            ("decision", DECISIONS),
            ("junk", words.JUNK),
        )
        self._logins = self._counter(
            "logins", "Logins", ("protocol", words.PROTOCOLS), ("result", words.LOGIN_RESULTS)
        )
        self._blocks = self._counter(
            "login_blocks",
            "Blocks that began: of a client, of a login at a client, of guesses at an account",
            ("scope", words.BLOCKED),
        )
        self._dropped = self._counter(
            "samples_dropped", "What was not counted, since there was no room for it"
        )
        self._malformed = self._counter("samples_malformed", "What could not be read")
        self._takers: dict[str, Callable[..., None]] = {
            "line": self._lines,
            "connection": self._connections,
            "accepted": self._take_accepted,
            "recipient": lambda domain: self._recipients.labels(names.domain(domain)).inc(),
            "rejected": self._rejected,
            "verified": self._verified,
            "disposition": self._dispositions,
            "signed": lambda *key: self._signed.labels(*names.key(*key)).inc(),
            "unsigned": lambda domain: self._unsigned.labels(names.domain(domain)).inc(),
            "delivery": self._deliveries,
            "queue": self._ended,
            "store-error": self._store_errors,
            "junk": self._verdicts,
            "login": self._logins,
            "block": self._blocks,
            "dropped": lambda number: self._dropped(by=_number(number)),
        }

    def take(self, lines: Iterable[bytes]) -> None:
        """Count samples, one a line (`entrypoint.metrics.samples`). Never raises."""
        for line in lines:
            name, *values = line.decode("ascii", "replace").split(" ")
            try:
                self._takers[name](*values)
            except (KeyError, TypeError, ValueError):
                self._malformed()

    def show_own(self) -> None:
        """Have our domains and keys among the series before anything is counted for them."""
        own = self._names.all()
        for domain in own.domains:
            self._recipients.labels(domain)
        for domain, selector in own.keys:
            self._signed.labels(domain, selector)
            self._unsigned.labels(domain)

    def _take_accepted(self, size: str) -> None:
        number = _number(size)
        self._accepted()
        self._bytes(by=number)

    def _counter(
        self, name: str, text: str, *labels: tuple[str, frozenset[str]]
    ) -> Callable[..., None]:
        """What counts one, of labels with these values. All that may be are there from the first
        scrape on: a rate would not see the first of what was not.
        """
        counter = Counter(
            name, text, [label for label, _ in labels], "signpost", registry=self._registry
        )
        for each in _combinations([sorted(values) for _, values in labels]):
            if each:
                counter.labels(*each)
        allowed = [values for _, values in labels]

        def take(*values: str, by: int = 1) -> None:
            if not allowed and not values:
                counter.inc(by)
                return
            closed = (
                value if value in known else words.OTHER
                for value, known in zip(values, allowed, strict=True)
            )
            counter.labels(*closed).inc(by)

        return take

    def _named(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, "signpost", registry=self._registry)


def _combinations(values: list[list[str]]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for each in values:
        found = [(*before, value) for before in found for value in each]
    return found


def _number(text: str) -> int:
    """Raises ValueError."""
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) > _LARGEST:
        raise ValueError("no number")
    return int(text)
