"""What speaks for or against a message besides its words, and how much.

In: what the server knew on arrival, the message's header and the names of its files, and what the
account knows of the author. Out: a list, each with a weight and a reason. Nothing is read or asked
here. A weight is in units of a score (score.py); they were rounded from what separates made mail
of seeds 11 to 13 (bench/junk), and halved where mail that is wanted has the same now and then.
Nobody's byte gets into a reason but a blocklist's name, which is the administrator's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

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
_BULK = re.compile(rb"(?i)^\s*(?:bulk|list)\s*$")


class Evidence(NamedTuple):
    """One thing that is known. weight: above 0 it speaks for junk. reason: closed words."""

    name: str
    weight: float
    reason: str


@dataclass(frozen=True)
class Marks:
    """What the message itself says. author: "" where it does not name one for every reader."""

    author: str = ""
    domain: str = ""  # the author's
    authors: tuple[str, ...] = ()  # everybody in From, for rules against somebody
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
    text = message.replace(b"\r\n", b"\n")
    head = text.partition(b"\n\n")[0][:_HEADER] + b"\n"
    parsed = Message(head.replace(b"\n", b"\r\n"))
    found = author(parsed)
    one = found.addresses[0].lower() if len(found.addresses) == 1 and found.domain else ""
    return Marks(
        author=one,
        domain=(found.domain or "") if one else "",
        authors=tuple(address.lower() for address in found.addresses),
        bulk=bool(parsed.named(b"list-id") or parsed.named(b"feedback-id"))
        or any(_BULK.match(field.value) for field in parsed.named(b"precedence")),
        unsubscribe=bool(parsed.named(b"list-unsubscribe")),
        program=_PROGRAM.search(text) is not None,
    )


def passes_dmarc(facts: ArrivalFacts, marks: Marks) -> bool:
    """Whether the author's domain stands for the message, and readers see that author."""
    return facts.dmarc == "pass" and marks.domain != "" and facts.author == marks.domain


def evidence(facts: ArrivalFacts, marks: Marks, known: Known) -> list[Evidence]:
    """All that there is, in the order of a message's way."""
    dmarc = passes_dmarc(facts, marks)
    found = [*_of_client(facts), *_of_authentication(facts), *_of_author(facts, dmarc, known)]
    if marks.bulk and not marks.unsubscribe:
        found.append(Evidence("bulk", 0.5, "bulk without unsubscribe"))
    if marks.program:
        found.append(Evidence("program", 1.5, "executable attachment"))
    return found


def _of_client(facts: ArrivalFacts) -> list[Evidence]:
    found = []
    if facts.rdns in ("missing", "generic"):
        found.append(Evidence("rdns", 0.5, f"{facts.rdns} reverse name"))
    if facts.helo == "lies":
        found.append(Evidence("helo", 1.0, "HELO lies"))
    elif facts.helo == "literal":
        found.append(Evidence("helo", 0.5, "HELO is an address"))
    # Lists copy each other: a second one says less.
    for number, zone in enumerate(facts.dnsbl[:3]):
        found.append(Evidence("dnsbl", 2.5 if number == 0 else 0.5, f"listed by {zone}"))
    return found


def _of_authentication(facts: ArrivalFacts) -> list[Evidence]:
    found = []
    unsigned = facts.dkim in ("none", "fail", "permerror", "neutral", "policy")
    if facts.dmarc in ("none", "fail", "permerror") and unsigned:
        weight = 0.5 if facts.spf == "pass" else 1.0
        found.append(Evidence("unauthenticated", weight, "no DMARC, no DKIM"))
    if facts.spf == "fail":
        found.append(Evidence("spf", 0.5, "SPF fail"))
    return found


def _of_author(facts: ArrivalFacts, dmarc: bool, known: Known) -> list[Evidence]:
    if known.own_address:
        return [] if dmarc else [Evidence("own", 1.5, "own address without DMARC")]
    if known.first_contact:
        return [Evidence("contact", 1.5, "first contact")]
    if dmarc or facts.dkim == "pass":
        return [Evidence("contact", -1.0, "known author")]
    return []
