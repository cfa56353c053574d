"""What leaves, byte by byte, as a sink gets it that changes nothing: senders, and bare CRs."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import load_signing_key
from filters.mailauth.message import Message

from .harness.imap import any_certificate
from .harness.managesieve import ManageSieve
from .harness.messages import key_pair, letter
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


@contextmanager
def script(server: Signpost, login: tuple[str, str], text: str) -> Iterator[None]:
    """Inside, the account has this Sieve script."""
    with ManageSieve(server.v4) as session:
        manage = session.start_tls(any_certificate()).login(*login)
        manage.activate(text)
        try:
            yield
        finally:
            manage.say(b'SETACTIVE ""')


def redirecting(server: Signpost, login: tuple[str, str], to: str) -> AbstractContextManager[None]:
    """Inside, the account's mail goes there."""
    return script(server, login, f'redirect "{to}";')


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
        ("SRS0=HHHH=TT=" + "a" * 217 + "@b.test", True),
        ("srs0=HHHH=TT=" + "a" * 218 + "@b.test", False),
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


def test_a_source_route_hides_no_sender(server: Signpost, out: Sink) -> None:
    """smtpd tells no filter of an address whose path has more than 254 octets, when it is taken."""
    for sender, said in (
        (f"@r.test:{sender_of(235)}", "550 5.1.7"),
        (f"@{'r' * 30}.test:{sender_of(235)}", "501 5.1.7"),
    ):
        code, text = hand_in(server, letter(), to="away@example.org", sender=sender)
        assert f"{code} {text[:5]}" == said, sender
    route = "@" + "r" * 240 + ".test:"
    for login in (None, ALICE):
        sender = login[0] if login else "someone@outside.test"
        message = letter(sender)
        code, text = hand_in(
            server, message, to=f"{route}away@example.org", sender=sender, login=login
        )
        assert (code, text[:5]) == (501, "5.1.3")


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
    """Mail that is not forwarded has no need to be rewritten, nor has the null sender. What a
    script redirects has its account as the sender, and is kept where that cannot be.
    """
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
    send = ("sendmail", "-f", LONG_NAMED[0], "away@example.org")
    assert b"550 5.1.7" in server.attempt(*send, stdin=b"Subject: x\n\nx\n").stderr
    token = fresh("kept")
    with redirecting(server, LONG_NAMED, "away@example.org"):
        code, _ = hand_in(server, letter(token=token), to=LONG_NAMED[0])
        assert code == 250
        server.wait_for_mail(LONG_NAMED[0], token)
    token = fresh("bounce")
    code, _ = hand_in(server, letter(token=token), to="away@example.org", sender="")
    assert code == 250
    assert out.wait_for(token).sender == b""


# -- bounces to rewritten senders --------------------------------------------------------------


def forwarded(server: Signpost, out: Sink, sender: str, to: str = "away@example.org") -> str:
    """The sender with which it has left."""
    token = fresh("forwarded")
    assert hand_in(server, letter(token=token), to=to, sender=sender)[0] == 250
    return out.wait_for(token).sender.decode()


def bounced(server: Signpost, to: str, sender: str = "") -> tuple[int, str, str]:
    """What is said to a bounce, and a word that is in it."""
    token = fresh("bounced")
    message = letter("MAILER-DAEMON@far.test", token=token)
    return *hand_in(server, message, to=to, sender=sender), token


def timestamp(ago: int) -> str:
    """SRS's, of so many days ago."""
    day = int(time.time()) // 86_400 - ago
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return alphabet[day % 1024 >> 5] + alphabet[day & 31]


# A sender, whom it writes to, and to whom the bounce goes (None: the sender).
FORWARDED = [
    ("some.one+x=y@outside.test", "away@example.org", None),
    # smtpd takes the domain as it is written, and its capitals would be lost.
    ("some.one@outside.test", "AWAY+x@Example.ORG", None),
    # A catch-all, which would take what is no rewritten sender.
    ("some.one@outside.test", "anyone@Catch.Example", None),
    # Rewritten before, elsewhere: SRS1.
    (f"SRS0=aB/c={timestamp(2)}=start.test=x-1@outside.test", "away@example.org", None),
    (
        f"SRS1=aBcD=hop.test==Zz9+={timestamp(2)}=start.test=x@outside.test",
        "away@example.org",
        f"SRS0=Zz9+={timestamp(2)}=start.test=x@hop.test",
    ),
    # Forwarded from here before.
    ("", "away@example.org", "some.one@outside.test"),
]


def test_a_bounce_reaches_the_sender_whatever_became_of_the_capitals(
    server: Signpost, out: Sink
) -> None:
    sent: dict[str, str] = {}
    before = forwarded(server, out, "some.one@outside.test")
    for sender, to, behind in FORWARDED:
        rewritten = forwarded(server, out, sender or before, to)
        local, _, domain = rewritten.rpartition("@")
        assert domain == domain.lower()
        for spelled in (
            rewritten,
            rewritten.lower(),
            rewritten.upper(),
            f"{local.lower()}@{domain.upper()}",
            f"{local}@{domain.upper()}",
            f"srs{local[3:]}@{domain}",
            f"@relay.test:{rewritten.lower()}",
        ):
            code, text, token = bounced(server, spelled)
            assert code == 250, (spelled, text)
            sent[token] = behind or sender
        code, _, _ = bounced(server, rewritten.lower().replace(".test=", ".test=a"))
        assert code == (250 if "catch" in domain else 550)
    for token, reached in sent.items():
        assert out.wait_for(token).commands[1].decode() == f"RCPT TO:<{reached}>"


def test_the_capitals_of_a_sender_are_not_known_again(server: Signpost, out: Sink) -> None:
    sender = "Some.One@Outside.test"
    rewritten = forwarded(server, out, sender)
    code, text, _ = bounced(server, rewritten.lower())
    assert (code, text[:5]) == (550, "5.1.1")
    code, _, token = bounced(server, rewritten)
    assert code == 250
    assert out.wait_for(token).commands[1].decode() == f"RCPT TO:<{sender}>"


def test_a_rewritten_sender_takes_bounces_only(server: Signpost, out: Sink) -> None:
    rewritten = forwarded(server, out, "someone@outside.test")
    for spelled in (rewritten, rewritten.lower()):
        code, text, _ = bounced(server, spelled, sender="a@outside.test")
        assert (code, text[:5]) == (550, "5.1.1")


def test_who_guesses_rewritten_senders_is_disconnected(server: Signpost, out: Sink) -> None:
    rewritten = forwarded(server, out, "someone@outside.test").lower()
    with connected(server) as session:
        session.docmd("MAIL FROM:<>")
        guesses = [f"srs0=a{number:03}{rewritten[9:]}" for number in range(21)]
        said = [session.docmd(f"RCPT TO:<{guess}>")[0] for guess in guesses]
    assert said == [550] * 20 + [421]


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


def test_nothing_that_travels_on_has_a_bare_cr(world: World, server: Signpost, out: Sink) -> None:
    """Through an alias and a Sieve redirect, and into a mailbox: verified as it came."""
    token, selector = fresh("cr"), fresh("selector")
    private, record = key_pair()
    world.ns.publish("outside.test", f"{selector}._domainkey.outside.test. 1 IN TXT {record}")
    hidden = b"Authentication-Results: mail.example.org; dmarc=pass"
    fields = [b"X-One: y\r" + hidden, hidden + b"\r", b"X-Two: a\r\r"]
    # Else smtpd's sendmail, which hands in what is redirected, encodes the body.
    fields += [b"MIME-Version: 1.0", b"Content-Transfer-Encoding: 8bit"]
    message = letter(token=token, fields=fields, body=SENT)
    key = load_signing_key("outside.test", selector, private)
    signature = sign(Message(re.sub(rb"(?m)^\.", b"", message)), [key])
    redirected = fresh("redirected") + "@far.test"
    with redirecting(server, BOB, redirected):
        to = ["away@example.org", ALICE[0], BOB[0]]
        assert hand_in(server, signature + message, to=to)[0] == 250
        away, moved = out.wait_for(token), out.wait_for(redirected)
    assert away.commands[1] == b"RCPT TO:<" + READER.encode() + b">"
    for mail in (away, moved):
        assert_clean(mail)
        header, _, body = mail.data.partition(b"\r\n\r\n")
        assert body == LEFT
        assert b"\r\nX-One: y " + hidden + b"\r\nX-Two: a  \r\n" in header
    assert b"dkim=pass" in away.data.partition(b"DKIM-Signature:")[0]
    unstuffed = re.sub(rb"(?m)^\.", b"", away.data)
    results = re.findall(rb"(?mi)^Authentication-Results:[^\r]*", unstuffed)
    assert results == [b"Authentication-Results: mail.example.org;"]
    stored = server.wait_for_mail(ALICE[0], token)
    assert b"\r" not in stored
    assert stored.endswith(re.sub(rb"(?m)^\.", b"", LEFT).replace(b"\r\n", b"\n"))


def test_a_line_that_would_be_folded_into_the_field_above_is_refused(server: Signpost) -> None:
    """What was verified ends at the line end; behind a space the rest would belong to it."""
    message = letter(fields=[b"Reply-To: a@outside.test\r\n\r, <x@bank.test>:"])
    code, text = hand_in(server, message, to=ALICE[0])
    assert (code, text[:5]) == (550, "5.6.0")


def test_a_bounce_has_no_bare_cr_of_the_next_hops_reply(server: Signpost, out: Sink) -> None:
    """smtpd's own mail comes through the local socket, and quotes what the next hop has said."""
    sender = fresh("sender") + "@outside.test"
    assert hand_in(server, letter(), to="refused@example.org", sender=sender)[0] == 250
    bounce = out.wait_for(f"RCPT TO:<{sender}>")
    assert_clean(bounce)
    assert b"550 5.1.1 nobody . X-Refused: here" in bounce.data


def test_an_answer_of_a_script_has_no_bare_cr(server: Signpost, out: Sink) -> None:
    sender = fresh("asker") + "@outside.test"
    text = 'require ["vacation", "encoded-character"]; vacation :subject "a${hex:0d}b" '
    with script(server, BOB, text + '"Away.${hex:0d}.${hex:0d}MAIL FROM:<x@far.test>";'):
        message = letter(sender, to=BOB[0])
        assert hand_in(server, message, to=BOB[0], sender=sender)[0] == 250
        answer = out.wait_for(f"RCPT TO:<{sender}>")
    assert_clean(answer)
    assert b"Away. . MAIL FROM" in answer.data


@pytest.mark.parametrize(
    ("mail", "rcpt"),
    [(" RET=HDRS ENVID=a\rb", ""), ("", " ORCPT=rfc\r822;x@far.test"), ("", " NOTIFY=\rNEVER")],
)
def test_no_command_holds_a_bare_cr(server: Signpost, out: Sink, mail: str, rcpt: str) -> None:
    token = fresh("command")
    with connected(server, ALICE) as session:
        replies = []
        for command in (f"MAIL FROM:<{ALICE[0]}>{mail}", f"RCPT TO:<{READER}>{rcpt}"):
            session.send(command + "\r\n")
            replies.append(session.getreply()[0])
        if replies == [250, 250]:
            session.docmd("DATA")
            session.send(letter(ALICE[0], token=token) + b".\r\n")
            session.getreply()
            assert_clean(out.wait_for(token))


# -- fields that only we write -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["submission", "local"])
def test_no_login_speaks_for_our_verifier(
    world: World, server: Signpost, out: Sink, way: str
) -> None:
    token = fresh("results")
    forged = [
        b"Authentication-Results: mail.example.org; dmarc=pass header.from=bank.test",
        b"AUTHENTICATION-RESULTS : (c) Mail.Example.Org 1;\r\n\tdmarc=pass",
        b"Authentication-Results: mail.example.org\r; dkim=pass",
    ]
    others = b"Authentication-Results: other.test; dmarc=pass"
    message = letter(ALICE[0], token=token, fields=[*forged, others], to=BOB[0])
    if way == "submission":
        code, _ = hand_in(server, message, to=[BOB[0], READER], sender=ALICE[0], login=ALICE)
        assert code == 250
    else:
        sendmail = ("sendmail", "-f", ALICE[0], BOB[0], READER)
        server.exec(*sendmail, stdin=message.replace(b"\r\n", b"\n"))
    for arrived in (server.wait_for_mail(BOB[0], token), out.wait_for(token).data):
        found = re.findall(rb"(?mi)^Authentication-Results[^\r\n]*", arrived)
        assert found == [others]


@pytest.mark.parametrize(
    "field",
    [
        b"X-Spam: yes",
        b"x-SPAM:\r\n yes",
        b"X-Spam : Yes",
        b"X-Spam: =?us-ascii?q?yes?=",
        b"X-Spam\r: yes",
    ],
)
def test_a_stranger_files_nothing_as_junk(server: Signpost, field: bytes) -> None:
    token = fresh("spam")
    message = letter(token=token, fields=[b"X-Other: 1", field, b"X-Spammer: 1"])
    assert hand_in(server, message, to=ALICE[0])[0] == 250
    stored = server.wait_for_mail(ALICE[0], token)
    assert b"\nX-Other: 1\nX-Spammer: 1\n" in stored
