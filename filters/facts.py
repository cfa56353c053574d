"""X-Signpost-Facts: what the server knows of a message that arrives, beside its words.

    dmarc=pass dkim=other spf=fail rdns=generic helo=ok dnsbl=bl.example author=example.org

The inbound filter writes one on top, above the Received field of its own smtpd; what stands below
that is a stranger's. The submission filter writes one that knows nothing above what the server
returns of a stranger's letter. In it are words of closed sets, and domain names as A-labels: no
byte of a client's own choice. Nothing here knows how anything was found out, nor what it counts.

dmarc, spf: RFC 8601's words. dkim: the same, of the best signature; pass is one of the author's
own organization, and `other` a valid one of somebody else. rdns: whether the client's address has a
name that points back to it (`missing`: it has none), and one that somebody gave to a mail server
(`generic`: made of the address, or a dial-up's). helo: whether the client claims in HELO to be us,
or to be at another address (`lies`); `literal` is its own address. `unknown`: nobody could tell,
which is nothing against a message. dnsbl: the blocklists that list the client, of those that score.
author: the author domain (RFC 5322's From), where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from filters.mailauth.names import ldh

FIELD = "X-Signpost-Facts"
# With both lists of names at their longest the value is still below this.
LONGEST = 500
_LONGEST_NAMES = 150  # characters of blocklists' names; the author's domain has 253 at most
_NAMES = frozenset({"dnsbl", "author"})

DmarcFact = Literal["pass", "fail", "none", "temperror", "permerror", "unknown"]
DkimFact = Literal[
    "pass", "other", "fail", "neutral", "policy", "none", "temperror", "permerror", "unknown"
]
SpfFact = Literal[
    "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "unknown"
]
RdnsFact = Literal["ok", "generic", "missing", "unknown"]
HeloFact = Literal["ok", "lies", "literal", "unknown"]

_WORDS = {
    "dmarc": frozenset(get_args(DmarcFact)),
    "dkim": frozenset(get_args(DkimFact)),
    "spf": frozenset(get_args(SpfFact)),
    "rdns": frozenset(get_args(RdnsFact)),
    "helo": frozenset(get_args(HeloFact)),
}


@dataclass(frozen=True)
class ArrivalFacts:
    """What is known of a message that arrived. author: "" for no single domain."""

    dmarc: DmarcFact = "unknown"
    dkim: DkimFact = "unknown"
    spf: SpfFact = "unknown"
    rdns: RdnsFact = "unknown"
    helo: HeloFact = "unknown"
    dnsbl: tuple[str, ...] = ()
    author: str = ""

    def value(self) -> str:
        """As the field has it: one line of printable ASCII, shorter than LONGEST."""
        said = " ".join(f"{key}={getattr(self, key)}" for key in _WORDS)
        listed = ",".join(_fitting(self.dnsbl))
        author = ldh(self.author)
        return (
            said
            + (f" dnsbl={listed}" if listed else "")
            + (f" author={author}" if author is not None else "")
        )

    def field(self) -> bytes:
        """The whole field, with its CRLF."""
        return f"{FIELD}: {self.value()}\r\n".encode("ascii")


def parse_facts(value: str) -> ArrivalFacts | None:
    """What a field says; None for an empty value.

    What is not known here is `unknown`: mail may wait in the queue while the server is upgraded.
    """
    if not value.strip():
        return None
    found: dict[str, object] = {}
    for pair in value[:LONGEST].split():
        key, _, word = pair.partition("=")
        if key in found:
            continue
        if key in _WORDS:
            found[key] = word if word in _WORDS[key] else "unknown"
        elif key in _NAMES:
            names = [name for text in word.split(",") if (name := ldh(text)) is not None]
            found[key] = tuple(names) if key == "dnsbl" else (names or [""])[0]
    return ArrivalFacts(**found)  # type: ignore[arg-type]


def _fitting(zones: Iterable[str]) -> Iterable[str]:
    """The names that there is room for, in their order."""
    room = _LONGEST_NAMES
    for zone in zones:
        name = ldh(zone)
        if name is not None and len(name) < room:
            room -= len(name) + 1
            yield name
