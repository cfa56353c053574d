"""Mail that comes back ends at its first return, is stored once, and strangers decide nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .harness.imap import any_certificate, mailbox
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

DOMAIN = "loops.test"
ALICE, BOB, CAROL, DAVE, ERIN, FRANK, GINA = LOGINS = tuple(
    (f"{name}@{DOMAIN}", f"{name}-secret")
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "gina")
)
ENVIRONMENT = {
    "MAIL_HOSTNAME": f"mail.{DOMAIN}",
    "DOMAINS": f"{DOMAIN}, catch.{DOMAIN}",
    "ACCOUNTS": "\n".join(":".join(login) for login in LOGINS),
    "ALIASES": f"""
        info@{DOMAIN}: {ALICE[0]}
        away@{DOMAIN}: away@far.test
        one@{DOMAIN}: one@far.test
        two@{DOMAIN}: two@far.test
        mixed@{DOMAIN}: mixed@far.test, {GINA[0]}
        help@{DOMAIN}: {FRANK[0]}
        @catch.{DOMAIN}: {FRANK[0]}
        """,
}
# What the other server does with mail for its own addresses; `seen-…` is stored there.
FORWARDS = {
    "left@far.test": f"{CAROL[0]}, seen-left@far.test",
    "right@far.test": f"{CAROL[0]}, seen-right@far.test",
    "only@far.test": f"{DAVE[0]}, seen-only@far.test",
    "away@far.test": f"away@{DOMAIN}, seen-away@far.test",
    "one@far.test": f"two@{DOMAIN}, seen-one@far.test",
    "two@far.test": f"one@{DOMAIN}, seen-two@far.test",
    "mixed@far.test": f"mixed@{DOMAIN}, {BOB[0]}, seen-mixed@far.test",
}


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with (
        world.signpost(ENVIRONMENT) as signpost,
        world.outside.forwarding(FORWARDS, DOMAIN, signpost.v4),
    ):
        yield signpost
        # What is still on its way would stay in the other server's queue, which others wait for.
        settle(world, signpost)


def activate(server: Signpost, login: tuple[str, str], text: str) -> None:
    with ManageSieve(server.v4) as session:
        session.start_tls(any_certificate()).login(*login).activate(text)


def send(
    world: World, server: Signpost, to: str, *fields: bytes, message: bytes = b"", sender: str = ""
) -> str:
    """Send a letter in from outside; its token."""
    token = fresh("letter")
    message = message or letter(sender or "someone@outside.test", token=token, fields=fields)
    sender = sender or f"{token}@outside.test"
    said = world.swaks(server.v4, source=world.allowed[0], sender=sender, to=to, message=message)
    said.accepted()
    return token


def settle(world: World, server: Signpost) -> None:
    """Back when nothing is on its way any more, here or there."""

    def idle() -> bool:
        world.outside.wait_until_idle()
        return not server.exec("smtpctl", "show", "queue")

    wait_until(lambda: idle() and idle() and idle(), "every queue to be empty", 30)


def copies(server: Signpost, token: str) -> dict[str, int]:
    """How many copies of a letter each account has, bounces among them, in any folder."""
    found = {}
    for login in LOGINS:
        mails = server.read_mail(login[0]) + server.read_mail(login[0], "Maildir/.Filed")
        if number := sum(token.encode() in mail for mail in mails):
            found[login[0]] = number
    return found


def seen(world: World, token: str, *names: str) -> list[int]:
    """How many copies of it the other server has had, by the addresses' local parts."""
    return [
        sum(token.encode() in mail.message for mail in world.outside.received(f"{name}@far.test"))
        for name in names
    ]


def bounces(world: World, token: str) -> int:
    return len(world.outside.received(f"{token}@outside.test"))


# -- what strangers write ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        (b"Delivered-To: " + ALICE[0].encode(),),
        (b"delivered-to: ALICE@LOOPS.TEST",) * 3000,
        (b"X-Signpost-Returned: yes", b"X-Signpost-Returned: yes"),
        (b"X-Signpost-Delivered: 6926f0c1 " + b"0" * 32,) * 3000,
        (b"X-Signpost-Forwarded: 6926f0c1 " + b"0" * 32, b"X-Signpost-Delivered: x"),
    ],
    ids=["delivered-to", "many", "returned", "many marks", "marks"],
)
def test_what_a_stranger_wrote_decides_nothing(
    world: World, server: Signpost, fields: tuple[bytes, ...]
) -> None:
    activate(server, ALICE, 'require "fileinto"; require "mailbox"; fileinto :create "Filed";')
    token = send(world, server, ALICE[0], *fields)
    with mailbox(server.v4, ALICE) as box:
        stored = box.wait_for(token, "Filed")
    for field in set(fields):
        # One that only `deliver` writes is removed; all else goes on as it came.
        ours = field == b"X-Signpost-Returned: yes"
        lines = stored.partition(b"From: ")[0].split(b"\r\n")[4:]
        assert lines.count(field) == (0 if ours else fields.count(field))
    assert bounces(world, token) == 0


@pytest.mark.parametrize(("hops", "reply"), [(98, "250 2.0.0"), (99, "554 5.4.6")])
def test_a_hundred_hops_are_too_many(world: World, server: Signpost, hops: int, reply: str) -> None:
    message = letter(
        fields=[b"Received: from a.test by b.test; Wed, 25 Nov 2026 04:00 +0000"] * hops
    )
    said = world.swaks(server.v4, source=world.allowed[0], to=ALICE[0], message=message).outcome
    assert f"{said.code} {said.text}".startswith(reply)


# -- scripts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        f'redirect "{ALICE[0]}";',
        'redirect "ALICE+x@Loops.TEST";',
        f'redirect "info@{DOMAIN}";',
        f'require "copy"; redirect :copy "info@{DOMAIN}"; redirect "{ALICE[0]}";',
        f'redirect "info@{DOMAIN}"; redirect "{ALICE[0]}"; keep;',
    ],
)
def test_a_redirect_to_oneself_stores_the_mail_once(
    world: World, server: Signpost, script: str
) -> None:
    activate(server, ALICE, script)
    token = send(world, server, ALICE[0])
    server.wait_for_mail(ALICE[0], token)
    settle(world, server)
    assert (copies(server, token), bounces(world, token)) == ({ALICE[0]: 1}, 0)


def test_scripts_that_redirect_to_each_other_end_where_they_began(
    world: World, server: Signpost
) -> None:
    activate(server, ALICE, f'redirect "{BOB[0]}";')
    activate(server, BOB, f'redirect "info@{DOMAIN}";')
    token = send(world, server, ALICE[0])
    server.wait_for_mail(BOB[0], token)
    settle(world, server)
    assert (copies(server, token), bounces(world, token)) == ({BOB[0]: 1}, 0)
    activate(server, BOB, "keep;")


def test_what_two_branches_bring_back_is_stored_once(world: World, server: Signpost) -> None:
    activate(server, CAROL, 'redirect "left@far.test"; redirect "right@far.test"; keep;')
    token = send(world, server, f"CAROL+x@{DOMAIN}")
    server.wait_for_mail(CAROL[0], token)
    settle(world, server)
    assert (copies(server, token), bounces(world, token)) == ({CAROL[0]: 1}, 0)
    assert seen(world, token, "seen-left", "seen-right") == [1, 1]


def test_what_only_comes_back_is_stored(world: World, server: Signpost) -> None:
    """Nobody here has had it, and a bounce would go the same way."""
    activate(server, DAVE, 'redirect "only@far.test";')
    token = send(world, server, DAVE[0])
    server.wait_for_mail(DAVE[0], token)
    settle(world, server)
    assert (copies(server, token), bounces(world, token)) == ({DAVE[0]: 1}, 0)
    assert seen(world, token, "seen-only") == [1]


# -- aliases -------------------------------------------------------------------------------------


def test_what_an_alias_has_sent_elsewhere_is_refused_when_it_comes_back(
    world: World, server: Signpost
) -> None:
    token = send(world, server, f"away@{DOMAIN}")
    bounce = world.outside.wait_for_mail(f"{token}@outside.test")
    settle(world, server)
    assert b"5.4.6" in bounce.message
    assert (copies(server, token), bounces(world, token)) == ({}, 1)
    assert seen(world, token, "seen-away") == [1]


def test_a_loop_over_two_aliases_ends_where_it_began(world: World, server: Signpost) -> None:
    """Nobody is told: smtpd finds no way back through a sender that it has rewritten twice."""
    token = send(world, server, f"one@{DOMAIN}")
    world.outside.wait_for_mail("seen-two@far.test", token)
    settle(world, server)
    assert copies(server, token) == {}
    assert bounces(world, token) <= 1
    assert seen(world, token, "seen-one", "seen-two") == [1, 1]


def test_who_is_named_beside_a_loop_gets_it_all_the_same(world: World, server: Signpost) -> None:
    """smtpd cannot let a filter refuse one of several at the end: what all have had is refused."""
    token = send(world, server, f"mixed@{DOMAIN}")
    server.wait_for_mail(BOB[0], token)
    settle(world, server)
    assert copies(server, token) == {BOB[0]: 1, GINA[0]: 1}
    assert bounces(world, token) <= 1
    assert sum(seen(world, token, "seen-mixed")) <= 2


# -- marks ---------------------------------------------------------------------------------------


def test_a_mark_counts_for_its_message_and_its_recipient(world: World, server: Signpost) -> None:
    """Who has got a marked message can send it again: nobody else's mail vanishes by that."""
    reader = f"{fresh('reader')}@far.test"
    activate(server, ERIN, f'redirect "{reader}"; keep;')
    token = send(world, server, ERIN[0])
    marked = world.outside.wait_for_mail(reader, token).message
    assert marked.count(b"\nX-Signpost-Delivered: ") == 1
    server.wait_for_mail(ERIN[0], token)
    activate(server, ERIN, 'require ["fileinto", "mailbox"]; fileinto :create "Filed";')
    activate(server, GINA, 'require ["fileinto", "mailbox"]; fileinto :create "Filed";')
    again = fresh("letter")
    resent = f"Resent-From: bob@far.test\r\nResent-Message-ID: <{again}@x>\r\n".encode()
    send(world, server, ERIN[0], message=marked)
    send(world, server, ERIN[0], message=marked.replace(token.encode(), again.encode()))
    send(world, server, ERIN[0], message=resent + marked)
    send(world, server, GINA[0], message=marked)
    settle(world, server)
    filed = server.read_mail(ERIN[0], "Maildir/.Filed")
    assert sum(again.encode() in mail for mail in filed) == 2
    assert copies(server, token) == {ERIN[0]: 2, GINA[0]: 1}
    # Who has deleted it gets it again, and no script sends it on.
    with mailbox(server.v4, ERIN) as box:
        for folder in ("INBOX", "Filed"):
            box.session.select(folder)
            box.session.store("1:*", "+FLAGS", "\\Deleted")
    send(world, server, ERIN[0], message=marked)
    with mailbox(server.v4, ERIN) as box:
        wait_until(lambda: len(box.find(token)) == 2, "the message in INBOX again")


def test_a_person_is_told(world: World, server: Signpost) -> None:
    """Mail that is sent again as it came is refused, and not dropped."""
    reader = f"{fresh('reader')}@far.test"
    activate(server, ERIN, f'redirect "{reader}"; keep;')
    message = letter(BOB[0], to=ERIN[0], token=(token := fresh("letter")))
    server.submit(world.swaks, BOB, to=ERIN[0], message=message).accepted()
    marked = world.outside.wait_for_mail(reader, token).message
    said = server.submit(world.swaks, BOB, to=ERIN[0], message=marked)
    assert (said.code, said.outcome.text[:5]) == (554, "5.4.6")


# -- what stands on top --------------------------------------------------------------------------


def test_return_path_and_delivered_to_stand_once_on_top(world: World, server: Signpost) -> None:
    activate(server, ALICE, "keep;")
    token = send(world, server, f"info@{DOMAIN}", b"Return-Path: <forged@bank.test>")
    stored = server.wait_for_mail(ALICE[0], token)
    assert re.match(
        rb"Return-Path: <%b@outside\.test>\nDelivered-To: %b\nX-Original-To: info@%b\n"
        rb"X-Signpost-Delivered: [0-9a-f]+ [0-9a-f]{32}\n"
        % (token.encode(), ALICE[0].encode(), DOMAIN.encode()),
        stored,
    ), stored
    assert (stored.count(b"Return-Path:"), stored.count(b"Delivered-To:")) == (1, 1)


# -- answers -------------------------------------------------------------------------------------

AWAY = 'require "vacation"; vacation "I am away.";'


def test_an_answer_goes_to_mail_for_any_address_of_the_account(
    world: World, server: Signpost
) -> None:
    """RFC 5230 §4.5: a list's mail and a blind copy earn none."""
    activate(server, FRANK, AWAY)
    answered = {
        FRANK[0]: FRANK[0],
        f"help@{DOMAIN}": f"help@{DOMAIN}",
        f"help+x@{DOMAIN}": f"help+x@{DOMAIN}",
        f"any.one@catch.{DOMAIN}": f"Any.One@catch.{DOMAIN}",
    }
    silent = [
        (f"help@{DOMAIN}", "someone-else@far.test", (b"X-Note: a blind copy",)),
        (f"help@{DOMAIN}", f"help@{DOMAIN}", (b"List-Id: <list.far.test>",)),
        (f"any@catch.{DOMAIN}", f"other@catch.{DOMAIN}", ()),
    ]
    for to, named in answered.items():
        asker = f"{fresh('asker')}@outside.test"
        send(world, server, to, message=letter(asker, to=named), sender=asker)
        answer = world.outside.wait_for_mail(asker).message
        assert re.search(rf"(?mi)^From: <?{re.escape(to)}>?\r$".encode(), answer), answer
    askers = []
    for to, named, fields in silent:
        askers.append(asker := f"{fresh('asker')}@outside.test")
        send(world, server, to, message=letter(asker, to=named, fields=fields), sender=asker)
    # Of an address of one's own, too.
    message = letter(f"help@{DOMAIN}", to=f"help@{DOMAIN}", token=(token := fresh("letter")))
    server.submit(
        world.swaks, FRANK, to=f"help@{DOMAIN}", sender=f"help@{DOMAIN}", message=message
    ).accepted()
    server.wait_for_mail(FRANK[0], token)
    settle(world, server)
    assert [len(world.outside.received(asker)) for asker in askers] == [0] * len(askers)
    assert b"I am away." not in b"".join(server.read_mail(FRANK[0]))


def test_an_answer_names_the_true_sender_of_forwarded_mail(world: World, server: Signpost) -> None:
    """What an alias of ours sent on, and another server to an account here, has an SRS sender."""
    activate(server, FRANK, AWAY)
    asker = f"{fresh('asker')}@outside.test"
    message = letter(asker, to=FRANK[0])
    said = world.swaks(
        server.v4, source=world.allowed[0], sender=asker, to=f"one@{DOMAIN}", message=message
    )
    said.accepted()
    forwarded = world.outside.wait_for_mail("seen-one@far.test", asker.partition("@")[0])
    assert forwarded.sender.startswith("SRS0=")
    send(world, server, FRANK[0], message=letter(asker, to=FRANK[0]), sender=forwarded.sender)
    answer = next(
        mail.message
        for mail in [world.outside.wait_for_mail(asker, "I am away.")]
        if b"I am away." in mail.message
    )
    assert re.search(rf"(?m)^To: <?{re.escape(asker)}>?\r$".encode(), answer), answer
