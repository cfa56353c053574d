"""A message's bytes → what a person sees in it: header, texts, attachments.

What counts as text, attached or inline is as Mailpit's parser has it (enmime).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from entrypoint.test_target.messages.address import Address, parse_addresses
from entrypoint.test_target.messages.header import Header
from entrypoint.test_target.messages.html import text_of_html
from entrypoint.test_target.messages.parts import Part, parse_parts


@dataclass(frozen=True)
class MessageContent:
    """attachments and inline: every such part; those without name and Content-ID among them.

    html: "" is none. text: where a message has HTML only, the HTML's words.
    """

    header: Header
    text: str
    html: str
    attachments: tuple[Part, ...]
    inline: tuple[Part, ...]

    def addresses(self, name: str) -> list[Address]:
        """Those of the first field of that name."""
        return parse_addresses(self.header.first(name))

    def part(self, number: str) -> Part | None:
        """The attached or inline part of that number."""
        parts = (*self.inline, *self.attachments)
        return next((part for part in parts if part.number == number), None)


def read_message(raw: bytes) -> MessageContent:
    """Should not raise, whatever the bytes are; who must not fail has `plain_message`."""
    root = parse_parts(raw)
    if not root.children:
        return _single(root)
    leaves = [part for part in root.walk() if not part.type.word.startswith("multipart/")]
    texts = [part for part in leaves if _is_body(part, "text/plain")]
    htmls = [part for part in leaves if _is_body(part, "text/html")]
    if root.type.word == "multipart/alternative":
        texts = texts[:1]
    text = "\n--\n".join(part.text for part in texts)
    html = htmls[0].text if htmls else ""
    attachments = tuple(part for part in leaves if _is_attached(part))
    inline = [part for part in leaves if part.disposition == "inline" and not _is_attached(part)]
    other = [
        part
        for part in leaves
        if part.disposition not in {"inline", "attachment"}
        and not _is_attached(part)
        and part.type.word not in {"text/plain", "text/html"}
    ]
    return _content(root, text, html, attachments, (*inline, *other))


def plain_message() -> MessageContent:
    """Of a message that cannot be read at all: nothing but its bytes is known."""
    return MessageContent(Header(()), "", "", (), ())


def message_date(header: Header) -> datetime | None:
    """The Date field, in its own time zone; None if it cannot be read."""
    try:
        date = parsedate_to_datetime(header.first("Date")[:200])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        date.astimezone(UTC)  # the year 1 can have a zone that leads out of the calendar
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date


def _single(root: Part) -> MessageContent:
    if root.disposition in {"attachment", "inline"} or not root.type.word.startswith("text/"):
        inline = root.disposition == "inline"
        return _content(root, "", "", () if inline else (root,), (root,) if inline else ())
    is_html = root.type.word == "text/html"
    return _content(root, "" if is_html else root.text, root.text if is_html else "", (), ())


def _content(
    root: Part, text: str, html: str, attachments: tuple[Part, ...], inline: tuple[Part, ...]
) -> MessageContent:
    if not text and html:
        text = text_of_html(html, links=True)
    return MessageContent(root.header, text, html, attachments, inline)


def _is_body(part: Part, kind: str) -> bool:
    return part.type.word == kind and part.disposition != "attachment"


def _is_attached(part: Part) -> bool:
    return part.disposition == "attachment" or part.type.word == "application/octet-stream"
