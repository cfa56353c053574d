"""What an account's state keeps, what it drops, and what it says when it cannot be used."""

from __future__ import annotations

import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from entrypoint.junk import account_state, state_file
from entrypoint.junk.account_state import (
    Counts,
    DeliveryNote,
    Lesson,
    StateError,
    open_existing,
    open_state,
)

DIGEST = b"d" * 32
HAM = Lesson(DIGEST, "ham", "answered", "example.net", 1000)
SPAM = Lesson(DIGEST, "spam", "moved", "example.net", 2000)


def test_nothing_is_made_by_looking_nor_in_a_home_that_is_gone(tmp_path: Path) -> None:
    assert open_existing(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StateError, match="No such file"), open_state(tmp_path / "removed"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_nearest_rule_counts(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.set_sender_rule("Example.ORG", "block")
        state.set_sender_rule("alice@example.org", "allow")
        state.set_sender_rule("lists.example.org", "allow")
        assert state.sender_rule("ALICE@example.org") == "allow"
        assert state.sender_rule("bob@example.org") == "block"
        assert state.sender_rule("bob@mail.lists.example.org") == "allow"
        assert state.sender_rule("bob@anexample.org") is None
        assert state.sender_rule("") is None
        assert state.remove_sender_rule("example.org")
        assert not state.remove_sender_rule("example.org")
        assert state.sender_rule("bob@example.org") is None
        assert [key for key, _ in state.sender_rules()] == [
            "alice@example.org",
            "lists.example.org",
        ]


def test_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_WRITTEN_TO", "MOST_AUTHORS", "MOST_DELIVERIES", "MOST_LESSONS"):
        monkeypatch.setattr(account_state, name, 5)
    with open_state(tmp_path) as state:
        for number in range(20):
            state.note_author(f"{number}@example.org", number)
            state.note_author("often@example.org", number)
            state.add_written_to([f"{number}@example.org", "often@example.org"], number)
            state.note_delivery(f"{number}", number, False, True, "example.org")
            state.taken(Lesson(bytes([number]), "ham", "filed", "example.org", number))
        assert not state.is_first_contact("often@example.org")
        assert state.was_written_to("Often@example.org")
        for number in range(20):
            assert state.is_first_contact(f"{number}@example.org") == (number < 16)
            assert state.was_written_to(f"{number}@example.org") == (number >= 16)
            assert (state.delivery(f"{number}") is None) == (number < 15)
            assert (state.lesson(bytes([number])) is None) == (number < 15)
        assert state.counts() == Counts(0, 20)


def test_a_delivery_is_known_by_its_mark(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.note_delivery("0af", 7, True, False, "Example.org")
        assert state.delivery("0af") == DeliveryNote(7, True, False, "example.org")
        assert state.delivery("other") is None


def test_a_threshold_is_set_and_taken_back(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        assert state.threshold() is None
        state.set_threshold(7)
        assert state.threshold() == 7.0
        state.set_threshold(None)
        assert state.threshold() is None


def test_a_lesson_counts_once_and_a_reversal_for_the_other(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.begin(HAM, Counts(3, 4))
        assert state.pending() == (HAM, Counts(3, 4))
        assert state.counts() == Counts()
        state.taken(HAM)
        assert state.pending() is None
        assert state.counts() == Counts(0, 1)
        state.begin(SPAM, Counts(3, 5))
        state.not_taken()
        assert state.lesson(DIGEST) == HAM
        state.taken(SPAM)
        assert state.lesson(DIGEST) == SPAM
        assert state.counts() == Counts(1, 0)
        assert state.lessons_of("moved", "spam") == 1
        assert state.lessons_of("moved", "spam", "example.net", (2000, 2000)) == 1
        assert state.lessons_of("moved", "spam", "example.org") == 0
        assert state.lessons_of("moved", "spam", within=(2001, 9000)) == 0
        assert state.lessons_of("moved", "ham") == state.lessons_of("answered", "ham") == 0


def test_what_fails_inside_changes_nothing(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:

        def change() -> None:
            with state.changing():
                state.set_threshold(1)
                raise KeyError

        with pytest.raises(KeyError):
            change()
        assert state.threshold() is None


def test_a_flood_of_deliveries_does_not_grow_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "_LOG_PAGES", 10)
    log = tmp_path / "junk" / "state.sqlite-wal"
    with open_state(tmp_path) as state:  # makes the tables
        state.note_author("first@example.org", 0)
    sizes = []
    for number in range(40):  # each in an opening of its own, as deliveries are
        with open_state(tmp_path) as state:
            state.note_author(f"{number}@example.org", number)
        sizes.append(log.stat().st_size if log.exists() else 0)
    assert max(sizes) <= 10 * 4120 + 32  # a frame has 24 bytes besides its page
    if sys.version_info >= (3, 12):  # and most of them do not wait for the disk
        assert sum(size > 0 for size in sizes) > 20
    with open_state(tmp_path) as state:
        assert not any(state.is_first_contact(f"{number}@example.org") for number in range(40))


def test_threads_and_programs_write_side_by_side(tmp_path: Path) -> None:
    failed: list[Exception] = []

    def write(which: int) -> None:
        try:
            for number in range(50):
                with open_state(tmp_path) as state:
                    state.note_delivery(f"{which} {number}", number, False, True, "")
        except StateError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with open_state(tmp_path) as state:
        assert all(state.delivery(f"{which} 49") for which in range(4))


def test_a_damaged_file_says_where_and_the_cure(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        path = state.path
    for left in path.parent.iterdir():
        left.unlink()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match=r"junk/state\.sqlite: .*forget"), open_state(tmp_path):
        pass


def test_a_locked_file_is_given_up_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "_BUSY", 0.05)
    with open_state(tmp_path) as state:
        other = sqlite3.connect(state.path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            state.note_author("a@example.org", 1)
        other.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        state.set_threshold(1)
        assert state.path.parent.stat().st_mode & 0o777 == 0o700
        assert {each.stat().st_mode & 0o777 for each in state.path.parent.iterdir()} == {0o600}
