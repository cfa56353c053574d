"""Dovecot's errors are written once.

`dovecot/*.log` are transcripts of Dovecot's: `!` begins a line that is written as an error, `-` one
that repeats an earlier one and goes to `debug`, `=` any other.
"""

import os
from pathlib import Path

import pytest

from entrypoint.supervise import dovecot_log
from entrypoint.supervise.repeated_errors import RepeatedErrors

TRANSCRIPTS = sorted((Path(__file__).parent / "dovecot").glob("*.log"))
LATER = 3600


def written(errors: RepeatedErrors, line: str) -> str:
    """At which level."""
    level, message = dovecot_log.classify(line)
    return errors.level(level, message)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript(path: Path) -> None:
    now = [0.0]
    errors = RepeatedErrors(lambda: now[0])
    levels = {"!": "error", "-": "debug", "=": "info"}
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert [written(errors, line[2:]) for line in lines] == [levels[line[0]] for line in lines]
    # What goes on is said again.
    now[0] += LATER
    assert written(errors, lines[0][2:]) == "error"


def test_what_was_said_is_remembered_for_the_next_of_the_same_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, path = "Fatal: Failed to start listeners", tmp_path / "said"
    first = RepeatedErrors()
    assert written(first, line) == "error"
    first.save(path)
    second = RepeatedErrors()
    second.load(path)
    assert written(second, line) == "debug"
    monkeypatch.setattr(os, "getppid", lambda: 1)
    of_another = RepeatedErrors()
    of_another.load(path)
    assert written(of_another, line) == "error"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"parent": 1, "said": 3}', "\0"])
def test_a_broken_file_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "said"
    path.write_text(content)
    errors = RepeatedErrors()
    errors.load(path)
    errors.load(tmp_path / "not there")
    assert written(errors, "Fatal: x") == "error"


def test_it_stays_small() -> None:
    errors = RepeatedErrors(lambda: 0.0)
    for number in range(5_000):
        written(errors, f"imap(a@b)<{number}><x>: Error: {number} failed: x (y {number})")
    assert len(errors._said) <= 1_000
    assert len(errors._sessions) <= 200
