"""What clients read of logins that the guard blocks, and of accounts that send too much."""

from __future__ import annotations

import asyncio

import pytest

from filters.guard.client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.smtpd import Disconnect, Reject, Report, Request, Session, Verdict
from filters.submission_access import MOST_FAILURES, LoginAccess, SendingAccess, name_account

ALICE, HOME = "alice@example.org", "203.0.113.20"
ASKED = Request((0, 7), "auth", "s", "t", b"PLAIN c2VjcmV0")


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
        verdict = asyncio.run(LoginAccess(guard).reject_blocked_client(session, ASKED))
        assert isinstance(verdict, Disconnect)
        assert verdict.reply.startswith("421 4.7.0 too many failed logins from your network")
        assert "11 minutes" in verdict.reply
        assert guard.asked == [("begin", "s", HOME)]

    @pytest.mark.parametrize("answer", [{}, {"begin": 0}])
    def test_anybody_else_goes_on(self, answer: dict[str, int]) -> None:
        session = Session("s", client_address=HOME)
        assert asyncio.run(LoginAccess(Guard(answer)).reject_blocked_client(session, ASKED)) is None

    def test_the_local_socket_is_not_asked_for(self) -> None:
        guard = Guard({"begin": 600, "pass": 600})
        access, session = LoginAccess(guard), Session("s", local=True)

        async def session_of_a_client() -> None:
            assert await access.reject_blocked_client(session, ASKED) is None
            await access.note_login(session, told(b"fail"))
            assert await access.reject_blocked_login(session, ASKED) is None

        asyncio.run(session_of_a_client())
        assert guard.asked == []

    @pytest.mark.parametrize("waits", [0, 600])
    def test_a_login_that_has_to_wait_is_told_at_mail(self, waits: int) -> None:
        guard = Guard({"pass": waits})
        access, session = LoginAccess(guard), Session("s", client_address=HOME, user=ALICE)

        async def session_of_a_client() -> Verdict | None:
            await access.note_login(session, told(b"error"))
            await access.note_login(session, told(b"fail", b"\xff\n"))
            await access.note_login(session, told(b"pass"))
            return await access.reject_blocked_login(session, ASKED)

        verdict = asyncio.run(session_of_a_client())
        assert isinstance(verdict, Disconnect) if waits else verdict is None
        assert guard.asked == [
            ("error", "s", HOME, ALICE),
            ("fail", "s", HOME, "\\xff\n"),
            ("pass", "s", HOME, ALICE),
        ]

    def test_an_auth_that_has_no_outcome_is_told_once(self) -> None:
        guard = Guard({})
        access, session = LoginAccess(guard), Session("s", client_address=HOME)
        gone = Report((0, 7), "smtp-in", "link-disconnect", "s", ())

        async def session_of_a_client() -> None:
            await access.note_end(session, gone)
            await access.reject_blocked_client(session, ASKED)
            await access.note_end(session, gone)
            await access.note_end(session, gone)

        asyncio.run(session_of_a_client())
        assert guard.asked == [("begin", "s", HOME), ("left", "s")]

    def test_nothing_is_told_of_a_session_whose_auth_has_ended(self) -> None:
        guard = Guard({})
        access, session = LoginAccess(guard), Session("s", client_address=HOME)

        async def session_of_a_client() -> None:
            await access.reject_blocked_client(session, ASKED)
            await access.note_login(session, told(b"fail"))
            await access.note_end(session, Report((0, 7), "smtp-in", "link-disconnect", "s", ()))

        asyncio.run(session_of_a_client())
        assert guard.asked == [("begin", "s", HOME), ("fail", "s", HOME, ALICE)]

    def test_a_session_has_three_tries(self) -> None:
        access, session = LoginAccess(Guard({})), Session("s", client_address=HOME)

        async def session_of_a_client() -> None:
            for _ in range(MOST_FAILURES):
                assert await access.reject_blocked_client(session, ASKED) is None
                await access.note_login(session, told(b"fail"))
            assert isinstance(await access.reject_blocked_client(session, ASKED), Disconnect)

        asyncio.run(session_of_a_client())


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
    asyncio.run(LoginAccess(guard).note_login(session, report))
    assert guard.asked[-1] == ("pass", "s", HOME, "alice@xn--bcher-kva.test")


def test_a_login_that_failed_is_nobodys_session() -> None:
    session, report = Session("s", client_address=HOME), told(b"fail")
    session.apply(report)
    name_account(session, report)
    assert session.user is None


class TestSending:
    def end(self, event: str) -> Report:
        return Report((0, 7), "smtp-in", event, "s", ())

    def named(self, access: SendingAccess, session: Session, count: int) -> int:
        answers = [access.reject_over_limit(session, ASKED) for _ in range(count)]
        refusals = [answer for answer in answers if answer is not None]
        assert all(isinstance(each, Reject) and each.code == 451 for each in refusals)
        return count - len(refusals)

    def test_what_is_sent_is_spent_and_what_is_not_is_given_back(self) -> None:
        access, session = SendingAccess(SendingLimit(10, 3600)), Session("s", user=ALICE)
        assert self.named(access, session, 8) == 8
        access.note_end(session, self.end("tx-reset"))
        assert self.named(access, session, 8) == 8
        access.note_end(session, self.end("link-disconnect"))
        assert self.named(access, session, 6) == 6
        access.note_sent(session, self.end("tx-commit"))
        access.note_end(session, self.end("tx-reset"))
        other = Session("o", user=ALICE.upper())
        assert self.named(access, other, 8) == 4

    def test_mail_from_the_machine_itself_is_not_counted(self) -> None:
        access, session = SendingAccess(SendingLimit(10, 3600)), Session("s", local=True)
        assert self.named(access, session, 100) == 100
        access.note_sent(session, self.end("tx-commit"))
