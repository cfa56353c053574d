"""All accounts in turn: none holds up the others, and what fails is said once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from entrypoint.junk import account_learner, due_lesson, words
from entrypoint.junk import learner as learners
from entrypoint.junk.account_state import AccountState, Counts, DeliveryNote, open_state
from entrypoint.junk.learner import Learner, MailboxList
from entrypoint.junk.lessons import locked
from entrypoint.junk.mailbox_changes import Noted

from .mailbox import Mailbox
from .stand_in import stand_in

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture
def boxes(tmp_path: Path) -> dict[str, Mailbox]:
    (tmp_path / "example.org").mkdir()
    return {name: Mailbox(tmp_path / "example.org" / name) for name in ("alice", "bob")}


@pytest.fixture
def learner(tmp_path: Path, boxes: dict[str, Mailbox]) -> Learner:
    learner = Learner(lambda: [ALICE, BOB], mail=tmp_path, quiet=-1)
    while learner.look() == 0:
        pass
    return learner


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, from `info` on."""
    caplog.set_level(logging.INFO)
    return caplog


def test_a_large_move_does_not_hold_up_another_account(
    boxes: dict[str, Mailbox],
    learner: Learner,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log has one line for all of it."""
    monkeypatch.setattr(learners, "_TURN", 0.2)
    boxes["alice"].deliver_junk(40)
    boxes["bob"].deliver_junk(1)
    assert learner.look() == 0
    assert boxes["alice"].learned().spam < 40
    assert boxes["bob"].learned() == Counts(1, 0)
    while learner.look() == 0:
        pass
    assert boxes["alice"].learned() == Counts(40, 0)
    assert [line for line in said.messages if " learned " in line] == [
        f"{BOB}: learned spam=1 ham=0",
        f"{ALICE}: learned spam=40 ham=0",
    ]


def test_what_takes_long_is_said_meanwhile(
    boxes: dict[str, Mailbox],
    learner: Learner,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learners, "_TURN", 0.01)
    monkeypatch.setattr(learners, "_SAID_EVERY", 0.0)
    boxes["alice"].deliver_junk(5)
    while learner.look() == 0:
        pass
    counts = [int(line.partition("spam=")[2].split()[0]) for line in said.messages]
    assert len(counts) > 1
    assert sum(counts) == 5


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 5), (1.0, 10), (9.0, 20)])
def test_looks_that_take_long_are_rarer(
    boxes: dict[str, Mailbox],
    learner: Learner,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    pause: float,
) -> None:
    """A mailbox of 300,000 messages is listed after each that comes."""
    now, note, looks = time.monotonic, account_learner.note_changes, list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: now() + sum(looks))

    def slow(*arguments: Any, **named: Any) -> Noted:
        looks.append(0.0 if looks else seconds)
        return note(*arguments, **named)

    monkeypatch.setattr(account_learner, "note_changes", slow)
    boxes["alice"].deliver()
    found = next(filter(None, (learner.look() for _ in range(9))))
    assert pause <= found < pause + 5


def test_an_account_that_fails_is_said_once_and_tried_again(
    boxes: dict[str, Mailbox],
    learner: Learner,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learners, "_FIRST_PAUSE", 0.0)
    wordlist = boxes["alice"].home / "junk/wordlist.db"
    wordlist.write_bytes(b"rubbish" * 1000)
    for box in boxes.values():
        box.move(box.deliver(), ".Junk")
    for _ in range(3):
        learner.look()
    assert [record.levelname for record in said.records if ALICE in record.message] == ["ERROR"]
    assert [each for each in learner.troubles() if "wordlist.db" in each]
    assert boxes["bob"].learned() == Counts(1, 0)
    wordlist.unlink()
    learner.look()
    assert not learner.troubles()
    assert "junk is learned again" in said.text
    assert boxes["alice"].learned() == Counts(1, 0)


def test_a_lock_that_is_never_given_back_is_named(
    boxes: dict[str, Mailbox], learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a bogofilter that hangs, and whose parent was killed."""
    boxes["alice"].deliver_junk(1)
    clock = [time.monotonic()]
    monkeypatch.setattr(account_learner, "_PATIENCE", -1.0)
    with locked(boxes["alice"].home):
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        learner.look()
        clock[0] += 200
        learner.look()
        assert learner.troubles() == []
        clock[0] += 200
        learner.look()
        assert "another program has been learning" in learner.troubles()[0]
    clock[0] += 400
    learner.look()
    assert learner.troubles() == []


def test_what_fails_again_and_again_is_tried_less_often(
    boxes: dict[str, Mailbox], learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes["alice"].deliver_junk(1)
    monkeypatch.setattr(words, "BOGOFILTER", "false")
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pauses = []
    for _ in range(9):
        learner.look()
        pauses.append(learner._failing[ALICE].pause)
        clock[0] += pauses[-1] + 1
    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == 300


@pytest.fixture
def choosy(tmp_path: Path) -> str:
    """A bogofilter that fails on some messages."""
    return stand_in(
        tmp_path,
        't=$(cat); case "$t" in *poison*) exit 3;; esac; printf %s "$t" | bogofilter "$@"',
    )


def test_a_message_that_cannot_be_learned_holds_up_no_other(
    boxes: dict[str, Mailbox], choosy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = boxes["alice"]
    box.look()
    monkeypatch.setattr(words, "BOGOFILTER", choosy)
    box.move(box.deliver(words="poison"), ".Junk")
    for number in range(7):
        box.move(box.deliver(words=f"fine{number}"), ".Junk")
        box.look()
        assert box.learned().spam == number + 1
    monkeypatch.setattr(words, "BOGOFILTER", "bogofilter")
    box.look()
    assert box.learned().spam == 7  # given up


def test_several_messages_that_cannot_be_learned_hold_up_no_other(
    boxes: dict[str, Mailbox], choosy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds out how to crash bogofilter sends more than one such message."""
    box = boxes["alice"]
    box.look()
    monkeypatch.setattr(words, "BOGOFILTER", choosy)
    for _ in range(3):
        box.move(box.deliver(words="poison"), ".Junk")
    for number in range(8):
        box.move(box.deliver(words=f"fine{number}"), ".Junk")
        for _ in range(3):
            with contextlib.suppress(words.WordsError):
                box.look()
        assert box.learned().spam == number + 1
    box.look()  # all three are given up: nothing waits


def test_a_message_that_nobody_thought_of_holds_up_no_other(
    boxes: dict[str, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = boxes["alice"]
    box.look()
    real = due_lesson.delivery_of

    def fail(state: AccountState, message: bytes) -> DeliveryNote | None:
        if b"poison" in message:
            raise KeyError("what")
        return real(state, message)

    monkeypatch.setattr(due_lesson, "delivery_of", fail)
    box.move(box.deliver(words="poison"), ".Junk")
    box.move(box.deliver(), ".Junk")
    with contextlib.suppress(KeyError):
        box.look()
    assert box.learned() == Counts(1, 0)


def test_no_lesson_is_given_up_while_nothing_can_be_learned(
    boxes: dict[str, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail that is only looked at goes well on a full disk, too."""
    box = boxes["alice"]
    box.look()
    monkeypatch.setattr(words, "BOGOFILTER", "false")
    box.move(box.deliver(), ".Junk")
    for _ in range(8):
        box.deliver()
        with pytest.raises(words.WordsError):
            box.look()
    monkeypatch.setattr(words, "BOGOFILTER", "bogofilter")
    assert box.look() == Counts(1, 0)


def test_a_lock_that_another_has_is_waited_for_elsewhere(
    boxes: dict[str, Mailbox], learner: Learner, caplog: pytest.LogCaptureFixture
) -> None:
    for box in boxes.values():
        box.move(box.deliver(), ".Junk")
    with locked(boxes["alice"].home):
        learner.look()
    assert boxes["alice"].learned() == Counts(0, 0)
    assert boxes["bob"].learned() == Counts(1, 0)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    learner.look()
    assert boxes["alice"].learned() == Counts(1, 0)


def test_an_account_that_is_gone_is_not_touched(boxes: dict[str, Mailbox], tmp_path: Path) -> None:
    learner = Learner(lambda: [ALICE, "gone@example.org", "../x@..", "a"], mail=tmp_path, quiet=-1)
    learner.look()
    assert not (tmp_path / "example.org/gone").exists()
    assert not (boxes["bob"].home / "junk").exists()
    assert (boxes["alice"].home / "junk").exists()


def test_what_nobody_thought_of_is_one_accounts(
    boxes: dict[str, Mailbox], learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise KeyError("what")

    monkeypatch.setattr(learner._learners[ALICE], "turn", fail)
    boxes["bob"].move(boxes["bob"].deliver(), ".Junk")
    learner.look()
    assert boxes["bob"].learned() == Counts(1, 0)
    assert learner.troubles() == [f"{ALICE}: KeyError: 'what'"]


def test_the_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mailboxes"
    accounts = MailboxList(path)
    assert accounts.accounts() == frozenset()
    path.write_text(f"{ALICE}\n")
    assert accounts.accounts() == {ALICE}
    path.with_name("new").write_text(f"{ALICE}\n{BOB}\n")
    path.with_name("new").replace(path)
    assert accounts.accounts() == {ALICE, BOB}
    path.unlink()
    assert accounts.accounts() == frozenset()


def test_it_runs_beside_others_and_ends_at_once(boxes: dict[str, Mailbox], tmp_path: Path) -> None:
    box = boxes["alice"]
    learner = Learner(lambda: [ALICE], mail=tmp_path, quiet=-1, every=0.02)

    async def run() -> None:
        task = asyncio.create_task(learner.run())
        # The first look has ended: what comes afterwards is new.
        notes = box.home / "junk/seen.sqlite"
        while not notes.exists() or learner._learners[ALICE]._as_seen is None:
            await asyncio.sleep(0.01)
        box.move(box.deliver(), ".Junk")
        with open_state(box.home) as state:
            while state.counts() != Counts(1, 0):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), 10))
    shutil.rmtree(box.home)
    Mailbox(box.home)
    asyncio.run(asyncio.wait_for(run(), 10))
    assert not [each for each in threading.enumerate() if each.name.startswith("learner")]
