"""A day of mail through both filters in this process, and the memory that it holds meanwhile.

    python day_of_mail.py MESSAGES

Prints the resident memory after each fiftieth, in KB. Half of them wait for DNS; some answers fail
and some never come, and some clients leave before the end. There is never a moment of rest.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dns.resolver import Answer, DnsTemporaryError
from filters.signer import Signer
from filters.smtpd import FilterServer, Session, collector
from filters.verifier import InboundPolicy, Verifier

AT_ONCE = 250
HEADER = b"""\
Received: from client.example (client.example [192.0.2.1])
\tby mail.example.org (OpenSMTPD) with ESMTP id 01234567
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=far%d.example; s=s; h=from:subject;
 bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=%s
From: Alice <alice@example.org>
To: bob@example.net
Subject: number %d
Date: Tue, 03 Nov 2026 10:00:00 +0000
"""
LEAVES = b"report|0.7|1700000000.123456|smtp-in|link-disconnect|%016x"
BODY = b"\n" + b"\n".join([b"A line of text that nobody reads, and one like it below."] * 40)


class SlowResolver:
    """Has the answers late, with some of them failing or missing."""

    def __init__(self) -> None:
        self._asked = itertools.count()

    async def query(self, name: str, rdtype: str) -> Answer:
        number = next(self._asked)
        if number % 211 == 0:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if number % 7 == 0:
            raise DnsTemporaryError("SERVFAIL")
        if rdtype == "TXT" and number % 3:
            return Answer((f"v=spf1 include:x{number % 90}.example a mx -all".encode(),))
        return Answer((), nxdomain=number % 2 == 0)


def resident() -> int:
    """KB that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def session(number: int) -> Iterator[bytes]:
    """What smtpd says of a session up to the end of its message."""
    sid = b"%016x" % number
    report = b"report|0.7|1700000000.123456|smtp-in|"
    yield report + b"link-connect|" + sid + b"|x|pass|192.0.2.1:4711|192.0.2.2:25"
    yield report + b"link-identify|" + sid + b"|EHLO|client.example"
    yield report + b"tx-mail|" + sid + b"|01234567|ok|alice@far%d.example" % (number % 900)
    yield report + b"tx-rcpt|" + sid + b"|01234567|ok|bob@example.org"
    text = HEADER % (number % 900, b"A" * 344, number) + BODY
    for line in (*text.split(b"\n"), b"."):
        yield b"filter|0.7|1700000000.123456|smtp-in|data-line|" + sid + b"|t1|" + line


def end(number: int) -> Iterator[bytes]:
    """What it says from there on."""
    sid = b"%016x" % number
    report = b"report|0.7|1700000000.123456|smtp-in|"
    yield b"filter|0.7|1700000000.123456|smtp-in|commit|" + sid + b"|t2|"
    yield report + b"tx-reset|" + sid + b"|01234567"
    yield report + b"link-disconnect|" + sid


class Mail:
    """Sessions of one message each, for one server."""

    def __init__(self, server: FilterServer) -> None:
        self.server = server
        self.back = 0  # messages
        server.receive(b"config|admd|mail.example.org\nconfig|ready\n", self._take)

    def _take(self, data: bytes) -> None:
        self.back += data.count(b"|t1|.\n")

    def say(self, lines: Iterator[bytes]) -> None:
        self.server.receive(b"".join(line + b"\n" for line in lines), self._take)

    async def exchange(self, numbers: range) -> None:
        """So many sessions at a time; the last of them leaves before it has its answer."""
        wanted = self.back + len(numbers) - 1
        for number in numbers:
            self.say(session(number))
        await asyncio.sleep(0)
        self.say(iter([LEAVES % numbers[-1]]))
        async with asyncio.timeout(30):
            while self.back < wanted:
                await asyncio.sleep(0.001)
        for number in numbers[:-1]:
            self.say(end(number))


async def day(messages: int, folder: Path) -> None:
    verifier = Verifier("mail.example.org", SlowResolver(), InboundPolicy(dns_timeout=0.03))
    verifying = FilterServer(deadline=0.05)
    verifying.track_context()
    verifying.register_message_filter(verifier.verify)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key").write_bytes(pem)
    keys = KeyRing([KeySpec("example.org", "s", folder / "key")])
    signer = Signer(keys, None, required=False)
    signing = FilterServer()

    def sign(session: Session, message: bytes) -> object:
        if message.count(b"number 7"):
            raise RuntimeError("a bug")
        return signer.sign(session, message)

    signing.register_message_filter(sign)  # type: ignore[arg-type]
    servers = [Mail(verifying), Mail(signing)]
    collecting = asyncio.create_task(collector.collect_at_rest(lambda: False))
    numbers = range(0, messages // 2, AT_ONCE)
    for turn, first in enumerate(numbers, 1):
        for mail in servers:
            await mail.exchange(range(first, first + AT_ONCE))
        if turn * 50 % len(numbers) < 50:
            print(resident(), flush=True)
    collecting.cancel()


def main() -> None:
    logging.disable()
    collector.freeze()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(day(int(sys.argv[1]), Path(folder)))


if __name__ == "__main__":
    main()
