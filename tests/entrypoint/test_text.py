"""Tables, times and counts as a person reads them; strangers' words do nothing to a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.text import (
    aligned,
    columns,
    counted,
    day,
    hours,
    minute,
    printable,
    printable_lines,
    second,
    table,
)


def test_columns_are_aligned_and_lines_have_no_spaces_at_their_end() -> None:
    rows = [("NAME", "COUNT", "NOTE"), ("a", "7", ""), ("longer", "1000", "x")]
    assert list(table(rows)) == ["NAME    COUNT  NOTE", "a       7", "longer  1000   x"]
    assert list(table(rows, right=(1,)))[1:] == ["a           7", "longer   1000  x"]
    assert list(table([])) == []


def test_columns_are_those_of_a_terminal() -> None:
    assert [columns(text) for text in ("abc", "é", "日本", "e\u0301")] == [3, 1, 4, 1]
    assert list(table([("日本", "x"), ("abcd", "y")])) == ["日本  x", "abcd  y"]


def test_a_line_whose_widths_are_known() -> None:
    assert aligned(("ok", "dns", "a long detail"), (4, 5, 0)) == "ok    dns    a long detail"


def test_times_are_in_utc() -> None:
    moment = 1764058840.9
    assert day(moment) == "2025-11-25"
    assert minute(moment) == "2025-11-25 08:20"
    assert second(moment) == "2025-11-25T08:20:40Z"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0h00m"), (-5, "0h00m"), (59, "0h00m"), (18_061, "5h01m")]
)
def test_hours(seconds: float, text: str) -> None:
    assert hours(seconds) == text


def test_counts() -> None:
    assert [counted(count, "message") for count in (0, 1, 2)] == [
        "0 messages",
        "1 message",
        "2 messages",
    ]


HOSTILE = {
    "a colour": ("\x1b[31m", r"\x1b[31m"),
    "a title": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "CSI as C1": ("\x9b31m", r"\x9b31m"),
    "NEL": ("a\x85b", r"a\x85b"),
    "a line again": ("ok\rfail", r"ok\rfail"),
    "backspaces": ("no\b\bok", r"no\x08\x08ok"),
    "a bidirectional override": ("\u202etxt.exe", r"\u202etxt.exe"),
    "isolates": ("\u2066\u2069", r"\u2066\u2069"),
    "marks": ("\u200e\u200f\u061c", r"\u200e\u200f\u061c"),
    "separators": ("\u2028\u2029", r"\u2028\u2029"),
    "invisible": ("\ufeff\u200b\u00ad", r"\ufeff\u200b\xad"),
    "a tag": ("\U000e0041", r"\U000e0041"),
    "half of a pair": ("\ud800", r"\ud800"),
    "DEL and NUL": ("\x7f\x00", r"\x7f\x00"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_does_not_print_is_escaped(case: str) -> None:
    text, shown = HOSTILE[case]
    assert printable(text) == shown
    assert printable_lines(f"a\t{text}\nb\n{text}") == f"a\t{shown}\nb\n{shown}"


def test_letters_of_every_script_stay() -> None:
    text = "Grüße, Привет, 你好, שלום, नमस्ते 👋"
    assert printable(text) == text
    assert printable_lines(f"{text}\n\n\t{text}\n") == f"{text}\n\n\t{text}\n"


# -- at the command line -----------------------------------------------------------------------

MESSAGE = b"Subject: x\r\n\t\x1b[31m\xc2\x9b\xe2\x80\xae\xff\n.\n\n\xc3\xa4"
SMTPCTL = """#!/usr/bin/python3
import sys
sys.stdout.buffer.write({printed!r})
sys.stderr.buffer.write({said!r})
sys.exit({status})
"""


def queue(
    folder: Path, *arguments: str, printed: bytes = b"", said: bytes = b"", status: int = 0
) -> tuple[int, bytes, bytes]:
    """What `signpost queue` does with an smtpctl that prints this; its status, output, errors."""
    program = folder / "setpriv"  # which runs smtpctl
    program.write_text(SMTPCTL.format(printed=printed, said=said, status=status))
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "entrypoint.cli", "queue", *arguments],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONUTF8": "1"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


ENVELOPE = b"inet4|mta||a\x1b@x.test|b\xc2\x9b@y.test|b@y.test|1|2|0|0|pending|9|451 \x1b[31m\xff\r"


@pytest.mark.parametrize("arguments", [("show", "0123abcd"), ("show", "0123456789abcdef")])
def test_a_message_is_escaped_for_a_pipe_too(arguments: tuple[str, str], tmp_path: Path) -> None:
    status, printed, _ = queue(tmp_path, *arguments, printed=MESSAGE)
    shown = "Subject: x\\r\n\t\\x1b[31m\\x9b\\u202e\\xff\n.\n\nä\n"
    assert (status, printed.decode()) == (0, shown * (2 if len(arguments[1]) == 16 else 1))


def test_a_raw_message_is_each_of_its_bytes(tmp_path: Path) -> None:
    assert queue(tmp_path, "show", "--raw", "0123abcd", printed=MESSAGE)[:2] == (0, MESSAGE)


def test_the_list_is_escaped(tmp_path: Path) -> None:
    line = b"0123456789abcdef|" + ENVELOPE + b"\n"
    status, printed, _ = queue(tmp_path, "list", printed=line)
    assert status == 0
    assert re.fullmatch(
        rb"0123456789abcdef \S+ pending "
        rb"<a\\x1b@x\.test> -> <b\\x9b@y\.test> 451 \\x1b\[31m\\xff\\r\n",
        printed,
    ), printed


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "0123abcd"), ("flush",), ("remove", "0123abcd")]
)
def test_what_smtpctl_says_is_escaped(arguments: tuple[str, ...], tmp_path: Path) -> None:
    status, printed, errors = queue(tmp_path, *arguments, said=b"no\x1b[31m\xc2\x9b", status=1)
    assert status == 1
    assert b"no\\x1b[31m\\x9b" in errors
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", printed + errors)
