"""The journal: whoever hands an event over never waits, and no line is torn for a reader."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from entrypoint.journal import writer as writing
from entrypoint.journal.files import current_file, journal_files, sweep
from entrypoint.journal.writer import JournalWriter

DAY = 86_400.0
NOW = 1_795_000_000.0
ACCEPTED = "609b76e3c486345d smtp message msgid={:08x} size=928 nrcpt=1 proto=ESMTP"


def line(number: int) -> tuple[str, str, str]:
    return "info", "smtpd", ACCEPTED.format(number)


def written(folder: Path) -> list[dict[str, str]]:
    whole = b"".join(path.read_bytes() for path in journal_files(folder))
    return [json.loads(each) for each in whole.splitlines() if each.strip()]


def test_an_event_is_an_object_of_its_fields_and_nothing_else_is_written(tmp_path: Path) -> None:
    journal = JournalWriter(1, tmp_path, clock=lambda: NOW)
    debug = ("debug", *line(9)[1:])
    journal.take([line(1), debug, ("info", "smtpd", 'Table "x" updated'), line(2)])
    journal.finish()
    first, second = written(tmp_path)
    assert first["event"] == "accept"
    assert (first["msgid"], second["msgid"]) == ("00000001", "00000002")
    assert first["time"].startswith("2026-11-")
    assert "message" not in first
    (path,) = journal_files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()
    real = os.write
    monkeypatch.setattr(writing.os, "write", lambda *args: going_on.wait(20) and real(*args))
    journal = JournalWriter(1, tmp_path, most_waiting=1000)
    start = time.monotonic()
    for number in range(50):
        journal.take([line(number * 1000 + each) for each in range(1000)])
    journal.finish()
    assert time.monotonic() - start < 5
    going_on.set()
    journal.finish()
    found = written(tmp_path)
    lost = sum(int(each["dropped"]) for each in found if each["event"] == "gap")
    assert lost > 0
    # Each event is in it, or counted; what is in it is as whole as ever.
    journal.take([line(7)])
    journal.finish()
    assert len([each for each in found if each["event"] == "accept"]) + lost <= 50_000


def test_a_full_disk_leaves_a_gap_that_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    full = True
    real = os.write
    wrote: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        if not full:
            return real(descriptor, data)
        wrote.append(len(data))
        if len(wrote) == 1:  # as much as fits
            return real(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "write", write)
    monkeypatch.setattr(writing, "_TRIED_AGAIN_AFTER", 0.0)
    journal = JournalWriter(1, tmp_path, say=lambda level, text: said.append(f"{level} {text}"))
    for number in range(3):
        journal.take([line(number)])
        journal.finish()  # the thread ends, so that each is tried for itself
        journal = restarted(journal)
    assert len(said) == 1
    assert "warning the journal of `signpost trace` gets a gap" in said[0]
    full = False
    journal.take([line(3)])
    journal.finish()
    objects = readable(tmp_path)
    assert [each["event"] for each in objects] == ["gap", "accept"]
    assert objects[0]["dropped"] == "3"


def test_a_nearly_full_disk_has_no_more_of_it_and_what_is_too_old_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in (1, 5):
        current_file(tmp_path, NOW - ago * DAY).write_bytes(b"{}\n")
    here = os.statvfs(tmp_path)
    nearly_full = os.statvfs_result((*here[:3], 0, 0, *here[5:]))
    monkeypatch.setattr(writing.os, "statvfs", lambda path: nearly_full)
    said: list[str] = []
    journal = JournalWriter(
        2, tmp_path, clock=lambda: NOW, say=lambda level, text: said.append(text)
    )
    journal.take([line(1)])
    journal.finish()
    assert said == [
        f"the journal of `signpost trace` gets a gap: {tmp_path}: No space left on device"
    ]
    assert journal_files(tmp_path) == [current_file(tmp_path, NOW - DAY)]


def restarted(journal: JournalWriter) -> JournalWriter:
    """The same one with a thread again."""
    journal._ending.clear()
    journal._thread = threading.Thread(target=journal._run, daemon=True)
    journal._thread.start()
    return journal


def readable(folder: Path) -> list[dict[str, str]]:
    found = []
    for path in journal_files(folder):
        for each in path.read_bytes().splitlines():
            try:
                found.append(json.loads(each))
            except ValueError:
                continue
    return found


def test_what_was_cut_by_a_kill_does_not_spoil_the_next_line(tmp_path: Path) -> None:
    path = current_file(tmp_path, NOW)
    path.write_bytes(b'{"time": "x", "event": "accept"}\n{"time": "2026')
    journal = JournalWriter(1, tmp_path, clock=lambda: NOW)
    journal.take([line(5)])
    journal.finish()
    assert [each.get("msgid") for each in readable(tmp_path)] == [None, "00000005"]


KILLED = """
import sys
from pathlib import Path
from entrypoint.journal.writer import JournalWriter
journal = JournalWriter(1, Path(sys.argv[1]), file_bytes=20_000)
text = "609b76e3c486345d smtp message msgid=%08x size=928 nrcpt=1 proto=ESMTP"
number = 0
print("begun", flush=True)
while True:
    journal.take([("info", "smtpd", text % number)])
    number += 1
"""


def test_two_that_write_and_are_killed_leave_whole_lines(tmp_path: Path) -> None:
    for _ in range(2):
        both = [
            subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == b"begun\n"
        end = time.monotonic() + 20
        size = -1
        while time.monotonic() < end and size < 50_000:
            size = sum(path.stat().st_size for path in journal_files(tmp_path))
        for each in both:
            each.kill()
            each.communicate()
    torn = 0
    for path in journal_files(tmp_path):
        for each in path.read_bytes().splitlines():
            try:
                json.loads(each)
            except ValueError:
                torn += bool(each)
    assert torn <= 4  # of the four that were killed, each may leave one
    assert len(readable(tmp_path)) > 200


def test_days_and_bytes_have_an_end(tmp_path: Path) -> None:
    for ago in range(6):
        current_file(tmp_path, NOW - ago * DAY).write_bytes(b"x" * 1000)
    sweep(tmp_path, 3, NOW)
    assert len(journal_files(tmp_path)) == 3
    sweep(tmp_path, 3, NOW, most_bytes=2000)
    assert len(journal_files(tmp_path)) == 2
    sweep(tmp_path, 3, NOW, most_bytes=1)
    (last,) = journal_files(tmp_path)
    assert last == current_file(tmp_path, NOW)
    (tmp_path / "notes.txt").write_text("a person's")
    sweep(tmp_path, 0, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_all_files_together_stay_below_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(writing, "_AT_ONCE", 10)
    journal = JournalWriter(1, tmp_path, most_bytes=40_000, file_bytes=4_000)
    for number in range(2000):
        journal.take([line(number)])
    journal.finish()
    assert sum(path.stat().st_size for path in journal_files(tmp_path)) <= 42_000
    assert written(tmp_path)[-1]["msgid"] == f"{1999:08x}"


def test_the_day_changes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_LOOK_EVERY", 0.0)
    now = NOW
    journal = JournalWriter(2, tmp_path, clock=lambda: now)
    for _ in range(3):
        journal.take([line(1)])
        journal.finish()
        journal = restarted(journal)
        now += DAY
    assert len(journal_files(tmp_path)) == 2
    journal.finish()


def test_no_link_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    other = tmp_path / "other"
    current_file(folder, NOW).symlink_to(other)
    said: list[str] = []
    journal = JournalWriter(1, folder, clock=lambda: NOW, say=lambda level, text: said.append(text))
    journal.take([line(1)])
    journal.finish()
    assert not other.exists()
    assert said


def test_a_folder_that_is_a_link_is_none(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "journal").symlink_to("elsewhere")
    journal = JournalWriter(1, tmp_path / "journal", say=lambda level, text: said.append(text))
    journal.take([line(1)])
    journal.finish()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (text,) = said
    assert f"{tmp_path / 'journal'}: Not a directory" in text


def test_a_clock_that_goes_back_and_on_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_LOOK_EVERY", 0.0)
    moment = [NOW]
    journal = JournalWriter(500, tmp_path, clock=lambda: moment[0])
    for number, days in enumerate((0, -1, -400, 0, 1), 1):
        moment[0] = NOW + days * DAY
        journal.take([line(number)])
        deadline = time.monotonic() + 10
        while len(written(tmp_path)) < number:
            assert time.monotonic() < deadline
    journal.finish()
    found = written(tmp_path)
    assert {each["msgid"] for each in found} == {f"{number:08x}" for number in range(1, 6)}
    assert len(journal_files(tmp_path)) == 4


def test_without_its_folder_the_log_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    journal = JournalWriter(1, tmp_path / "gone", say=lambda level, text: said.append(text))
    journal.take([line(1), line(2)])
    journal.finish()
    assert len(said) == 1
