"""What leaves is signed so that others' software verifies it; nobody sends as somebody else."""

from __future__ import annotations

import re

import pytest

from .conftest import ALICE, BOB, CAROL
from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import Signpost
from .harness.swaks import Security
from .harness.world import World


def send(world: World, signpost: Signpost, login: tuple[str, str], message: bytes) -> bytes:
    """Hand a message in and get it as postfix did."""
    recipient = fresh("reader") + "@far.test"
    signpost.submit(world.swaks, login, to=recipient, message=message).accepted()
    return world.outside.wait_for_mail(recipient).message


def selectors(signpost: Signpost, domain: str) -> list[str]:
    return [line.split("._domainkey")[0] for line in signpost.dkim_records(domain)]


def results(world: World, message: bytes) -> set[tuple[str, str]]:
    """The domain and the result of each signature; there are two at least."""
    found = world.verify(message)
    assert len(found) > 1
    return {(domain, result) for domain, _, _, result in found}


@pytest.mark.parametrize("login", [ALICE, BOB, CAROL], ids=lambda login: login[0])
def test_mail_dkim_verifies_it_with_the_record_that_was_printed(
    world: World, signpost: Signpost, login: tuple[str, str]
) -> None:
    domain = login[0].partition("@")[2]
    received = send(world, signpost, login, letter(f"Me <{login[0]}>", to="x@far.test"))
    algorithms = ["rsa-sha256", "ed25519-sha256"]
    assert world.verify(received) == [
        (domain, selector, algorithm, "pass")
        for selector, algorithm in zip(selectors(signpost, domain), algorithms, strict=True)
    ]


def test_opendkim_verifies_it_too(world: World, signpost: Signpost) -> None:
    received = send(world, signpost, ALICE, letter(ALICE[0]))
    world.exec_client("opendkim-testmsg", stdin=received)


def test_each_domain_has_a_key_of_its_own(signpost: Signpost) -> None:
    domains = ("example.org", "example.net", "sub.example.org")
    keys = {
        domain: re.sub(r'[\s"]', "", "".join(signpost.dkim_records(domain))).partition("p=")[2]
        for domain in domains
    }
    assert all(len(key) > 400 for key in keys.values())
    assert len(set(keys.values())) == len(domains)


def test_the_author_domain_is_ours_in_any_case(world: World, signpost: Signpost) -> None:
    received = send(world, signpost, ALICE, letter("Alice <ALICE@Example.ORG>"))
    assert results(world, received) == {("example.org", "pass")}


@pytest.mark.parametrize("field", ["From", "To", "Cc", "Subject", "Reply-To"])
def test_another_field_put_on_top_breaks_the_signature(
    world: World, signpost: Signpost, field: str
) -> None:
    received = send(world, signpost, ALICE, letter(ALICE[0]))
    forged = f"{field}: ceo@bank.test\r\n".encode() + received
    assert all(result.startswith("fail") for _, result in results(world, forged))


@pytest.mark.parametrize(("port", "security"), [(465, "implicit"), (587, "starttls")])
def test_what_a_client_has_left_out_is_added_once_and_signed(
    world: World, signpost: Signpost, port: int, security: Security
) -> None:
    """RFC 6409 §8.2, §8.3: Date and Message-ID."""
    bare = f"From: {ALICE[0]}\r\nSubject: x\r\n\r\nhello\r\n".encode()
    to = fresh("reader") + "@far.test"
    world.swaks(
        signpost.v4, port=port, security=security, login=ALICE, sender=ALICE[0], to=to, message=bare
    ).accepted()
    received = world.outside.wait_for_mail(to).message
    assert results(world, received) == {("example.org", "pass")}
    for name in ("Date", "Message-ID"):
        (field,) = re.findall(rf"(?mi)^{name}: [^\r\n]+\r\n".encode(), received)
        changed = received.replace(field, field.replace(b": ", b": x", 1))
        assert all(result.startswith("fail") for _, result in results(world, changed))


def test_what_was_written_is_not_changed(world: World, signpost: Signpost) -> None:
    message = letter(
        f"Älice <{ALICE[0]}>",
        subject=b"caf\xe9 \xf0\x9f\x93\xae",
        body=b".dot\r\n..dots\r\n.\r\n\xff\xfe \t\r\n" + b"x" * 900 + b"\r\n\r\n\r\n",
    )
    received = send(world, signpost, ALICE, message)
    assert received.endswith(message)
    assert results(world, received) == {("example.org", "pass")}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (b"Foo, Inc.", b'"Foo, Inc."'),
        (b"[Foo]: Bar", b'"[Foo]: Bar"'),
        (b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?="),
    ],
)
def test_a_name_leaves_as_one_and_is_signed_so(
    world: World, signpost: Signpost, name: bytes, sent: bytes
) -> None:
    message = letter(f"NAME <{ALICE[0]}>")
    received = send(world, signpost, ALICE, message.replace(b"NAME", name))
    assert received.endswith(message.replace(b"NAME", sent))
    assert results(world, received) == {("example.org", "pass")}


def test_where_the_user_sat_is_masked(world: World, signpost: Signpost) -> None:
    received = send(world, signpost, ALICE, letter(ALICE[0]))
    for address in world.client:
        # Signpost's own address begins with the client's, so it is the whole address that counts.
        assert not re.search(rf"{re.escape(address)}(?!\d)".encode(), received)
    assert b"client.outside.test" not in received


def test_an_earlier_signature_of_a_stranger_is_left_alone(world: World, signpost: Signpost) -> None:
    earlier = b"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; bh=AAAA; b=AAAA"
    message = letter(ALICE[0], fields=[earlier])
    received = send(world, signpost, ALICE, message)
    assert received.endswith(message)
    assert ("example.org", "pass") in results(world, received)


class TestBounces:
    def test_a_bounce_that_leaves_is_signed(self, world: World, signpost: Signpost) -> None:
        """The forward of lost@ is refused outside, so its sender gets a bounce."""
        sender = fresh("writer") + "@outside.test"
        world.swaks(
            signpost.v4,
            source=world.allowed[0],
            sender=sender,
            to="lost@example.org",
            message=letter(sender),
        ).accepted()
        bounce = world.outside.wait_for_mail(sender)
        assert bounce.sender == ""
        assert re.search(rb"(?mi)^From:.*@mail\.example\.org", bounce.message)
        assert results(world, bounce.message) == {("example.org", "pass")}

    def test_a_bounce_to_a_user_is_signed(self, world: World, signpost: Signpost) -> None:
        token = fresh("bounced")
        signpost.submit(
            world.swaks, ALICE, to="nobody@far.test", message=letter(ALICE[0], token=token)
        ).accepted()
        bounce = signpost.wait_for_mail(ALICE[0], token).replace(b"\n", b"\r\n")
        assert results(world, bounce) == {("example.org", "pass")}


class TestWhoMaySendAsWhom:
    @pytest.mark.parametrize(
        ("login", "author"),
        [
            (ALICE, "alice@example.org"),
            (ALICE, "alice+list@example.org"),
            (ALICE, "info@example.org"),
            (BOB, "info@example.org"),
            (BOB, "anything@example.net"),
        ],
        ids=str,
    )
    def test_ones_own_addresses(
        self, world: World, signpost: Signpost, login: tuple[str, str], author: str
    ) -> None:
        answer = signpost.submit(
            world.swaks, login, sender=author, to="x@far.test", message=letter(author)
        )
        assert answer.code == 250, answer.transcript

    @pytest.mark.parametrize(
        "author",
        [
            "bob@example.net",
            "stranger@outside.test",
            "alice@example.net",
            "alice@mail.example.org",
            "alice@example.org.far.test",
            "carol@sub.example.org",
            "away@example.org",
            "nobody@example.org",
        ],
    )
    def test_another_author_is_refused_by_name(
        self, world: World, signpost: Signpost, author: str
    ) -> None:
        answer = signpost.submit(world.swaks, ALICE, to="x@far.test", message=letter(author))
        assert answer.reply_to("MAIL").code == 250
        assert answer.code == 550, answer.transcript
        assert author in answer.outcome.text

    def test_a_display_name_is_no_address(self, world: World, signpost: Signpost) -> None:
        message = letter(f'"{ALICE[0]}" <bob@example.net>')
        answer = signpost.submit(world.swaks, ALICE, to="x@far.test", message=message)
        assert answer.code == 550
        assert "bob@example.net" in answer.outcome.text

    @pytest.mark.parametrize(
        "authors",
        [
            [b"From: alice@example.org", b"From: bob@example.net"],
            [b"From: bob@example.net", b"From: alice@example.org"],
            [b"From: alice@example.org, bob@example.net"],
            [b"From : bob@example.net", b"From: alice@example.org"],
        ],
    )
    def test_a_second_author_is_refused(
        self, world: World, signpost: Signpost, authors: list[bytes]
    ) -> None:
        _, _, rest = letter().partition(b"\r\n")
        message = b"\r\n".join([*authors, rest])
        answer = signpost.submit(world.swaks, ALICE, to="x@far.test", message=message)
        assert answer.code == 550, answer.transcript

    def test_another_envelope_sender_is_refused_at_mail(
        self, world: World, signpost: Signpost
    ) -> None:
        refused = signpost.submit(world.swaks, ALICE, sender="bob@example.net", to="x@far.test")
        assert refused.outcome.command.startswith("MAIL FROM")
        assert refused.code == 550
        assert "bob@example.net" in refused.outcome.text

    def test_the_null_sender_is_anyones(self, world: World, signpost: Signpost) -> None:
        recipient = fresh("reader") + "@far.test"
        signpost.submit(
            world.swaks, ALICE, sender="", to=recipient, message=letter(ALICE[0])
        ).accepted()
        assert world.outside.wait_for_mail(recipient).sender == ""
