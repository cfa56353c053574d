"""The item of a list, and what a search looks at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from entrypoint.test_target.messages.address import Address
from entrypoint.test_target.messages.content import MessageContent
from entrypoint.test_target.messages.html import words_of_html
from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.search.record import SearchRecord
from entrypoint.test_target.search.words import clean, fold
from entrypoint.test_target.shapes.envelope import correspondents, message_id
from entrypoint.test_target.shapes.moment import milliseconds, rfc3339
from entrypoint.test_target.shapes.tag import tags_of_message

SNIPPET = 250  # characters
_MOST_FOR_SNIPPET = 200_000  # characters of HTML that are read for it: style sheets come first
_MOST_TEXT = 2_000_000  # characters of a message that a search looks at


@dataclass(frozen=True)
class Summary:
    """json: without ID, Read and Tags, which are not the message's own (`with_state` adds them)."""

    json: dict[str, Any]
    record: SearchRecord
    tags: list[str]


def summarise(message: ReceivedMessage, content: MessageContent, identity: str) -> Summary:
    """identity: the message's ID here."""
    who = correspondents(content, message.extra)
    subject = content.header.text("Subject")
    own_id = message_id(content, identity)
    tags = tags_of_message(content.header, who)
    words = _words(content)
    json = {
        "MessageID": own_id,
        "From": who.from_.to_json(),
        "To": [mailbox.to_json() for mailbox in who.to],
        "Cc": [mailbox.to_json() for mailbox in who.cc],
        "Bcc": [mailbox.to_json() for mailbox in who.bcc],
        "ReplyTo": [mailbox.to_json() for mailbox in who.reply_to],
        "Subject": subject,
        "Created": rfc3339(message.extra.received),
        "Username": message.extra.login,
        "Size": len(message.raw),
        "Attachments": len(content.attachments),
        "Snippet": _snippet(content),
        "Extra": message.extra.to_json(),
    }
    addressed = [_text(who.from_), *map(_texts, (who.to, who.cc, who.bcc, who.reply_to))]
    recipients = (mailbox.address for mailbox in (*who.to, *who.cc, *who.bcc))
    from_, to, cc, bcc, reply_to = addressed
    files = " ".join(part.file_name for part in content.attachments)
    record = SearchRecord(
        text=clean(
            " ".join((from_, subject, to, cc, bcc, reply_to, who.return_path, words, files))
        ),
        from_=from_,
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        subject=fold(" ".join(subject.splitlines())),
        message_id=clean(own_id),
        recipients=frozenset(a.lower() for a in (*recipients, *message.extra.recipients)),
        run=message.extra.run.lower(),
        created=milliseconds(message.extra.received),
        size=len(message.raw),
        attachments=len(content.attachments),
        inline=len(content.inline),
        tags=frozenset(tag.lower() for tag in tags),
    )
    return Summary(json, record, tags)


def with_state(
    json: dict[str, Any], identity: str, *, read: bool, tags: list[str]
) -> dict[str, Any]:
    """The whole item, in Mailpit's order."""
    first = {"ID": identity, "MessageID": json["MessageID"], "Read": read}
    return {**first, **json, "Tags": tags}


def _words(content: MessageContent) -> str:
    words = words_of_html(content.html, links=True) if content.html else ""
    return (words or content.text)[:_MOST_TEXT]


def _snippet(content: MessageContent) -> str:
    html = content.html[:_MOST_FOR_SNIPPET]
    words = words_of_html(html, links=False) if html else content.text[:5_000]
    line = " ".join(words.replace("\ufeff", " ").split())
    return line if len(line) <= SNIPPET else line[:SNIPPET] + "..."


def _texts(mailboxes: Iterable[Address]) -> str:
    return clean(" ".join(map(_text, mailboxes)))


def _text(mailbox: Address) -> str:
    return clean(f"{mailbox.name} {mailbox.address}")
