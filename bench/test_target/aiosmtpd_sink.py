"""An SMTP server that keeps messages in memory, as test suites write one with aiosmtpd."""

import asyncio
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP

KEPT: list[tuple[Any, Message]] = []


class Sink:
    """Parses each message, as `aiosmtpd.handlers.Message` does."""

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep it."""
        KEPT.append((envelope, message_from_bytes(envelope.content)))
        return "250 OK"


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop), "0.0.0.0", 1025)
    await server.serve_forever()


asyncio.run(main())
