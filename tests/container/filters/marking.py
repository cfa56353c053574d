"""Marks mail as spam in every way that there is; `Subject` or the sender's name says which.

It speaks smtpd's protocol itself: our library has no word for `junk`. `junk@…` is answered so at
MAIL, and at RCPT. Subjects: `prepend` and `append` a field above or below all others, `replace` all
of that name, as spam filters do. Where it sees one that it has not written it adds X-Saw. `facts`:
the fields that only we may write.
"""

import sys
from collections import defaultdict

MARK, SMTPDS = b"X-Spam: yes", b"X-Spam: Yes"


def say(*fields: bytes) -> None:
    sys.stdout.buffer.write(b"|".join(fields) + b"\n")
    sys.stdout.buffer.flush()


def is_mark(line: bytes) -> bool:
    return line.lower().startswith((b"x-spam:", b"x-spam-flag:"))


def marked(lines: list[bytes]) -> list[bytes]:
    end = lines.index(b"")
    header, body = lines[:end], lines[end:]
    if any(is_mark(line) and line != SMTPDS for line in header):
        header.append(b"X-Saw: a mark")
    if b"Subject: replace" in header:
        header = [MARK, *(line for line in header if not is_mark(line))]
    if b"Subject: prepend" in header:
        header.insert(0, MARK)
    if b"Subject: facts" in header:
        header[:0] = [b"X-Signpost-Facts: dmarc=pass", b"X-Signpost-Junk: no"]
    if b"Subject: append" in header:
        header.append(MARK)
    return header + body


messages: dict[bytes, list[bytes]] = defaultdict(list)
junk: set[bytes] = set()
for line in sys.stdin.buffer:
    if line == b"config|ready\n":
        for phase in (b"mail-from", b"rcpt-to", b"data-line"):
            say(b"register", b"filter", b"smtp-in", phase)
        say(b"register", b"ready")
    if not line.startswith(b"filter|"):
        continue
    *_, phase, session, token, parameter = line[:-1].split(b"|", 7)
    if phase == b"mail-from":
        (junk.add if parameter.startswith(b"junk") else junk.discard)(session)
    if phase != b"data-line":
        say(b"filter-result", session, token, b"junk" if session in junk else b"proceed")
    elif parameter != b".":
        messages[session].append(parameter)
    else:
        for each in [*marked(messages.pop(session)), b"."]:
            say(b"filter-dataline", session, token, each)
