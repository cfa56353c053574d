"""What leaves, byte by byte, as a sink gets it that changes nothing: senders, and bare CRs."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from .harness.imap import any_certificate
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.sink import OnTheWire, Sink, sink
from .harness.world import World

PORT = 2600
# A domain of ours with as many octets as three labels can have.
LONG = ".".join(["d" * 63, "e" * 63, "f" * 63, "example"])
# Its address cannot be rewritten for any forwarding address of example.org.
LONG_NAMED = (f"{'n' * 32}@{LONG}", "secret-long")
ALICE = ("alice@example.org", "secret-alice")
BOB = ("bob@example.org", "secret-bob")
READER = "reader@far.test"


@pytest.fixture(scope="module")
def out(world: World) -> Iterator[Sink]:
    with sink(world.swaks.container, PORT) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(world: World, image: None, out: Sink) -> Iterator[Signpost]:
    environment = {
        "MAIL_HOSTNAME": "mail.example.org",
        "DOMAINS": f"example.org, catch.example, {LONG}",
        "ACCOUNTS": "\n".join(":".join(login) for login in (ALICE, BOB, LONG_NAMED)),
        "ALIASES": "\n".join(
            [
                f"away@example.org: {READER}",
                "chain@example.org: inner@example.org",
                "inner@example.org: away@example.org, alice@example.org",
                f"@catch.example: {READER}",
                f"away@{LONG}: {READER}",
                "refused@example.org: refused@far.test",
            ]
        ),
        "POSTMASTER_ADDRESS": READER,
        "RELAY_HOST": world.client[0],
        "RELAY_PORT": str(PORT),
        "RELAY_TLS": "no",
        "DKIM_SELECTOR": "raw",
    }
    with world.signpost(environment, place=106) as signpost:
        world.publish_keys(signpost, "example.org")
        yield signpost


@contextmanager
def connected(server: Signpost, login: tuple[str, str] | None = None) -> Iterator[smtplib.SMTP]:
    """A session that says whatever a test wants; with a login, on the submission port."""
    with smtplib.SMTP(server.v4, 587 if login else 25, timeout=30) as session:
        session.ehlo("client.outside.test")
        if login is not None:
            session.starttls(context=any_certificate())
            session.login(*login)
        yield session


def hand_in(
    server: Signpost,
    data: bytes,
    *,
    to: str | Sequence[str],
    sender: str = "someone@outside.test",
    login: tuple[str, str] | None = None,
) -> tuple[int, str]:
    """Send data as it is, to be dot-stuffed already; the reply that decides."""
    recipients = [to] if isinstance(to, str) else to
    with connected(server, login) as session:
        for command in [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients)]:
            code, text = session.docmd(command)
            if code != 250:
                return code, text.decode()
        assert session.docmd("DATA")[0] == 354
        session.send(data + b".\r\n")
        code, text = session.getreply()
        return code, text.decode()


# -- senders that SRS has no room for ----------------------------------------------------------


def sender_of(size: int) -> str:
    """An address of this many octets without its @, in a domain as long as there may be."""
    domain = ".".join(["x" * 60, "y" * 60, "z" * 60, "test"])
    local = size - len(domain)
    assert 0 < local <= 64
    return "s" * local + "@" + domain


FORWARDING = [
    "away@example.org",
    "AWAY+tag@example.org",
    "chain@example.org",
    "anyone@catch.example",
    f"away@{LONG}",
    "postmaster",
    "abuse@catch.example",
]


def room(recipient: str) -> int:
    """Octets of a sender's two parts that fit: 240 less our domain (see filters/srs.py)."""
    return 240 - len(recipient.rpartition("@")[2] if "@" in recipient else "mail.example.org")


@pytest.mark.parametrize("recipient", FORWARDING, ids=lambda name: name[:24])
def test_a_sender_that_srs_has_room_for_leaves_and_a_longer_one_is_refused(
    server: Signpost, out: Sink, recipient: str
) -> None:
    token = fresh("srs")
    short = "@".join(["s" * 20, "x" * (room(recipient) - 20)])
    if "x" * 64 in short:
        short = sender_of(room(recipient))
    code, _ = hand_in(server, letter(token=token), to=recipient, sender=short)
    assert code == 250
    local, _, domain = short.partition("@")
    sent = out.wait_for(token).sender.decode()
    ours = recipient.rpartition("@")[2] if "@" in recipient else "mail.example.org"
    assert re.fullmatch(rf"SRS0=[^=]{{4}}=[A-Z2-7]{{2}}={domain}={local}@{ours}", sent)
    assert len(sent) == 255
    code, text = hand_in(server, letter(), to=recipient, sender="s" + short)
    assert (code, text[:5]) == (550, "5.1.7")
    assert recipient in text


@pytest.mark.parametrize(
    ("sender", "fits"),
    [
        ("SRS0=HHHH=TT=" + "a" * 213 + "@b.test", True),
        ("srs0=HHHH=TT=" + "a" * 214 + "@b.test", False),
        ("SRS1=HHHH=" + "a" * 220 + "==" + "b" * 11 + "@c.test", True),
        ("Srs1=HHHH=" + "a" * 220 + "==" + "b" * 12 + "@c.test", False),
        # Shorter than what smtpd cuts off: it uses what it has freed, too.
        ("SRS1=abc@c.test", False),
        ("SRS1=HHHHHa.test==b@c.test", False),
        ("SRS1=HHHH+a.test==b@c.test", True),
        ("SRS1@c.test", True),
    ],
)
def test_a_sender_that_was_rewritten_before(
    server: Signpost, out: Sink, sender: str, fits: bool
) -> None:
    token = fresh("srs")
    code, text = hand_in(server, letter(token=token), to="away@example.org", sender=sender)
    if fits:
        assert code == 250
        sent = out.wait_for(token).sender.decode("ascii")
        assert re.fullmatch(r"SRS[01]=[^=]{4}=[ -~]+@example\.org", sent)
    else:
        assert (code, text[:5]) == (550, "5.1.7")


def test_the_other_recipients_get_it(server: Signpost, out: Sink) -> None:
    token = fresh("both")
    with connected(server) as session:
        session.docmd(f"MAIL FROM:<{sender_of(230)}>")
        codes = [session.docmd(f"RCPT TO:<{to}>")[0] for to in ("away@example.org", ALICE[0])]
        assert codes == [550, 250]
        session.docmd("DATA")
        session.send(letter(token=token) + b".\r\n")
        assert session.getreply()[0] == 250
    server.wait_for_mail(ALICE[0], token)


def test_a_login_and_the_local_socket(server: Signpost, out: Sink) -> None:
    """Mail that is not forwarded has no need to be rewritten, nor has the null sender."""
    message = letter(LONG_NAMED[0])
    for to in ("away@example.org", "chain@example.org", f"away@{LONG}"):
        code, text = hand_in(server, message, to=to, sender=LONG_NAMED[0], login=LONG_NAMED)
        assert (code, text[:5]) == (550, "5.1.7"), to
    token = fresh("direct")
    message = letter(LONG_NAMED[0], token=token)
    both = [READER, ALICE[0]]
    code, _ = hand_in(server, message, to=both, sender=LONG_NAMED[0], login=LONG_NAMED)
    assert code == 250
    assert out.wait_for(token).sender.decode() == LONG_NAMED[0]
    send = ("/usr/sbin/sendmail", "-f", LONG_NAMED[0], "away@example.org")
    assert b"550 5.1.7" in server.attempt(*send, stdin=b"Subject: x\n\nx\n").stderr
    token = fresh("bounce")
    code, _ = hand_in(server, letter(token=token), to="away@example.org", sender="")
    assert code == 250
    assert out.wait_for(token).sender == b""


# -- bare CR -----------------------------------------------------------------------------------

# Each line that a client sends, and what leaves: one space for each CR that ends no line.
LINES = {
    b"a\rb": b"a b",
    b"twelve" + b"\r" * 12 + b"in a row": b"twelve" + b" " * 12 + b"in a row",
    b"at the end\r": b"at the end ",
    b"\rat the start": b" at the start",
    b".\r": b" ",
    b"..\r": b".. ",
    b".\r.\rMAIL FROM:<a@example.org>": b" . MAIL FROM:<a@example.org>",
    b"\r": b" ",
    b"\r\r": b"  ",
    b"\r.": b" .",
    b"8-bit \xff\r\xfe \xc3\xa9\r": b"8-bit \xff \xfe \xc3\xa9 ",
    b"head\r.\r": b"head . ",
    b"long " + b"\r" * 60_000: b"long " + b" " * 60_000,
}
SENT = b"\r\n".join([*LINES, b""])
LEFT = b"\r\n".join([*LINES.values(), b""])


def assert_clean(mail: OnTheWire) -> None:
    """No CR but in line ends, in what the sink got."""
    everything = b"\r\n".join([*mail.commands, mail.data])
    assert everything.count(b"\r") == everything.count(b"\r\n") == everything.count(b"\n")


def test_a_login_sends_no_bare_cr(world: World, server: Signpost, out: Sink) -> None:
    token = fresh("cr")
    fields = [b"X-One: a\rb\r\r", b"X-Two: y\r\n\rX-Three: folded now"]
    author = "Alice\rA <alice@example.org>"
    message = letter(author, token=token, fields=fields, body=SENT)
    code, _ = hand_in(server, message, to=READER, sender=ALICE[0], login=ALICE)
    assert code == 250
    mail = out.wait_for(token)
    assert_clean(mail)
    header, _, body = mail.data.partition(b"\r\n\r\n")
    assert body == LEFT
    assert b"\r\nX-One: a b  \r\n" in header
    assert b"\r\nX-Two: y\r\n X-Three: folded now\r\n" in header
    assert b"\r\nFrom: Alice A <alice@example.org>\r\n" in header
    unstuffed = re.sub(rb"(?m)^\.", b"", mail.data)
    assert [result for *_, result in world.verify(unstuffed)] == ["pass", "pass"]
