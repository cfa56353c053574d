"""The small client against servers that do not talk as they should."""

from __future__ import annotations

import asyncio

import pytest

from entrypoint.probe.dialog import DialogError, dialog


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "the connection was closed"),
        (b"220 half", "the connection was closed"),
        (b"x" * 100_000, "a line that is too long"),
        (b"220-more\r\n" * 1000, "a reply that does not end"),
        (b"\0\r\n", "no SMTP server"),
    ],
)
def test_a_server_that_is_none(said: bytes, why: str) -> None:
    async def main() -> None:
        async def talk(_reader: object, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with dialog("127.0.0.1", port) as conversation:
                await conversation.reply()

    with pytest.raises(DialogError, match=why):
        asyncio.run(main())


def test_a_reply_with_another_code_is_shown() -> None:
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail\r\n")
            await reader.readline()
            writer.write(b"535-no\r\n535 later\r\n")
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with dialog("127.0.0.1", port) as conversation:
                assert (await conversation.reply("220")).text == "mail"
                await conversation.say("AUTH PLAIN", "235", "334")

    with pytest.raises(DialogError, match=r"^535 later$"):
        asyncio.run(main())
