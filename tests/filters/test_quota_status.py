"""Asking who is over quota, of a real socket: questions, answers, and every kind of silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from filters.addresses import AddressBook, AddressFile
from filters.quota_status import AT_ONCE, QuotaStatus
from filters.recipients import InboundRecipients, SubmissionRecipients, mailboxes
from filters.smtpd import PROCEED, Reject, Request, Session, Verdict

FULL = {"alice@example.org", "carol@example.org"}
BOOK = {
    "delimiter": "+",
    "domains": ["example.org", "all.example"],
    "owners": {
        "alice@example.org": ["alice@example.org"],
        "bob@example.org": ["bob@example.org"],
        "carol@example.org": ["carol@example.org"],
        "some@example.org": ["alice@example.org", "bob@example.org"],
        "full@example.org": ["alice@example.org", "carol@example.org"],
        "copy@example.org": ["alice@example.org"],
        "away@example.org": [],
        "@all.example": ["alice@example.org"],
    },
    "forwards": ["copy@example.org", "away@example.org"],
}

Answer = Callable[[str], bytes | None]


def usual(account: str) -> bytes:
    return b"action=FULL\n\n" if account in FULL else b"action=OK\n\n"


class Dovecot:
    """As its quota-status: `answer` gives what is said of an account; None breaks off."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.talks: list[asyncio.Task[None]] = []

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.talks.append(asyncio.create_task(self.talk(reader, writer)))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                text = (await reader.readuntil(b"\n\n")).decode()
                fields = dict(line.split("=", 1) for line in text.splitlines() if line)
                assert fields.keys() == {"request", "recipient", "size"}
                assert (fields["request"], fields["size"]) == ("smtpd_access_policy", "0")
                self.asked.append(fields["recipient"])
                said = self.answer(fields["recipient"])
                if said is None:
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def hang_up(self) -> None:
        """End every connection, as when nobody has used it for a minute."""
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*self.talks)


@asynccontextmanager
async def listening(path: Path, answer: Answer = usual) -> AsyncIterator[Dovecot]:
    dovecot = Dovecot(answer)
    server = await asyncio.start_unix_server(dovecot.meet, path)
    try:
        yield dovecot
    finally:
        server.close()
        await dovecot.hang_up()


@asynccontextmanager
async def asking(path: Path, patience: float = 5) -> AsyncIterator[QuotaStatus]:
    quotas = QuotaStatus(path, patience)
    try:
        yield quotas
    finally:
        quotas.close()
        # The transports end in the loop's next turn.
        await asyncio.sleep(0)


def run(work: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(bounded())


def test_all_have_to_be_full(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s"), asking(tmp_path / "s") as quotas:
            assert await quotas.all_full(["alice@example.org"])
            assert await quotas.all_full(["alice@example.org", "carol@example.org"])
            assert not await quotas.all_full(["bob@example.org"])
            assert not await quotas.all_full(["alice@example.org", "bob@example.org"])
            assert not await quotas.all_full([])

    run(work())


def test_one_connection_is_kept_and_a_crowd_gets_a_few(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s") as quotas:
            for _ in range(3):
                assert await quotas.all_full(["alice@example.org"])
            assert len(dovecot.writers) == 1
            crowd = [quotas.all_full([f"{n}@example.org"]) for n in range(100)]
            assert not any(await asyncio.gather(*crowd))
            assert len(dovecot.writers) <= AT_ONCE
            assert len(dovecot.asked) == 103

    run(work())


def test_after_a_pause_it_connects_anew(tmp_path: Path) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s") as quotas:
            assert await quotas.all_full(["alice@example.org"])
            await dovecot.hang_up()
            assert await quotas.all_full(["alice@example.org"])

    run(work())


@pytest.mark.parametrize(
    "answer",
    [None, b"", b"action=DUNNO\n\n", b"action=\n\n", b"x" * 70_000, b"action=FULL\n"],
    ids=["broken off", "nothing", "another", "empty", "endless", "half"],
)
def test_anything_else_is_not_full(tmp_path: Path, answer: bytes | None) -> None:
    async def work() -> None:
        async with (
            listening(tmp_path / "s", lambda account: answer),
            asking(tmp_path / "s", patience=0.2) as quotas,
        ):
            assert not await quotas.all_full(["alice@example.org"])

    run(work())


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    async def work() -> None:
        gate = asyncio.Event()
        late: list[asyncio.Task[None]] = []

        async def held_back(writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            writer.write(b"action=FULL\n\n")

        async with listening(tmp_path / "s") as dovecot, asking(tmp_path / "s", 0.2) as quotas:

            def answer(account: str) -> bytes:
                if account != "alice@example.org":
                    return usual(account)
                late.append(asyncio.create_task(held_back(dovecot.writers[-1])))
                return b""

            dovecot.answer = answer
            assert not await quotas.all_full(["alice@example.org"])
            gate.set()
            await asyncio.gather(*late)
            assert not await quotas.all_full(["bob@example.org"])

    run(work())


def test_silence_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with asking(tmp_path / "s") as quotas:
            assert not await quotas.all_full(["alice@example.org"])
            assert not await quotas.all_full(["alice@example.org"])
            assert caplog.text.count("nobody says who is over quota") == 1
            async with listening(tmp_path / "s"):
                assert await quotas.all_full(["alice@example.org"])
            (tmp_path / "s").unlink(missing_ok=True)
            assert not await quotas.all_full(["alice@example.org"])
            assert caplog.text.count("nobody says who is over quota") == 2

    run(work())


# -- at RCPT -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "accounts"),
    [
        ("Alice@Example.org", {"alice@example.org"}),
        ("alice+tag@example.org", {"alice@example.org"}),
        ("some@example.org", {"alice@example.org", "bob@example.org"}),
        ("anyone@all.example", {"alice@example.org"}),
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
    assert mailboxes(AddressBook.from_json(json.dumps(BOOK)), address) == accounts


Recipients = InboundRecipients | SubmissionRecipients
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


async def answer_at_rcpt(recipients: Recipients, address: str, user: str | None) -> Verdict:
    session = Session("s", hostname="example.org", user=user, local=user is None)
    answer = recipients.refuse(session, Request((0, 7), "rcpt-to", "s", "t", address.encode()))
    return await answer if isinstance(answer, Awaitable) else answer


@pytest.fixture
def addresses(tmp_path: Path) -> AddressFile:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps(BOOK))
    return AddressFile(path)


@pytest.mark.parametrize("kind", [InboundRecipients, SubmissionRecipients])
@pytest.mark.parametrize(("address", "said"), RESULTS)
def test_a_full_mailbox_is_refused_at_rcpt(
    tmp_path: Path, addresses: AddressFile, kind: type[Recipients], address: str, said: str | None
) -> None:
    async def work() -> None:
        async with listening(tmp_path / "s"), asking(tmp_path / "s") as quotas:
            answer = await answer_at_rcpt(kind(addresses, quotas), address, "bob@example.org")
        assert answer == PROCEED if said is None else isinstance(answer, Reject)
        if isinstance(answer, Reject):
            assert answer.reply == said

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
def test_without_quotas_the_answer_is_there_at_once(
    addresses: AddressFile, kind: type[Recipients]
) -> None:
    recipients = kind(addresses)
    for address, refused in (("alice@example.org", False), ("nobody@example.org", True)):
        request = Request((0, 7), "rcpt-to", "s", "t", address.encode())
        assert isinstance(recipients.refuse(Session("s"), request), Reject) == refused


@pytest.mark.parametrize(
    ("address", "refused"),
    [("bob@example.org", False), ("bob", False), ("x@far.example", True), ("x@org", True)],
)
def test_no_mail_leaves_a_demo(addresses: AddressFile, address: str, refused: bool) -> None:
    session = Session("s", hostname="example.org", user="bob@example.org")
    request = Request((0, 7), "rcpt-to", "s", "t", address.encode())
    answer = SubmissionRecipients(addresses).refuse_other_domains(session, request)
    assert isinstance(answer, Reject) == refused
