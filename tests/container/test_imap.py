"""Mailboxes: a person reads, files and sends mail with a usual client, and Sieve scripts work.

The server runs under no-new-privileges: nothing of this needs a set-gid program.
"""

from __future__ import annotations

import base64
import imaplib
import poplib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from .harness.imap import Mailbox, any_certificate, mailbox
from .harness.managesieve import ManageSieve, SieveError
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.swaks import Conversation, Security
from .harness.world import World

ALICE = ("alice@example.org", "alice's $ecret: with a colon")
BOB = ("bob@example.org", "bob-secret")
CAROL = ("carol@example.org", "carol-secret")
DAN = ("dan@example.org", "dan-secret")
SMALL = ("small@example.org", "small-secret")
ERIN = ("er=in@xn--bcher-kva.example", "erin-secret")
# Its domain's policy has this filed as junk: not it, but outside.test allows the client.
JUNK = "someone@quarantine.policy.test"
ACCOUNTS = (ALICE, BOB, CAROL, DAN, SMALL, ERIN)

ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, example.net, bücher.example",
    "ACCOUNTS": "\n".join(
        f"{address}:{secret}" + (":quota=1M" if address == SMALL[0] else "")
        for address, secret in ACCOUNTS
    ),
    "ALIASES": "\n".join(
        [
            "info@example.org: alice@example.org, bob@example.org",
            "little@example.org: small@example.org",
            "both@example.org: small@example.org, bob@example.org",
            "@example.net: bob@example.org",
        ]
    ),
    "MESSAGE_SIZE_LIMIT": "1M",
    "ENABLE_POP3": "yes",
    # Another Signpost's keys are published, too.
    "DKIM_SELECTOR": "imap",
}


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    signpost = world.signpost(ENVIRONMENT)
    with signpost:
        world.publish_keys(signpost, "example.org")
        yield signpost


def send(
    world: World,
    server: Signpost,
    to: str,
    *,
    sender: str = "someone@outside.test",
    author: str = "",
    fields: tuple[bytes, ...] = (),
    body: bytes = b"Hello.\r\n",
) -> tuple[str, Conversation]:
    """Send a letter in from outside; its token, and what was said."""
    token = fresh("letter")
    message = letter(author or sender, to=to, token=token, fields=fields, body=body)
    said = world.swaks(server.v4, source=world.allowed[0], sender=sender, to=to, message=message)
    return token, said


def submit(
    world: World, server: Signpost, to: str, port: int = 465, security: Security = "implicit"
) -> Conversation:
    """Hand a letter of Bob's in."""
    message = letter(BOB[0], to=to)
    return world.swaks(
        server.v4, port=port, security=security, login=BOB, sender=BOB[0], to=to, message=message
    )


@contextmanager
def sieve(server: Signpost, login: tuple[str, str]) -> Iterator[ManageSieve]:
    with ManageSieve(server.v4) as session:
        yield session.start_tls(any_certificate()).login(*login)


@contextmanager
def script(server: Signpost, login: tuple[str, str], text: str) -> Iterator[None]:
    """Inside, the account has this Sieve script."""
    with sieve(server, login) as session:
        session.activate(text)
    try:
        yield
    finally:
        with sieve(server, login) as session:
            session.say(b'SETACTIVE ""')


# -- reading and sending -----------------------------------------------------------------------


@pytest.mark.parametrize(("port", "security"), [(465, "implicit"), (587, "starttls")])
@pytest.mark.parametrize("reading", ["implicit", "starttls"])
def test_what_one_sends_the_other_reads(
    world: World, server: Signpost, port: int, security: str, reading: str
) -> None:
    token = fresh("letter")
    world.swaks(
        server.v4,
        port=port,
        security=security,  # type: ignore[arg-type]
        login=ALICE,
        sender=ALICE[0],
        to=BOB[0],
        message=letter(ALICE[0], to=BOB[0], token=token),
    ).accepted()
    with mailbox(server.v4, BOB, reading) as box:  # type: ignore[arg-type]
        assert box.wait_for(token).endswith(b"\r\n\r\nHello.\r\n")


@pytest.mark.parametrize(
    "login",
    [
        "er=in@bücher.example",
        "Er=In@BÜCHER.Example",
        "er=in@bÜcher.example",
        "ER=IN@XN--BCHER-KVA.EXAMPLE",
        ERIN[0],
    ],
)
def test_a_domain_in_u_labels_is_the_same_account_in_every_spelling(
    world: World, server: Signpost, login: str
) -> None:
    """Dovecot knows `=` and `ü` by `auth_username_chars` only, and the domain by its spellings."""
    token, account = fresh("letter"), (login, ERIN[1])
    message = letter(ERIN[0], to=ERIN[0], token=token)
    said = server.submit(world.swaks, account, sender=ERIN[0], to=ERIN[0], message=message)
    said.accepted()
    with mailbox(server.v4, account) as box:
        box.wait_for(token)
        sessions = server.exec("doveadm", "-f", "tab", "who", "-1").splitlines()
        # By this name `account passwd` and `account remove` end it.
        assert ERIN[0] in [line.split("\t")[0] for line in sessions]
    # Nothing but the password lets in.
    for wrong in ("wrong", ""):
        with pytest.raises(imaplib.IMAP4.error), mailbox(server.v4, (login, wrong)):
            pass
    refused = server.submit(world.swaks, account, sender=ALICE[0], to=ERIN[0])
    assert (refused.code, ERIN[0] in refused.outcome.text) == (550, True)


def test_a_letter_to_several_arrives_as_it_was_sent(world: World, server: Signpost) -> None:
    body = b".dot\r\n..dots\r\n.\r\n\xff\xfe \t\r\n" + b"x" * 900 + b"\r\n\r\n"
    token, said = send(world, server, f"{ALICE[0]},{BOB[0]}", body=body)
    said.accepted()
    for login in (ALICE, BOB):
        with mailbox(server.v4, login) as box:
            assert box.wait_for(token).endswith(b"\r\n\r\n" + body)


def test_pop3_reads_the_same(world: World, server: Signpost) -> None:
    token, said = send(world, server, DAN[0])
    said.accepted()
    with mailbox(server.v4, DAN) as box:
        box.wait_for(token)
    session = poplib.POP3_SSL(server.v4, context=any_certificate(), timeout=30)
    session.user(DAN[0])
    session.pass_(DAN[1])
    newest = len(session.list()[1])
    assert token.encode() in b"\r\n".join(session.retr(newest)[1])
    session.quit()


def test_pop3_acts_for_nobody_else(server: Signpost) -> None:
    def plain(acts_for: str) -> str:
        return base64.b64encode("\0".join((acts_for, *DAN)).encode()).decode()

    session = poplib.POP3_SSL(server.v4, context=any_certificate(), timeout=30)
    for other in (ALICE[0], "root"):
        with pytest.raises(poplib.error_proto):
            session._shortcmd(f"AUTH PLAIN {plain(other)}")
    session._shortcmd(f"AUTH PLAIN {plain('')}")
    session.quit()


def test_the_special_folders_are_there_at_the_first_login(server: Signpost) -> None:
    with mailbox(server.v4, CAROL) as box:
        folders = box.folders()
        special = {name: flags for name, flags in folders.items() if name != "INBOX"}
        assert special.keys() == {"Drafts", "Sent", "Junk", "Trash", "Archive"}
        assert all(f"\\{name}" in flags for name, flags in special.items())
        assert box.subscribed() >= special.keys()


def test_the_log_tells_who_logged_in(server: Signpost) -> None:
    with mailbox(server.v4, BOB):
        pass
    server.wait_for_log(
        r"info dovecot: imap-login: Logged in: .* TLS, .*, user=<bob@example\.org>$"
    )


def test_it_is_healthy_on_every_port(server: Signpost) -> None:
    ports = "25, 465, 587, 143, 993, 4190 and 995"
    assert server.exec("signpost", "health") == f"healthy: the ports {ports} greet\n"


# -- who may not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login", [(ALICE[0], "wrong"), ("nobody@example.org", BOB[1]), ("root", "x")]
)
def test_a_wrong_login_is_refused(server: Signpost, login: tuple[str, str]) -> None:
    refused = pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED")
    with refused, mailbox(server.v4, login):
        pass


def test_nobody_logs_in_without_tls(server: Signpost) -> None:
    session = imaplib.IMAP4(server.v4, timeout=30)
    assert "LOGINDISABLED" in session.capabilities
    with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
        session.login(*BOB)
    session.logout()
    with ManageSieve(server.v4) as plain:
        assert '"SASL" ""' in plain.capabilities
        with pytest.raises(SieveError, match="ENCRYPT-NEEDED"):
            plain.login(*BOB)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.v4, 110), timeout=10)


# Dovecot takes a client on the machine itself for a safe one.
_FROM_INSIDE = """
import base64, imaplib, socket
for host in ("127.0.0.1", "{address}"):
    session = imaplib.IMAP4(host)
    try:
        print(session.login("bob@example.org", "bob-secret"))
    except imaplib.IMAP4.error as error:
        print(error)
    sieve = socket.create_connection((host, 4190)).makefile("rwb")
    sieve.write(b'AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\\0bob@example.org\\0bob-secret"))
    sieve.write(b'"\\r\\n')
    sieve.flush()
    while not (line := sieve.readline()).startswith(b"OK"):
        pass
    print(sieve.readline().decode())
"""


def test_nobody_logs_in_without_tls_from_inside_either(server: Signpost) -> None:
    script = _FROM_INSIDE.format(address=server.v4)
    told = server.exec("python3", "-c", script).split("\n")
    answers = [line for line in told if line.strip()]
    assert len(answers) == 4
    assert all(re.search("PRIVACYREQUIRED|AUTHENTICATIONFAILED|NO ", line) for line in answers)


def test_a_crowd_of_wrong_logins_stops_nobody(world: World, server: Signpost) -> None:
    def wrong(number: int) -> bool:
        try:
            with mailbox(server.v4, (ALICE[0], f"wrong {number}")):
                return True
        except imaplib.IMAP4.error:
            return False

    with ThreadPoolExecutor(60) as crowd:
        tries = [crowd.submit(wrong, number) for number in range(120)]
        while not all(each.done() for each in tries):
            said = world.swaks(
                server.v4, port=465, security="implicit", login=BOB, quit_after="AUTH"
            )
            assert said.reply_to("AUTH").code == 235
            with mailbox(server.v4, BOB):
                pass
    assert not any(each.result() for each in tries)


def may_read(server: Signpost, login: tuple[str, str]) -> bool:
    try:
        with mailbox(server.v4, login):
            return True
    except imaplib.IMAP4.error as error:
        if "AUTHENTICATIONFAILED" not in str(error):
            raise
        return False


def may_send(world: World, server: Signpost, login: tuple[str, str]) -> bool:
    said = world.swaks(server.v4, port=465, security="implicit", login=login, quit_after="AUTH")
    return said.reply_to("AUTH").code == 235


def test_accounts_and_app_passwords_come_and_go_for_reading_and_sending_alike(
    world: World, server: Signpost
) -> None:
    address = "erin@example.org"
    server.exec("signpost", "account", "add", address, "--quota", "5M", stdin=b"erin-secret\n")
    assert may_read(server, (address, "erin-secret"))
    assert may_send(world, server, (address, "erin-secret"))
    token, said = send(world, server, address)
    said.accepted()
    with mailbox(server.v4, (address, "erin-secret")) as box:
        box.wait_for(token)
        assert re.search(rb"STORAGE \d+ 5120", box.session.getquotaroot("INBOX")[1][1][0])
    server.exec("signpost", "account", "quota", address, "7M")
    with mailbox(server.v4, (address, "erin-secret")) as box:
        assert re.search(rb"STORAGE \d+ 7168", box.session.getquotaroot("INBOX")[1][1][0])
    phone = server.exec("signpost", "app-password", "add", address, "phone").split()[0]
    assert may_read(server, (address, phone))
    assert may_send(world, server, (address, phone))
    server.exec("signpost", "app-password", "revoke", address, "phone")
    assert not may_read(server, (address, phone))
    assert not may_send(world, server, (address, phone))
    assert may_read(server, (address, "erin-secret"))
    server.exec("signpost", "account", "remove", address)
    assert not may_read(server, (address, "erin-secret"))
    _, said = send(world, server, address)
    assert said.reply_to("RCPT").code == 550


def test_a_change_counts_when_the_command_has_ended(world: World, server: Signpost) -> None:
    """Dovecot looks at its list once in each second of the clock, and has just looked each time."""
    server.exec("signpost", "account", "add", "frank@example.org", stdin=b"frank-secret\n")
    for megabytes in (3, 4, 5):
        wait_until(lambda: time.time() % 1 < 0.3, "the beginning of a second")
        server.exec("doveadm", "quota", "get", "-u", "frank@example.org")
        server.exec("signpost", "account", "quota", "frank@example.org", f"{megabytes}M")
        said = server.exec("doveadm", "quota", "get", "-u", "frank@example.org")
        assert re.search(rf"STORAGE +\d+ +{megabytes * 1024} ", said)
    server.exec("signpost", "account", "remove", "frank@example.org")


# -- folders -----------------------------------------------------------------------------------


def test_marked_mail_goes_to_junk(world: World, server: Signpost) -> None:
    token, said = send(world, server, ALICE[0], author=JUNK)
    said.accepted()
    with mailbox(server.v4, ALICE) as box:
        box.wait_for(token, "Junk")
        assert not box.find(token)


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("bob+lists@example.org", "lists"),
        ("Bob+lists@Example.org", "lists"),
        ("bob+LISTS@example.org", "INBOX"),
        ("bob+nope@example.org", "INBOX"),
        ("bob+lists+x@example.org", "INBOX"),
        ("bob+@example.org", "INBOX"),
        ("bob+Sent@example.org", "INBOX"),
        ("bob+Drafts@example.org", "INBOX"),
        ("bob+Trash@example.org", "INBOX"),
        ("bob+Junk@example.org", "Junk"),
        ("anyone@example.net", "INBOX"),
    ],
)
def test_a_sub_address_goes_into_a_folder_that_is_there(
    world: World, server: Signpost, address: str, folder: str
) -> None:
    with mailbox(server.v4, BOB) as box:
        box.session.create("lists")
        before = box.folders().keys()
        token, said = send(world, server, address)
        said.accepted()
        box.wait_for(token, folder)
        assert box.folders().keys() == before


def test_an_alias_reaches_everybody(world: World, server: Signpost) -> None:
    token, said = send(world, server, "info@example.org")
    said.accepted()
    for login in (ALICE, BOB):
        with mailbox(server.v4, login) as box:
            box.wait_for(token)


# -- Sieve -------------------------------------------------------------------------------------


def test_a_script_files_mail(world: World, server: Signpost) -> None:
    text = 'require ["fileinto", "mailbox"]; fileinto :create "Filed";'
    with script(server, ALICE, text), mailbox(server.v4, ALICE) as box:
        token, said = send(world, server, ALICE[0])
        said.accepted()
        box.wait_for(token, "Filed")
        # The server's own rules come first and last.
        token, said = send(world, server, ALICE[0], author=JUNK)
        said.accepted()
        box.wait_for(token, "Junk")


def test_a_broken_script_is_refused_with_its_line(server: Signpost) -> None:
    with sieve(server, ALICE) as session, pytest.raises(SieveError, match="line 2: error"):
        session.activate('require "fileinto";\nfileinto;', "broken")


# What cannot be done: whose script it is, the script, and why. Each can be uploaded.
FAILING = (
    (ALICE, 'require "fileinto"; fileinto "Nope";', b"Mailbox doesn't exist"),
    (
        BOB,
        "".join(f'redirect "r{n}@far.test";' for n in range(101)),
        b"number of redirect actions exceeds policy limit (101 > 100)",
    ),
    (CAROL, 'require "include"; include "other";', b"script 'other' does not exist"),
    (DAN, 'redirect "nobody@example.org";', b"550 5.1.1 <nobody@example.org>: no such user here"),
    (
        ERIN,
        'require "vacation"; vacation :from "ceo@bank.test" "Away.";',
        b"550 5.7.1 <ceo@bank.test> is not an address of",
    ),
)


def test_a_script_that_fails_keeps_the_mail_and_its_owner_reads_why_once(
    world: World, server: Signpost
) -> None:
    with ExitStack() as opened:
        boxes = {login: opened.enter_context(mailbox(server.v4, login)) for login, *_ in FAILING}
        before = {login: len(notices(box)) for login, box in boxes.items()}
        for number, changed in enumerate(("", "", "# Another.\n")):
            for login, text, _ in FAILING:
                if not number or changed:
                    upload(server, login, changed + text.replace("Away.", f"Away{changed[2:8]}."))
                token, said = send(world, server, login[0])
                said.accepted()
                boxes[login].wait_for(token)
            for login, _, why in FAILING:
                told = wait_for_notices(boxes[login], before[login])
                assert len(told) == 1, (login, number)
                assert why in told[0]
            if changed:
                break
            before = {login: count + bool(number) for login, count in before.items()}
        for login, *_ in FAILING:
            upload(server, login, "keep;")


def upload(server: Signpost, login: tuple[str, str], text: str) -> None:
    """Activate it; the script that it may include is removed afterwards."""
    with sieve(server, login) as session:
        session.say(b'PUTSCRIPT "other" {5+}\r\nkeep;')
        session.activate(text)
        session.say(b'DELETESCRIPT "other"')


def test_a_script_that_includes_none_is_not_activated(server: Signpost) -> None:
    with sieve(server, ALICE) as session, pytest.raises(SieveError, match="does not exist"):
        session.activate('require "include"; include "nowhere";', "broken")


def notices(box: Mailbox) -> list[bytes]:
    """What the server has written about the script."""
    return box.find("sieve.")


def wait_for_notices(box: Mailbox, after: int) -> list[bytes]:
    """Those that come after so many."""
    return wait_until(lambda: notices(box)[after:], "a notice")


def test_ten_redirects_are_ten(world: World, server: Signpost) -> None:
    readers = [f"{fresh('reader')}@far.test" for _ in range(10)]
    with script(server, DAN, "".join(f'redirect "{each}";' for each in readers)):
        token, said = send(world, server, DAN[0])
        said.accepted()
        for reader in readers:
            world.outside.wait_for_mail(reader, token)


def test_what_cannot_be_redirected_is_kept(world: World, server: Signpost) -> None:
    big = b"".join(b"x" * 70 + b"\r\n" for _ in range(10_000))
    text = 'redirect "nobody@example.org"; redirect "gone@mail.example.org";'
    with script(server, ALICE, text), mailbox(server.v4, ALICE) as box:
        for body in (b"short\r\n", big):
            token, said = send(world, server, ALICE[0], body=body)
            said.accepted()
            assert box.wait_for(token).endswith(body)
    server.wait_for_log(r"550 5\.1\.1 <nobody@example\.org>: no such user here")


def test_vacation_answers_in_the_accounts_name_and_is_signed(
    world: World, server: Signpost
) -> None:
    asker = f"{fresh('asker')}@outside.test"
    with script(server, ALICE, 'require "vacation"; vacation :subject "Away" "In the hills.";'):
        token, said = send(world, server, ALICE[0], sender=asker)
        said.accepted()
        answer = world.outside.wait_for_mail(asker)
        # To a bounce there is none; its sender is null.
        _, said = send(world, server, ALICE[0], sender="", author="a@outside.test")
        said.accepted()
    assert answer.sender == ""
    assert b"In the hills." in answer.message
    assert re.search(rb"(?m)^From: .*alice@example\.org", answer.message)
    assert b"Auto-Submitted: auto-replied (vacation)" in answer.message
    assert b"X-Signpost" not in answer.message
    assert {(d, r) for d, _, _, r in world.verify(answer.message)} == {("example.org", "pass")}
    with mailbox(server.v4, ALICE) as box:
        box.wait_for(token)


@pytest.mark.parametrize("other", ["bob@example.org", "ceo@bank.test"])
def test_vacation_answers_in_nobody_elses_name(world: World, server: Signpost, other: str) -> None:
    asker = f"{fresh('asker')}@outside.test"
    with script(server, ALICE, f'require "vacation"; vacation :from "{other}" "Send money.";'):
        token, said = send(world, server, ALICE[0], sender=asker)
        said.accepted()
        with mailbox(server.v4, ALICE) as box:
            box.wait_for(token)
    server.wait_for_log(rf'login=alice@example\.org may not send as "{re.escape(other)}"')
    assert not world.outside.received(asker)


def test_a_script_cannot_notify(server: Signpost) -> None:
    """It would choose both senders."""
    text = 'require "enotify"; notify :from "bob@example.org" "mailto:x@far.test";'
    with sieve(server, ALICE) as session, pytest.raises(SieveError, match="enotify"):
        session.activate(text)


@pytest.mark.parametrize("author", ["someone@outside.test", "Bob <bob@example.org>"])
def test_a_redirect_has_the_account_as_its_sender_and_is_not_signed(
    world: World, server: Signpost, author: str
) -> None:
    reader = f"{fresh('reader')}@far.test"
    with script(server, ALICE, f'redirect "{reader}"; keep;'):
        token, said = send(world, server, ALICE[0], author=author)
        said.accepted()
        received = world.outside.wait_for_mail(reader, token)
        with mailbox(server.v4, ALICE) as box:
            box.wait_for(token)
        assert received.sender == ALICE[0]
        assert world.verify(received.message) == []
        assert b"X-Signpost-Account" not in received.message
        _, said = send(world, server, ALICE[0], sender="", author="a@outside.test")
        said.accepted()
        senders = lambda: {each.sender for each in world.outside.received(reader)}  # noqa: E731
        wait_until(lambda: senders() == {ALICE[0], ""}, "the bounce, its sender still null")


def test_a_rejection_reaches_the_sender(world: World, server: Signpost) -> None:
    asker = f"{fresh('asker')}@outside.test"
    with script(server, ALICE, 'require "reject"; reject "Not today.";'):
        _, said = send(world, server, ALICE[0], sender=asker)
        said.accepted()
        answer = world.outside.wait_for_mail(asker)
    assert answer.sender == ""
    assert b"Not today." in answer.message
    assert re.search(rb"(?m)^From: .*MAILER-DAEMON@mail\.example\.org", answer.message)


# -- quotas ------------------------------------------------------------------------------------


def test_a_full_mailbox_is_refused_at_rcpt_and_its_aliases_too(
    world: World, server: Signpost
) -> None:
    body = b"".join(b"x" * 70 + b"\r\n" for _ in range(10_000))
    tokens = []
    for _ in range(10):
        token, said = send(world, server, SMALL[0], body=body)
        if said.exit_code:
            break
        tokens.append(token)
        with mailbox(server.v4, SMALL) as box:
            box.wait_for(token)  # what was accepted fits
    refused = said.reply_to("RCPT")
    assert (refused.code, refused.text) == (
        552,
        "5.2.2 <small@example.org>: the mailbox is full",
    )
    assert len(tokens) == 2
    for address in ("little@example.org", "small+tag@example.org"):
        _, said = send(world, server, address)
        assert said.reply_to("RCPT").code == 552
    # Whoever submits is told at once, too, and gets no bounce.
    for address in ("small@example.org", "little@example.org", "@x.test:small@example.org"):
        for port, security in ((465, "implicit"), (587, "starttls")):
            refused = submit(world, server, address, port, security).reply_to("RCPT")
            assert refused.code == 552
            assert refused.text.endswith(": the mailbox is full")
    # What a script would send there stays where it is.
    with script(server, ALICE, 'redirect "small@example.org";'), mailbox(server.v4, ALICE) as box:
        token, said = send(world, server, ALICE[0])
        said.accepted()
        box.wait_for(token)
    # One of the two can take it; for the other there is a bounce.
    sender = f"{fresh('sender')}@outside.test"
    token, said = send(world, server, "both@example.org", sender=sender)
    said.accepted()
    with mailbox(server.v4, BOB) as box:
        box.wait_for(token)
    bounce = world.outside.wait_for_mail(sender)
    assert bounce.sender == ""
    assert b"Quota exceeded" in bounce.message
    with mailbox(server.v4, SMALL) as box:
        kind, data = box.session.append("INBOX", "", None, letter("x@y.test"))  # type: ignore[arg-type]
        assert kind == "NO"
        assert b"OVERQUOTA" in data[0]
        assert re.search(rb"STORAGE \d+ 1024", box.session.getquotaroot("INBOX")[1][1][0])
        # Room again.
        box.session.select("INBOX")
        box.session.store("1:*", "+FLAGS", "\\Deleted")
        box.session.expunge()
    token, said = send(world, server, SMALL[0])
    said.accepted()
    with mailbox(server.v4, SMALL) as box:
        box.wait_for(token)


@pytest.mark.parametrize("address", ["nobody@example.org", "nobody@mail.example.org", "nobody"])
def test_who_submits_is_told_of_a_recipient_who_is_not_there(
    world: World, server: Signpost, address: str
) -> None:
    whole = address if "@" in address else f"{address}@mail.example.org"
    refused = submit(world, server, address).reply_to("RCPT")
    assert (refused.code, refused.text) == (550, f"5.1.1 <{whole}>: no such user here")


def test_each_filter_asks_for_quotas_at_its_own_socket(server: Signpost) -> None:
    for user in ("verifier", "signer", "extra", "web", "vmail"):
        told = server.exec("python3", "-c", _ASK_FOR_QUOTAS, user)
        may = {"verifier": "inbound", "signer": "submission"}.get(user)
        assert told.split() == [name for name in ("inbound", "submission") if name == may], user


# As a user, without root's other groups: at which of the sockets there is an answer.
_ASK_FOR_QUOTAS = """
import os, pwd, socket, sys
user = pwd.getpwnam(sys.argv[1])
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
for name in ("inbound", "submission"):
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(f"/run/dovecot/quota-status-{name}")
    except PermissionError:
        continue
    link.sendall(b"request=smtpd_access_policy\\nrecipient=bob@example.org\\nsize=0\\n\\n")
    assert link.recv(100) == b"action=OK\\n\\n"
    print(name)
"""


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_maildir_that_cannot_be_written_leaves_the_mail_queued(
    world: World, server: Signpost
) -> None:
    home = "/data/mail/example.org/carol"
    with mailbox(server.v4, CAROL):
        pass
    server.files("chmod", "-R", "0500", home)
    token, said = send(world, server, CAROL[0])
    said.accepted()
    server.wait_for_log(r"mda delivery .* to=<carol@example\.org> .*result=TempFail")
    other, said = send(world, server, BOB[0])
    said.accepted()
    with mailbox(server.v4, BOB) as box:
        box.wait_for(other)
    server.files("chmod", "-R", "0700", home)
    with mailbox(server.v4, CAROL) as box:
        box.wait_for(token, timeout=60)


def test_a_delivery_adds_to_dovecots_list_and_does_not_write_it_anew(
    world: World, server: Signpost
) -> None:
    folder = "/data/mail/example.org/bob/Maildir"

    def written() -> tuple[int, int]:
        """The file's number, which a new one would not have, and its lines."""
        said = server.files("sh", "-c", f"cd {folder} && stat -c %i *uidlist && grep -c : *uidlist")
        number, lines = said.split()
        return int(number), int(lines)

    def deliver() -> None:
        before = written()[1]
        send(world, server, BOB[0])[1].accepted()
        wait_until(lambda: written()[1] > before, "one more line", 20)

    with mailbox(server.v4, BOB):
        pass  # What looks into the mailbox may write it.
    deliver()
    number, lines = written()
    deliver()
    assert written() == (number, lines + 1)


def fingerprints(server: Signpost) -> set[bytes]:
    """What is served on 993 and, after STARTTLS, on 143."""
    found = set()
    for session in (
        imaplib.IMAP4_SSL(server.v4, ssl_context=any_certificate(), timeout=30),
        imaplib.IMAP4(server.v4, timeout=30),
    ):
        if not isinstance(session, imaplib.IMAP4_SSL):
            session.starttls(any_certificate())
        link = session.socket()
        assert isinstance(link, ssl.SSLSocket)
        found.add(link.getpeercert(binary_form=True) or b"")
        session.logout()
    return found


_NEW_CERTIFICATE = """
from entrypoint import paths, render
from entrypoint.tls.self_signed import self_signed
render.write_certificate(paths.RUN, *self_signed("mail.example.org"))
"""


def test_a_new_certificate_is_served_after_a_reload_and_sessions_go_on(server: Signpost) -> None:
    before = fingerprints(server)
    assert len(before) == 1
    with mailbox(server.v4, BOB) as box:
        server.exec("python", "-c", _NEW_CERTIFICATE)
        server.exec("doveadm", "reload")
        after = wait_until(
            lambda: found if not (found := fingerprints(server)) & before else None,
            "the new certificate",
        )
        assert after is not None
        assert len(after) == 1
        assert "INBOX" in box.folders()


# -- with and without --------------------------------------------------------------------------


def listens(server: Signpost, port: int) -> bool:
    try:
        socket.create_connection((server.v4, port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def test_switched_off_and_on_nothing_is_lost(world: World, image: None) -> None:
    environment = {**ENVIRONMENT, "ENABLE_POP3": "no"}
    with world.signpost(environment, place=102) as server:
        first, said = send(world, server, ALICE[0])
        said.accepted()
        with mailbox(server.v4, ALICE) as box:
            box.wait_for(first)
            box.session.create("Kept")
            box.session.store("1", "+FLAGS", "(\\Flagged \\Seen)")
            box.session.copy("1", "Kept")
        assert not listens(server, 995)
        server.environment["ENABLE_IMAP"] = "no"
        server.start()
        assert not any(listens(server, port) for port in (110, 143, 993, 995, 4190))
        assert b"dovecot" not in server.processes("ps", "axo", "args")
        # smtpd's own delivery looks at either; neither is to be believed of a client.
        marks = (b"X-Spam: yes", b"X-Spam-Flag: yes")
        second, said = send(world, server, ALICE[0], fields=marks)
        said.accepted()
        server.wait_for_mail(ALICE[0], second)
        junk, said = send(world, server, ALICE[0], author=JUNK)
        said.accepted()
        server.wait_for_mail(ALICE[0], junk, folder="Maildir/.Junk")
        server.environment["ENABLE_IMAP"] = "yes"
        server.start()
        with mailbox(server.v4, ALICE) as box:
            for token, folder in (
                (first, "INBOX"),
                (second, "INBOX"),
                (junk, "Junk"),
                (first, "Kept"),
            ):
                assert len(box.find(token, folder)) == 1, (token, folder)
            box.session.select("INBOX")
            assert box.session.search(None, "FLAGGED", "SEEN")[1] == [b"1"]


def test_the_demo_has_mailboxes(world: World, image: None) -> None:
    with world.signpost({}, place=102) as server:
        said = server.wait_for_log(r"^demo account (\S+) password: (\S+)$")
        with mailbox(server.v4, (said[1], said[2])) as box:
            assert "Junk" in box.folders()
