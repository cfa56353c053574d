"""smtpd's sender rewriting (SRS): whether it has room for a sender, and what becomes of bounces.

smtpd rewrites the sender of what it forwards, after the queue, into a buffer of 256 bytes. Where
that fails it frees the sender and then sends what it has freed (mta_session.c, srs.c): whatever
memory holds by then leaves as MAIL FROM. So mail that it could not rewrite must not be accepted.

A bounce to a rewritten sender goes back to the sender, if the address is what smtpd made it, to the
letter: its hash covers all that follows. Some servers send bounces to the address in lower case.

It knows addresses as smtpd completes them, and neither tables nor sessions.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import time
from collections.abc import Callable, Iterator

# The days for which a rewritten sender takes bounces (`srs ttl` in smtpd.conf). The next hop may
# try for five, and then as long to send the bounce; other implementations take 21, too.
DAYS = 21
# srs.c: days since 1970 modulo 1,024, as two characters.
_DAYS_MODULO = 1024
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# What follows SRS0= or SRS1=: our hash and a separator, which the hash does not cover.
_HASHED = re.compile(
    r"(?P<tag>srs[01]=)(?P<hash>[-_a-z0-9]{4})[-=+](?P<rest>.*)", re.A | re.I | re.S
)
# The rest of SRS0, and that of SRS1: the previous hop, its own SRS0 with its own hash.
_SRS0_REST = re.compile(r"(?P<stamp>..)(?P<end>=(?P<domain>[^=]*)=(?P<local>.*))", re.S)
_SRS1_REST = re.compile(
    r"(?P<start>(?P<domain>[^=]*)=[-=+])(?P<hash>[^=]{4})"
    r"(?P<middle>[-=+])(?P<stamp>..)(?P<end>[-=+].*)",
    re.S,
)

# SMTPD_MAXMAILADDRSIZE (smtpd-defines.h) is 255 and the NUL.
LONGEST_ADDRESS = 255
# Between the hash of an SRS1 local part and what follows it.
_SEPARATORS = "=+-"


def can_rewrite(sender: str, recipient_domain: str) -> bool:
    """Whether a sender can be rewritten for mail to an address in this domain of ours.

    `sender` is `local@domain`, or "" for the null sender, which is never rewritten.

    With L, D and R octets in the sender's local part, its domain and our domain (srs_encode):

        SRS0=HHHH=TT=domain=local@ours       13 + D + 1 + L + 1 + R  <= 255:  L + D + R <= 240
        SRS1=HHHH=domain==rest@ours          10 + D + 2 + (L - 5) + 1 + R:    L + D + R <= 247
        SRS1=HHHH=rest@ours                  10 + (L - 5) - 5 + 1 + R:        L + R <= 254

    The second is for what begins with SRS0=, in any case, whose first 5 octets it takes off; the
    third for SRS1=, of which it takes off the old hash and separator, too, unless there are none:
    another case in which it uses what it has freed.
    """
    if not sender:
        return True
    local, _, domain = sender.rpartition("@")
    size, prefix = len(local) + len(recipient_domain), local[:5].lower()
    if prefix == "srs0=":
        return size + len(domain) <= LONGEST_ADDRESS - 8
    if prefix == "srs1=":
        separator = f"{local[5:]}@{recipient_domain}"[4:5]
        return separator in _SEPARATORS and separator != "" and size <= LONGEST_ADDRESS - 1
    return size + len(domain) <= LONGEST_ADDRESS - 15


def is_rewritten(address: str) -> bool:
    """Whether smtpd would take an address for a sender that it has rewritten."""
    return address[:5].lower() in ("srs0=", "srs1=")


class RewrittenSenders:
    """The senders that smtpd has rewritten with this secret (`srs key`). clock: seconds."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def sender(self, address: str) -> str | None:
        """The sender that smtpd gives what comes to this address; None where it knows none."""
        local, _, domain = address.rpartition("@")
        found = _HASHED.fullmatch(local)
        if found is None or self._hash(f"{found['rest']}@{domain}") != found["hash"]:
            return None
        again = found["tag"].upper() == "SRS1="
        parts = (_SRS1_REST if again else _SRS0_REST).fullmatch(found["rest"])
        if parts is None or not self._is_recent(parts["stamp"]):
            return None
        if not again:
            return f"{parts['local']}@{parts['domain']}"
        return f"SRS0{found['rest'][len(parts['domain']) + 1 :]}@{parts['domain']}"

    def restored(self, address: str) -> str | None:
        """The address with the capitals that it had when smtpd made it; None if there is none.

        Those of the sender itself cannot be known again: what has had some is not found.
        """
        local, _, domain = address.rpartition("@")
        found = _HASHED.fullmatch(local)
        if found is None:
            return None
        tag, given = found["tag"].upper(), found["hash"].lower()
        for rest in _spellings(tag, found["rest"], domain):
            made = self._hash(rest)
            whole = f"{tag}{made}={rest}"
            if made.lower() == given and self.sender(whole) is not None:
                return whole
        return None

    def _hash(self, rest: str) -> str:
        """HHHH, for what stands behind it and its separator: base64url (RFC 4648 section 5)."""
        digest = hashlib.sha1(self._secret + rest.encode(), usedforsecurity=False).digest()
        return base64.urlsafe_b64encode(digest)[:4].decode("ascii")

    def _is_recent(self, stamp: str) -> bool:
        """As srs.c has it: up to DAYS old, or of tomorrow."""
        if not all(char in _BASE32 for char in stamp):
            return False
        made = _BASE32.index(stamp[0]) << 5 | _BASE32.index(stamp[1])
        return (int(self._clock()) // 86_400 + 1 - made) % _DAYS_MODULO <= DAYS + 1


def _spellings(tag: str, rest: str, domain: str) -> Iterator[str]:
    """What smtpd may have hashed: as it came; with the domain, or all, in lower case. The times
    are always in capitals, and a hash of another's can be spelled in up to 16 ways.
    """
    seen = dict.fromkeys(
        ((rest, domain), (rest, domain.lower()), (rest.lower(), domain.lower())),
    )
    for local, ours in seen:
        parts = (_SRS1_REST if tag == "SRS1=" else _SRS0_REST).fullmatch(local)
        if parts is None:
            continue
        end = f"{parts['stamp'].upper()}{parts['end']}@{ours}"
        if tag == "SRS0=":
            yield end
            continue
        hashes = [parts["hash"]]
        if local == local.lower():
            hashes = ["".join(each) for each in itertools.product(*map(_cases, parts["hash"]))]
        for theirs in hashes:
            yield f"{parts['start']}{theirs}{parts['middle']}{end}"


def _cases(char: str) -> tuple[str, ...]:
    return (char, char.upper()) if char.upper() != char else (char,)
