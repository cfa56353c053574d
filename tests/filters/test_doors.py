"""What the filters say to clients of what `filters.guard` decides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filters.guard.blocklists import Blocklists
from filters.guard.client import GuardClient
from filters.guard.greylisting import Greylisting
from filters.guard.sending_limit import SendingLimit
from filters.in_turn import in_turn
from filters.inbound_access import InboundDoor
from filters.mailauth.dns.resolver import StaticResolver
from filters.smtpd import (
    PROCEED,
    Disconnect,
    Reject,
    Report,
    Request,
    Session,
    Transaction,
    Verdict,
)
from filters.submission_access import MOST_FAILURES, LoginDoor, SendingDoor, name_account

ALICE, HOME, PUBLIC = "alice@example.org", "203.0.113.20", "192.31.196.25"
NAT = frozenset({"192.31.196.27"})
ASKED = Request((0, 7), "auth", "s", "t", b"PLAIN c2VjcmV0")
GREETED = Request((0, 7), "connect", "s", "t", b"")
NAMED = Request((0, 7), "rcpt-to", "s", "t", ALICE.encode())


class Guard(GuardClient):
    """Answers from a dictionary, and notes what it is asked."""

    def __init__(self, answers: dict[str, int]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, ...]] = []

    async def ask(self, *question: str) -> object:
        self.asked.append(question)
        return self.answers.get(question[0])


def told(result: bytes, login: bytes = ALICE.encode()) -> Report:
    return Report((0, 7), "smtp-in", "link-auth", "s", (result, login))


class TestLogins:
    def test_a_blocked_client_is_told_at_auth_and_the_password_is_nobodys(self) -> None:
        guard = Guard({"begin": 601})
        session = Session("s", client_address=HOME)
        verdict = asyncio.run(LoginDoor(guard).refuse_client(session, ASKED))
        assert isinstance(verdict, Disconnect)
        assert verdict.reply.startswith("421 4.7.0 too many failed logins from your network")
        assert "11 minutes" in verdict.reply
        assert guard.asked == [("begin", "s", HOME)]

    @pytest.mark.parametrize("answer", [{}, {"begin": 0}])
    def test_anybody_else_goes_on(self, answer: dict[str, int]) -> None:
        session = Session("s", client_address=HOME)
        assert asyncio.run(LoginDoor(Guard(answer)).refuse_client(session, ASKED)) is PROCEED

    def test_the_local_socket_is_not_asked_for(self) -> None:
        guard = Guard({"begin": 600, "pass": 600})
        door, session = LoginDoor(guard), Session("s", local=True)

        async def scene() -> None:
            assert await door.refuse_client(session, ASKED) is PROCEED
            await door.note_login(session, told(b"fail"))
            assert await door.refuse_login(session, ASKED) is None

        asyncio.run(scene())
        assert guard.asked == []

    @pytest.mark.parametrize("waits", [0, 600])
    def test_a_login_that_has_to_wait_is_told_at_mail(self, waits: int) -> None:
        guard = Guard({"pass": waits})
        door, session = LoginDoor(guard), Session("s", client_address=HOME, user=ALICE)

        async def scene() -> Verdict | None:
            await door.note_login(session, told(b"error"))
            await door.note_login(session, told(b"fail", b"\xff\n"))
            await door.note_login(session, told(b"pass"))
            return await door.refuse_login(session, ASKED)

        verdict = asyncio.run(scene())
        assert isinstance(verdict, Disconnect) if waits else verdict is None
        assert guard.asked == [
            ("left", "s"),
            ("fail", "s", HOME, "\\xff\n"),
            ("pass", "s", HOME, ALICE),
        ]

    def test_an_auth_that_has_no_outcome_is_told_once(self) -> None:
        guard = Guard({})
        door, session = LoginDoor(guard), Session("s", client_address=HOME)
        gone = Report((0, 7), "smtp-in", "link-disconnect", "s", ())

        async def scene() -> None:
            await door.note_end(session, gone)
            await door.refuse_client(session, ASKED)
            await door.note_end(session, gone)
            await door.note_end(session, gone)

        asyncio.run(scene())
        assert guard.asked == [("begin", "s", HOME), ("left", "s")]

    def test_nothing_is_told_of_a_session_whose_auth_has_ended(self) -> None:
        guard = Guard({})
        door, session = LoginDoor(guard), Session("s", client_address=HOME)

        async def scene() -> None:
            await door.refuse_client(session, ASKED)
            await door.note_login(session, told(b"fail"))
            await door.note_end(session, Report((0, 7), "smtp-in", "link-disconnect", "s", ()))

        asyncio.run(scene())
        assert guard.asked == [("begin", "s", HOME), ("fail", "s", HOME, ALICE)]

    def test_a_session_has_three_tries(self) -> None:
        door, session = LoginDoor(Guard({})), Session("s", client_address=HOME)

        async def scene() -> None:
            for _ in range(MOST_FAILURES):
                assert await door.refuse_client(session, ASKED) is PROCEED
                await door.note_login(session, told(b"fail"))
            assert isinstance(await door.refuse_client(session, ASKED), Disconnect)

        asyncio.run(scene())


@pytest.mark.parametrize(
    "login",
    [rb"Alice@b\M-C\M-<cher.test", rb"ALICE@B\M-C\M^\CHER.TEST", b"alice@XN--bcher-kva.test"],
)
def test_a_session_is_the_accounts_however_its_login_was_written(login: bytes) -> None:
    """As smtpd 7.6 reports bücher and BÜCHER: in the way of vis(3)."""
    guard, session, report = Guard({}), Session("s", client_address=HOME), told(b"pass", login)
    session.apply(report)
    name_account(session, report)
    assert session.user == "alice@xn--bcher-kva.test"
    asyncio.run(LoginDoor(guard).note_login(session, report))
    assert guard.asked[-1] == ("pass", "s", HOME, "alice@xn--bcher-kva.test")


def test_a_login_that_failed_is_nobodys_session() -> None:
    session, report = Session("s", client_address=HOME), told(b"fail")
    session.apply(report)
    name_account(session, report)
    assert session.user is None


class TestSending:
    def end(self, event: str) -> Report:
        return Report((0, 7), "smtp-in", event, "s", ())

    def named(self, door: SendingDoor, session: Session, count: int) -> int:
        answers = [door.refuse_recipient(session, ASKED) for _ in range(count)]
        refusals = [answer for answer in answers if answer is not None]
        assert all(isinstance(each, Reject) and each.code == 451 for each in refusals)
        return count - len(refusals)

    def test_what_is_sent_is_spent_and_what_is_not_is_given_back(self) -> None:
        door, session = SendingDoor(SendingLimit(10, 3600)), Session("s", user=ALICE)
        assert self.named(door, session, 8) == 8
        door.ended(session, self.end("tx-reset"))
        assert self.named(door, session, 8) == 8
        door.ended(session, self.end("link-disconnect"))
        assert self.named(door, session, 6) == 6
        door.sent(session, self.end("tx-commit"))
        door.ended(session, self.end("tx-reset"))
        other = Session("o", user=ALICE.upper())
        assert self.named(door, other, 8) == 4

    def test_mail_from_the_machine_itself_is_not_counted(self) -> None:
        door, session = SendingDoor(SendingLimit(10, 3600)), Session("s", local=True)
        assert self.named(door, session, 100) == 100
        door.sent(session, self.end("tx-commit"))


def arriving(client: str | None, sender: str) -> Session:
    transaction = Transaction("01234567", sender, [])
    return Session("s", client_address=client, helo="h.test", transaction=transaction)


class TestInbound:
    LISTED = StaticResolver(
        {
            "25.196.31.192.bl.test": {"A": ["127.0.0.2"], "TXT": ["spam\r\n250 ok"]},
            "27.196.31.192.bl.test": {"A": ["127.0.0.2"]},
            "far.test": {"TXT": ["v=spf1 ip4:192.31.196.0/24 -all"]},
        }
    )

    def greet(self, address: str | None) -> Verdict:
        door = InboundDoor(self.LISTED, Blocklists(["bl.test"], self.LISTED), unknown_clients=NAT)
        return asyncio.run(door.refuse_listed(Session("s", client_address=address), GREETED))

    def test_a_listed_client_is_told_by_whom_and_why(self) -> None:
        verdict = self.greet(PUBLIC)
        assert isinstance(verdict, Disconnect)
        assert verdict.reply == f"554 5.7.1 {PUBLIC} is listed by bl.test: spam?250 ok"

    @pytest.mark.parametrize("client", ["192.31.196.27", "192.31.196.26", "10.0.0.1", None])
    def test_anybody_else_goes_on(self, client: str | None) -> None:
        assert self.greet(client) is PROCEED

    @pytest.mark.parametrize(
        ("client", "sender", "waits"),
        [
            (PUBLIC, "a@far.test", True),
            (PUBLIC, "", True),
            ("192.31.196.27", "a@far.test", False),
            ("10.0.0.1", "a@far.test", False),
            (None, "a@far.test", False),
        ],
    )
    def test_who_is_new_waits(
        self, tmp_path: Path, client: str | None, sender: str, waits: bool
    ) -> None:
        async def scene() -> Verdict:
            greylisting = Greylisting(tmp_path / "g.sqlite")
            door = InboundDoor(self.LISTED, greylisting=greylisting, unknown_clients=NAT)
            verdict = await door.refuse_new(arriving(client, sender), NAMED)
            greylisting.finish()
            return verdict

        verdict = asyncio.run(scene())
        assert isinstance(verdict, Reject) == waits
        if isinstance(verdict, Reject):
            assert verdict.reply.startswith("451 4.7.1 greylisted")

    def test_spf_vouches_for_a_sender_with_many_hosts(self, tmp_path: Path) -> None:
        pytest.importorskip("spf")

        async def scene() -> None:
            now = 1_795_000_000.0
            greylisting = Greylisting(tmp_path / "g.sqlite", clock=lambda: now)
            door = InboundDoor(
                StaticResolver({"far.test": {"TXT": ["v=spf1 ip4:192.31.0.0/16 -all"]}}),
                greylisting=greylisting,
            )
            for address, waits in (("192.31.1.1", True), ("192.31.2.2", False), (PUBLIC, False)):
                verdict = await door.refuse_new(arriving(address, "a@far.test"), NAMED)
                assert isinstance(verdict, Reject) == waits
                now += 60
            forged = await door.refuse_new(arriving("93.184.216.34", "a@far.test"), NAMED)
            assert isinstance(forged, Reject)
            greylisting.finish()

        asyncio.run(scene())


class TestInTurn:
    def test_one_handler_stays_itself(self) -> None:
        assert in_turn([handler := lambda session, request: None]) is handler

    def test_the_first_refusal_counts(self) -> None:
        async def later(session: Session, request: Request) -> Verdict | None:
            return answers["later"]

        answers: dict[str, Verdict | None] = {"later": None, "now": PROCEED}
        both = in_turn([later, lambda session, request: answers["now"], lambda s, r: None])

        async def ask() -> object:
            answer = both(Session("s"), ASKED)
            return await answer  # type: ignore[misc]

        assert asyncio.run(ask()) is PROCEED
        answers["now"] = Reject(550, "now")
        assert asyncio.run(ask()) == Reject(550, "now")
        answers["later"] = Reject(550, "later")
        assert asyncio.run(ask()) == Reject(550, "later")
