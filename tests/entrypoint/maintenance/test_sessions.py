"""Whose sessions end when passwords change, and what happens when they do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from entrypoint.maintenance import sessions
from entrypoint.maintenance.sessions import OpenSession, SessionsToEnd, forget_sessions, losing
from entrypoint.paths import LOGINS, RUN
from entrypoint.render import RenderedFile

ALICE, BOB = "alice@example.org", "bob@example.org"


def book(**hashes: str) -> str:
    """A book of logins: the hashes by name, the account's own first."""
    return json.dumps(
        {
            "logins": {
                f"{name}@example.org": {
                    "hashes": [
                        {"name": f"n{at}" if at else "", "hash": f"$6$x${each}"}
                        for at, each in enumerate(of_login.split())
                    ]
                }
                for name, of_login in hashes.items()
            }
        }
    )


@dataclass
class Dovecot:
    """Sessions that end when they are told to, unless they are stubborn."""

    open: list[OpenSession] = field(default_factory=list)
    stubborn: bool = False
    away: bool = False
    told: list[OpenSession] = field(default_factory=list)
    # Who logs in while the first one is ended.
    stragglers: list[OpenSession] = field(default_factory=list)

    async def look(self) -> list[OpenSession]:
        if self.away:
            raise OSError("Dovecot is away")
        return list(self.open)

    async def terminate(self, sessions: Collection[OpenSession]) -> None:
        for session in sessions:
            self.told.append(session)
            if not self.stubborn:
                self.open.remove(session)
        self.open += self.stragglers
        self.stragglers = []


class Place:
    def __init__(self, run: Path) -> None:
        self.run, self.dovecot = run, Dovecot()
        (run / LOGINS).write_text(book(alice="a phone", bob="b"))

    def sessions(self) -> SessionsToEnd:
        """As another process has it."""
        return SessionsToEnd(self.run, self.run.owner(), self.dovecot.look, self.dovecot.terminate)

    def note(self, text: str, imap: bool = True) -> None:
        owner, group = self.run.owner(), self.run.group()
        names = [LOGINS, "dovecot/users"] if imap else [LOGINS]
        self.sessions().note(
            [RenderedFile(RUN / name, text, owner, group, 0o600) for name in names]
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(sessions, "_TIMEOUT", 1.0)
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("after", "losers"),
    [
        (book(alice="a phone", bob="b"), set()),
        (book(alice="a phone tablet", bob="b", carol="c"), set()),
        (book(alice="a", bob="b"), {ALICE}),
        (book(alice="new phone", bob="b"), {ALICE}),
        (book(bob="b"), {ALICE}),
        (book(alice="phone a", bob="other"), {BOB}),
        (book(), {ALICE, BOB}),
    ],
)
def test_whoever_loses_a_password(after: str, losers: set[str]) -> None:
    assert losing(book(alice="a phone", bob="b"), after) == losers


def test_all_sessions_of_the_account_end_and_no_other(place: Place) -> None:
    mine = [OpenSession(ALICE, "imap", 1), OpenSession(ALICE, "pop3", 2)]
    late, others = OpenSession(ALICE, "imap", 4), OpenSession(BOB, "imap", 3)
    place.dovecot.open = [*mine, others]
    place.dovecot.stragglers = [late]
    place.note(book(bob="b"))
    assert asyncio.run(place.sessions().end()) == {ALICE: 3}
    assert place.dovecot.open == [others]
    assert set(place.dovecot.told) == {*mine, late}
    # It is done, and not done again.
    place.dovecot.open = [*mine]
    assert asyncio.run(place.sessions().end()) == {}


def test_what_was_not_ended_is_ended_the_next_time(place: Place) -> None:
    place.dovecot.open = [OpenSession(ALICE, "imap", 1)]
    place.dovecot.away = True
    place.note(book(alice="a", bob="b"))
    (place.run / LOGINS).write_text(book(alice="a", bob="b"))
    with pytest.raises(OSError, match="away"):
        asyncio.run(place.sessions().end())
    place.dovecot.away, place.dovecot.stubborn = False, True
    place.note(book(alice="a", bob="b"))
    with pytest.raises(OSError, match=r"do not end: alice@example.org \(imap\)$"):
        asyncio.run(place.sessions().end())
    place.dovecot.stubborn = False
    assert asyncio.run(place.sessions().end()) == {ALICE: 1}


def test_a_start_has_nothing_to_end(place: Place) -> None:
    place.note(book())
    forget_sessions(place.run)
    place.dovecot.away = True
    assert asyncio.run(place.sessions().end()) == {}
    (place.run / LOGINS).unlink()
    place.note(book(alice="a"))
    assert asyncio.run(place.sessions().end()) == {}


def test_without_imap_nobody_is_asked(place: Place) -> None:
    place.dovecot.away = True
    place.note(book(), imap=False)
    assert asyncio.run(place.sessions().end()) == {}
