"""What a port shows, in each protocol, from servers on this host."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from entrypoint.config.ports import Port, Protocol
from entrypoint.probe.look import Look, fingerprints, look
from entrypoint.probe.tls_contexts import trusting
from entrypoint.tls.pair import fingerprint

from ..certificates import Authority, server_context

# What a server says: its greeting, and the answer to each line.
SMTP = [b"220 mail ESMTP\r\n", b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"220 go\r\n"]
IMAP = [b"* OK [CAPABILITY STARTTLS] ready\r\n", b"* note\r\na OK begin\r\n"]
POP3 = [b"+OK ready\r\n", b"+OK begin\r\n"]
SIEVE = [b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n', b"OK begin\r\n"]


@contextmanager
def server(context: ssl.SSLContext | None, says: Sequence[bytes]) -> Iterator[int]:
    """One that takes one client: it says its lines, then speaks TLS if it has a context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                for number, line in enumerate(says):
                    if number:
                        client.recv(1000)
                    client.sendall(line)
                if context is not None:
                    with context.wrap_socket(client, server_side=True) as tls:
                        tls.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("protocol", "implicit", "says"),
    [
        ("smtp", False, SMTP),
        ("imap", False, IMAP),
        ("pop3", False, POP3),
        ("sieve", False, SIEVE),
        ("smtp", True, []),
        ("imap", True, []),
    ],
)
def test_it_is_seen(tmp_path: Path, protocol: Protocol, implicit: bool, says: list[bytes]) -> None:
    chain, key = Authority.make(tmp_path).pair("mail.test", datetime.now(UTC) + timedelta(days=9))
    with server(server_context(tmp_path, chain, key), says) as number:
        found = asyncio.run(fingerprints([Port(number, protocol, implicit)], "mail.test"))
    assert found == {number: fingerprint(x509.load_pem_x509_certificate(chain))}


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        ("smtp", [b"421 too busy\r\n"]),
        ("smtp", [*SMTP[:2], b"454 no TLS now\r\n"]),
        ("imap", [IMAP[0], b"a NO not now\r\n"]),
        ("imap", []),
        ("pop3", [POP3[0], b"-ERR not now\r\n"]),
        ("sieve", [SIEVE[0], b'NO "not now"\r\n']),
    ],
)
def test_there_is_none_without_tls(protocol: Protocol, says: list[bytes]) -> None:
    with server(None, says) as number:
        assert asyncio.run(fingerprints([Port(number, protocol)], "mail.test")) == {number: ""}


def test_there_is_none_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
    assert asyncio.run(fingerprints([Port(number, "smtp")], "mail.test")) == {number: ""}


@pytest.mark.parametrize(
    ("protocol", "says", "greeting", "tls_error"),
    [
        ("smtp", [*SMTP[:2], b"454 later\r\n"], "mail ESMTP", "STARTTLS is refused with 454"),
        ("imap", [IMAP[0], b"a NO no\r\n"], IMAP[0], "STARTTLS is refused: a NO no"),
        ("pop3", [POP3[0], b"-ERR no\r\n"], POP3[0], "STARTTLS is refused: -ERR no"),
        ("sieve", [SIEVE[0], b"NO\r\n"], b'"IMPLEMENTATION" "x"', "STARTTLS is refused: NO"),
    ],
)
def test_a_port_that_greets_and_refuses_tls(
    protocol: Protocol, says: list[bytes], greeting: str | bytes, tls_error: str
) -> None:
    text = greeting if isinstance(greeting, str) else greeting.decode().strip()
    with server(None, says) as number:
        port = Port(number, protocol)
        seen = asyncio.run(look("127.0.0.1", port, "mail.test", trusting()))
    assert seen == Look("127.0.0.1", port, greeting=text, tls_error=tls_error)


@pytest.mark.parametrize(
    ("protocol", "error"),
    [
        ("smtp", "no SMTP server"),
        ("imap", "no IMAP server"),
        ("pop3", "no POP3 server"),
        ("sieve", "no ManageSieve server"),
    ],
)
def test_a_port_of_another_protocol(protocol: Protocol, error: str) -> None:
    with server(None, [b"SSH-2.0-x\r\n"]) as number:
        port = Port(number, protocol)
        assert asyncio.run(look("127.0.0.1", port, "mail.test", trusting())).error == error
