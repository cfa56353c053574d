"""Samples through a named pipe: whoever writes never waits, and what is lost is counted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from entrypoint.metrics import event_pipe
from entrypoint.metrics.event_pipe import SampleReader, SampleSender

CONNECTED = ("info", "smtpd", "609b76e3c486345d smtp connected address=192.0.2.1 host=x")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "events"
    os.mkfifo(path)
    return path


def rest_of(reader: SampleReader) -> list[bytes]:
    found: list[bytes] = []
    while lines := reader.read():
        found += lines
    return found


def test_samples_arrive_also_those_from_before_the_reader(pipe: Path) -> None:
    sender = SampleSender(pipe)
    sender.take([CONNECTED])
    reader = SampleReader(pipe)
    sender.take([CONNECTED, ("error", "dovecot", "x")])
    assert rest_of(reader) == [
        *(b"line smtpd info", b"connection") * 2,
        b"line dovecot error",
    ]
    assert sender.dropped == 0


def test_a_reader_that_hangs_holds_up_nobody_and_nothing_grows(pipe: Path) -> None:
    sender, reader = SampleSender(pipe), SampleReader(pipe)
    start = time.monotonic()
    for _ in range(120):
        # 96,000 samples, more than fit; the last that comes in is not a whole batch.
        sender.take([CONNECTED] * 400)
    assert time.monotonic() - start < 20
    arrived = rest_of(reader)
    # None is torn, and all are accounted for.
    numbers = [int(line[8:]) for line in arrived if line.startswith(b"dropped ")]
    whole = [line for line in arrived if not line.startswith(b"dropped ")]
    assert set(whole) == {b"line smtpd info", b"connection"}
    assert len(whole) + sum(numbers) + sender.dropped == 96_000
    assert sum(numbers) + sender.dropped > 1_000
    # When there is room again the number of those that are missing comes first.
    dropped = sender.dropped
    sender.take([CONNECTED])
    assert rest_of(reader) == [b"dropped %d" % dropped, b"line smtpd info", b"connection"]
    assert sender.dropped == 0


def test_a_reader_that_is_killed_and_comes_back_goes_on(pipe: Path) -> None:
    sender, first = SampleSender(pipe), SampleReader(pipe)
    sender.take([CONNECTED])
    rest_of(first)
    os.close(first.descriptor)
    sender.take([CONNECTED])
    second = SampleReader(pipe)
    assert rest_of(second) == [b"line smtpd info", b"connection"]


def test_nobody_who_writes_is_an_end_that_is_none(pipe: Path) -> None:
    sender, reader = SampleSender(pipe), SampleReader(pipe)
    sender.take([CONNECTED])
    assert sender._descriptor is not None
    os.close(sender._descriptor)
    assert reader.read() == [b"line smtpd info", b"connection"]
    assert reader.read() is None
    SampleSender(pipe).take([CONNECTED])
    assert reader.read() == [b"line smtpd info", b"connection"]


def test_without_a_pipe_all_is_dropped_and_it_is_looked_for_now_and_then(tmp_path: Path) -> None:
    now, path = 0.0, tmp_path / "events"
    sender = SampleSender(path, lambda: now)
    sender.take([CONNECTED])
    path.write_text("a file, which is none")
    now = 6.0
    sender.take([CONNECTED])
    assert path.read_text() == "a file, which is none"
    path.unlink()
    os.mkfifo(path)
    sender.take([CONNECTED])
    assert sender.dropped == 6
    reader = SampleReader(path)
    now = 12.0
    sender.take([CONNECTED])
    assert rest_of(reader) == [b"dropped 6", b"line smtpd info", b"connection"]


def test_a_fault_of_ours_ends_no_log(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*event: str) -> list[tuple[str, ...]]:
        raise RuntimeError("a bug")

    sender = SampleSender(pipe)
    monkeypatch.setattr(event_pipe, "samples_of", fails)
    sender.take([CONNECTED])
    assert sender.dropped == 1
