"""Content, encodings and boundaries (RFC 2045 to 2047): the same bytes with every Python."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Sequence

from bench.junk.corpus.draw import Draw


@dataclasses.dataclass(frozen=True)
class Part:
    """A body with its own fields."""

    content_type: str
    body: bytes
    encoding: str = ""
    fields: tuple[str, ...] = ()

    def lines(self) -> str:
        """The header fields that belong to it."""
        found = [f"Content-Type: {self.content_type}"]
        if self.encoding:
            found.append(f"Content-Transfer-Encoding: {self.encoding}")
        return "\n".join((*found, *self.fields)) + "\n"


def text_part(draw: Draw, text: str, subtype: str, charset: str, encoding: str) -> Part:
    """Text in a charset, or in UTF-8 where that has no such characters."""
    try:
        data = text.encode(charset)
    except UnicodeEncodeError:
        charset, data = "utf-8", text.encode()
    if encoding == "7bit" and not (data.isascii() and _short(data)):
        encoding = "quoted-printable"
    if encoding == "8bit" and not _short(data):
        encoding = "quoted-printable"
    quoted = draw.one(('"', ""))
    extra = "; format=flowed" if subtype == "plain" and draw.chance(0.1) else ""
    kind = f"text/{subtype}; charset={quoted}{charset}{quoted}{extra}"
    named = "" if encoding == "7bit" and draw.chance(0.4) else encoding
    return Part(kind, encoded(data, encoding), named)


def encoded(data: bytes, encoding: str) -> bytes:
    """A body in a transfer encoding."""
    if encoding == "base64":
        return base64.encodebytes(data)
    if encoding == "quoted-printable":
        return binascii.b2a_qp(data, istext=True).removesuffix(b"\n") + b"\n"
    return data


def _short(data: bytes) -> bool:
    return all(len(line) < 990 for line in data.split(b"\n"))


def multipart(draw: Draw, subtype: str, parts: Sequence[Part], parameters: str = "") -> Part:
    """Parts in one body."""
    mark = draw.one(
        (
            f"----=_Part_{draw.letters(6, '0123456789')}_{draw.letters(9, '0123456789')}",
            f"=_{draw.letters(24)}",
            f"------------{draw.letters(24, '0123456789ABCDEFabcdef')}",
            f"000000000000{draw.letters(16, '0123456789abcdef')}",
            f"{'=' * 15}{draw.letters(19, '0123456789')}==",
        )
    )
    body = b"This is a multi-part message in MIME format.\n" if draw.chance(0.3) else b""
    for part in parts:
        body += f"--{mark}\n{part.lines()}\n".encode() + part.body + b"\n"
    body += f"--{mark}--\n".encode()
    return Part(f'multipart/{subtype}; boundary="{mark}"{parameters}', body)


def unstructured(draw: Draw, text: str) -> str:
    """A field's text, in encoded words where it has to be, or by habit."""
    if text.isascii() and not draw.chance(0.06):
        return text
    if draw.chance(0.5):
        pieces, piece = [], ""
        for char in text:
            if len((piece + char).encode()) > 42:
                pieces.append(piece)
                piece = ""
            piece += char
        pieces.append(piece)
        coded = [f"=?utf-8?B?{base64.b64encode(part.encode()).decode()}?=" for part in pieces]
    else:
        pieces, piece = [], ""
        for char in text:
            safe = char if char.isascii() and char.isalnum() else "_" if char == " " else ""
            safe = safe or "".join(f"={byte:02X}" for byte in char.encode())
            if len(piece) + len(safe) > 58:
                pieces.append(piece)
                piece = ""
            piece += safe
        pieces.append(piece)
        coded = [f"=?UTF-8?Q?{part}?=" for part in pieces]
    return "\n ".join(coded)


def phrase(draw: Draw, name: str) -> str:
    """A display name."""
    if not name.isascii():
        return unstructured(draw, name)
    return f'"{name}"' if draw.chance(0.4) or not name.replace(" ", "").isalnum() else name
