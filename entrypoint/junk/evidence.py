"""What speaks for or against a message besides its words, and how much.

In: what the server knew on arrival, the message's header and the names of its files, and what the
account knows of the author. Out: a list, each with a weight and a reason. Nothing is read or asked
here. A weight is in units of a score (score.py): what a logistic regression on made mail of seeds
11 to 13 (bench/junk) gave each beside the words, rounded to halves.
Nobody's byte gets into a reason but a blocklist's name, which is the administrator's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from entrypoint.junk.excerpt import LOOKED_AT
from filters.facts import ArrivalFacts
from filters.mailauth.message import Message, author

_HEADER = 64 * 1024
# A file that runs, or a document with a program in it, by its name in a header field of its part.
_PROGRAM = re.compile(
    rb"(?im)^content-(?:type|disposition)[ \t]*:[^\n]{0,500}(?:\n[ \t][^\n]{0,500}){0,5}?"
    rb"name\*?(?:0\*?)?[ \t]*=[ \t]*\"?[^\"\n]{0,200}"
    rb"\.(?:exe|scr|com|pif|bat|cmd|msi|js|jse|vbs|vbe|wsf|hta|ps1|cpl|jar|lnk|iso|img|vhd"
    rb"|docm|dotm|xlsm|xlsb|pptm)\"?[ \t]*(?:;|$)"
)
LONGEST_ADDRESS = 320  # characters; RFC 5321, 4.5.3.1, has 64 and 255
_BULK = re.compile(rb"(?i)^\s*(?:bulk|list)\s*$")


class Evidence(NamedTuple):
    """One thing that is known. weight: above 0 it speaks for junk. reason: closed words."""

    weight: float
    reason: str


WEIGHTS = {
    "missing reverse name": 0.5,
    "generic reverse name": 0.5,
    "HELO lies": 1.0,
    "HELO is an address": 0.5,
    "no DMARC, no DKIM, no SPF": 1.0,
    "no DMARC, no DKIM": 0.5,
    "SPF fail": 0.5,
    "own address without DMARC": 1.5,
    "first contact": 1.5,
    "known author": -1.0,
    "bulk without unsubscribe": 0.5,
    "executable attachment": 1.5,
}
_LISTED = "listed by "
# Lists copy each other: a second one says less.
_FIRST_LIST, _NEXT_LIST, _MOST_LISTS = 2.5, 0.5, 3


@dataclass(frozen=True)
class Marks:
    """What the message itself says. author: "" where it does not name one for every reader."""

    author: str = ""
    domain: str = ""  # the author's
    # Everybody in From, for rules against somebody; the domain of an address that is nobody's.
    authors: tuple[str, ...] = ()
    bulk: bool = False
    unsubscribe: bool = False
    program: bool = False


@dataclass(frozen=True)
class Known:
    """What the account knows of the author."""

    own_address: bool = False
    first_contact: bool = True


def marks_of(message: bytes) -> Marks:
    """Read them. Any bytes will do."""
    text = message[:LOOKED_AT].replace(b"\r\n", b"\n")
    head = text.partition(b"\n\n")[0]
    parsed = Message((head[:_HEADER] + b"\n").replace(b"\n", b"\r\n"))
    found = author(parsed)
    authors = tuple(map(_for_rules, found.addresses))
    # Of a From field that is cut, readers see somebody else.
    is_one = len(authors) == 1 and _may_be_known(found.addresses[0]) and len(head) < _HEADER
    return Marks(
        author=authors[0] if is_one and found.domain else "",
        domain=found.domain or "" if is_one else "",
        authors=authors,
        bulk=_is_bulk(parsed),
        unsubscribe=bool(parsed.named(b"list-unsubscribe")),
        program=_PROGRAM.search(text) is not None,
    )


def _for_rules(address: str) -> str:
    return address.lower() if _may_be_known(address) else address.rpartition("@")[2]


def _may_be_known(address: str) -> bool:
    """Whether an account's rules and notes can have it: nobody's is as long, or holds raw bytes,
    or a letter whose small form is another's (U+212A, the Kelvin sign, and k).
    """
    is_itself = address.isascii() or not address.lower().isascii()
    return len(address) <= LONGEST_ADDRESS and address.isprintable() and is_itself


def _is_bulk(message: Message) -> bool:
    """Sent to many at once, by its own word; neither by a mailing list nor as a reply."""
    if any(message.named(name) for name in (b"list-id", b"list-post", b"auto-submitted")):
        return False
    return bool(message.named(b"feedback-id")) or any(
        _BULK.match(field.value) for field in message.named(b"precedence")
    )


def passes_dmarc(facts: ArrivalFacts, marks: Marks) -> bool:
    """Whether the author's domain stands for the message, and readers see that author."""
    return facts.dmarc == "pass" and marks.domain != "" and facts.author == marks.domain


def evidence(facts: ArrivalFacts, marks: Marks, known: Known) -> list[Evidence]:
    """All that there is, in the order of a message's way."""
    reasons = [
        *_of_client(facts),
        *_of_authentication(facts),
        *_of_author(facts, passes_dmarc(facts, marks), known),
        *of_message(marks),
    ]
    return weighed(reasons)


def of_message(marks: Marks) -> Iterator[str]:
    """Reasons that a message shows by itself."""
    if marks.bulk and not marks.unsubscribe:
        yield "bulk without unsubscribe"
    if marks.program:
        yield "executable attachment"


def weighed(reasons: Iterable[str]) -> list[Evidence]:
    """Reasons with their weights; without what is no reason."""
    found, lists = list[Evidence](), 0
    for reason in reasons:
        if reason in WEIGHTS:
            found.append(Evidence(WEIGHTS[reason], reason))
        elif reason.startswith(_LISTED) and lists < _MOST_LISTS:
            found.append(Evidence(_NEXT_LIST if lists else _FIRST_LIST, reason))
            lists += 1
    return found


def _of_client(facts: ArrivalFacts) -> Iterator[str]:
    if facts.rdns in ("missing", "generic"):
        yield f"{facts.rdns} reverse name"
    if facts.helo == "lies":
        yield "HELO lies"
    elif facts.helo == "literal":
        yield "HELO is an address"
    for zone in facts.dnsbl:
        yield f"{_LISTED}{zone}"


def _of_authentication(facts: ArrivalFacts) -> Iterator[str]:
    unsigned = facts.dkim in ("none", "fail", "permerror", "neutral", "policy")
    if facts.dmarc in ("none", "fail", "permerror") and unsigned:
        by_spf = facts.spf in ("pass", "temperror", "unknown")
        yield "no DMARC, no DKIM" if by_spf else "no DMARC, no DKIM, no SPF"
    if facts.spf == "fail":
        yield "SPF fail"


def _of_author(facts: ArrivalFacts, dmarc: bool, known: Known) -> Iterator[str]:
    if known.own_address:
        if not dmarc:
            yield "own address without DMARC"
    elif known.first_contact:
        yield "first contact"
    elif dmarc or facts.dkim == "pass":
        yield "known author"
