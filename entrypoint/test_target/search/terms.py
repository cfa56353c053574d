"""What a query consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TextField = Literal[
    "text", "from", "to", "cc", "bcc", "reply-to", "addressed", "subject", "message-id"
]
StateName = Literal["read", "tagged", "attachment", "inline"]


@dataclass(frozen=True)
class Contains:
    """The field has the needle; both are folded, and cleaned but for a subject."""

    field: TextField
    needle: str


@dataclass(frozen=True)
class Tagged:
    """name: the whole tag, in whatever case."""

    name: str


@dataclass(frozen=True)
class InRun:
    """name: the whole run, in whatever case."""

    name: str


@dataclass(frozen=True)
class AddressedExactly:
    """address: in lower case; To, Cc, Bcc or the envelope has it as it stands."""

    address: str


@dataclass(frozen=True)
class Has:
    """state: what holds for the message."""

    state: StateName


@dataclass(frozen=True)
class Received:
    """Not before (or, if `before`, not after) that moment, in milliseconds since 1970."""

    before: bool
    moment: int


@dataclass(frozen=True)
class Sized:
    """Larger (or, if `smaller`, smaller) than that many bytes."""

    smaller: bool
    size: int


Condition = Contains | Tagged | InRun | AddressedExactly | Has | Received | Sized


@dataclass(frozen=True)
class Term:
    """negated: the condition must not hold."""

    condition: Condition
    negated: bool = False


@dataclass(frozen=True)
class Query:
    """All terms have to hold; without terms every message matches."""

    terms: tuple[Term, ...]

    def within(self, run: str) -> Query:
        """The same, of the messages of a run; "" is all of them."""
        return Query((*self.terms, Term(InRun(run.lower())))) if run else self

    @property
    def depends_on_state(self) -> bool:
        """Whether a message can come to match it after it has been received."""
        return any(
            isinstance(term.condition, Tagged)
            or (isinstance(term.condition, Has) and term.condition.state in {"read", "tagged"})
            for term in self.terms
        )
