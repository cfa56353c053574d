"""Who a message is from and to, when its envelope counts as well as its header."""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.test_target.messages.address import Address
from entrypoint.test_target.messages.content import MessageContent
from entrypoint.test_target.messages.received import Extra


@dataclass(frozen=True)
class Correspondents:
    """bcc: with the recipients that the header does not name. return_path: as Mailpit says it."""

    from_: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    return_path: str


def correspondents(content: MessageContent, extra: Extra) -> Correspondents:
    """For a null sender the Return-Path is the author's address, as it is for Mailpit."""
    authors = content.addresses("From")
    author = authors[0] if authors else Address(content.header.text("From"), "")
    to, cc, bcc = (content.addresses(name) for name in ("To", "Cc", "Bcc"))
    return Correspondents(
        author,
        tuple(to),
        tuple(cc),
        (*bcc, *(Address("", address) for address in _unnamed([*to, *cc, *bcc], extra))),
        tuple(content.addresses("Reply-To")),
        extra.sender or author.address,
    )


def message_id(content: MessageContent, identity: str) -> str:
    """Without its brackets; where there is none, one of the message's ID here."""
    return content.header.text("Message-ID").strip().strip("<>").strip() or f"{identity}@signpost"


def _unnamed(named: list[Address], extra: Extra) -> list[str]:
    seen = {mailbox.address.lower() for mailbox in named}
    return [address for address in dict.fromkeys(extra.recipients) if address.lower() not in seen]
