"""Who gets what: accounts, aliases, catch-all, sub-addresses, and forwards with SRS."""

from __future__ import annotations

import re

import pytest

from .conftest import ALICE, BOB, CAROL
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.world import World


def send(world: World, signpost: Signpost, to: str, sender: str = "someone@outside.test") -> str:
    """Send a letter in from the allowed address; its token."""
    token = fresh("letter")
    world.swaks(
        signpost.v4,
        source=world.allowed[0],
        sender=sender,
        to=to,
        message=letter(sender or "someone@outside.test", token=token),
    ).accepted()
    return token


@pytest.mark.parametrize(
    ("address", "owners"),
    [
        ("alice@example.org", [ALICE]),
        ("Alice@EXAMPLE.Org", [ALICE]),
        ("carol@sub.example.org", [CAROL]),
        ("info@example.org", [ALICE, BOB]),
        ("INFO@example.org", [ALICE, BOB]),
        ("alice+tag@example.org", [ALICE]),
        ("alice+tag+more@example.org", [ALICE]),
        ("info+tag@example.org", [ALICE, BOB]),
        ("anything@example.net", [BOB]),
        ("bob+x@example.net", [BOB]),
        ("postmaster@example.org", [ALICE]),
        ("Postmaster@example.net", [ALICE]),
        ("abuse@example.org", [ALICE]),
        ("abuse@sub.example.org", [ALICE]),
    ],
)
def test_mail_reaches_its_owners(
    world: World, signpost: Signpost, address: str, owners: list[tuple[str, str]]
) -> None:
    token = send(world, signpost, address)
    for owner, _ in owners:
        assert signpost.wait_for_mail(owner, token)
    for other, _ in {ALICE, BOB, CAROL} - set(owners):
        assert not any(token.encode() in message for message in signpost.read_mail(other))


def test_postmaster_without_a_domain_is_accepted(world: World, signpost: Signpost) -> None:
    """RFC 5321, section 4.5.1."""
    (said,) = world.swaks.say(
        signpost.v4, 25, ["EHLO x.test", "MAIL FROM:<a@outside.test>", "RCPT TO:<Postmaster>"]
    )
    assert said.code == 250


@pytest.mark.parametrize(
    "address",
    [
        "nobody@example.org",
        "nobody@sub.example.org",
        "a/b@example.org",
        "../alice@example.org",
        "..@example.org",
        "a..b@example.org",
        "alice/../bob@example.org",
        "../../../tmp/x@example.net",
        "a/b@example.net",
        '"a/b"@example.net',
        '".."@example.net',
        '"../x"@example.net',
    ],
)
def test_addresses_that_cannot_be_delivered_are_refused(
    world: World, signpost: Signpost, address: str
) -> None:
    (said,) = world.swaks.say(
        signpost.v4, 25, ["EHLO x.test", "MAIL FROM:<a@outside.test>", f"RCPT TO:<{address}>"]
    )
    assert 500 <= said.code < 600, said.transcript


def test_mail_is_in_one_maildir_an_account(signpost: Signpost) -> None:
    folders = signpost.exec("find", "/data/mail", "-mindepth", "1", "-maxdepth", "2").splitlines()
    assert {folder.removeprefix("/data/mail/") for folder in folders} <= {
        *("example.org", "example.net", "sub.example.org"),
        *("example.org/alice", "example.net/bob", "sub.example.org/carol"),
    }


class TestForwarding:
    def test_the_sender_is_rewritten_to_a_domain_of_ours(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("letter")
        world.swaks(
            signpost.v4,
            source=world.allowed[0],
            sender="writer@outside.test",
            to="away@example.org",
            message=(message := letter("writer@outside.test", token=token)),
        ).accepted()
        forwarded = world.outside.wait_for_mail("traveller@far.test", token)
        assert re.fullmatch(r"SRS0=[^=]+=[^=]+=outside\.test=writer@example\.org", forwarded.sender)
        assert forwarded.message.endswith(message)

    def test_a_bounce_to_that_address_goes_back_to_the_sender(
        self, world: World, signpost: Signpost
    ) -> None:
        writer = fresh("writer") + "@outside.test"
        send(world, signpost, "both@example.org", writer)
        mail = world.outside.wait_for_mail("two@far.test", writer.partition("@")[0])
        token = fresh("bounce")
        world.swaks(
            signpost.v4,
            source=world.address(10)[0],
            sender="",
            to=mail.sender,
            message=letter("MAILER-DAEMON@far.test", token=token),
        ).accepted()
        assert token.encode() in world.outside.wait_for_mail(writer).message

    def test_a_target_that_bounces_later_tells_the_sender(
        self, world: World, signpost: Signpost
    ) -> None:
        """postfix takes it and bounces it afterwards, to the SRS address: two ways through us."""
        writer = fresh("writer") + "@outside.test"
        send(world, signpost, "later@example.org", writer)
        bounce = world.outside.wait_for_mail(writer)
        assert bounce.sender == ""
        assert b"refused afterwards" in bounce.message

    def test_a_forged_return_address_is_refused(self, world: World, signpost: Signpost) -> None:
        refused = world.swaks(
            signpost.v4,
            sender="",
            to="SRS0=AAAA=BB=outside.test=victim@example.org",
            quit_after="RCPT",
        )
        assert 500 <= refused.code < 600

    def test_an_alias_may_have_targets_here_and_outside(
        self, world: World, signpost: Signpost
    ) -> None:
        token = send(world, signpost, "both@example.org")
        assert signpost.wait_for_mail(ALICE[0], token)
        assert world.outside.wait_for_mail("two@far.test", token)
