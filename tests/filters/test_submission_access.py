"""What clients read of logins that the guard blocks, and of accounts that send too much."""

from __future__ import annotations

import asyncio

import pytest

from filters.guard.client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.script_mail import SCRIPT_OF
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
    def access(self) -> SendingAccess:
        return SendingAccess(SendingLimit(10, 3600), SendingLimit(10, 3600))

    def end(self, event: str) -> Report:
        return Report((0, 7), "smtp-in", event, "s", ())

    def named(self, access: SendingAccess, session: Session, count: int) -> int:
        answers = [access.reject_over_limit(session, ASKED) for _ in range(count)]
        refusals = [answer for answer in answers if answer is not None]
        assert all(isinstance(each, Reject) and each.code == 451 for each in refusals)
        return count - len(refusals)

    def test_what_is_sent_is_spent_and_what_is_not_is_given_back(self) -> None:
        access, session = self.access(), Session("s", user=ALICE)
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
        access, session = self.access(), Session("s", local=True)
        assert self.named(access, session, 100) == 100
        access.note_sent(session, self.end("tx-commit"))

    def script(self, access: SendingAccess, recipients: int, *, ends: str = "tx-commit") -> bool:
        """Whether a script of Alice's may send to so many."""
        session = Session("s", local=True)
        self.named(access, session, recipients)
        session.state[SCRIPT_OF] = ALICE
        refusal = access.reject_script_over_limit(session, ASKED)
        if refusal is None and ends == "tx-commit":
            access.note_sent(session, self.end(ends))
        access.note_end(session, self.end("tx-reset" if ends == "tx-commit" else ends))
        assert not session.state
        assert refusal is None or (isinstance(refusal, Reject) and refusal.code == 550)
        return refusal is None

    def test_scripts_have_a_count_of_their_own_by_recipients(self) -> None:
        access = self.access()
        assert self.script(access, 8)
        assert not self.script(access, 3)
        assert self.script(access, 2)
        assert not self.script(access, 1)
        assert self.named(access, Session("s", user=ALICE), 20) == 10
        other = self.access()
        assert self.named(other, Session("s", user=ALICE), 20) == 10
        assert self.script(other, 10)

    @pytest.mark.parametrize("ends", ["tx-reset", "link-disconnect"])
    def test_what_a_script_does_not_send_is_given_back(self, ends: str) -> None:
        access = self.access()
        assert self.script(access, 8, ends=ends)
        assert self.script(access, 10)
