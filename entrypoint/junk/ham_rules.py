"""How much mail is learned as ham that nobody has called so.

Whoever sends mail that is opened must not be able to teach what he likes, and one who gets many
newsletters not to have nothing but those learned (docs/junk.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from entrypoint.junk.account_state import AccountState, DeliveryNote, MessageClass
from entrypoint.junk.moves import ANSWER, FILED, FLAGGED, MARKED, READ, UNMARKED, Event

DAY = 24 * 3600
# So long a message is in INBOX, read and left there, before it counts.
READ_FOR = 3 * DAY
PER_SPAM = 3
PER_DOMAIN = 5
PER_DAY = 50
# Done by hand, but one can file a hundred thousand messages at once.
BY_HAND_PER_DAY = 500
_BY_ITSELF = (READ, MARKED)
# Of what registries sell the names below, in front of a country's label: `co.uk`, `com.br`. Whoever
# is below a label that is missing here shares his five with his neighbours.
_REGISTRIES = frozenset(
    {"ac", "co", "com", "ed", "edu", "go", "gob", "gov", "ltd", "mil", "ne", "net", "nom", "or"}
    | {"org", "plc", "sch"}
)


@dataclass(frozen=True)
class Learned:
    """Lessons until now: spam in all; ham that was learned by itself, and by hand."""

    spam: int = 0
    by_itself: int = 0
    of_domain: int = 0
    today: int = 0
    by_hand_today: int = 0


def may_teach(source: str, learned: Learned, *, authenticated: bool, domain: str) -> bool:
    """Whether one more message counts as ham. domain: of its author, as authenticated."""
    if source in (ANSWER, FILED):
        return learned.by_hand_today < BY_HAND_PER_DAY
    if source not in _BY_ITSELF:
        return True
    return (
        authenticated
        and bool(domain)
        and learned.by_itself < PER_SPAM * learned.spam
        and learned.of_domain < PER_DOMAIN
        and learned.today < PER_DAY
    )


def allowed(
    state: AccountState,
    event: Event,
    note: DeliveryNote | None,
    learned: MessageClass | None,
    *,
    corrected: bool,
) -> tuple[Event, str]:
    """The event, without a class if a rule says so; and the domain that it counts for.

    note: of the message's delivery. learned: as what it was learned before. corrected: whether
    somebody has seen it in Junk. Raises StateError.
    """
    if event.cls != "ham":
        return event, ""
    if event.source == (READ if learned == "spam" else UNMARKED):
        # What somebody called spam stays it, however long it is read; and what was never
        # learned as spam cannot be taken back.
        return Event(None, event.source), ""
    if event.source == FLAGGED and not corrected and learned != "spam":
        event = Event("ham", MARKED)
    domain = sender_domain(note.domain) if note is not None else ""
    may = may_teach(
        event.source,
        learned_until(state, domain, time.time()),
        authenticated=note is not None and note.authenticated,
        domain=domain,
    )
    return (event if may else Event(None, event.source)), domain


def room(learned: Learned) -> int:
    """How many more messages may be learned by themselves today."""
    return max(0, min(PER_DAY - learned.today, PER_SPAM * learned.spam - learned.by_itself))


def learned_until(state: AccountState, domain: str, now: float) -> Learned:
    """What an account has learned. domain: see `sender_domain`. Raises StateError."""

    def number(*sources: str, domain: str | None = None) -> int:
        return sum(state.lessons_of(each, "ham", domain) for each in sources)

    def number_today(*sources: str) -> int:
        # What a clock that was ahead has dated later than now would count for years.
        today = int(now) - DAY, int(now)
        return sum(state.lessons_of(each, "ham", within=today) for each in sources)

    return Learned(
        spam=state.counts().spam,
        by_itself=number(*_BY_ITSELF),
        of_domain=number(*_BY_ITSELF, domain=domain),
        today=number_today(*_BY_ITSELF),
        by_hand_today=number_today(ANSWER, FILED),
    )


def sender_domain(author_domain: str) -> str:
    """What somebody registers, as far as a name shows it: its last two labels, or three.

    Whoever has a domain makes as many names below it as he likes, and says himself where his
    organizational domain is (RFC 9989): so that one would not do.
    """
    labels = author_domain.lower().rstrip(".").split(".")
    country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _REGISTRIES
    return ".".join(labels[-3:] if country else labels[-2:])
