"""Who may log in at Dovecot: a mailbox's own name, and at SMTP anybody."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from entrypoint.config.passwords import hash_password
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
    assert asked(tmp_path, Credentials(None), question) == answer


@pytest.mark.parametrize(
    ("question", "any_mailbox", "answer"),
    [
        (b"bob@b.example\0secret\x00127.0.0.1", True, b"right\n"),
        (b"anybody@else.example\0hidden\x00127.0.0.1", True, b"right\n"),
        (b"bob@b.example\0wrong\x00127.0.0.1", True, b"wrong\n"),
        (b"jane\0secret\x00127.0.0.1", True, b"wrong\n"),
        (b"jane\0secret", True, b"right\n"),
        (b"bob@b.example\0secret", True, b"wrong\n"),
        (b"jo@b.example\0hidden\x00127.0.0.1", False, b"right\n"),
        (b"bob@b.example\0hidden\x00127.0.0.1", False, b"wrong\n"),
    ],
)
def test_a_login_that_is_no_account_reads_every_mailbox(
    tmp_path: Path, question: bytes, any_mailbox: bool, answer: bytes
) -> None:
    table = {
        "logins": {
            name: {"hashes": [{"name": "", "hash": hash_password(password)}]}
            for name, password in (("jane", "secret"), ("jo@b.example", "hidden"))
        }
    }
    file = tmp_path / "logins.json"
    file.write_text(json.dumps(table))
    assert asked(tmp_path, Credentials(file, any_mailbox=any_mailbox), question) == answer


def asked(tmp_path: Path, credentials: Credentials, question: bytes) -> bytes:
    """What the socket answers."""

    async def case() -> bytes:
        path = tmp_path / "socket"
        server = await CredentialServer(credentials, "+").start(listen_at(path, 0o666))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(question)
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        credentials.close()
        return answer

    return asyncio.run(case())
