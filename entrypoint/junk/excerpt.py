"""What of a message its words are taken from: at most 64 kB, and 2,000 lines, of what may be read.

Of the first 128 kB, without what only looks like words: pictures and other files (their names
stay), signatures, and fields of ours or of other filters. So a picture in front hides no text, nor
does one long part the next, and a lesson sees what a verdict saw. Whoever changes what is left out
changes what a reversed lesson takes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

LOOKED_AT = 128 * 1024  # bytes of a message
_WHOLE = 64 * 1024
_HEADER = 16 * 1024
_FIELD = 2 * 1024
_PART = 32 * 1024
# bogofilter 1.2.5 begins anew with each line of an HTML tag that has no end: 32 kB of empty lines
# took it 3.5 s of CPU, and 1,000 lines of 32 bytes 0.1 s.
_WHOLE_LINES = 2_000
_PART_LINES = 1_000
_MOST_PARTS = 100

# What our server, a mail program or another filter wrote, at delivery or later, and what is random.
_LEFT_OUT = re.compile(
    rb"(?i)(?:return-path|delivered-to|x-original-to|envelope-to|status|x-status|x-keywords|x-uid"
    rb"|x-bogosity|authentication-results|received-spf|dkim-signature|domainkey-signature"
    rb"|(?:x-signpost-|x-mozilla-|x-spam|x-rspamd|x-virus|x-gm-|arc-|x-google-)[^:]*+)[ \t]*+:"
)
_TYPE = re.compile(rb"(?im)^content-type[ \t]*:[ \t]*(?:\n[ \t]+)?([\w.+-]+)/")
_BOUNDARY = re.compile(rb"""(?i)\bboundary[ \t]*=[ \t]*(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""")


def excerpt(message: bytes) -> bytes:
    """The message that bogofilter gets."""
    text = message[:LOOKED_AT].replace(b"\r\n", b"\n")
    lines = iter(text.split(b"\n"))
    taken = list(_fields(lines, _HEADER))
    # With one of these in front, bogofilter takes a message for as many as it has such lines.
    while taken and taken[0].startswith((b"From ", b"#!")):
        del taken[0]
    kind, boundaries = _kind_of(taken, set())
    taken.append(b"")
    room = _WHOLE - sum(len(line) + 1 for line in taken)
    for line in islice(_bodies(lines, kind, boundaries), _WHOLE_LINES):
        if room <= 0:
            break
        taken.append(line[:room])
        room -= len(line) + 1
    return b"\n".join(taken) + b"\n"


def _bodies(lines: Iterator[bytes], kind: bytes, boundaries: set[bytes]) -> Iterator[bytes]:
    """What may be read of the parts, and the header of each."""
    room, left, parts, blank = _PART, _PART_LINES, 0, False
    for line in lines:
        if line.startswith(b"--") and _is_boundary(line, boundaries):
            parts += 1
            if parts > _MOST_PARTS:
                return
            yield line
            if line.rstrip().endswith(b"--"):
                kind = b"multipart"  # what follows the last part is nobody's text
                continue
            kind, room, left, blank = b"message", _PART, _PART_LINES, False
        elif kind not in (b"text", b"message"):
            continue
        else:
            after_blank, blank = blank, not line.strip()
            if blank and after_blank:  # no words, and any number of them
                continue
            if room > 0 and left > 0:
                yield line[:room]
            room, left = room - len(line) - 1, left - 1
            continue
        while kind == b"message":  # the header of a part, and of a message that is the part
            header = list(_fields(lines, _FIELD))
            yield from (*header, b"")
            kind, boundaries = _kind_of(header, boundaries)
            parts += 1
            if parts > _MOST_PARTS:
                return


def _is_boundary(line: bytes, boundaries: set[bytes]) -> bool:
    bare = line[2:].rstrip()
    return bare in boundaries or bare.removesuffix(b"--") in boundaries


def _fields(lines: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The lines of a header up to its end, without what is left out."""
    wanted, of_field = True, 0
    for line in lines:
        if not line:
            return
        if not line.startswith((b" ", b"\t")):
            wanted, of_field = not _LEFT_OUT.match(line), 0
        room = min(_FIELD - of_field, most)
        of_field += len(line) + 1
        if wanted and room > 0:
            most -= min(len(line), room) + 1
            yield line[:room]


def _kind_of(header: list[bytes], boundaries: set[bytes]) -> tuple[bytes, set[bytes]]:
    """The first half of the type, and the boundaries that count inside."""
    text = b"\n".join(header)
    match = _TYPE.search(text)
    if match is None:
        return b"text", boundaries
    kind = match[1].lower()
    if kind != b"multipart":
        return kind, boundaries
    found = _BOUNDARY.search(text, match.end())
    if found is None:  # mail programs may find one (RFC 2231, 3), or show all of it
        return b"text", boundaries
    return kind, boundaries | {re.sub(rb"\\(.)", rb"\1", found[1] or found[2]).rstrip()}
