"""Each message is learned once, whatever is killed when: with a real bogofilter."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from entrypoint.files import has_lock
from entrypoint.junk import lessons, state_file, words
from entrypoint.junk.account_report import account_report
from entrypoint.junk.account_state import FOLDER, Counts, Lesson, StateError, open_state
from entrypoint.junk.digest import digest
from entrypoint.junk.lessons import forget, locked, recover, teach
from entrypoint.junk.words import WordsError, message_counts

from .stand_in import stand_in

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

TEXT = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def message(number: int) -> bytes:
    chosen = random.Random(number).choices(TEXT, k=12)
    return f"From: a{number}@example.net\nSubject: number {number}\n\n{' '.join(chosen)}\n".encode()


def words_of(home: Path) -> list[bytes]:
    """What bogofilter has counted, without days."""
    dump = subprocess.run(
        ["bogoutil", "-d", home / FOLDER / "wordlist.db"], capture_output=True, check=True
    )
    return sorted(line.rsplit(b" ", 1)[0] for line in dump.stdout.splitlines())


def counts(home: Path) -> Counts:
    with open_state(home) as state:
        assert state.pending() is None
        assert state.counts() == message_counts(home)
        return state.counts()


def test_a_message_is_learned_once_and_a_reversal_leaves_nothing(tmp_path: Path) -> None:
    assert teach(tmp_path, message(1), "spam", "moved")
    assert not teach(tmp_path, message(1), "spam", "flagged")
    crlf = b"X-Mozilla-Status: 0001\r\n" + message(1).replace(b"\n", b"\r\n")
    assert not teach(tmp_path, crlf, "spam", "moved")
    assert counts(tmp_path) == Counts(1, 0)
    assert teach(tmp_path, message(1), "ham", "moved")
    assert counts(tmp_path) == Counts(0, 1)
    (tmp_path / "other").mkdir()
    assert teach(tmp_path / "other", message(1), "ham", "moved")
    assert [line for line in words_of(tmp_path) if not line.endswith(b" 0 0")] == words_of(
        tmp_path / "other"
    )


def test_what_the_server_wrote_on_top_is_no_word(tmp_path: Path) -> None:
    teach(tmp_path, b"X-Signpost-Junk: no score=unusualword\n" + message(1), "spam", "moved")
    assert b"unusualword" not in b"".join(words_of(tmp_path))


@pytest.mark.parametrize("taken", [False, True])
def test_a_kill_between_the_note_and_the_words(tmp_path: Path, taken: bool) -> None:
    """The row is written; then bogofilter was run, or was not."""
    teach(tmp_path, message(0), "ham", "moved")
    lesson = Lesson(digest(message(1)), "spam", "moved", "", 1)
    with open_state(tmp_path) as state:
        state.begin(lesson, Counts(0, 1))
    if taken:
        words.learn(tmp_path, message(1), "spam")
    assert teach(tmp_path, message(1), "spam", "moved") is not taken
    assert counts(tmp_path) == Counts(1, 1)
    assert not teach(tmp_path, message(1), "spam", "moved")


@pytest.mark.parametrize("taken", [False, True])
def test_a_kill_in_the_middle_of_a_reversal(tmp_path: Path, taken: bool) -> None:
    teach(tmp_path, message(1), "spam", "moved")
    with open_state(tmp_path) as state:
        state.begin(Lesson(digest(message(1)), "ham", "moved", "", 1), Counts(1, 0))
    if taken:
        words.learn(tmp_path, message(1), "ham", instead_of=True)
    assert teach(tmp_path, message(1), "ham", "moved") is not taken
    assert counts(tmp_path) == Counts(0, 1)


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_is_left_behind_by_a_kill_holds_the_lock(tmp_path: Path) -> None:
    """bogofilter goes on when its parent is killed: what it learns afterwards counts."""
    slow = stand_in(tmp_path, f': > {tmp_path}/began; sleep 1; exec bogofilter "$@"')
    child = os.fork()
    if child == 0:  # pragma: no cover
        words.BOGOFILTER = slow
        teach(tmp_path, message(1), "spam", "moved")
        os._exit(0)
    until(lambda: (tmp_path / "began").exists())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert message_counts(tmp_path) == (0, 0)
    assert not teach(tmp_path, message(1), "spam", "moved")
    assert counts(tmp_path) == Counts(1, 0)


def test_killed_at_any_moment_all_is_learned_once(tmp_path: Path) -> None:
    killed_at_moments(tmp_path, kills=25, messages=30)


@pytest.mark.reliability
def test_killed_at_many_moments_all_is_learned_once(tmp_path: Path) -> None:
    killed_at_moments(tmp_path, kills=400, messages=300)


def killed_at_moments(tmp_path: Path, kills: int, messages: int) -> None:
    home, reference = tmp_path / "home", tmp_path / "reference"
    for each in (home, reference):
        each.mkdir()
    program = (
        "import sys; from pathlib import Path\n"
        "from entrypoint.junk.lessons import teach\n"
        "from tests.entrypoint.junk.test_lessons import message\n"
        "home = Path(sys.argv[1])\n"
        "print('begins', flush=True)\n"
        f"for number in range({messages}):\n"
        "    teach(home, message(number), ('spam', 'ham')[number % 2], 'moved')\n"
        "    teach(home, message(number), ('ham', 'ham', 'spam')[number % 3], 'moved')\n"
    )
    command = [sys.executable, "-c", program]
    moments = random.Random(7)
    for _ in range(kills):
        child = subprocess.Popen(
            [*command, str(home)],
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begins\n"  # else nothing is killed but imports
        time.sleep(moments.random() * 0.4)  # any moment
        # Sometimes with bogofilter, sometimes without.
        (os.killpg if moments.random() < 0.5 else os.kill)(child.pid, signal.SIGKILL)
        assert child.communicate()[1] == b""
    # To its end. What was reversed before is reversed to and fro, so the last word counts.
    for each in (home, reference):
        subprocess.run([*command, str(each)], check=True, stdout=subprocess.DEVNULL)
    assert counts(home) == counts(reference)

    def alive(each: Path) -> list[bytes]:
        return [line for line in words_of(each) if not line.endswith(b" 0 0")]

    assert alive(home) == alive(reference)


def test_a_bogofilter_that_fails_has_taught_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "BOGOFILTER", "false")
    with pytest.raises(WordsError):
        teach(tmp_path, message(1), "spam", "moved")
    monkeypatch.setattr(words, "BOGOFILTER", "bogofilter")
    assert teach(tmp_path, message(1), "spam", "moved")
    assert counts(tmp_path) == Counts(1, 0)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param('bogofilter "$@"; exit 3', id="it had learned"),
        # As one that waits for a disk: it is killed once the disk has answered.
        pytest.param(
            'exec 3<&0; (sleep 0.5; exec bogofilter "$@") <&3 & exec sleep 9', id="it still learns"
        ),
    ],
)
def test_a_bogofilter_that_fails_and_learns_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(words, "BOGOFILTER", stand_in(tmp_path, script))
    monkeypatch.setattr(words, "LEARNED_WITHIN", 0.2)
    with pytest.raises(WordsError):
        teach(tmp_path, message(1), "spam", "moved")
    monkeypatch.setattr(words, "BOGOFILTER", "bogofilter")
    monkeypatch.setattr(words, "LEARNED_WITHIN", 20)
    assert not teach(tmp_path, message(1), "spam", "moved")
    assert counts(tmp_path) == Counts(1, 0)


def test_the_words_replaced_meanwhile_are_no_lesson(tmp_path: Path) -> None:
    """A wordlist of another day was put in place, by a restore."""
    teach(tmp_path, message(0), "ham", "moved")
    with open_state(tmp_path) as state:
        state.begin(Lesson(digest(message(1)), "spam", "moved", "", 1), Counts(7, 7))
        assert not recover(tmp_path, state)
        assert state.lesson(digest(message(1))) is None


def test_learners_and_trainers_take_turns(tmp_path: Path) -> None:
    failed: list[Exception] = []

    def learn() -> None:
        try:
            for number in range(8):
                teach(tmp_path, message(number), "spam", "moved")
        except (StateError, WordsError) as error:
            failed.append(error)

    threads = [threading.Thread(target=learn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert counts(tmp_path) == Counts(8, 0)


def test_a_lock_that_is_not_given_back_is_said(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(StateError, match="junk/lock: another program"),
        locked(tmp_path, 0.1),
    ):
        pass


@pytest.mark.parametrize("whose", ["lesson", "backup"])
def test_a_lock_that_is_free_for_milliseconds_is_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """As while old mail is learned from: for 3 ms of 40."""
    (tmp_path / FOLDER).mkdir()
    clock = [0.0]

    def flock(_descriptor: int, _how: int) -> None:
        if not 0.006 <= clock[0] % 0.04 < 0.009:
            raise BlockingIOError

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    with (tmp_path / FOLDER / lessons.LOCK).open("w") as lock:
        if whose == "backup":
            assert has_lock(lock.fileno(), 3)
        else:
            with locked(tmp_path, 3):
                pass
    assert clock[0] < 0.5


def test_a_lock_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `forget`, between its opening and its locking."""
    path, real = tmp_path / FOLDER / lessons.LOCK, fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path) as descriptor:
        assert os.fstat(descriptor).st_ino == path.stat().st_ino
        with pytest.raises(StateError), locked(tmp_path, 0.1):
            pass


def test_no_home_is_made(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        teach(tmp_path / "gone", message(1), "spam", "moved")
    assert not (tmp_path / "gone").exists()


def test_a_word_list_that_was_killed_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    with locked(tmp_path), open_state(tmp_path) as state:
        state.begin(Lesson(digest(message(1)), "spam", "moved", "", 1), Counts(0, 0))
        with closing(sqlite3.connect(tmp_path / FOLDER / "wordlist.db")) as database:
            database.execute("CREATE TABLE bogofilter (key BLOB PRIMARY KEY, value BLOB)")
    assert teach(tmp_path, message(1), "spam", "moved")
    assert b".ENCODING 2 0" in words_of(tmp_path)


def test_words_without_their_count_are_not_removed(tmp_path: Path) -> None:
    """Only a word list that was new can have been killed while it was made."""
    teach(tmp_path, message(0), "ham", "moved")
    path = tmp_path / FOLDER / "wordlist.db"
    with locked(tmp_path), open_state(tmp_path) as state:
        state.begin(Lesson(digest(message(1)), "spam", "moved", "", 1), Counts(0, 1))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DELETE FROM bogofilter WHERE key = ?", (b".MSG_COUNT",))
    with pytest.raises(WordsError, match="has no words, though 1 messages were learned"):
        teach(tmp_path, message(1), "spam", "moved")
    assert b"gamma 0 1" in words_of(tmp_path)


@pytest.mark.parametrize("left", [b"", None])
def test_words_that_are_lost_are_not_taken_for_words_that_were_never_there(
    tmp_path: Path, left: bytes | None
) -> None:
    """No lesson is taken twice: so nothing brings the words back, and somebody must know."""
    teach(tmp_path, message(1), "spam", "moved")
    path = tmp_path / "junk/wordlist.db"
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    for number in (1, 2):
        with pytest.raises(WordsError, match="has no words, though 1 messages were learned; rest"):
            teach(tmp_path, message(number), "spam", "trained")
    assert account_report(tmp_path).troubles[0].startswith(f"{path}: has no words")
    forget(tmp_path)
    assert teach(tmp_path, message(1), "spam", "trained")
    assert not account_report(tmp_path).troubles


def test_forget_leaves_the_state_to_those_who_have_it_open(tmp_path: Path) -> None:
    """A delivery does, and the next one must not find another database under its name."""
    teach(tmp_path, message(1), "spam", "trained")
    with open_state(tmp_path) as held:
        held.set_sender_rule("a.example", "block")
        held.set_threshold(6)
        assert forget(tmp_path)
        held.note_author("b@b.example", 1)
        with open_state(tmp_path) as another:
            assert not another.is_first_contact("b@b.example")
            assert not another.sender_rules()
            assert another.counts() == Counts()
            assert another.threshold() is None
    assert teach(tmp_path, message(1), "spam", "trained")
    assert forget(tmp_path)
    assert not forget(tmp_path)
    left = b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert b"b.example" not in left


def test_forget_leaves_the_words_to_those_who_have_them_open(tmp_path: Path) -> None:
    """As a verdict that is judged meanwhile: it must not read another database's log."""
    for number in (1, 2):
        teach(tmp_path, message(number), "spam", "trained")
    path = tmp_path / FOLDER / words.WORDLIST
    with closing(sqlite3.connect(path)) as held:
        assert held.execute("SELECT count(*) FROM bogofilter").fetchone()[0] > 5
        assert forget(tmp_path)
        assert not forget(tmp_path)
        assert message_counts(tmp_path) == (0, 0)
        assert teach(tmp_path, message(3), "ham", "trained")
        found = held.execute("SELECT value FROM bogofilter WHERE key = ?", (b".MSG_COUNT",))
        assert found.fetchone()[0][:8] == struct.pack("=II", 0, 1)
    (tmp_path / "new").mkdir()
    teach(tmp_path / "new", message(3), "ham", "trained")
    assert words_of(tmp_path) == words_of(tmp_path / "new")
    assert forget(tmp_path)
    left = b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert b"subj:" not in left


def test_a_kill_after_forget_leaves_the_words_their_log(tmp_path: Path) -> None:
    """Of a database that is removed without its log the next one of that name would get it."""
    teach(tmp_path, message(1), "spam", "trained")
    forget(tmp_path)
    path = tmp_path / FOLDER / words.WORDLIST
    with closing(sqlite3.connect(path)) as held, open_state(tmp_path) as state:
        held.execute("SELECT count(*) FROM bogofilter").fetchone()
        state.begin(Lesson(digest(message(2)), "ham", "moved", "", 1), Counts(0, 0))
        assert not recover(tmp_path, state)
        assert path.exists()
    assert teach(tmp_path, message(2), "ham", "moved")
    assert counts(tmp_path) == Counts(0, 1)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE lessons ADD COLUMN language TEXT",
        "ALTER TABLE deliveries DROP COLUMN domain",
        "DROP INDEX lessons_by_source; ALTER TABLE lessons DROP COLUMN domain",
    ],
)
def test_a_state_of_another_version_says_the_cure(tmp_path: Path, change: str) -> None:
    teach(tmp_path, message(1), "spam", "trained")
    with closing(sqlite3.connect(tmp_path / FOLDER / "state.sqlite")) as database:
        database.executescript(change)

    def use() -> None:
        teach(tmp_path, message(2), "spam", "trained")
        with open_state(tmp_path) as state:
            state.note_delivery("mark", 1, False, False, "")

    with pytest.raises(StateError, match=r"state\.sqlite: .*afresh with `signpost junk forget"):
        use()
    assert forget(tmp_path)
    use()
    assert counts(tmp_path) == Counts(1, 0)


def test_forget_removes_no_state_that_others_write_to_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "_BUSY", 0.05)
    teach(tmp_path, message(1), "spam", "trained")
    path = tmp_path / FOLDER / "state.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            forget(tmp_path)
        assert path.exists()
    assert counts(tmp_path) == Counts(1, 0)
    assert forget(tmp_path)


def test_a_home_that_cannot_be_entered_is_named(tmp_path: Path) -> None:
    """As one of another user: the report on all accounts has the others."""
    home = tmp_path / ("long" * 100)  # root may enter any that there is
    report = account_report(home)
    assert report.learned is None
    assert f"{home}/junk/state.sqlite: File name too long" in report.troubles
