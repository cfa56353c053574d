"""An SMTP reply of ours that refuses → why, in one of a few words.

A client chooses some of a reply's text, which can only make it another of these words.
"""

from __future__ import annotations

import re

from entrypoint.metrics.words import OTHER

_ADDRESS = re.compile(r"<[^<>]*>")
# In this order; the reply without what stands in angle brackets.
_REASONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(form))
    for reason, form in (
        ("greylist", r"451 4\.7\.1 greylisted"),
        ("blocklist", r"554 5\.7\.1 \S+ is listed by "),
        ("dmarc", r"550 5\.7\.26 refused by the DMARC policy"),
        ("dmarc-forward", r"550 5\.7\.26  is forwarded"),
        ("author", r"550 5\.7\.26|550 5\.6\.0 From"),
        ("dns", r"451 4\.7\.5 \S+ cannot be verified now"),
        ("unsigned", r"451 4\.7\.5 mail from|550 5\.7\.1 local mail of no account"),
        ("rspamd", r"550 5\.7\.1 rspamd: |451 4\.7\.1 rspamd: "),
        ("recipient", r"550 5\.1\.1|524 |550 Invalid recipient"),
        ("relay", r"550 5\.7\.1 : relaying denied"),
        ("recipient-syntax", r"5\d\d 5\.1\.3"),
        ("guessing", r"421 4\.7\.0 too many unknown recipients"),
        ("mailbox-full", r"552 5\.2\.2"),
        ("no-room", r"452 4\.3\.1|451 4\.3\.1"),
        ("sender-rewriting", r"550 5\.1\.7"),
        ("sender-syntax", r"501 5\.1\.7"),
        ("loop", r"554 5\.4\.6"),
        ("rate-limit", r"451 4\.7\.1 \S+ has sent|550 5\.7\.1 scripts of"),
        ("blocked-login", r"421 4\.7\.0"),
        ("login", r"535 |454 4\.7\.0"),
        ("login-needed", r"530 "),
        ("sender", r"550 5\.7\.1"),
        ("size", r"552 5\.3\.4|552 "),
        ("message-end", r"521 5\.5\.2"),
        ("message-form", r"550 5\.6\.0|550 5\.7\.1 Delivery not authorized, message"),
        ("too-many", r"452 4\.5\.3|421 4\.3\.2"),
        ("filter", r"451 4\.3\.0"),
        ("syntax", r"50\d "),
        ("unavailable", r"421 "),
    )
)
REASONS = frozenset(reason for reason, _ in _REASONS)


def reason_of(reply: str) -> str:
    """Of a reply of 4xx or 5xx."""
    text = _ADDRESS.sub("", reply)
    return next((reason for reason, form in _REASONS if form.match(text)), OTHER)


def kind_of(reply: str) -> str:
    """Whether the client is to try again (RFC 5321 §4.2.1)."""
    return "temporary" if reply.startswith("4") else "permanent"
