"""Changes go live while DNS is silent, and the ACME server or smtpd hangs."""

from __future__ import annotations

import imaplib
import smtplib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .harness.imap import any_certificate
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
# Of the command, with all of Python's start in it. On a machine that is busy with something else
# that start alone takes longer: then it is the measure.
SECONDS, STARTS = 2.0, 5
TRIES = 5


def seconds_of(server: Signpost, line: str) -> float:
    """How long a command takes that must succeed, by a clock in the container."""
    script = f"from=$(date +%s%N); {line} >/dev/null && echo $(($(date +%s%N) - from))"
    return int(server.exec("sh", "-c", script)) / 1e9


def limit(server: Signpost) -> float:
    """What a command may take on this machine, now."""
    return max(SECONDS, STARTS * seconds_of(server, "signpost account list"))


def code(world: World, server: Signpost, address: str) -> int:
    return world.swaks(server.v4, to=address, quit_after="RCPT").code


def logs_in(server: Signpost, address: str, password: str) -> bool:
    session = imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate(), timeout=10)
    try:
        return session.login(address, password)[0] == "OK"
    except imaplib.IMAP4.error:
        return False
    finally:
        session.shutdown()


def test_an_account_is_live_at_once_while_dns_is_silent_and_the_acme_server_hangs(
    world: World, image: None, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(world.acme.authority())
    (tmp_path / "aliases").write_text(f"info@example.org: {ALICE[0]}\n")
    environment = {
        "DOMAINS": ", ".join(["example.org", *(f"d{number}.example.org" for number in range(20))]),
        "ACCOUNTS": ":".join(ALICE),
        "ALIASES_FILE": "/mnt/aliases",
        "MAIL_HOSTNAME": "mail.example.org",
        "DKIM_KEY_TYPES": "ed25519",
        "SSL_TYPE": "acme",
        "ACME_SERVER": world.acme.long,
        "ACME_CA_FILE": "/mnt/ca.pem",
    }
    server = world.signpost(environment, place=120, mounts={"/mnt": tmp_path})
    # certbot finds the ACME server without DNS, and hangs there.
    server.service["extra_hosts"] = [f"acme.test:{world.address(14)[0]}"]
    with world.acme.silent(), server:
        server.wait_for_log("a certificate is asked for")
        # Not before it is ready: smtpd looks up each client's name before it greets.
        with world.ns.silent():
            # Has a look at DNS begin, which goes on for twelve seconds.
            server.exec("signpost", "keys", "rotate", "d1.example.org")
            took = []
            for _ in range(TRIES):
                address = f"{fresh('new')}@example.org"
                most = limit(server)
                taken = seconds_of(server, f"signpost account add {address} --generate")
                took.append((taken, most))
                server.wait_for_log(rf"maintenance: account {address} added$")
                if taken < most:
                    break
            assert took[-1][0] < took[-1][1], took
            # So is what changes in a file, when it has rested for a second.
            alias = f"{fresh('alias')}@example.org"
            server.exec("signpost", "keys", "rotate", "d2.example.org")
            (tmp_path / "aliases").write_text(f"info@example.org: {alias}\n{alias}: {ALICE[0]}\n")
            begin = time.monotonic()
            server.wait_for_log(rf"maintenance: alias {alias} added")
            assert time.monotonic() - begin < 8
        assert code(world, server, address) == 250
        assert "no certificate from" not in server.logs()


@contextmanager
def stopped(server: Signpost) -> Iterator[None]:
    """Inside, smtpd's lookup process does nothing: smtpctl hangs that waits for it."""

    def signal(name: str) -> None:
        server.processes("sh", "-c", f"pkill -{name} -f '^smtpd: lookup'")

    signal("STOP")
    try:
        yield
    finally:
        signal("CONT")


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    environment = {"DOMAINS": "example.org", "ACCOUNTS": ":".join(ALICE)}
    with world.signpost(environment, place=121) as server:
        yield server


def test_what_is_live_and_what_is_not_is_said_at_once_where_smtpd_hangs(
    world: World, server: Signpost
) -> None:
    address = f"{fresh('dave')}@example.org"
    assert code(world, server, address) == 550
    with stopped(server):
        took = []
        for number in range(TRIES):
            new = address if not number else f"{fresh('next')}@example.org"
            script = (
                f"from=$(date +%s%N); echo secret-of-new | signpost account add {new} >/dev/null; "
                "echo $? $(($(date +%s%N) - from))"
            )
            most = limit(server)
            done = server.attempt("sh", "-c", script)
            status, nanoseconds = map(int, done.stdout.split())
            assert status == 1
            said = done.stderr.decode()
            assert "error: smtpd does not answer when it is to read its tables again\n" in said
            assert (
                "error: live: passwords, Dovecot's users, the delivery agent's accounts; "
                "not live yet: smtpd's tables, the filters' addresses\n"
            ) in said
            assert "error: it is written, and not live yet; the server tries again" in said
            took.append((nanoseconds / 1e9, most))
            if took[-1][0] < most:
                break
        assert took[-1][0] < took[-1][1], took
        # Whoever reads mail does not wait for who brings it.
        wait_until(lambda: logs_in(server, address, "secret-of-new"), "the new account's login")
        done = server.attempt("signpost", "account", "passwd", ALICE[0])
        assert b"ACCOUNTS has this address" in done.stderr
        server.attempt("sh", "-c", f"echo another | signpost account passwd {address}")
        wait_until(lambda: logs_in(server, address, "another"), "the new password")
        assert not logs_in(server, address, "secret-of-new")
    server.wait_for_log(rf"maintenance: account {address} added$", 60)
    assert code(world, server, address) == 250


class Recipients:
    """Asks for the same recipient over and over, and remembers every answer."""

    def __init__(self, server: Signpost, address: str) -> None:
        self._server, self._address = server, address
        self.codes: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                with smtplib.SMTP(self._server.v4, 25, timeout=10) as session:
                    session.ehlo("client.test")
                    for _ in range(50):
                        session.mail("someone@far.test")
                        self.codes.append(session.rcpt(self._address)[0])
                        session.rset()
            except (OSError, smtplib.SMTPException):
                time.sleep(0.1)

    def __enter__(self) -> Recipients:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


def test_an_address_that_comes_or_goes_is_answered_by_the_filters(server: Signpost) -> None:
    """550 and 250; smtpd's own answer to what it does not know would be 524."""
    alias = f"{fresh('alias')}@example.org"
    with Recipients(server, alias) as asked:
        for _ in range(8):
            for line, answer in ((f"add {alias} {ALICE[0]}", 250), (f"remove {alias}", 550)):
                server.exec("signpost", "alias", *line.split())
                seen = len(asked.codes)
                wait_until(lambda: len(asked.codes) > seen + 3, "more answers")  # noqa: B023
                assert asked.codes[-1] == answer
    assert set(asked.codes) == {250, 550}
