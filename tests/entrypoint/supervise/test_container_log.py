"""Lines of many programs in one log: whole, and never waited for once nobody reads."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import re
import threading

import pytest

from entrypoint.supervise.container_log import ContainerLog, in_pieces


def test_a_piece_is_of_whole_lines_and_no_longer_than_asked() -> None:
    chance = random.Random(4)
    lines = [b"x" * chance.choice([0, 1, 80, 4094, 4095, 4096, 9000]) + b"\n" for _ in range(500)]
    pieces = list(in_pieces(lines, 4096))
    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= 4096 or piece.count(b"\n") == 1 for piece in pieces)
    # As few as possible: no two neighbours would have fitted together.
    assert all(len(one) + next_.find(b"\n") + 1 > 4096 for one, next_ in itertools.pairwise(pieces))


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_of_several_programs_are_not_mixed(blocking: bool) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)

    def say(letter: str) -> None:
        log = ContainerLog("text", "info", writer)
        for length in range(1, 300):
            log.write([("info", letter, letter * length * 3) for _ in range(7)])

    threads = [threading.Thread(target=say, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    closing = threading.Thread(
        target=lambda: ([thread.join() for thread in threads], os.close(writer))
    )
    closing.start()
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    closing.join()
    assert len(lines) == 3 * 299 * 7
    form = re.compile(r"\S+ info (?:a: a+|b: b+|c: c+)")
    assert not [line for line in lines if not form.fullmatch(line)]


def test_without_a_reader_the_program_goes_on() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = ContainerLog("text", "info", writer)
    log.write([("error", "smtpd", "x")])
    os.close(writer)
    log.write([("error", "smtpd", "x")])


def test_what_is_below_the_level_is_left_out() -> None:
    reader, writer = os.pipe()
    log = ContainerLog("text", "warning", writer)
    log.write([("info", "smtpd", "a"), ("error", "smtpd", "b"), ("debug", "smtpd", "c")])
    log.write([("info", "smtpd", "a")])
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        (line,) = pipe.read().splitlines()
    assert line.endswith(b" error smtpd: b")
