"""What the health check says to each port, word for word, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from entrypoint.config.ports import Port, Protocol
from entrypoint.probe import dovecot, smtp
from entrypoint.probe.login import ProbeLogin
from entrypoint.probe.questions import Probe, ask_all
from entrypoint.tls.self_signed import self_signed

from ..certificates import server_context

LOGIN = ProbeLogin("health-1", "secret", "mark")
Ask = Callable[[Port, Probe], Coroutine[Any, Any, None]]

# The greeting, and then each line of the client with its answer.
EHLO = ("EHLO localhost", "250-mail\r\n250 AUTH PLAIN\r\n")
UNKNOWN = ("XPROBE mark", "500 5.5.1 Invalid command\r\n")
QUIT = ("QUIT", "221 bye\r\n")
PLAIN = "AUTH PLAIN AGhlYWx0aC0xAHNlY3JldA=="
RECEIVED = [
    ("", "220 mail ESMTP\r\n"),
    UNKNOWN,
    EHLO,
    ("MAIL FROM:<>", "250 ok\r\n"),
    ("RCPT TO:<health-1>", "550 5.1.1 nobody\r\n"),
    QUIT,
]
SUBMITTED = [
    ("", "220 mail ESMTP\r\n"),
    UNKNOWN,
    EHLO,
    ("AUTH XPROBE", "503 5.5.1 Invalid command\r\n"),
    (PLAIN, "235 2.0.0 in\r\n"),
    QUIT,
]
IMAP = [
    ("", "* OK ready\r\n"),
    ("a LOGIN health-1 secret", "* CAPABILITY X\r\na OK in\r\n"),
    ("z LOGOUT", "* BYE bye\r\nz OK out\r\n"),
]
SIEVE = [("", '"IMPLEMENTATION" "x"\r\n"SIEVE" ""\r\nOK "ready"\r\n'), ("LOGOUT", "OK bye\r\n")]
POP3 = [("", "+OK ready\r\n"), ("QUIT", "+OK bye\r\n")]


async def receive(port: Port, probe: Probe) -> None:
    await smtp.receive(port, LOGIN, probe)


async def submit(port: Port, probe: Probe) -> None:
    await smtp.submit(port, LOGIN, probe)


async def log_in(port: Port, probe: Probe) -> None:
    await dovecot.log_in(port, LOGIN, probe)


async def answered(
    ask: Ask, protocol: Protocol, script: list[tuple[str, str]], folder: Path | None
) -> tuple[Probe, list[str]]:
    """folder: with TLS. What the probe says, and the lines that the server was sent."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line, answer in script:
            if line:
                heard.append((await reader.readline()).decode().removesuffix("\r\n"))
            writer.write(answer.encode())
        await reader.read()
        writer.close()

    tls = server_context(folder, *self_signed("mail.example.org")) if folder else None
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        port = Port(server.sockets[0].getsockname()[1], protocol, implicit_tls=bool(folder))
        answers = await ask_all({"one": partial(ask, port)}, 5.0)
        return answers.probes["one"], heard


@pytest.mark.parametrize(
    ("ask", "protocol", "script", "secure"),
    [
        (receive, "smtp", RECEIVED, False),
        (submit, "smtp", SUBMITTED, True),
        (log_in, "imap", IMAP, True),
        (dovecot.greet, "imap", [IMAP[0], IMAP[2]], False),
        (dovecot.greet, "sieve", SIEVE, False),
        (dovecot.greet, "pop3", POP3, True),
    ],
)
def test_a_healthy_port(
    ask: Ask, protocol: Protocol, script: list[tuple[str, str]], secure: bool, tmp_path: Path
) -> None:
    probe, heard = asyncio.run(answered(ask, protocol, script, tmp_path if secure else None))
    assert (probe.answered, probe.said) == (True, "")
    assert heard == [line for line, _ in script if line]


@pytest.mark.parametrize(
    ("ask", "protocol", "script", "said"),
    [
        (
            receive,
            "smtp",
            [*RECEIVED[:3], ("MAIL FROM:<>", "452 4.3.1 full\r\n")],
            "MAIL: 452 4.3.1 full",
        ),
        (
            receive,
            "smtp",
            [*RECEIVED[:4], ("RCPT TO:<health-1>", "250 ok\r\n")],
            "RCPT: 250 ok",
        ),
        (
            submit,
            "smtp",
            [*SUBMITTED[:4], (PLAIN, "535 no\r\n")],
            "AUTH: 535 no",
        ),
        (log_in, "imap", [IMAP[0], (IMAP[1][0], "a NO no\r\n")], "LOGIN: a NO no"),
        (dovecot.greet, "pop3", [("", "-ERR busy\r\n")], "greeting: -ERR busy"),
        (dovecot.greet, "sieve", [("", "* OK ready\r\n")], "greeting: * OK ready"),
    ],
)
def test_another_answer_is_shown(
    ask: Ask, protocol: Protocol, script: list[tuple[str, str]], said: str
) -> None:
    probe, _ = asyncio.run(answered(ask, protocol, script, None))
    assert (probe.answered, probe.said) == (False, said)
