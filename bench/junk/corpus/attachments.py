"""Files that come with a message: names and types as real ones have, contents that are noise."""

from __future__ import annotations

import base64
import binascii
import struct

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.letter import Letter
from bench.junk.corpus.mime import Part

TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "docm": "application/vnd.ms-word.document.macroEnabled.12",
    "zip": "application/zip",
    "exe": "application/x-msdownload",
    "js": "text/javascript",
    "iso": "application/octet-stream",
    "html": "text/html",
    "jpg": "image/jpeg",
    "txt": "text/plain",
    "patch": "text/x-patch",
}
MAGIC = {
    "pdf": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04",
    "exe": b"MZ\x90\x00",
    "jpg": b"\xff\xd8\xff\xe0",
}
HAM = {"pdf": 55, "jpg": 15, "docx": 8, "xlsx": 7, "zip": 5, "txt": 3, "patch": 3, "html": 1.5,
       "exe": 0.8, "docm": 0.8, "js": 0.5, "iso": 0.4}  # fmt: skip
SPAM = {"pdf": 30, "zip": 17, "html": 13, "docm": 8, "exe": 8, "js": 6, "iso": 5, "docx": 5,
        "xlsx": 4, "jpg": 4, "txt": 1, "patch": 0.5}  # fmt: skip


def attachment(draw: Draw, spam: bool) -> Part:
    """A file."""
    ending = draw.weighted(SPAM if spam else HAM)
    stem = draw.one(
        ("rechnung", "invoice", "scan", "document", "IMG", "details", "anlage", "order")
    )
    name = f"{stem}{draw.one(('_', '-', ''))}{draw.letters(draw.whole(2, 8), '0123456789')}"
    if draw.chance(0.15 if spam else 0.01):
        name += ".pdf"  # as in invoice.pdf.exe
    data = MAGIC.get(ending, b"") + bytes(draw.whole(0, 255) for _ in range(draw.whole(120, 500)))
    fields = (f'Content-Disposition: attachment; filename="{name}.{ending}"',)
    kind = TYPES[ending] if draw.chance(0.8) else "application/octet-stream"
    return Part(f'{kind}; name="{name}.{ending}"', base64.encodebytes(data), "base64", fields)


def calendar(draw: Draw, letter: Letter) -> Part:
    """An invitation (RFC 5545)."""
    day = f"2026{draw.whole(2, 8):02}{draw.whole(1, 28):02}"
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "METHOD:REQUEST", "BEGIN:VEVENT",
        f"UID:{draw.letters(20)}", f"DTSTART:{day}T{draw.whole(8, 18):02}0000Z",
        f"SUMMARY:{letter.subject}", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    body = base64.encodebytes("\r\n".join(lines).encode())
    return Part("text/calendar; charset=utf-8; method=REQUEST", body, "base64")


def picture(draw: Draw) -> Part:
    """A PNG with a few stripes, uncompressed so that every zlib makes the same of it."""
    wide, high = draw.whole(8, 24), draw.whole(6, 14)
    rows = b"".join(b"\0" + bytes([draw.whole(0, 255)]) * wide for _ in range(high))
    packed = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    packed += struct.pack(">I", _adler(rows))
    header = struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed)
    name = f"{draw.letters(7)}.png"
    fields = ("Content-ID: <picture>", f'Content-Disposition: inline; filename="{name}"')
    body = base64.encodebytes(data + _chunk(b"IEND", b""))
    return Part(f'image/png; name="{name}"', body, "base64", fields)


def _adler(data: bytes) -> int:
    low, high = 1, 0
    for byte in data:
        low = (low + byte) % 65521
        high = (high + low) % 65521
    return high << 16 | low


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))
    )
