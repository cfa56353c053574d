"""Lines out of what a program writes, however it comes."""

from __future__ import annotations

import io
import os
import queue
import random
from collections.abc import Iterator, Sequence

from entrypoint.supervise.log_reader import LONGEST, LogReader, in_lines

LENGTHS = (0, 1, 80, LONGEST - 2, LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST)


def parts(data: bytes, chance: random.Random) -> Iterator[bytes]:
    most = chance.choice([3_000, 70_000])
    while data:
        size = chance.randrange(1, most)
        yield data[:size]
        data = data[size:]


def test_lines_are_the_same_however_they_come() -> None:
    chance = random.Random(17)
    for _ in range(200):
        data = b"".join(
            b"x" * chance.choice(LENGTHS) + chance.choice([b"\n", b"\r\n", b""])
            for _ in range(chance.randrange(30))
        )
        whole = io.BytesIO(data)
        expected = list(iter(lambda whole=whole: whole.readline(LONGEST), b""))  # type: ignore[misc]
        found = [line for lines in in_lines(parts(data, chance)) for line in lines]
        assert found == expected


def test_a_line_alone_is_written_at_once_and_many_together() -> None:
    written = queue.SimpleQueue[Sequence[tuple[str, str, str]]]()
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as output:
        log = LogReader("web", output, written.put)
        os.write(writer, b"info: one\ninfo: tw")
        assert written.get(timeout=10) == [("info", "web", "one")]
        more = [("info", "web", "more")] * 1000
        os.write(writer, b"o\n" + b"info: more\n" * 1000 + b"info: end")
        assert written.get(timeout=10) == [("info", "web", "two"), *more]
        os.close(writer)
        assert written.get(timeout=10) == [("info", "web", "end")]
        log.finish()


def test_a_fault_of_ours_stops_no_program() -> None:
    written = queue.SimpleQueue[Sequence[tuple[str, str, str]]]()

    def write(events: Sequence[tuple[str, str, str]]) -> None:
        if any("alice" in text for _, _, text in events):
            raise ValueError("a bug, and alice's line")
        written.put(events)

    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as output:
        log = LogReader("web", output, write)
        os.write(writer, b"info: one\ninfo: alice\ninfo: al")
        assert written.get(timeout=10) == [("error", "web", "2 lines cannot be logged: ValueError")]
        os.write(writer, b"ice\ninfo: two\n")
        assert written.get(timeout=10) == [("error", "web", "2 lines cannot be logged: ValueError")]
        os.write(writer, b"info: three\n")
        assert written.get(timeout=10) == [("info", "web", "three")]
        os.close(writer)
        log.finish()
