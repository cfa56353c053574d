"""Many messages for a store that no one has opened: `python -m bench.test_target.fill DB COUNT`."""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from entrypoint.test_target.messages.received import Extra, ReceivedMessage
from entrypoint.test_target.store.mailbox import Mailbox

SENDERS = 10
_RANDOM = random.Random(1)
_WORDS = [
    "".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=_RANDOM.randint(3, 9)))
    for _ in range(5_000)
]
# What is searched among them.
QUERIES = {
    "one message's word": "unique4711x",
    "part of a word of 1 in 9": _WORDS[7][:5],
    "a phrase": f'"{_WORDS[1]} {_WORDS[2]}"',
    "not there": "zzzqqq",
    "in every message": "greetings",
    "two characters": "qz",
    "negated": f"-{_WORDS[7]}",
    "subject:": "subject:number-4711x",
    "to:": "to:user4711@",
    "addressed:": 'addressed:"user4711@b.example"',
    "addressed-exactly:": "addressed-exactly:user4711@b.example",
    "run:": "run:run7",
    "is:unread": "is:unread",
    "tag:": "tag:none",
}


def message(number: int) -> ReceivedMessage:
    """4 KB of text."""
    body = " ".join(_RANDOM.choices(_WORDS, k=560))[:3_600]
    raw = (
        f"From: Sender <sender{number % 50}@a.example>\r\nTo: user{number}@b.example\r\n"
        f"Subject: number-{number}x {_WORDS[number % 5000]}\r\nMessage-ID: <{number}@a.example>\r\n"
        f"Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\ngreetings unique{number}x {body}\r\n"
    )
    verdict = {"spf": {"result": "pass"}, "dkim": [{"result": "pass", "domain": "a.example"}]}
    extra = Extra(
        sender=f"sender{number % 50}@a.example",
        recipients=(f"user{number}@b.example",),
        client="192.0.2.1",
        helo="client.example",
        port=1025,
        received=datetime.now(UTC),
        run=f"run{number % 200}",
        verdict=verdict,
    )
    return ReceivedMessage(raw.encode(), extra)


async def fill(mailbox: Mailbox, numbers: Iterator[int]) -> None:
    """One after the other, as the connections of SENDERS clients."""

    async def sender() -> None:
        for number in numbers:
            await mailbox.add([message(number)])

    await asyncio.gather(*(sender() for _ in range(SENDERS)))


async def main(path: Path, count: int) -> None:
    mailbox = Mailbox(path)
    await fill(mailbox, iter(range(count)))
    while await mailbox.index_lag():
        await asyncio.sleep(0.1)
    mailbox.close()
    owner = path.parent.stat()
    for file in path.parent.iterdir():
        os.chown(file, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
