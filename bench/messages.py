"""The mail that is sent: of a given size, plain or with a DKIM signature that verifies.

It must not know who carries it. Sizes are bytes on the wire, CRLF line ends.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import replace

from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.message import Message

OURS = "example.org"  # whose mail is received and signed here
FOREIGN = "example.net"  # who sends the mail that is verified
STUCK = "stuck.test"  # below it no name server ever answers
MANY = tuple(f"d{number}.test" for number in range(50))  # domains with the records of FOREIGN
# Whose mail is verified: each has its own records. The key in them is one for all, since a thousand
# would take a minute to make. All names have the same length, and so have their messages.
SENDERS = tuple(f"sender{number:03}.test" for number in range(1_000))

RECIPIENT = f"bob@{OURS}"
WIDTH = 76  # base64 and format=flowed text have lines like this


def plain(size: int, sender: str) -> bytes:
    """A message of about `size` bytes from this address."""
    head = (
        f"From: Alice Example <{sender}>\r\n"
        f"To: Bob Example <{RECIPIENT}>\r\n"
        "Subject: The minutes of the meeting on Tuesday\r\n"
        "Date: Tue, 03 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <20261103100000.4711@{sender.rpartition('@')[2]}>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "User-Agent: Example/1.0\r\n"
        "\r\n"
    ).encode("ascii")
    # The same bytes in every run.
    chance = random.Random(size)
    alphabet = string.ascii_letters + string.digits + "     "
    paragraph = [
        "x" + "".join(chance.choices(alphabet, k=WIDTH - 2)) + "x\r\n" for _ in range(1_000)
    ]
    lines = max(1, (size - len(head)) // (WIDTH + 2))
    whole, part = divmod(lines, len(paragraph))
    return head + ("".join(paragraph) * whole + "".join(paragraph[:part])).encode("ascii")


def signed(size: int, key: SigningKey) -> bytes:
    """The same, signed by the domain of the key, which is also the author's."""
    message = plain(size, f"alice@{key.domain}")
    return sign(Message(message), [key]) + message


def of_senders(
    size: int, key: SigningKey, domains: Sequence[str]
) -> tuple[list[tuple[str, bytes]], bytes]:
    """Signed messages of a sender in each domain: address and head of each, and the body of all."""
    first = domains[0].encode("ascii")
    head, blank, body = plain(size, f"alice@{domains[0]}").partition(b"\r\n\r\n")
    heads = []
    for domain in domains:
        own = head.replace(first, domain.encode("ascii")) + blank
        field = sign(Message(own + body), [replace(key, domain=domain)])
        heads.append((f"alice@{domain}", field + own))
    return heads, body
