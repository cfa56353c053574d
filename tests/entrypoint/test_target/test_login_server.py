"""Who may log in at Dovecot: a mailbox's own name, and at SMTP anybody."""

import asyncio
import socket
from pathlib import Path

import pytest

from entrypoint.test_target.login_server import Credentials, CredentialServer
from filters.unix_socket import listen_at


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"user\0any", b"right\n"),
        (b"bob@b.example\0any\x00127.0.0.1", b"right\n"),
        (b"Bob@B.example\0\x00127.0.0.1", b"right\n"),
        (b"user\0any\x00127.0.0.1", b"wrong\n"),
        (b"bob+tag@b.example\0any\x00127.0.0.1", b"wrong\n"),
        (b"test@..\0any\x00127.0.0.1", b"wrong\n"),
        (b"../bob@b.example\0any\x00127.0.0.1", b"wrong\n"),
        (b"\xff@b.example\0any\x00127.0.0.1", b"wrong\n"),
        (b"\0any", b"wrong\n"),
    ],
)
def test_a_login_at_dovecot_is_a_mailbox(tmp_path: Path, question: bytes, answer: bytes) -> None:
    async def case() -> None:
        credentials = Credentials(None)
        path = tmp_path / "socket"
        server = await CredentialServer(credentials, "+").start(listen_at(path, 0o666))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(question)
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        assert await reader.read() == answer
        writer.close()
        await writer.wait_closed()
        server.close()
        credentials.close()

    asyncio.run(case())
