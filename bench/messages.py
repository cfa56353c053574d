"""The mail that is sent: of a given size, plain or with a DKIM signature that verifies.

It must not know who carries it. Sizes are bytes on the wire, CRLF line ends.
"""

from __future__ import annotations

import random
import string

from filters.mailauth.dkim.sign import SigningKey, sign
from filters.mailauth.message import Message

OURS = "example.org"  # whose mail is received and signed here
FOREIGN = "example.net"  # who sends the mail that is verified
STUCK = "stuck.test"  # below it no name server ever answers
MANY = tuple(f"d{number}.test" for number in range(50))  # domains with the records of FOREIGN

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
