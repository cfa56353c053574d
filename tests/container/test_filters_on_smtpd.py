"""FilterServer under the real OpenSMTPD, newest and oldest that Debian has: every known trap.

A few of these tests record what smtpd itself does; they are named so.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .harness.bare_smtpd import PASSWORD, USER, BareSmtpd
from .harness.shell import fresh, wait_until

# What each release can take back of one line, and what it says of its protocol.
LIMITS = {"trixie": 65_485, "bookworm": 1_997}
PROTOCOLS = {"trixie": "0.7", "bookworm": "untold"}


@pytest.fixture(scope="module", params=LIMITS)
def suite(request: pytest.FixtureRequest) -> str:
    BareSmtpd.build(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def limit(suite: str) -> int:
    return LIMITS[suite]


@pytest.fixture(scope="module")
def echo(suite: str) -> Iterator[BareSmtpd]:
    with BareSmtpd(suite, "echo.py") as smtpd:
        yield smtpd


@pytest.fixture(scope="module")
def describe(suite: str) -> Iterator[BareSmtpd]:
    with BareSmtpd(suite, "describe.py") as smtpd:
        yield smtpd


@pytest.fixture(scope="module")
def misbehaving(suite: str) -> Iterator[BareSmtpd]:
    with BareSmtpd(suite, "misbehaving.py") as smtpd:
        yield smtpd


def letter(*lines: bytes) -> tuple[bytes, bytes]:
    """A message as it goes over the wire, and the word in it to find it again by."""
    word = fresh("letter").encode()
    head = (b"Subject: " + word, b"Date: Wed, 25 Nov 2026 04:00:00 +0000", b"Message-ID: <a@b>")
    return b"".join(line + b"\r\n" for line in (*head, b"", *lines)), word


def still_works(smtpd: BareSmtpd) -> None:
    raw, word = letter(b"hello")
    with smtpd.connect() as client:
        assert client.mail(raw).code == 250
    smtpd.wait_for_mail(word)


def body(delivered: bytes) -> bytes:
    return delivered.partition(b"\n\n")[2]


class TestTheMessage:
    def test_arbitrary_bytes_come_out_as_they_went_in(self, echo: BareSmtpd) -> None:
        lines = [
            b"a|b",
            b"\x0b\x0c\x1c\x85\xff",
            b"a\rb",
            b"\r",
            b" ",
            b"..",
            b"...two",
            b"x" * 900,
        ]
        raw, word = letter(*lines)
        with echo.connect() as client:
            assert client.mail(raw).code == 250
        # smtpd itself takes the stuffing off, and one CR at a line's end.
        wanted = [line.removeprefix(b".") for line in lines]
        assert body(echo.wait_for_mail(word)) == b"".join(line + b"\n" for line in wanted)

    def test_the_longest_line_that_can_be_passed_is_passed(
        self, echo: BareSmtpd, limit: int
    ) -> None:
        raw, word = letter(b"x" * limit)
        with echo.connect() as client:
            assert client.mail(raw).code == 250
        assert body(echo.wait_for_mail(word)) == b"x" * limit + b"\n"

    @pytest.mark.parametrize("more", [1, 47])
    def test_a_longer_one_is_refused_with_the_limit_and_nobody_hangs(
        self, echo: BareSmtpd, limit: int, more: int
    ) -> None:
        raw, _ = letter(b"x" * (limit + more))
        with echo.connect() as client:
            refused = client.mail(raw)
            assert refused.code == 554
            assert refused.text.startswith("5.6.0 ")
            assert str(limit) in refused.text
            again, word = letter(b"in the same session")
            assert client.mail(again).code == 250
        echo.wait_for_mail(word)
        still_works(echo)

    def test_a_stuffed_dot_counts_as_one_byte_of_the_line(
        self, echo: BareSmtpd, limit: int
    ) -> None:
        with echo.connect() as client:
            raw, word = letter(b"." * limit)
            assert client.mail(raw).code == 250
            assert client.mail(letter(b"." * (limit + 1))[0]).code == 554
        assert body(echo.wait_for_mail(word)) == b"." * (limit - 1) + b"\n"


class TestTheEndOfTheMessage:
    @pytest.mark.parametrize("almost", [b".\r", b".\r\r", b".\x85", b". ", b".\x0b"])
    def test_a_dot_with_something_behind_it_does_not_end_the_message(
        self, echo: BareSmtpd, almost: bytes
    ) -> None:
        raw, word = letter(
            b"before", almost, b"MAIL FROM:<smuggled@side.test>", b"RCPT TO:<x@here.test>", b"DATA"
        )
        with echo.connect() as client:
            assert client.mail(raw).code == 250
            # There is no further reply: the next one answers the next command.
            assert client.say(b"HELP").code == 214
        assert b"\nMAIL FROM:<smuggled@side.test>\n" in echo.wait_for_mail(word)
        assert "smuggled" not in echo.logs()

    def test_smtpd_takes_a_dot_and_a_nul_for_the_end(self, echo: BareSmtpd) -> None:
        """A record of smtpd's own behaviour, which the README's limits tell."""
        raw, word = letter(b"before", b".\0")
        with echo.connect() as client:
            client.begin()
            client.send(raw)
            assert client.reply().code == 250
            assert client.say(b"NOOP").code == 250
        assert body(echo.wait_for_mail(word)) == b"before\n"

    def test_smtpd_closes_on_whoever_pipelines_behind_a_dot_and_a_nul(
        self, echo: BareSmtpd
    ) -> None:
        """A record of smtpd's own behaviour: neither the message nor what follows is taken."""
        raw, word = letter(b"before", b".\0", b"MAIL FROM:<smuggled@side.test>")
        with echo.connect() as client:
            client.begin()
            client.send(raw)
            assert [client.reply().code, client.reply().code] == [500, 0]
        still_works(echo)
        assert not [message for message in echo.mailbox() if word in message]
        assert "smuggled" not in echo.logs()

    def test_clients_that_drop_mid_data_leave_nothing_behind(self, echo: BareSmtpd) -> None:
        half = letter(*[b"x" * 900] * 50)[0]

        def drop(_: int) -> None:
            with echo.connect() as client:
                client.begin()
                client.send(half)

        # No more at once than smtpd's listen queue holds, which is 5.
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(drop, range(100)))
            still_works(echo)
            before = echo.memory()
            list(clients.map(drop, range(1000)))  # 45 MB that nobody finishes
        still_works(echo)
        after = echo.memory()
        for name, size in before.items():
            assert after[name] < size + 6_000, (name, before, after)


class TestWhatItIsTold:
    def test_of_a_client_in_the_clear(self, describe: BareSmtpd, suite: str) -> None:
        raw, word = letter(b"hello")
        with describe.connect() as client:
            assert client.say(b"MAIL FROM:<refused@side.test>  BODY=WRONG").code >= 500
            assert client.say(b"RCPT TO:<early@here.test>").code >= 500
            assert client.say(b"MAIL FROM:<o|ut@side.test>").code == 250
            assert client.say(b"RCPT TO:<nobody@gone|.test>").code >= 500
            assert client.say(b"RCPT TO:<x@here.test>").code == 250
            assert client.say(b"RCPT TO:<y+z@here.test>").code == 250
            assert client.say(b"DATA").code == 354
            client.send(raw + b".\r\n")
            assert client.reply().code == 250
        told = describe.wait_for_mail(word)
        for line in (
            b"X-Helo: client.test",
            b"X-Local: False",
            b"X-User: None",
            b"X-Tls: False",
            b"X-Sender: <o|ut@side.test>",
            b"X-Recipients: x@here.test,y+z@here.test",
            b"X-Protocol: " + PROTOCOLS[suite].encode(),
            b"X-Admd: mx.here.test",
        ):
            assert b"\n" + line + b"\n" in told, line

    def test_of_a_client_that_has_logged_in(self, describe: BareSmtpd, suite: str) -> None:
        if suite == "bookworm":
            pytest.skip("Debian 12's smtpd fails every TLS handshake: missing private key")
        raw, word = letter(b"hello")

        def plain(password: str) -> bytes:
            return base64.b64encode(f"\0{USER}\0{password}".encode())

        with describe.connect("tls") as client:
            assert client.say(b"AUTH PLAIN " + plain("wrong")).code == 535
            assert client.say(b"AUTH PLAIN " + plain(PASSWORD)).code == 235
            assert client.mail(raw).code == 250
        told = describe.wait_for_mail(word)
        assert b"\nX-User: " + USER.encode() + b"\n" in told
        assert b"\nX-Tls: True\n" in told

    def test_one_process_that_stands_twice_in_a_chain_does_all_twice(
        self, describe: BareSmtpd
    ) -> None:
        raw, word = letter(b"hello")
        with describe.connect("twice") as client:
            assert client.mail(raw).code == 250
            again, word_2 = letter(b"again")
            assert client.mail(again).code == 250
        for each in (word, word_2):
            assert describe.wait_for_mail(each).count(b"\nX-Sender: <out@side.test>\n") == 2

    def test_bounces_pass_as_local_mail_of_the_null_sender(self, describe: BareSmtpd) -> None:
        raw, word = letter(b"hello")
        with describe.connect() as client:
            client.begin(b"me@here.test", b"x@gone.test")
            client.send(raw + b".\r\n")
            assert client.reply().code == 250
        bounce = describe.wait_for_mail(b"From: Mailer Daemon")
        assert word in bounce
        head = bounce.partition(b"\nReceived:")[0]
        for line in (b"X-Sender: <>", b"X-Local: True", b"X-Recipients: me@here.test"):
            assert b"\n" + line + b"\n" in head + b"\n", bounce


def test_events_of_outgoing_mail_are_told_where_they_are_asked_for(suite: str) -> None:
    with BareSmtpd(suite, "outgoing.py") as smtpd:
        raw, _ = letter(b"hello")
        with smtpd.connect() as client:
            client.begin(b"me@here.test", b"x@gone.test")
            client.send(raw + b".\r\n")
            assert client.reply().code == 250
        smtpd.wait_for_mail(b"From: Mailer Daemon")
        said = r"outgoing tx-mail b'\w{8}' b'ok' b'me@here\.test'(.*\n)*.*outgoing tx-rollback"
        wait_until(lambda: re.search(said, smtpd.logs()), "the events of the delivery")
        still_works(smtpd)


MISDEEDS = ("raise", "nonsense", "async-raise", "async-hang", "async-nonsense")


class TestBugsInAHandler:
    @pytest.mark.parametrize("misdeed", MISDEEDS)
    def test_of_a_phase_earn_451_and_the_session_goes_on(
        self, misbehaving: BareSmtpd, misdeed: str
    ) -> None:
        with misbehaving.connect() as client:
            assert client.say(f"MAIL FROM:<{misdeed}@side.test>".encode()).code == 451
            raw, word = letter(b"hello")
            assert client.mail(raw).code == 250
        misbehaving.wait_for_mail(word)

    @pytest.mark.parametrize("misdeed", MISDEEDS)
    @pytest.mark.parametrize("lines", [1, 3000], ids=["small", "large"])
    def test_of_the_message_filter_earn_451_and_the_session_goes_on(
        self, misbehaving: BareSmtpd, misdeed: str, lines: int
    ) -> None:
        with misbehaving.connect() as client:
            bad = f"Subject: {misdeed}\r\n\r\n".encode() + (b"x" * 100 + b"\r\n") * lines
            assert client.mail(bad).code == 451
            raw, word = letter(b"hello")
            assert client.mail(raw).code == 250
        misbehaving.wait_for_mail(word)
        still_works(misbehaving)

    def test_one_that_hangs_keeps_nobody_else_waiting(self, misbehaving: BareSmtpd) -> None:
        with misbehaving.connect() as stuck, misbehaving.connect() as other:
            stuck.begin()
            stuck.send(b"Subject: async-hang\r\n\r\nx\r\n.\r\n")
            raw, word = letter(b"hello")
            assert other.mail(raw).code == 250
            assert stuck.reply().code == 451
        misbehaving.wait_for_mail(word)

    def test_a_client_that_leaves_while_one_hangs_is_forgotten(
        self, misbehaving: BareSmtpd
    ) -> None:
        for _ in range(20):
            with misbehaving.connect() as client:
                client.begin()
                client.send(b"Subject: async-hang\r\n\r\nx\r\n.\r\n")
        still_works(misbehaving)
