"""Whom mail is taken for: the restrictions at RCPT of both filters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any

import pytest

from filters.addresses import AddressFile, LocalAddresses
from filters.recipients import (
    MORE_FOR_A_KNOWN,
    MOST_UNKNOWN,
    QUARANTINED,
    InboundRecipients,
    Recipients,
    SubmissionRecipients,
    mailboxes,
)
from filters.smtpd import Reject, Report, Request, Rewrite, Session, Transaction
from filters.srs import RewrittenSenders

from .quota_server import asking, listening, run
from .test_srs import TODAY, srs0, srs1, stamp

BOOK: dict[str, Any] = {
    "delimiter": "+",
    "domains": ["example.org", "all.example"],
    "owners": {
        "alice@example.org": ["alice@example.org"],
        "bob@example.org": ["bob@example.org"],
        "carol@example.org": ["carol@example.org"],
        "some@example.org": ["alice@example.org", "bob@example.org"],
        "full@example.org": ["alice@example.org", "carol@example.org"],
        "copied@example.org": ["copied@example.org"],
        "copy@example.org": ["alice@example.org"],
        "away@example.org": [],
        "@all.example": ["alice@example.org"],
    },
    "forwards": ["copied@example.org", "copy@example.org", "away@example.org"],
}


def request(address: str) -> Request:
    return Request((0, 7), "rcpt-to", "s", "t", address.encode())


async def answer_at_rcpt(recipients: Recipients, address: str, user: str | None) -> Reject | None:
    """Of the restrictions that both filters have, as the programs order them."""
    session = Session("s", hostname="example.org", user=user, local=user is None)
    if isinstance(recipients, InboundRecipients):
        refusal = recipients.reject_unauth_destination(session, request(address))
        if refusal is not None:
            return refusal
    refusal = recipients.reject_unlisted_recipient(session, request(address))
    if refusal is not None:
        return refusal
    full = recipients.reject_full_mailbox(session, request(address))
    return await full if isinstance(full, Awaitable) else full


@pytest.fixture
def addresses(tmp_path: Path) -> AddressFile:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps(BOOK))
    return AddressFile(path)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("alice@example.org", None),
        ("ALICE@EXAMPLE.ORG", None),
        ("alice+tag@example.org", None),
        ("away@example.org", None),
        ("anyone@all.example", None),
        ("postmaster", None),
        ("Postmaster", None),
        ("SRS0=abcd=ef=far.example=x@example.org", None),
        ("SRS1=abcd=far.example==ef@example.org", None),
        ("nobody@example.org", "5.1.1"),
        ("someone", "5.1.3"),
        ("a/../b@example.org", "5.1.3"),
        ("a/b@all.example", "5.1.3"),
        ("a..b@all.example", "5.1.3"),
        ("alice@far.example", "5.7.1"),
        ("alice%far.example@example.org", "5.1.1"),
        ("far.example!alice@example.org", "5.1.1"),
        ('"alice@far.example"@example.org', "5.1.1"),
        ("alice@example.org@far.example", "5.7.1"),
        ("alice@[192.0.2.1]", "5.7.1"),
        ("alice@sub.example.org", "5.7.1"),
        ("SRS0=abcd=ef=far.example=x@far.example", "5.7.1"),
    ],
)
def test_whom_anyone_may_write_to(addresses: AddressFile, address: str, code: str | None) -> None:
    refusal = asyncio.run(answer_at_rcpt(InboundRecipients(addresses), address, None))
    if code is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == 550
        assert refusal.text.startswith(code)


@pytest.mark.parametrize(
    ("address", "accounts"),
    [
        ("Alice@Example.org", {"alice@example.org"}),
        ("alice+tag@example.org", {"alice@example.org"}),
        ("some@example.org", {"alice@example.org", "bob@example.org"}),
        ("anyone@all.example", {"alice@example.org"}),
        # An account's own address is, whoever gets copies.
        ("copied+x@example.org", {"copied@example.org"}),
        # What leaves, too, is not for the mailbox alone.
        ("copy@example.org", set()),
        ("away@example.org", set()),
        # A bounce for someone else.
        ("SRS0=abcd=ef=far.example=x@all.example", set()),
        ("nobody@example.org", set()),
        ("postmaster", set()),
    ],
)
def test_whose_mailboxes_an_address_is_for(address: str, accounts: set[str]) -> None:
    assert mailboxes(LocalAddresses.from_json(json.dumps(BOOK)), address) == accounts


class TestWhoGuessesAddresses:
    @pytest.fixture
    def recipients(self, tmp_path: Path) -> InboundRecipients:
        accounts = {f"user{n}@example.org": [f"user{n}@example.org"] for n in range(100)}
        path = tmp_path / "addresses.json"
        path.write_text(json.dumps({**BOOK, "owners": {**BOOK["owners"], **accounts}}))
        return InboundRecipients(AddressFile(path))

    def said(self, recipients: InboundRecipients, session: Session, address: str) -> int | None:
        ended = recipients.disconnect_guessing_client(session, request(address))
        if ended is not None:
            return ended.code
        refusal = recipients.reject_unlisted_recipient(session, request(address))
        return refusal.code if refusal is not None else None

    def name(self, recipients: InboundRecipients, addresses: Iterable[str]) -> list[int | None]:
        session = Session("s", client_address="192.0.2.1")
        return [self.said(recipients, session, address) for address in addresses]

    def test_is_disconnected_after_a_few(self, recipients: InboundRecipients) -> None:
        guesses = (f"guess{n}@example.org" for n in range(300))
        assert self.name(recipients, guesses) == [550] * MOST_UNKNOWN + [421] * 280

    @pytest.mark.parametrize(
        "known",
        [
            *("alice@example.org", "ALICE+{n}@example.org", "{n}@all.example"),
            *("SRS0={n}@example.org", "srs1={n}@example.org", "x{n}@far.example", "postmaster"),
        ],
    )
    def test_one_known_recipient_again_and_again_helps_little(
        self, recipients: InboundRecipients, known: str
    ) -> None:
        named = [
            address
            for n in range(300)
            for address in (known.format(n=n), f"guess{n}@example.org", f"a/{n}@all.example")
        ]
        said = self.name(recipients, named)
        assert said.count(550) <= MOST_UNKNOWN + MORE_FOR_A_KNOWN
        assert said[-1] == 421

    def test_a_list_with_many_known_and_some_unknown_ones_goes_on(
        self, recipients: InboundRecipients
    ) -> None:
        said = self.name(
            recipients,
            [
                address
                for n in range(100)
                for address in (f"user{n}@example.org", f"gone{n}@example.org")
            ],
        )
        assert said == [None, 550] * 100

    def test_the_same_unknown_one_again_and_again_is_no_guess(
        self, recipients: InboundRecipients
    ) -> None:
        assert self.name(recipients, ["gone@example.org"] * 300) == [550] * 300

    def test_relaying_is_denied_as_ever(self, recipients: InboundRecipients) -> None:
        session = Session("s")
        for number in range(300):
            named = request(f"x{number}@far.example")
            assert recipients.disconnect_guessing_client(session, named) is None
            refused = recipients.reject_unauth_destination(session, named)
            assert refused is not None
            assert refused.code == 550


SENDERS = RewrittenSenders("0123456789abcdef", lambda: TODAY * 86_400)
BOUNCES = srs0("someone@outside.test")
BOUNCES_NOT = BOUNCES.replace("someone", "victim")
CAPITALS = srs0("Some.One@outside.test")
EXPIRED = srs0("someone@outside.test", day=TODAY - 60)
SLASH = srs1(f"SRS0=aB/c={stamp(TODAY)}=start.test=x@outside.test")
TAKEN_BY_ALL = srs0("someone@outside.test", "all.example")


class TestBouncesToRewrittenSenders:
    """`reject_unlisted_recipient` and `restore_recipient`, with the secret."""

    @pytest.mark.parametrize(
        ("sender", "address", "restored", "taken"),
        [
            ("", BOUNCES, None, True),
            ("", BOUNCES.lower(), BOUNCES, True),
            ("", BOUNCES.upper(), BOUNCES, True),
            ("", f"@a.test,@b.test:{BOUNCES.lower()}", BOUNCES, True),
            ("", CAPITALS, None, True),
            ("", CAPITALS.lower(), None, False),
            ("", EXPIRED, None, False),
            ("", EXPIRED.lower(), None, False),
            ("", BOUNCES.replace("someone", "victim").lower(), None, False),
            ("", "srs0@example.org", None, False),
            ("", "srs1+x@example.org", None, False),
            ("", SLASH, None, True),
            ("", SLASH.lower(), SLASH, True),
            ("", srs0("a/../b@outside.test"), None, True),
            # One of ours: only if it is one.
            ("", srs0("alice@example.org"), None, True),
            ("", srs0("alice+x@example.org").lower(), srs0("alice+x@example.org"), True),
            ("", srs0("nobody@example.org"), None, False),
            ("", srs0("a/../b@all.example"), None, None),
            ("", srs0("alice+a/b@example.org").lower(), srs0("alice+a/b@example.org"), None),
            # Forwarded from here twice.
            ("", srs1(BOUNCES), BOUNCES, True),
            ("", srs1(BOUNCES).lower(), BOUNCES, True),
            ("", srs1(CAPITALS), CAPITALS, True),
            ("", srs1(EXPIRED), None, False),
            ("", srs1(BOUNCES.replace("someone", "victim")), BOUNCES_NOT, False),
            # smtpd restores the sender for bounces only.
            ("a@b.test", BOUNCES, None, False),
            ("a@b.test", BOUNCES.lower(), None, False),
            # A catch-all has what is no such sender, and all that is not a bounce.
            ("", TAKEN_BY_ALL.lower(), TAKEN_BY_ALL, True),
            ("", TAKEN_BY_ALL.replace("someone", "victim"), None, True),
            ("a@b.test", TAKEN_BY_ALL.lower(), None, True),
            # Of what is forwarded smtpd takes the domain as it is written.
            ("a@b.test", "Away@Example.ORG", "Away@example.org", True),
            ("", "away+x@EXAMPLE.ORG", "away+x@example.org", True),
            ("a@b.test", "away@example.org", None, True),
            ("a@b.test", "Alice@Example.ORG", None, True),
            ("a@b.test", "nobody@Example.ORG", None, False),
            ("", BOUNCES.replace("example.org", "far.example").lower(), None, True),
        ],
    )
    def test_by_address(
        self,
        addresses: AddressFile,
        sender: str,
        address: str,
        restored: str | None,
        taken: bool | None,
    ) -> None:
        recipients = InboundRecipients(addresses, rewritten_senders=SENDERS)
        session = Session("s", transaction=Transaction("1", sender))
        rewrite = recipients.restore_recipient(session, request(address))
        assert rewrite == (None if restored is None else Rewrite(restored))
        named = request(address) if restored is None else request(restored)
        refused = recipients.reject_unlisted_recipient(session, named)
        said = None if refused is None else refused.reply[:9]
        assert said == {True: None, False: "550 5.1.1", None: "550 5.1.3"}[taken]

    @pytest.mark.parametrize("sender", ["", "a@b.test"])
    def test_who_guesses_is_counted(self, addresses: AddressFile, sender: str) -> None:
        recipients = InboundRecipients(addresses, rewritten_senders=SENDERS)
        session = Session("s", transaction=Transaction("1", sender))
        said = []
        for number in range(100):
            # The hash is over the capitals, which make no other address.
            capitals = "".join(
                char.upper() if number >> place & 1 else char
                for place, char in enumerate("outside")
            )
            rest = BOUNCES[10:].lower().replace("outside", capitals)
            guess = request(f"srs0=aaaa={rest}")
            assert recipients.restore_recipient(session, guess) is None
            ended = recipients.disconnect_guessing_client(session, guess)
            said.append(ended.code if ended else 550)
        assert said == [550] * MOST_UNKNOWN + [421] * (100 - MOST_UNKNOWN)

    def test_without_the_secret_smtpd_decides(self, addresses: AddressFile) -> None:
        for recipients in (InboundRecipients(addresses), SubmissionRecipients(addresses)):
            session = Session("s", transaction=Transaction("1", ""))
            named = request(BOUNCES.replace("someone", "a/b"))
            refused = recipients.reject_unlisted_recipient(session, named)
            assert refused is not None
            assert refused.text.startswith("5.1.3 ")
            for address in (BOUNCES, BOUNCES.lower(), EXPIRED):
                named = request(address)
                assert recipients.reject_unlisted_recipient(session, named) is None
                if isinstance(recipients, InboundRecipients):
                    assert recipients.restore_recipient(session, named) is None


RESULTS = [
    ("alice+tag@example.org", "552 5.2.2 <alice+tag@example.org>: the mailbox is full"),
    ("full@example.org", "552 5.2.2 <full@example.org>: the mailbox is full"),
    ("@x.test:alice@example.org", "552 5.2.2 <alice@example.org>: the mailbox is full"),
    ("anyone@all.example", "552 5.2.2 <anyone@all.example>: the mailbox is full"),
    ("bob@example.org", None),
    ("@x.test:bob@example.org", None),
    ("some@example.org", None),
    ("copy@example.org", None),
    ("SRS0=abcd=ef=far.example=x@all.example", None),
    ("nobody@example.org", "550 5.1.1 <nobody@example.org>: no such user here"),
    ("a/../b@all.example", "550 5.1.3 <a/../b@all.example>: no `/` or `..` in a local part here"),
]


@pytest.mark.parametrize("kind", [InboundRecipients, SubmissionRecipients])
@pytest.mark.parametrize(("address", "said"), RESULTS)
def test_a_full_mailbox_is_refused_at_rcpt(
    tmp_path: Path, addresses: AddressFile, kind: type[Recipients], address: str, said: str | None
) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s"), asking(tmp_path / "s") as quotas:
            answer = await answer_at_rcpt(kind(addresses, quotas), address, "bob@example.org")
        assert (answer.reply if answer is not None else None) == said

    run(work())


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("x@far.example", None),
        ("x@sub.example.org", None),
        # smtpd completes it with its own name.
        ("alice", 552),
        ("postmaster", 550),
        ("bob", None),
    ],
)
def test_who_submits_may_write_to_anybody_elsewhere(
    tmp_path: Path, addresses: AddressFile, address: str, code: int | None
) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s") as quotas:
            recipients = SubmissionRecipients(addresses, quotas)
            answer = await answer_at_rcpt(recipients, address, "bob@example.org")
            assert (answer.code if isinstance(answer, Reject) else None) == code
            assert bool(dovecot.asked) == (address in {"alice", "bob"})

    run(work())


def test_what_a_script_sends_is_refused_for_a_full_mailbox_too(
    tmp_path: Path, addresses: AddressFile
) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s"), asking(tmp_path / "s") as quotas:
            recipients = SubmissionRecipients(addresses, quotas)
            answer = await answer_at_rcpt(recipients, "alice@example.org", None)
            assert isinstance(answer, Reject)
            assert answer.code == 552

    run(work())


@pytest.mark.parametrize("kind", [InboundRecipients, SubmissionRecipients])
def test_without_quotas_nobodys_mailbox_is_full(
    addresses: AddressFile, kind: type[Recipients]
) -> None:
    recipients = kind(addresses)
    assert recipients.reject_full_mailbox(Session("s"), request("alice@example.org")) is None


@pytest.mark.parametrize(
    ("address", "refused"),
    [("bob@example.org", False), ("bob", False), ("x@far.example", True), ("x@org", True)],
)
def test_no_mail_leaves_a_demo(addresses: AddressFile, address: str, refused: bool) -> None:
    session = Session("s", hostname="example.org", user="bob@example.org")
    local = SubmissionRecipients(addresses, local_only="no mail leaves here")
    answer = local.reject_other_domains(session, request(address))
    assert isinstance(answer, Reject) == refused
    assert answer is None or answer.text == f"5.7.1 <{address}>: no mail leaves here"
    anywhere = SubmissionRecipients(addresses)
    assert anywhere.reject_other_domains(session, request(address)) is None


@pytest.mark.parametrize("kind", [InboundRecipients, SubmissionRecipients])
@pytest.mark.parametrize(
    ("sender", "recipient", "refused"),
    [
        # 11 octets are our domain's; 240 fit.
        ("x" * 29 + "@" + "d" * 200, "away@example.org", False),
        ("x" * 30 + "@" + "d" * 200, "away@example.org", True),
        ("x" * 30 + "@" + "d" * 200, "Copy+tag@Example.org", True),
        ("x" * 30 + "@" + "d" * 200, "alice@example.org", False),
        ("x" * 30 + "@" + "d" * 200, "x@far.example", False),
        ("", "away@example.org", False),
        ("SRS1=x@far.example", "away@example.org", True),
        # smtpd takes a route away, and puts the host's name where there is no domain.
        ("a" * 300 + ":x@far.example", "away@example.org", False),
        ("x" * 218, "away@example.org", False),
        ("x" * 219, "away@example.org", True),
        ("x" * 219, "away", True),
        ("x" * 219, "alice", False),
    ],
)
def test_no_sender_that_srs_has_no_room_for_is_forwarded(
    addresses: AddressFile,
    kind: type[Recipients],
    sender: str,
    recipient: str,
    refused: bool,
) -> None:
    recipients, session = kind(addresses), Session("s", hostname="example.org")
    session.apply(Report((0, 7), "smtp-in", "tx-begin", "s", (b"01234567",)))
    session.apply(Report((0, 7), "smtp-in", "tx-mail", "s", (b"01234567", b"ok", sender.encode())))
    answer = recipients.reject_unrewritable_sender(session, request(recipient))
    assert (answer is not None) is refused
    for each in ("alice@example.org", recipient, "bob@example.org"):
        session.apply(
            Report((0, 7), "smtp-in", "tx-rcpt", "s", (b"01234567", b"ok", each.encode()))
        )
    commit = Request((0, 7), "commit", "s", "t", b"")
    assert recipients.reject_unrewritable_message(session, commit) == answer
    if answer is not None:
        assert answer.code == 550
        assert answer.text.startswith("5.1.7 <")


@pytest.mark.parametrize(
    ("author", "recipient", "refused"),
    [
        ("example.org", "away@example.org", True),
        ("News.Example.org", "Copy+tag@example.org", True),
        ("example.org", "alice@example.org", False),
        ("far.example", "away@example.org", False),
        (None, "away@example.org", False),
    ],
)
def test_no_alias_lends_its_domain_to_an_author_in_quarantine(
    addresses: AddressFile, author: str | None, recipient: str, refused: bool
) -> None:
    recipients, session = InboundRecipients(addresses), Session("s", hostname="example.org")
    session.transaction = Transaction("01234567", "x@far.example", ["alice@example.org", recipient])
    session.state[QUARANTINED] = author
    commit = Request((0, 7), "commit", "s", "t", b"")
    answer = recipients.reject_impersonating_forward(session, commit)
    assert isinstance(answer, Reject) == refused
    assert answer is None or (answer.code, answer.text[:8]) == (550, "5.7.26 <")


def test_no_sender_that_smtpd_has_not_told_of_is_forwarded(addresses: AddressFile) -> None:
    """Its path is too long, and a filter before ours had the last word on it."""
    recipients, session = InboundRecipients(addresses), Session("s", hostname="example.org")
    session.apply(Report((0, 7), "smtp-in", "tx-begin", "s", (b"01234567",)))
    for address, refused in (("away@example.org", True), ("alice@example.org", False)):
        answer = recipients.reject_unrewritable_sender(session, request(address))
        assert (answer is not None) is refused
