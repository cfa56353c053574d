"""Enough of an SMTP server to put messages into a mailbox as smtpd and a filter will."""

import asyncio
import re
from datetime import UTC, datetime

from entrypoint.test_target.messages.received import Extra, ReceivedMessage
from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.store.mailbox import Mailbox

_ADDRESS = re.compile(rb"<([^>]*)>")
_SUB_ADDRESS = re.compile(r"\+([\w-]+)@")


class SmtpServer:
    """run: the sub-address of the first recipient, as `user+run@`. delivers: into mailboxes, too;
    what has the field X-Spam as junk.
    """

    def __init__(self, mailbox: Mailbox, delivers: bool = False) -> None:
        self._mailbox = mailbox
        self._delivers = delivers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        helo, sender = "", ""
        recipients: list[str] = []
        say("220 signpost.test ESMTP TEST")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                helo = line[5:].decode().strip()
                say("250-signpost.test\r\n250 8BITMIME")
            elif verb in (b"MAIL", b"RCPT"):
                match = _ADDRESS.search(line)
                address = match[1].decode() if match else ""
                if verb == b"MAIL":
                    sender, recipients = address, []
                    say("250 ok")
                elif address.startswith("refused@"):
                    say("550 5.1.1 no such user")
                else:
                    recipients.append(address)
                    say("250 ok")
            elif verb == b"DATA":
                say("354 go on")
                raw = await self._data(reader)
                say(await self._store(raw, sender, recipients, helo))
            elif verb == b"QUIT":
                say("221 bye")
                break
            else:
                say("250 ok")
            await writer.drain()
        writer.close()

    async def _data(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def _store(self, raw: bytes, sender: str, recipients: list[str], helo: str) -> str:
        run = _SUB_ADDRESS.search(" ".join(recipients))
        extra = Extra(
            sender=sender,
            recipients=tuple(recipients),
            client="127.0.0.1",
            helo=helo,
            port=1025,
            received=datetime.now(UTC),
            run=run[1] if run else "",
        )
        try:
            delivered = b"X-Stamp: yes\r\n" + raw if self._delivers else None
            await self._mailbox.add([ReceivedMessage(raw, extra, delivered, b"\nX-Spam:" in raw)])
        except StoreFullError as error:
            return f"452 4.3.1 {error}"
        return "250 2.0.0 stored"
