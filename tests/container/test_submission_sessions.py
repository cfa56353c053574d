"""Mail programs as they are: what they call themselves, and how much they send in one session."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import ALICE, CAROL
from .harness.imap import any_certificate
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost

# What mail programs call themselves, and smtpd refuses by itself.
ODD = {
    "UTF-8": "EHLO MÜLLER-PC".encode(),
    "Latin-1": "EHLO MÜLLER-PC".encode("latin-1"),
    "a dot at the end": b"EHLO pc.local.",
    "dots": b"EHLO pc..local",
    "spaces": b"EHLO Anna's new computer",
    "a space at the end": b"EHLO pc ",
    "no name": b"EHLO",
    "no name behind the space": b"EHLO ",
    "brackets": b"EHLO [pc.local]",
    "an open bracket": b"EHLO [192.0.2.1",
    "an address with its interface": b"EHLO [IPv6:fe80::1%en0]",
    "an address without brackets": b"EHLO 2001:db8::1",
    "a port": b"EHLO pc.local:8080",
    "a URL": b"EHLO https://pc.local/",
    "none": b"EHLO (none)",
    "a dash": b"EHLO -pc",
    "an address": b"EHLO anna@pc",
    "long": b"EHLO " + b"x" * 300,
    "HELO": "HELO MÜLLER-PC".encode(),
    "small letters": "ehlo MÜLLER-PC".encode(),
}
GOOD = {
    "a name": b"EHLO pc.local",
    "one label": b"EHLO PC",
    "an underscore": b"EHLO my_pc",
    "digits": b"EHLO 192.168.1.2",
    "IPv4": b"EHLO [192.168.1.2]",
    "IPv6": b"EHLO [IPv6:::ffff:192.168.1.2]",
    "HELO": b"HELO pc.local",
}


class Client:
    """A session that says bytes as they are."""

    def __init__(self, server: Signpost, port: int) -> None:
        self.link: socket.socket = socket.create_connection((server.v4, port), 30)
        if port == 465:
            self.encrypt()
        assert self.reply() == 220

    def encrypt(self) -> None:
        self.link = any_certificate().wrap_socket(self.link)

    def say(self, *segments: bytes) -> int:
        for segment in segments:
            self.link.sendall(segment)
        return self.reply()

    def reply(self) -> int:
        received = b""
        while not received.endswith(b"\r\n") or received.splitlines()[-1][3:4] == b"-":
            more = self.link.recv(4096)
            if not more:
                return 0
            received += more
        return int(received.splitlines()[-1][:3])


@contextmanager
def connected(server: Signpost, port: int) -> Iterator[Client]:
    client = Client(server, port)
    try:
        yield client
    finally:
        client.link.close()


@pytest.mark.parametrize("port", [465, 587])
def test_whatever_a_mail_program_calls_itself_it_may_go_on(signpost: Signpost, port: int) -> None:
    said = {}
    for name, line in {**ODD, **GOOD}.items():
        with connected(signpost, port) as client:
            answers = [client.say(line + b"\r\n")]
            if port == 587 and line[:1].upper() == b"E":
                answers.append(client.say(b"STARTTLS\r\n"))
                client.encrypt()
                answers.append(client.say(line + b"\r\n"))
            answers.append(client.say(b"RSET\r\n"))
        said[name] = {code for code in answers if code != 220}
    assert {name: codes for name, codes in said.items() if codes != {250}} == {}


@pytest.mark.parametrize("port", [465, 587])
def test_such_a_one_sends_mail(signpost: Signpost, port: int) -> None:
    token = fresh("named")
    smtp = smtplib.SMTP_SSL if port == 465 else smtplib.SMTP
    options = {"context": any_certificate()} if port == 465 else {}
    with smtp(signpost.v4, port, local_hostname="pc.local.", timeout=30, **options) as session:
        if port == 587:
            session.starttls(context=any_certificate())
        session.login(*ALICE)
        # What looks like a greeting within a message is text, even where it comes by itself.
        assert session.mail(ALICE[0])[0] == 250
        assert session.rcpt(ALICE[0])[0] == 250
        assert session.docmd("DATA")[0] == 354
        session.send(letter(ALICE[0], token=token))
        for line in (b"EHLO pc.local.\r\n", "HELO MÜLLER-PC\r\n".encode(), b"EHLO\r\n"):
            session.send(line)
        assert session.docmd(".")[0] == 250
    stored = signpost.wait_for_mail(ALICE[0], token)
    assert stored.endswith("EHLO pc.local.\nHELO MÜLLER-PC\nEHLO\n".encode())
    assert b"from pc" not in stored.partition(b"\n\n")[0]


def test_what_is_no_name_of_a_mail_server_is_refused_on_port_25(signpost: Signpost) -> None:
    """SPF looks at it, and so do the log and Received."""
    for line in ODD.values():
        with connected(signpost, 25) as client:
            assert client.say(line + b"\r\n") == 501, line
    for line in GOOD.values():
        with connected(signpost, 25) as client:
            assert client.say(line + b"\r\n") == 250, line


@pytest.mark.parametrize(
    ("segments", "codes"),
    [
        # In pieces, or with more behind, it is left to smtpd.
        ([b"EHLO pc.lo", b"cal.\r\n"], {250, 501}),
        ([b"EHLO", b" pc.local\r\n"], {250}),
        ([b"EHLO pc.local.\r\nMAIL FROM:<>\r\n"], {500}),
        ([b"EHLOpc.local.\r\n"], {500}),
        ([b"EHLO\tpc.local.\r\n"], {500}),
        ([b"NOOP\r\nEHLO pc.local.\r\n"], {500}),
        ([b"EHLO pc.local.\n"], {250}),
        ([b"EHLO   pc.local.\r\n"], {250}),
        ([b"EHLO pc.\0local\r\n"], {501}),
        ([b"EHLO " + b"x" * 3_000 + b"\r\n"], {250, 500}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_whole_line(signpost: Signpost, segments: list[bytes], codes: set[int]) -> None:
    with connected(signpost, 465) as client:
        assert client.say(*segments) in codes


def test_after_another_command_a_greeting_is_smtpds_own(signpost: Signpost) -> None:
    with connected(signpost, 465) as client:
        assert client.say("EHLO MÜLLER-PC\r\n".encode()) == 250
        assert client.say("EHLO MÜLLER-PC\r\n".encode()) == 503
        assert client.say(b"RSET\r\n") == 250
    with connected(signpost, 465) as client:
        assert client.say(b"NOOP\r\n") == 250
        assert client.say("EHLO MÜLLER-PC\r\n".encode()) == 501


def test_a_program_may_send_more_than_a_hundred_messages_in_one_session(signpost: Signpost) -> None:
    token = fresh("many")
    with smtplib.SMTP_SSL(signpost.v4, 465, context=any_certificate(), timeout=30) as session:
        session.ehlo("pc.local")
        session.login(*CAROL)
        for _ in range(101):
            assert session.sendmail(CAROL[0], [CAROL[0]], letter(CAROL[0])) == {}
        assert session.sendmail(CAROL[0], [CAROL[0]], letter(CAROL[0], token=token)) == {}
    signpost.wait_for_mail(CAROL[0], token)
