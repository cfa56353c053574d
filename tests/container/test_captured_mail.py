"""MODE=test: what smtpd, the filter and the target make of mail together, faults included."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest

from .harness.shell import wait_until
from .harness.target import HOST, SMTP, TestTarget

LIMIT = 100_000
MESSAGE = b"From: x@far.example\r\nTo: bob@there.example\r\nSubject: hello\r\n\r\n.dot\r\n"
PORTS = (25, SMTP)


@pytest.fixture(scope="module")
def target(target_image: None) -> Iterator[TestTarget]:
    with TestTarget({"MESSAGE_SIZE_LIMIT": str(LIMIT)}) as target:
        yield target


@pytest.fixture(autouse=True)
def nothing_is_left(target: TestTarget) -> None:
    for path in ("messages", "faults", "dns"):
        assert target.request("DELETE", f"/api/v1/{path}")[0] == 200


def fault(target: TestTarget, phase: str, *script: dict[str, Any], run: str | None = None) -> None:
    body = {"match": {"phase": phase}, "script": list(script), **({"run": run} if run else {})}
    status, said = target.request("POST", "/api/v1/faults", body)
    assert status == 200, said


def send(
    target: TestTarget, port: int, message: bytes = MESSAGE, to: str = "bob@there.example"
) -> int:
    """The code of the reply that ended it; 0 for an end without one."""
    try:
        with target.smtp(port) as smtp:
            smtp.sendmail("x@far.example", [to], message)
    except smtplib.SMTPServerDisconnected:
        return 0
    except smtplib.SMTPRecipientsRefused as error:
        ((code, _),) = error.recipients.values()
        return code
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    return 250


@contextmanager
def at_data(
    target: TestTarget, port: int, recipient: bytes = b"bob@there.example"
) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """A session that waits for the message."""
    with (
        socket.create_connection((HOST, target.port(port)), 30) as link,
        link.makefile("rb") as file,
    ):
        assert file.readline().startswith(b"220 ")
        for command in (
            b"HELO far.example",
            b"MAIL FROM:<x@far.example>",
            b"RCPT TO:<%s>" % recipient,
            b"DATA",
        ):
            link.sendall(command + b"\r\n")
            assert file.readline()[:1] in b"23"
        yield link, file


def say(target: TestTarget, port: int, message: bytes) -> bytes:
    """The reply at the end of a message of whatever bytes."""
    with at_data(target, port) as (link, file):
        link.sendall(message + b".\r\n")
        return file.readline()


class TestRaw:
    @pytest.mark.parametrize("port", PORTS)
    @pytest.mark.parametrize(
        "message",
        [
            MESSAGE.replace(b"\r\n.", b"\r\n.."),
            b"\r\nno header\r\n",
            b"\tfolded: first\r\nSubject: x\r\n\r\n",
            b"Received: from y (z [192.0.2.1])\r\n\tby x;\r\n\tnow\r\n\r\n\xff\x85 a\rb\r\n",
            b"",
        ],
    )
    def test_is_what_the_client_sent(self, target: TestTarget, port: int, message: bytes) -> None:
        assert say(target, port, message).startswith(b"250 ")
        (found,) = target.messages()
        status, raw = target.request("GET", f"/api/v1/message/{found['ID']}/raw")
        assert (status, raw) == (200, message.replace(b"\r\n..", b"\r\n."))

    def test_of_a_submission_too(self, target: TestTarget) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with target.smtp(587) as smtp:
            smtp.starttls(context=context)
            smtp.login("me@there.example", "any")
            smtp.sendmail("x@far.example", ["bob@there.example"], MESSAGE)
        (found,) = target.messages()
        assert target.request("GET", f"/api/v1/message/{found['ID']}/raw")[1] == MESSAGE

    @pytest.mark.parametrize(
        ("message", "reply"),
        [
            (b"no colon\r\n\r\n", b"550 5.7.1 "),
            (b"x" * 1_014 + b": y\r\n\r\n", b"550 5.7.1 "),
            (b"Subject: x\r\n\r\n" + b"y" * 65_486 + b"\r\n", b"554 5.6.0 "),
            (b"Received: x\r\n" * 100 + b"\r\n", b"554 5.4.6 "),
            (b"Subject: x\r\n\rReceived: y\r\n\r\n", b"550 5.6.0 "),
            # smtpd cuts what is too large at a line: it could be less than the limit, stored.
            (b"Subject: x\r\n\r\n" + (b"y" * 60_000 + b"\r\n") * 2, b"554 5.3.4 "),
            (b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 1_100, b"554 5.3.4 "),
        ],
    )
    def test_what_is_refused_is_not_stored(
        self, target: TestTarget, message: bytes, reply: bytes
    ) -> None:
        assert say(target, 25, message).startswith(reply)
        assert target.messages() == []

    @pytest.mark.parametrize("port", PORTS)
    @pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
    def test_an_end_by_a_bare_line_feed_is_refused_at_once(
        self, target: TestTarget, port: int, end: bytes
    ) -> None:
        with at_data(target, port) as (link, file):
            link.sendall(b"Subject: x\r\n\r\nbody" + end)
            assert file.readline().startswith(b"521 ")
            assert file.readline() == b""
        assert target.messages() == []


class TestVerdict:
    def test_by_the_runs_own_dns_and_the_clients_name(self, target: TestTarget) -> None:
        address = self._client(target)
        name = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        zone = {
            "far.example": {"TXT": [f"v=spf1 ip4:{address} -all"]},
            "_dmarc.far.example": {"TXT": ["v=DMARC1; p=quarantine"]},
            name: {"PTR": ["client.far.example"]},
            "client.far.example": {"A": [address]},
        }
        assert target.request("PUT", "/api/v1/dns", zone)[0] == 200
        spoiled = {"far.example": {"TXT": ["v=spf1 -all"]}}
        assert target.request("PUT", "/api/v1/dns?run=bad", spoiled)[0] == 200
        verdicts = {}
        for run in ("good", "bad"):
            for port in PORTS:
                assert send(target, port, to=f"bob+{run}@there.example") == 250
                (found, *_) = target.messages(f"run:{run}")
                verdict = found["Extra"]["Verdict"]
                assert verdict["IPRev"] == {"Result": "pass", "Name": "client.far.example"}
                verdicts[run, port] = (verdict["SPF"]["Result"], verdict["Disposition"])
        assert verdicts == {
            **dict.fromkeys((("good", port) for port in PORTS), ("pass", "none")),
            **dict.fromkeys((("bad", port) for port in PORTS), ("fail", "quarantine")),
        }

    def _client(self, target: TestTarget) -> str:
        """Whom smtpd sees, behind Docker."""
        assert send(target, 25) == 250
        (found,) = target.messages()
        address: str = found["Extra"]["Client"]["Address"]
        return address

    def test_a_login_changes_nothing_and_http_sends_past_the_front(
        self, target: TestTarget
    ) -> None:
        zone = {
            "far.example": {"TXT": ["v=spf1 -all"]},
            "_dmarc.far.example": {"TXT": ["v=DMARC1; p=reject"]},
        }
        assert target.request("PUT", "/api/v1/dns", zone)[0] == 200
        with target.smtp(SMTP) as smtp:
            smtp.login("me@there.example", "any")
            smtp.sendmail("x@far.example", ["bob@there.example"], MESSAGE)
        (found,) = target.messages()
        assert found["Extra"]["Login"] == "me@there.example"
        assert found["Extra"]["Verdict"]["Disposition"] == "reject"
        mail = {"From": {"Email": "x@far.example"}, "To": [{"Email": "b@there.example"}]}
        status, said = target.request("POST", "/api/v1/send", {**mail, "Text": "y"})
        assert status == 200, said
        (found, *_) = target.messages()
        assert found["Extra"]["Client"]["Address"] == "127.0.0.1"
        assert found["Extra"]["Client"]["Port"] == SMTP


class TestFaults:
    def test_421_at_auth_ends_the_session(self, target: TestTarget) -> None:
        fault(target, "auth", {"reply": "421 4.3.2 go"})
        with target.smtp(SMTP) as smtp:
            smtp.ehlo()
            assert smtp.docmd("AUTH", "PLAIN AG1lAHB3")[0] == 421
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.docmd("NOOP")
        assert send(target, SMTP) == 250

    @pytest.mark.parametrize("port", PORTS)
    @pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to", "data", "message"])
    def test_a_reply_then_as_ever(self, target: TestTarget, port: int, phase: str) -> None:
        fault(target, phase, {"reply": "452 4.3.1 as the test wants it", "times": 2})
        assert [send(target, port) for _ in range(3)] == [452, 452, 250]
        assert len(target.messages()) == 1

    @pytest.mark.parametrize(
        "phase", ["connect", "helo", "mail-from", "rcpt-to", "data", "message"]
    )
    def test_the_end_of_the_connection(self, target: TestTarget, phase: str) -> None:
        fault(target, phase, {"disconnect": True, "times": 2})
        assert send(target, SMTP) == 0  # without a word
        assert send(target, 25) in (0, 421)  # smtpd has one
        assert target.messages() == []
        assert send(target, 25) == 250

    def test_the_end_behind_the_final_dot(self, target: TestTarget) -> None:
        fault(target, "accepted", {"disconnect": True, "times": 2})
        assert (send(target, SMTP), send(target, 25)) == (0, 421)
        assert len(target.messages()) == 2

    def test_of_one_run_alone_and_a_notification(self, target: TestTarget) -> None:
        fault(target, "rcpt-to", {"greylist": 3600}, run="w1")
        fault(target, "message", {"dsn": "5.1.1"}, run="w2")
        assert send(target, 25, to="bob+w1@there.example") == 451
        assert send(target, 25, to="bob+w2@there.example") == 250
        assert send(target, 25, to="bob+w3@there.example") == 250
        wait_until(lambda: target.messages("subject:notification"), "the notification")
        (found,) = target.messages("subject:notification")
        assert found["Extra"]["Envelope"] == {"From": "", "To": ["x@far.example"]}

    def test_a_delay_is_for_its_own_session(self, target: TestTarget) -> None:
        fault(target, "message", {"delay": 60}, run="slow")
        with at_data(target, 25, b"bob+slow@there.example") as (link, _):
            link.sendall(b"Subject: x\r\n\r\n.\r\n")
            wait_until(lambda: target.get("/api/v1/faults")["faults"][0]["hits"] == 1, "the delay")
            assert send(target, 25) == 250
            assert send(target, SMTP) == 250
