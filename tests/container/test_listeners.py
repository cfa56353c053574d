"""The three ports: where STARTTLS and AUTH are offered, where they are required, who gets in."""

from __future__ import annotations

import base64

import pytest

from .conftest import ALICE
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.swaks import Security
from .harness.world import World

SUBMISSION: list[tuple[int, Security]] = [(587, "starttls"), (465, "implicit")]
PLAIN = "AUTH PLAIN " + base64.b64encode("\0".join(["", *ALICE]).encode()).decode()


@pytest.fixture(params=["IPv4", "IPv6"])
def server(request: pytest.FixtureRequest, signpost: Signpost) -> str:
    return signpost.v4 if request.param == "IPv4" else signpost.v6


def test_port_25_offers_starttls_and_does_not_require_it(
    world: World, signpost: Signpost, server: str
) -> None:
    offered = world.swaks(server, quit_after="EHLO").reply_to("EHLO").text
    assert "STARTTLS" in offered.splitlines()
    for security in ("none", "starttls"):
        token = fresh("port25")
        world.swaks(
            server,
            security=security,
            sender="",
            to=ALICE[0],
            message=letter(token=token),
        ).accepted()
        assert signpost.wait_for_mail(ALICE[0], token)


def test_port_25_takes_no_login_with_or_without_tls(world: World, server: str) -> None:
    assert "AUTH" not in world.swaks(server, quit_after="EHLO").reply_to("EHLO").text
    encrypted = world.swaks(server, security="starttls", quit_after="EHLO")
    assert "AUTH" not in encrypted.reply_to("EHLO").text
    clear, tls = world.swaks.say(
        server, 25, ["EHLO x", PLAIN], ["EHLO x", "STARTTLS", "EHLO x", PLAIN]
    )
    assert 500 <= clear.reply_to("AUTH").code < 600
    assert 500 <= tls.reply_to("AUTH").code < 600


def test_port_587_takes_neither_login_nor_mail_before_starttls(world: World, server: str) -> None:
    offered = world.swaks(server, port=587, quit_after="FIRST-EHLO").reply_to("EHLO").text
    assert "STARTTLS" in offered.splitlines()
    assert "AUTH" not in offered
    mail = f"MAIL FROM:<{ALICE[0]}>"
    login, bare = world.swaks.say(server, 587, ["EHLO x", PLAIN], ["EHLO x", mail])
    assert 500 <= login.reply_to("AUTH").code < 600
    assert 500 <= bare.reply_to("MAIL").code < 600


def test_port_465_speaks_tls_from_the_first_byte(world: World, server: str) -> None:
    greeting = world.swaks(server, port=465, security="implicit", quit_after="EHLO")
    assert greeting.code == 250
    assert "STARTTLS" not in greeting.reply_to("EHLO").text
    # In clear, no banner is ever said.
    assert world.swaks(server, port=465, options=["--timeout", "3"], quit_after="CONNECT").exit_code


@pytest.mark.parametrize(("port", "security"), SUBMISSION)
def test_a_login_is_required_to_send(
    world: World, server: str, port: int, security: Security
) -> None:
    for recipient in (ALICE[0], "someone@far.test"):
        refused = world.swaks(
            server, port=port, security=security, sender=ALICE[0], to=recipient, quit_after="RCPT"
        )
        assert 500 <= refused.code < 600, refused.transcript


@pytest.mark.parametrize(("port", "security"), SUBMISSION)
def test_the_right_password_and_no_other_logs_in(
    world: World, server: str, port: int, security: Security
) -> None:
    def attempt(user: str, password: str) -> int:
        return world.swaks(
            server, port=port, security=security, login=(user, password), quit_after="AUTH"
        ).code

    user, password = ALICE
    assert attempt(user, password) == 235
    assert attempt(user.upper(), password) == 235
    assert attempt(user, password + "x") == 535
    assert attempt(user, password.upper()) == 535
    # swaks sends no password of spaces: smtpd finds nothing behind the login.
    assert attempt(user, " ") in {501, 535}
    assert attempt("nobody@example.org", password) == 535
    assert attempt("alice", password) == 535
    assert attempt("vmail", password) == 535


def test_old_tls_versions_are_refused(world: World, signpost: Signpost) -> None:
    for version in ("tlsv1", "tlsv1_1"):
        refused = world.swaks(
            signpost.v4,
            port=465,
            security="implicit",
            quit_after="EHLO",
            options=["--tls-protocol", version],
        )
        assert refused.exit_code == 29, refused.transcript


def test_health_says_that_all_three_ports_answer(signpost: Signpost) -> None:
    assert signpost.attempt("signpost", "health").returncode == 0


def test_nothing_of_a_test_target_listens_or_runs(signpost: Signpost) -> None:
    listening = signpost.exec("cat", "/proc/net/tcp", "/proc/net/tcp6")
    ports = {
        int(line.split()[1].rpartition(":")[2], 16)
        for line in listening.splitlines()
        if line.split()[3] == "0A"  # TCP_LISTEN
    }
    assert {25, 143, 465, 587, 993, 4190} <= ports
    assert not ports & {53, 110, 1025, 8025, 10025}
    # cmdline and maps of each process: what runs, and what is loaded.
    seen = signpost.processes("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/maps 2>&1").decode(
        errors="replace"
    )
    assert "filters.inbound" in seen
    assert "loop_check.so" in seen
    assert not [word for word in ("test_target", "capture", "test_banner") if word in seen]
    assert "TEST" not in signpost.exec("signpost", "dns")
    program = "import socket; print(socket.create_connection(('127.0.0.1', 25)).recv(512))"
    assert " ESMTP OpenSMTPD" in signpost.exec("/opt/signpost/bin/python", "-c", program)
