"""Lines of the container's log, as text and as JSON, whoever's words are in them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint.log import ContainerFormatter, write_lines
from entrypoint.log_line import LogLine

_PROGRAM = """
import asyncio, logging
from entrypoint.log import start_logging
start_logging("maintenance", {form!r}, {level!r})
log = logging.getLogger("entrypoint.maintenance.any")
log.debug("debug"); log.info("info"); log.warning("warning"); log.error("error")
asyncio.run(asyncio.sleep(0))
"""


def _written(form: str, level: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(form=form, level=level)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def _formatted(form: str, text: str, trace: bool = False) -> str:
    record = logging.LogRecord("any", logging.ERROR, "", 0, "%s", (text,), None)
    if trace:
        try:
            raise OSError("no disk")
        except OSError:
            record.exc_info = sys.exc_info()
    return ContainerFormatter(form, "maintenance").format(record)


def test_a_line_of_text() -> None:
    (line,) = _written("text", "error")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
    assert re.fullmatch(rf"{stamp} error maintenance: error", line)


def test_a_line_of_json() -> None:
    (line,) = _written("json", "error")
    found = json.loads(line)
    assert list(found) == ["time", "level", "program", "message"]
    assert (found["level"], found["program"], found["message"]) == ("error", "maintenance", "error")


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_only_what_the_level_asks_for_is_written(level: str, count: int) -> None:
    levels = ["debug", "info", "warning", "error"]
    found = [json.loads(line)["level"] for line in _written("json", level)]
    assert found == levels[-count:]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("trace", [False, True])
def test_an_event_is_one_line_whatever_is_in_it(form: str, trace: bool) -> None:
    line = _formatted(form, "a\nb\r\x1b[31m\u202e\u2028é %s", trace)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert ("no disk" in line) == trace


def test_text_is_escaped_and_letters_stay() -> None:
    assert _formatted("text", "é\x1b\n").endswith(r" error maintenance: é\x1b\n")


_FAULT = """
import sys
from pathlib import Path
from entrypoint import pseudonyms
pseudonyms.use("akey", "+", Path(sys.argv[1]))
found = pseudonyms.Pseudonyms.of_this_start(Path(sys.argv[1]))
from entrypoint import log
log.Pseudonyms.of_this_start = lambda: found
log.start_logging("maintenance", sys.argv[2])
def of(address): raise ValueError(f"what is {address}?")
of("wendy" + chr(64) + "example.org")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_nobody_caught_is_one_line_without_an_address(tmp_path: Path, form: str) -> None:
    command = [sys.executable, "-c", _FAULT, str(tmp_path / "key"), form]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "error" in line
    assert "a fault of its own: what is user-" in line
    assert "in of" in line  # the traceback
    assert "wendy" not in line.replace('"wendy" +', "")


def test_lines_of_others_are_logged_as_they_are(logged: list[tuple[str, str]]) -> None:
    log = logging.getLogger("entrypoint.any")
    write_lines(log, [LogLine("warning", "100 %s"), LogLine("info", "b")])
    assert logged == [("warning", "100 %s"), ("info", "b")]
